"""Saves and restores parameters and whole runs with Orbax."""

from collections.abc import Callable
from concurrent import futures
import json
import logging
import os
import pathlib
import shutil
from typing import Any

from flax import traverse_util
import jax
import numpy as np

from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import folders
from gat_jax.runs.states import stored

BEST = 'best'
CHECKPOINTS = 'checkpoints'
_KEPT = 2
# Of what a checkpoint holds. Another number says that its arrays, though they
# have the same names and shapes, mean something else.
_LAYOUT = 1
_ARRAYS = 'arrays'
_FACTS = 'facts/metadata'
_GO_ON = 'mend that and start again: it goes on from the last checkpoint'


class Checkpoints:
  """The last states of a run, in `workdir/checkpoints`, each whole or absent.

  Writing goes on in the background, and what was written is read back. Every
  checkpoint has the SHA-256 of its arrays and the version of its layout.
  """

  def __init__(
    self, workdir: str | os.PathLike, *, discard_unreadable: bool = False
  ):
    """Nothing is written before the first `save`.

    Args:
      workdir: where the folder is.
      discard_unreadable: where there are checkpoints and none can be used, drop
        them; else that is an error.
    """
    self._path = folders.folder(workdir).absolute() / CHECKPOINTS
    self._discard_unreadable = discard_unreadable
    self._pool = futures.ThreadPoolExecutor(1, 'checkpoint')
    self._writing: futures.Future | None = None

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, unused_type, error, unused_traceback) -> None:
    try:
      self.wait()
    except Exception as another:
      # Whatever ended the run is what the caller has to hear of. One that was
      # asked to end has waited for its checkpoint.
      if error is None:
        raise
      folders.mention(another, error)
    finally:
      self._pool.shutdown()

  def save(self, epoch: int, tree: Any, facts: dict[str, Any]) -> None:
    """Writes the state after an epoch.

    Args:
      epoch: how far the run is.
      tree: any pytree of arrays; a copy is made before this returns.
      facts: JSON that is given back with it.

    Raises:
      WorkdirError: if this or the one before could not be written.
    """
    self.wait()
    arrays = {name: np.array(x) for name, x in _by_path(tree).items()}
    with folders.explained(self._path, self._path, _GO_ON):
      storage.make_folder(self._path)
    _require_space(self._path.parent, arrays)
    self._writing = self._pool.submit(self._write, epoch, arrays, facts)

  def wait(self) -> None:
    """Waits for what is being written.

    Raises:
      WorkdirError: if it could not be written.
    """
    writing, self._writing = self._writing, None
    if writing:
      writing.result()

  def _write(
    self, epoch: int, arrays: dict[str, np.ndarray], facts: dict[str, Any]
  ) -> None:
    with folders.explained(self._path, self._path, _GO_ON):
      # The run is at this epoch: it could not use what is there of later ones.
      # One of the same epoch goes only when the new one is whole: within a long
      # epoch it may be all that there is.
      former = [old for old in self._epochs() if old <= epoch]
      self._remove_all_but(former)
      with storage.whole_folder(self._path / str(epoch)) as new:
        new.mkdir()
        stored.write(new / _ARRAYS, arrays)
        facts = {**facts, 'layout': _LAYOUT, 'sha256': stored.digest_of(arrays)}
        (new / _FACTS).parent.mkdir()
        folders.write_json(new / _FACTS, facts)
      self._remove_all_but(sorted({*former, epoch})[-_KEPT:])

  def clear(self) -> None:
    """Removes them all, once the run has finished and nothing goes on from one.

    What cannot be removed stays, and does no harm.

    Raises:
      WorkdirError: if the last one could not be written.
    """
    self.wait()
    shutil.rmtree(self._path, ignore_errors=True)

  def _epochs(self) -> list[int]:
    """Of all checkpoints, in order."""
    if not self._path.is_dir():
      return []
    names = storage.whole_names(self._path)
    return sorted(int(name) for name in names if name.isdecimal())

  def _remove_all_but(self, epochs: list[int]) -> None:
    """Removes other checkpoints, and what is left of those that a kill cut."""
    kept = {storage.whole(self._path / str(epoch)) for epoch in epochs}
    for path in sorted(self._path.iterdir()):  # those that were cut first
      name = path.name
      is_cut = name.startswith('.') or '.orbax-checkpoint-tmp' in name
      if path not in kept and (is_cut or name.isdecimal()):
        storage.remove_folder(path)

  def latest(
    self,
    like: Any,
    lacks: Callable[[dict[str, Any]], str] = lambda facts: '',
  ) -> tuple[int, Any, dict[str, Any]] | None:
    """The newest checkpoint that can be used.

    Args:
      like: a pytree with the structure, shapes and dtypes that are expected.
      lacks: says of a checkpoint's facts what else it needs and lacks.

    Returns:
      Its epoch, tree and facts; None if there is none.

    Raises:
      WorkdirError: if there are some and none can be used, or if one is
        refused by the system.
    """
    expected = _by_path(like)
    reasons = []
    for epoch in reversed(self._epochs()):
      try:
        arrays, facts = self._read(epoch, expected)
        if missing := lacks(facts):
          raise stored.UnusableError(missing)
      except stored.UnusableError as error:
        reasons.append(f'{epoch} {error}')
        continue
      for reason in reasons:
        logging.warning(
          '%s: checkpoint %s; the one before it is used', self._path, reason
        )
      leaves = [arrays[path] for path in expected]
      tree = jax.tree.unflatten(jax.tree.structure(like), leaves)
      return epoch, tree, facts
    if not reasons:
      return None
    problem = f'none of the checkpoints can be used: {"; ".join(reasons)}'
    if not self._discard_unreadable:
      raise WorkdirError(
        self._path,
        problem,
        'go on with the version that wrote them, or train anew: with'
        ' `discard_unreadable`, or in another folder',
      )
    logging.warning('%s: %s; they are dropped', self._path, problem)
    with folders.explained(self._path, self._path, _GO_ON):
      self._remove_all_but([])
    return None

  def _read(
    self, epoch: int, expected: dict[str, np.ndarray]
  ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    path = storage.whole(self._path / str(epoch))
    with stored.damage(path / _FACTS):
      facts = json.loads((path / _FACTS).read_text(encoding='utf-8'))
      layout, digest = facts.get('layout', 1), facts['sha256']
    if layout != _LAYOUT:
      raise stored.UnusableError(
        f'has layout {layout} where this version knows {_LAYOUT}'
      )
    with stored.damage(path / _ARRAYS):
      arrays = stored.read(path / _ARRAYS)
      if stored.digest_of(arrays) != digest:
        raise ValueError('its SHA-256 is not the one it was written with')
    if other := stored.difference(arrays, expected):
      raise stored.UnusableError(f'has other arrays than this version: {other}')
    return arrays, facts


def _require_space(folder: pathlib.Path, tree: Any) -> None:
  num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
  folders.require_space(folder, 2 * num_bytes)  # Orbax moves them once


def _by_path(tree: Any) -> dict[str, np.ndarray]:
  """Leaves by their place in the tree, in the tree's order."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def save_best(workdir: str | os.PathLike, params: Any) -> None:
  """Writes the kept parameters of all seeds into `workdir/best`.

  Args:
    workdir: the run's folder.
    params: a nested dict of arrays [R, ...], one row a seed.

  Raises:
    WorkdirError: if they cannot be written, or not be read again.
  """
  path = folders.folder(workdir).absolute() / BEST
  _require_space(path.parent, params)
  with (
    folders.explained(path, path, _GO_ON),
    storage.whole_folder(path) as new,
  ):
    stored.write(new, jax.tree.map(np.asarray, params))


def load_best(workdir: str | os.PathLike, like: Any) -> Any:
  """Reads what `save_best` wrote.

  Args:
    workdir: the run's folder.
    like: nested dict of shapes and dtypes [R, ...] that are expected; more rows
      than that may be there.

  Raises:
    WorkdirError: if there are none or they do not fit.
  """
  expected = {name: _blank(x) for name, x in stored.by_keys(like).items()}
  found = _read_best(workdir)
  rows = {name: len(array) for name, array in expected.items()}
  found = {name: x[: rows.get(name)] for name, x in found.items()}
  if other := stored.difference(found, expected):
    path = folders.folder(workdir) / BEST
    raise WorkdirError(path, f'has parameters of another model: {other}')
  leaves = [found[name] for name in expected]
  return jax.tree.unflatten(jax.tree.structure(like), leaves)


def join_best(
  workdir: str | os.PathLike, num_seeds: int, more: str | os.PathLike
) -> None:
  """Adds the parameters of one run to those of another, seed by seed.

  Args:
    workdir: of the run that gets them.
    num_seeds: how many it had of its own; other rows are replaced.
    more: the folder of the other.

  Raises:
    WorkdirError: see `load_best` and `save_best`.
  """
  own, others = (_read_best(place) for place in (workdir, more))
  if own.keys() != others.keys():
    raise WorkdirError('workdir', f'{workdir} and {more} have other parameters')
  joined = {
    name: np.concatenate([own[name][:num_seeds], others[name]]) for name in own
  }
  save_best(workdir, traverse_util.unflatten_dict(joined, sep='/'))


def _read_best(workdir: str | os.PathLike) -> dict[str, np.ndarray]:
  path = storage.whole(folders.folder(workdir).absolute() / BEST)
  if not path.is_dir():
    raise WorkdirError(
      path, 'missing', '`workdir` must be the folder of a finished run'
    )
  try:
    with stored.damage(path):
      return stored.by_keys(stored.read(path))
  except stored.UnusableError as error:
    raise WorkdirError(path, str(error)) from error


def _blank(like: Any) -> np.ndarray:
  """An array of that shape and dtype that needs no memory."""
  return np.broadcast_to(np.zeros((), like.dtype), like.shape)
