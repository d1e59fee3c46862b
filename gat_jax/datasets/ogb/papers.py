"""The files of ogbn-papers100M, whose arrays are in two .npz files.

They hold 111 million nodes and 1.6 billion edges. Their features stay where
they are and are mapped into memory; the edges are sorted on the disk. Where an
.npz is compressed, which no array can be mapped from, they are unpacked once.

Shapes: N nodes, E0 edges, D features.
"""

import math
import pathlib
from typing import IO, Literal
import zipfile
import zlib

import numpy as np

from gat_jax.datasets.ogb.source import Source

DATA, LABELS = 'raw/data.npz', 'raw/node-label.npz'
# Arrays that nothing asks for any more once the edges are sorted.
READ_ONCE = ('edge_index', 'node_label', 'num_nodes_list', 'num_edges_list')
_LOCAL_HEADER = 30  # bytes of a zip's header of a member, before its name


def mapped(
  source: Source, member: str, key: str, folder: pathlib.Path
) -> np.ndarray:
  """An array of an .npz, mapped from it, as `numpy.savez` stores it.

  Args:
    source: a folder.
    member: the .npz.
    key: of the array.
    folder: to unpack it into, if it is compressed and not there yet.

  Raises:
    DataError: if it is missing or damaged.
    OSError: if it cannot be unpacked into `folder`.
  """
  path = source.path / member
  if not source.has(member):
    source.fail(member, 'is missing')
  try:
    with zipfile.ZipFile(path) as archive, open(path, 'rb') as file:
      names = [name.removesuffix('.npy') for name in archive.namelist()]
      if key not in names:
        source.fail(member, f'has no array {key}, but {", ".join(names)}')
      info = archive.getinfo(f'{key}.npy')
      if info.compress_type == zipfile.ZIP_STORED:
        return _mapped(source, member, info, file)
  except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
    source.fail(member, f'is damaged, or cannot be read ({error})')
  return _unpacked(source, member, key, folder)


def _mapped(
  source: Source, member: str, info: zipfile.ZipInfo, file: IO[bytes]
) -> np.ndarray:
  """The array of a member that is not compressed."""
  file.seek(info.header_offset + 26)
  lengths = np.frombuffer(file.read(4), '<u2')
  start = info.header_offset + _LOCAL_HEADER + int(lengths.sum())
  file.seek(start)
  version = np.lib.format.read_magic(file)
  read = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
  }[version]
  shape, fortran, dtype = read(file)
  size = file.tell() - start + math.prod(shape) * dtype.itemsize
  if dtype.hasobject or size != info.file_size:
    source.fail(
      member, f'has another array {info.filename} than its header says'
    )
  order: Literal['F', 'C'] = 'F' if fortran else 'C'
  return np.memmap(
    source.path / member,
    dtype=dtype,
    mode='r',
    offset=file.tell(),
    shape=shape,
    order=order,
  )


def _unpacked(
  source: Source, member: str, key: str, folder: pathlib.Path
) -> np.ndarray:
  """The array of one that is, mapped from a file of its own."""
  path = folder / f'{key}.npy'
  if not path.exists():
    with (
      zipfile.ZipFile(source.path / member) as archive,
      archive.open(path.name) as packed,
      open(path, 'xb') as file,
    ):
      while block := _read(source, member, packed):
        file.write(block)
  try:
    return np.load(path, mmap_mode='r', allow_pickle=False)
  except ValueError as error:
    source.fail(member, f'has no array {key} that can be mapped ({error})')


def _read(source: Source, member: str, packed: IO[bytes]) -> bytes:
  """Some of what is packed; a disk that is full is no damage of this."""
  try:
    return packed.read(2**24)
  except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
    source.fail(member, f'is damaged, or cannot be read ({error})')


def sizes(source: Source, folder: pathlib.Path) -> tuple[int, int]:
  """N and E0, from the arrays `num_nodes_list` and `num_edges_list`.

  Raises:
    DataError: if there is no such number, or more than one.
  """
  found = []
  for key in ('num_nodes_list', 'num_edges_list'):
    array = mapped(source, DATA, key, folder)
    if array.size != 1 or array.dtype.kind not in 'iu' or array.flat[0] < 1:
      source.fail(DATA, f'has {key} of shape {array.shape}, not one number')
    found.append(int(array.flat[0]))
  return found[0], found[1]


def edges(
  source: Source, num_nodes: int, num_edges: int, folder: pathlib.Path
) -> np.ndarray:
  """[2, E0] of integers, senders and receivers, mapped.

  Raises:
    DataError: if they are something else, or an end is no node.
  """
  found = mapped(source, DATA, 'edge_index', folder)
  if found.shape != (2, num_edges) or found.dtype.kind not in 'iu':
    source.fail(
      DATA,
      f'has edge_index {found.shape} of {found.dtype}, not {(2, num_edges)} of'
      ' integers',
    )
  for start in range(0, num_edges, 2**24):
    part = found[:, start : start + 2**24]
    if part.min() < 0 or part.max() >= num_nodes:
      source.fail(
        DATA,
        f'has an edge_index that is not in 0..{num_nodes - 1}, after edge'
        f' {start:,}',
      )
  return found


def features(
  source: Source, num_nodes: int, folder: pathlib.Path
) -> np.ndarray:
  """[N, D] float32, mapped.

  Raises:
    DataError: if they are something else.
  """
  found = mapped(source, DATA, 'node_feat', folder)
  if found.ndim != 2 or len(found) != num_nodes or found.dtype != np.float32:
    source.fail(
      DATA,
      f'has node_feat {found.shape} of {found.dtype}, not {num_nodes:,} rows of'
      ' float32',
    )
  return found


def check_features(source: Source, found: np.ndarray) -> None:
  """Refuses NaN and infinity.

  Raises:
    DataError: names the first node that has one.
  """
  for start in range(0, len(found), 2**18):
    finite = np.isfinite(found[start : start + 2**18]).all(axis=1)
    if not finite.all():
      node = start + int(finite.argmin())
      source.fail(DATA, f'has NaN or infinity in node_feat, at node {node:,}')


def labels(
  source: Source, num_nodes: int, num_classes: int, folder: pathlib.Path
) -> np.ndarray:
  """[N] int32 classes, -1 for none, which the file has as NaN.

  Raises:
    DataError: if they are something else.
  """
  found = mapped(source, LABELS, 'node_label', folder)
  if found.size != num_nodes or found.dtype.kind not in 'fiu':
    source.fail(
      LABELS,
      f'has node_label {found.shape} of {found.dtype}, not a number for each of'
      f' {num_nodes:,} nodes',
    )
  values = np.where(np.isnan(found), -1, found).reshape(-1)
  wrong = (values < -1) | (values >= num_classes) | (values % 1 != 0)
  if wrong.any():
    node = int(wrong.argmax())
    source.fail(
      LABELS,
      f'has the label {values[node]:g} at node {node:,}, none of'
      f' {num_classes} classes',
    )
  return values.astype(np.int32)
