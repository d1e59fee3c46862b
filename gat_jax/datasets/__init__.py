"""Data sets by name: from files or a draw to graphs, on the host, verified."""

from collections.abc import Callable
import inspect
import pathlib
import re
from typing import Any

from gat_jax.datasets import npz
from gat_jax.datasets import ogb
from gat_jax.datasets import planetoid
from gat_jax.datasets import ppi
from gat_jax.datasets import tables
from gat_jax.datasets.drawn import csbm
from gat_jax.datasets.drawn import large
from gat_jax.datasets.drawn import relations
from gat_jax.datasets.files import cache_folder as cache_folder
from gat_jax.datasets.structures import SPLITS as SPLITS
from gat_jax.datasets.structures import Dataset as Dataset
from gat_jax.datasets.structures import Example as Example
from gat_jax.errors import DataError
from gat_jax.errors import did_you_mean

_LOADERS: dict[str, Callable[..., Dataset]] = {
  **dict.fromkeys(planetoid.NAMES, planetoid.load),
  'csbm': csbm.load,
  'large': large.load,
  'relations': relations.load,
  'ppi': ppi.load,
  **ogb.LOADERS,
  'tables': tables.load,
}
NAMES = tuple(_LOADERS)
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
    name: `cora`, `citeseer`, `pubmed`, `ppi`, one of OGB's, as `ogbn-arxiv`, or
      one that is drawn, `csbm`, `large`, `relations`; for a user's own graph
      `tables`, which takes `edges` and `nodes`, or the path of an .npz.
    data_dir: the only folder to look for files in, if given.
    progress: show a progress bar while downloading.
    **options: fields of `config.dataset` besides the name (see `options`); the
      `load` of the data set's module explains them.

  Returns:
    The data set, with self-loops and edges sorted by receiver.

  Raises:
    DataError: if there is no such data set, an option cannot be used, a file is
      missing or malformed, or there is not enough memory.
  """
  check_options(name, options)
  try:
    if _is_file(name):
      own = {n: v for n, v in options.items() if n in _parameters(name)}
      return npz.load(pathlib.Path(name), data_dir, **own)
    return _LOADERS[name](name, data_dir, progress, **options)
  except MemoryError as error:
    raise DataError(
      'memory',
      f'the data set {name} does not fit into it ({error})',
      'free some of it, or take a smaller graph',
    ) from error


def options(name: str) -> dict[str, Any]:
  """The fields of `config.dataset` that a data set has besides its name.

  Args:
    name: see `load`.

  Returns:
    Their defaults, by name of the field.

  Raises:
    DataError: if there is no such data set.
  """
  return {n: parameter.default for n, parameter in _parameters(name).items()}


def explain(name: str) -> dict[str, str]:
  """What the fields of a data set mean, by name; nothing without docstrings.

  Args:
    name: see `load`.

  Raises:
    DataError: if there is no such data set.
  """
  text = inspect.getdoc(_loader(name)) or ''
  section = re.search(r'^Args:\n(.*?)(?:\n\n|\Z)', text, re.M | re.S)
  found = re.findall(
    r'^  (\w+): (.*(?:\n    .*)*)', section[1] if section else '', re.M
  )
  return {n: ' '.join(words.split()).rstrip('.') for n, words in found}


def check_options(name: str, options: dict[str, Any]) -> None:
  """Checks the fields of `config.dataset` before anything is loaded.

  Args:
    name: see `load`.
    options: the fields besides the name; those left out have their defaults.

  Raises:
    DataError: if there is no such data set, it has no such field, or a value is
      of another type. Its `field` is `config.dataset.name`, or the field.
  """
  parameters = _parameters(name)
  of_tables = _parameters('tables')
  for option, value in options.items():
    # configs/custom.py has the fields of tables, and may name an .npz.
    if _is_file(name) and option in of_tables.keys() - parameters.keys():
      if value == of_tables[option].default:
        continue
      raise DataError(
        f'config.dataset.{option}',
        f'{value!r} changes nothing: `config.dataset.name` is {name}, which'
        ' holds the whole graph',
        'leave one of them out',
      )
    if option not in parameters:
      raise DataError(
        f'config.dataset.{option}',
        f'{name} has no such field; it has {", ".join(parameters)}',
        did_you_mean(option, parameters),
      )
    wanted = parameters[option].annotation
    fits = isinstance(value, int | float if wanted is float else wanted)
    if not fits or (isinstance(value, bool) and wanted is not bool):
      raise DataError(
        f'config.dataset.{option}',
        f'{value!r} is not of type {wanted.__name__}',
      )


def _is_file(name: str) -> bool:
  return name.lower().endswith('.npz')


def _parameters(name: str) -> dict[str, inspect.Parameter]:
  """Of the data set's loader, without those that every loader has."""
  parameters = inspect.signature(_loader(name)).parameters
  return {n: p for n, p in parameters.items() if n not in _FOR_ALL}


def _loader(name: str) -> Callable[..., Dataset]:
  loader = npz.load if _is_file(name) else _LOADERS.get(name)
  if loader is None:
    raise DataError(
      'config.dataset.name',
      f'there is no data set {name!r}; choose one of {", ".join(_LOADERS)}, or'
      ' the path of an .npz file; other files are named by'
      ' `config.dataset.edges` and `config.dataset.nodes`',
      did_you_mean(name, _LOADERS),
    )
  return loader
