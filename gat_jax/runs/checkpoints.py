"""Saves and restores parameters and whole runs with Orbax."""

from collections.abc import Iterator
import contextlib
import hashlib
import logging
import os
import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs
from gat_jax.runs.observers import Ended

BEST = 'best'
CHECKPOINTS = 'checkpoints'
_KEPT = 2


class Checkpoints:
  """The last states of a run, in `workdir/checkpoints`, each whole or absent.

  Writing goes on in the background. Every checkpoint has the SHA-256 of its
  arrays; one that has other bytes is as good as none.
  """

  def __init__(self, workdir: str | os.PathLike):
    """Opens the folder; nothing is written before the first `save`."""
    self._path = pathlib.Path(workdir).absolute() / CHECKPOINTS
    self._manager = ocp.CheckpointManager(
      self._path, options=ocp.CheckpointManagerOptions(max_to_keep=_KEPT)
    )

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, unused_type, error, unused_traceback) -> None:
    try:
      with _explained(self._path):
        self._manager.close()  # waits for what is being written
    except WorkdirError as another:
      # Whatever ended the run is what the caller has to hear of; an
      # interrupted run, though, needs the checkpoint that was not written.
      if error is None or isinstance(error, Ended):
        raise
      workdirs.mention(another, error)

  def save(self, epoch: int, tree: Any, facts: dict[str, Any]) -> None:
    """Writes the state after an epoch, once.

    Args:
      epoch: how far the run is.
      tree: any pytree of arrays; a copy is made before this returns.
      facts: JSON that is given back with it.

    Raises:
      WorkdirError: if this or the one before could not be written.
    """
    if epoch in self._manager.all_steps():
      return
    arrays = _by_path(tree)
    _require_space(self._path.parent, arrays)
    with _explained(self._path):
      self._manager.save(
        epoch,
        args=ocp.args.Composite(
          arrays=ocp.args.StandardSave(arrays),
          facts=ocp.args.JsonSave({**facts, 'sha256': _digest(arrays)}),
        ),
      )

  def latest(self, like: Any) -> tuple[int, Any, dict[str, Any]] | None:
    """The newest checkpoint that is sound.

    Args:
      like: a pytree with the structure, shapes and dtypes that are expected.

    Returns:
      Its epoch, tree and facts; None if there is none.
    """
    target = {k: np.zeros_like(v) for k, v in _by_path(like).items()}
    for epoch in sorted(self._manager.all_steps(), reverse=True):
      try:
        found = self._manager.restore(
          epoch,
          args=ocp.args.Composite(
            arrays=ocp.args.StandardRestore(target),
            facts=ocp.args.JsonRestore(),
          ),
        )
        if _digest(found.arrays) != found.facts['sha256']:
          raise ValueError('its SHA-256 is not the one it was written with')
      except (OSError, KeyError, TypeError, ValueError) as error:
        logging.warning(
          '%s is damaged (%s); the one before it is used',
          self._path / str(epoch),
          str(error)[:200],
        )
        continue
      leaves = [found.arrays[path] for path in target]
      tree = jax.tree.unflatten(jax.tree.structure(like), leaves)
      return epoch, tree, found.facts
    return None


def _require_space(folder: pathlib.Path, tree: Any) -> None:
  num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
  workdirs.require_space(folder, 2 * num_bytes)  # Orbax moves them once


@contextlib.contextmanager
def _explained(path: pathlib.Path) -> Iterator[None]:
  """Turns what Orbax raises where it cannot write into a WorkdirError."""
  try:
    yield
  except (OSError, RuntimeError, ValueError) as error:
    raise WorkdirError(
      path,
      f'cannot be written ({str(error)[:200]})',
      'mend that and start again: it goes on from the last checkpoint',
    ) from error


def _by_path(tree: Any) -> dict[str, np.ndarray]:
  """Leaves by their place in the tree, in the tree's order."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _digest(arrays: dict[str, np.ndarray]) -> str:
  digest = hashlib.sha256()
  for path in sorted(arrays):
    array = np.ascontiguousarray(arrays[path])
    digest.update(f'{path} {array.dtype} {array.shape}'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()


def save_best(workdir: str | os.PathLike, params: Any) -> None:
  """Writes the kept parameters of all seeds into `workdir/best`.

  Args:
    workdir: the run's folder.
    params: a nested dict of arrays [R, ...], one row a seed.

  Raises:
    WorkdirError: if they cannot be written.
  """
  path = pathlib.Path(workdir).absolute() / BEST
  _require_space(path.parent, params)
  with _explained(path), ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(path, jax.tree.map(np.asarray, params), force=True)


def load_best(workdir: str | os.PathLike, like: Any) -> Any:
  """Reads what `save_best` wrote.

  Args:
    workdir: the run's folder.
    like: nested dict of shapes and dtypes [R, ...] that are expected.

  Raises:
    WorkdirError: if there are none or they do not fit.
  """
  path = pathlib.Path(workdir).absolute() / BEST
  if not path.is_dir():
    raise WorkdirError(
      path, 'missing', '`workdir` must be the folder of a finished run'
    )
  target = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like)
  try:
    with ocp.StandardCheckpointer() as checkpointer:
      restored = checkpointer.restore(path, target)
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise WorkdirError(
      path, f'damaged, or of another model ({error})'
    ) from error
  return restored
