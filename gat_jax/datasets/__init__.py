"""Data sets by name: from files or a draw to graphs, on the host, verified."""

from collections.abc import Callable
import difflib
import inspect
import pathlib
from typing import Any

from gat_jax.datasets import npz
from gat_jax.datasets import planetoid
from gat_jax.datasets import ppi
from gat_jax.datasets import synthetic
from gat_jax.datasets.structures import SPLITS as SPLITS
from gat_jax.datasets.structures import Dataset as Dataset
from gat_jax.datasets.structures import Example as Example
from gat_jax.errors import DataError

_LOADERS: dict[str, Callable[..., Dataset]] = {
  **dict.fromkeys(planetoid.NAMES, planetoid.load),
  'csbm': synthetic.load,
  'ppi': ppi.load,
}
_FOR_ALL = ('name', 'path', 'data_dir', 'progress')


def load(
  name: str,
  data_dir: str | None = None,
  *,
  progress: bool = False,
  **options: Any,
) -> Dataset:
  """Loads a data set.

  Args:
    name: `cora`, `citeseer`, `pubmed`, `csbm`, `ppi`, or the path of a user's
      .npz.
    data_dir: the only folder to look for files in, if given.
    progress: show a progress bar while downloading.
    **options: the other fields of `config.dataset`; the loaders explain them.

  Returns:
    The data set, with self-loops and edges sorted by receiver.

  Raises:
    DataError: if there is no such data set or option, or its files are missing
      or malformed.
  """
  if name.lower().endswith('.npz'):
    _check_options(npz.load, options, name)
    return npz.load(pathlib.Path(name), data_dir, **options)
  loader = _LOADERS.get(name)
  if loader is None:
    raise DataError(
      f'config.dataset.name={name}: there is no such data set; choose one of'
      f' {", ".join(_LOADERS)}, or the path of an .npz file'
      + _did_you_mean(name, list(_LOADERS))
    )
  _check_options(loader, options, name)
  return loader(name, data_dir, progress, **options)


def _check_options(
  loader: Callable[..., Dataset], options: dict[str, Any], name: str
) -> None:
  parameters = inspect.signature(loader).parameters
  known = [p for p in parameters if p not in _FOR_ALL]
  for option, value in options.items():
    if option not in known:
      raise DataError(
        f'config.dataset.{option} means nothing to {name}, which knows'
        f' {", ".join(known)}' + _did_you_mean(option, known)
      )
    wanted = parameters[option].annotation
    fits = isinstance(value, int | float if wanted is float else wanted)
    if not fits or (isinstance(value, bool) and wanted is not bool):
      raise DataError(
        f'config.dataset.{option}={value!r} must be of type {wanted.__name__}'
      )


def _did_you_mean(word: str, known: list[str]) -> str:
  close = difflib.get_close_matches(word, known, n=1)
  return f'; did you mean {close[0]}?' if close else ''
