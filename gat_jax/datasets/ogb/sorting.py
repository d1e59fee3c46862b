"""Edges on a disk, brought into the order that layers and samplers read.

What `graphs.prepare` does in memory is done here for some receivers at a time,
so that a graph may have more edges than memory.

Shapes: N nodes, E0 edges that a file has, E edges that are written, D features
of an edge.
"""

from collections.abc import Callable, Iterator
import contextlib
import pathlib
from typing import Any, NoReturn

import numpy as np

from gat_jax.graphs import MOST_EDGES
from gat_jax.graphs import stable_order

# Edges that are sorted at once, and that are read at once.
MOST, _CHUNK = 2**25, 2**24


def sort_edges(
  edges: np.ndarray,
  num_nodes: int,
  folder: pathlib.Path,
  fail: Callable[[str], NoReturn],
  *,
  both_ways: bool,
  features: np.ndarray | None = None,
  most: int = MOST,
) -> tuple[np.ndarray, np.ndarray]:
  """Writes senders.npy, receivers.npy and, of features, edge_features.npy.

  They are those of `graphs.prepare` with self-loops and `duplicates='merge'`:
  sorted by receiver, then by sender, each edge once. Self-loops have the mean
  of the features of the edges that come in.

  Args:
    edges: [2, E0], senders and receivers, in [0, N); may be mapped from a file.
    num_nodes: N.
    folder: to write into.
    fail: raises the error of the file that they come from.
    both_ways: adds the reverse of each edge.
    features: [E0, D] float32 of the edges, or None; may be mapped.
    most: edges that are sorted at once, or numbers of edges with features.

  Returns:
    Of the edges that come in at each node, without self-loops that were added:
    [N, D] float64, the sums of their features, and [N] int64, how many.
  """
  counts = np.ones(num_nodes, np.int64)  # of a self-loop, and of edges
  for receivers, _, _ in _chunks(edges, both_ways):
    counts += np.bincount(receivers, minlength=num_nodes)
  if counts.sum() > MOST_EDGES:
    fail(f'has {counts.sum():,} edges and self-loops, more than {MOST_EDGES:,}')
  width = 0 if features is None else features.shape[1]
  bounds = _bounds(counts, most // (1 + width))
  sums = np.zeros((num_nodes, width))
  with contextlib.ExitStack() as stack:

    def growing(name: str, dtype: type, width: int = 0) -> _Growing:
      path = folder / f'{name}.npy'
      return stack.enter_context(_Growing(path, dtype, width))

    out = growing('receivers', np.int32), growing('senders', np.int32)
    of_edges = growing('edge_features', np.float32, width) if width else None
    for low, high, receivers, senders, ids in _parts(
      edges, both_ways, bounds, folder
    ):
      has_loop = np.zeros(high - low, bool)
      has_loop[receivers[receivers == senders] - low] = True
      loops = np.flatnonzero(~has_loop).astype(np.int32) + np.int32(low)
      receivers = np.concatenate([receivers, loops])
      senders = np.concatenate([senders, loops])
      ids = np.concatenate([ids, np.full(len(loops), -1, np.int32)])
      order = stable_order(senders, num_nodes)
      order = order[stable_order(receivers[order] - np.int32(low), high - low)]
      receivers, senders, ids = receivers[order], senders[order], ids[order]
      is_first = np.ones(len(order), bool)
      is_first[1:] = receivers[1:] != receivers[:-1]
      is_first[1:] |= senders[1:] != senders[:-1]
      if features is not None and not is_first.all():
        _check_same(features, ids, is_first, fail)
      receivers, senders, ids = (a[is_first] for a in (receivers, senders, ids))
      counts[low:high] = np.bincount(
        receivers[ids >= 0] - low, minlength=high - low
      )
      out[0].append(receivers)
      out[1].append(senders)
      if features is not None and of_edges is not None:
        own, sums[low:high] = _features_of(features, ids, receivers)
        of_edges.append(own)
  return sums, counts


def _chunks(
  edges: np.ndarray, both_ways: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
  """Receivers, senders and which edge of the file each is, int32."""
  for start in range(0, edges.shape[1], _CHUNK):
    senders, receivers = edges[:, start : start + _CHUNK].astype(np.int32)
    ids = np.arange(start, start + len(senders), dtype=np.int32)
    if both_ways:
      senders, receivers, ids = (
        np.concatenate([senders, receivers]),
        np.concatenate([receivers, senders]),
        np.concatenate([ids, ids]),
      )
    yield receivers, senders, ids


def _bounds(counts: np.ndarray, most: int) -> np.ndarray:
  """Where receivers are cut, so that parts have about `most` edges each."""
  ends = counts.cumsum()
  num_parts = -(-int(ends[-1]) // max(1, most))
  cuts = np.searchsorted(ends, np.arange(1, num_parts) * (ends[-1] / num_parts))
  return np.unique([0, *cuts, len(counts)])


def _parts(edges, both_ways, bounds, folder):
  """Of each part: first and last receiver, receivers, senders, ids."""
  num_parts = len(bounds) - 1
  if num_parts == 1:
    chunks = list(_chunks(edges, both_ways))
    empty = np.zeros(0, np.int32)
    yield (
      0,
      int(bounds[1]),
      *(np.concatenate([empty, *(c[i] for c in chunks)]) for i in range(3)),
    )
    return
  paths = [folder / f'part{place}.tmp' for place in range(num_parts)]
  for chunk in _chunks(edges, both_ways):
    part = np.searchsorted(bounds, chunk[0], side='right') - 1
    order = stable_order(part.astype(np.int32), num_parts)
    ends = np.bincount(part, minlength=num_parts).cumsum()
    for path, own in zip(paths, np.split(order, ends[:-1]), strict=True):
      with open(path, 'ab') as file:
        file.write(np.stack([array[own] for array in chunk], axis=1).tobytes())
  for place, path in enumerate(paths):
    rows = np.fromfile(path, np.int32).reshape(-1, 3)
    path.unlink()
    yield (
      int(bounds[place]),
      int(bounds[place + 1]),
      *(np.ascontiguousarray(rows[:, i]) for i in range(3)),
    )


def _check_same(features, ids, is_first, fail) -> None:
  """Two edges that become one must have the same features."""
  again = np.flatnonzero(~is_first)
  before, after = features[ids[again - 1]], features[ids[again]]
  wrong = np.flatnonzero((before != after).any(axis=1))
  if len(wrong):
    one, two = sorted(ids[again[wrong[0]] - 1 : again[wrong[0]] + 1])
    fail(
      f'has lines {one + 1:,} and {two + 1:,} for edges between the same nodes,'
      ' with different features'
    )


def _features_of(features, ids, receivers) -> tuple[np.ndarray, np.ndarray]:
  """Of sorted edges [E, D], and their sums by receiver; -1 is a self-loop."""
  is_loop = ids < 0
  found = np.asarray(features[np.maximum(ids, 0)], np.float32)
  found[is_loop] = 0
  is_new = np.diff(receivers, prepend=-1) != 0
  starts = np.flatnonzero(is_new)
  sums = np.stack(
    [np.add.reduceat(c.astype(np.float64), starts) for c in found.T], axis=1
  )
  counts = np.add.reduceat((~is_loop).astype(np.int64), starts)
  means = sums / np.maximum(counts, 1)[:, None]
  found[is_loop] = means[(np.cumsum(is_new) - 1)[is_loop]]
  return found, sums


class _Growing:
  """An .npy file that rows are appended to."""

  def __init__(
    self, path: pathlib.Path, dtype: np.typing.DTypeLike, width: int = 0
  ):
    """Begins it.

    Args:
      path: of the file.
      dtype: of its array.
      width: of its rows; 0 for an array of one axis.
    """
    self._file = open(path, 'wb')  # noqa: SIM115, until `__exit__`
    self._dtype, self._width, self._rows = np.dtype(dtype), width, 0
    self._write_header()

  def append(self, rows: np.ndarray) -> None:
    """Adds rows, [n] or [n, width]."""
    self._file.write(np.ascontiguousarray(rows, self._dtype).data)
    self._rows += len(rows)

  def __enter__(self) -> '_Growing':
    """Itself."""
    return self

  def __exit__(self, *unused_error: Any) -> None:
    """Writes how many rows there are, for which the header has room."""
    with self._file:
      self._file.seek(0)
      self._write_header()

  def _write_header(self) -> None:
    shape = (self._rows, self._width) if self._width else (self._rows,)
    np.lib.format.write_array_header_1_0(
      self._file,
      {
        'descr': np.lib.format.dtype_to_descr(self._dtype),
        'fortran_order': False,
        'shape': shape,
      },
    )
