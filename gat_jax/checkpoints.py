"""Saves and restores parameters with Orbax."""

import os
import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from gat_jax.errors import WorkdirError

BEST = 'best'


def save_best(workdir: str | os.PathLike, params: Any) -> None:
  """Writes the kept parameters of all seeds into `workdir/best`.

  Args:
    workdir: the run's folder.
    params: a nested dict of arrays [R, ...], one row a seed.
  """
  path = pathlib.Path(workdir).absolute() / BEST
  with ocp.StandardCheckpointer() as checkpointer:
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
      f'{path} is missing; --workdir must be the folder of a finished run of'
      ' experiments.train'
    )
  target = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like)
  try:
    with ocp.StandardCheckpointer() as checkpointer:
      restored = checkpointer.restore(path, target)
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise WorkdirError(
      f'{path} is damaged or belongs to another model: {error}'
    ) from error
  return restored
