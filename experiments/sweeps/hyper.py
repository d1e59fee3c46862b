"""Sweeps as data: lists of changes to a config, made by four combinators.

    def get_hyper(hyper):
      return hyper.product(
        hyper.sweep('model.num_heads', [1, 2, 4, 8]),
        hyper.sweep('model.hidden_dim', [4, 8, 16, 32]),
        hyper.sweep('seed', range(10)),
      )

A change maps dotted names of fields to values; a sweep is a list of changes.
Combinators take sweeps and return one.
"""

from collections.abc import Iterable
import copy
import dataclasses
import itertools
import os
import runpy
import sys
from typing import Any

from ml_collections import config_dict

from experiments import cli
from gat_jax.errors import ConfigError
from gat_jax.errors import InputError
from gat_jax.errors import did_you_mean
from gat_jax.runs import settings

Change = dict[str, Any]
Sweep = list[Change]


@dataclasses.dataclass(frozen=True)
class Range:
  """All numbers from `low` to `high`, of which a search draws some.

  Attributes:
    low: the least.
    high: the greatest.
    log: whether they are drawn evenly by their logarithms.
  """

  low: float
  high: float
  log: bool = False

  def __str__(self) -> str:
    return f'{self.low}..{self.high}{":log" if self.log else ""}'


def sweep(name: str, values: Iterable[Any]) -> Sweep:
  """One field, each value in turn.

  Raises:
    ConfigError: if there is no value, or one twice.
  """
  values = list(values)
  if not values:
    raise ConfigError(f'config.{name}', 'its sweep has no value')
  for index, value in enumerate(values):
    if value in values[:index]:
      raise ConfigError(f'config.{name}', f'its sweep has {value!r} twice')
  return [{name: value} for value in values]


def product(*sweeps: Sweep) -> Sweep:
  """Every change of one with every change of the others; the last runs fastest.

  Raises:
    ConfigError: if two of them change the same field.
  """
  return [_merge(changes) for changes in itertools.product(*sweeps)]


def zipit(*sweeps: Sweep) -> Sweep:
  """The first changes of all, then the second ones, and so on.

  Raises:
    ConfigError: if they differ in length, or change the same field.
  """
  lengths = [len(changes) for changes in sweeps]
  if len(set(lengths)) > 1:
    raise ConfigError(
      'zipit',
      f'its sweeps have {", ".join(map(str, lengths))} changes',
      'each must have as many as the others',
    )
  return [_merge(changes) for changes in zip(*sweeps, strict=True)]


def chain(*sweeps: Sweep) -> Sweep:
  """One sweep after the other."""
  return list(itertools.chain(*sweeps))


def parse(text: str, config: config_dict.ConfigDict) -> Sweep:
  """A sweep from `model.num_heads=1,2,4`, with values of the field's type.

  `learning_rate=1e-4..1e-1` and `learning_rate=1e-4..1e-1:log` give a `Range`.

  Raises:
    ConfigError: if the field is not there, or a value is not of its type or is
      there twice.
  """
  name, separator, values = text.partition('=')
  if not separator:
    raise ConfigError(
      f'--sweep={text}',
      'it has no values',
      'write a field and its values, as in model.num_heads=1,2,4',
    )
  kind = type(_value(config, name))
  if '..' in values and kind in (int, float):
    return sweep(name, [_range(name, kind, values)])
  return sweep(name, [_convert(name, kind, word) for word in values.split(',')])


def fields(changes: Sweep) -> dict[str, list[Any]]:
  """The different values of each field that a sweep changes, in order."""
  found: dict[str, list[Any]] = {}
  for change in changes:
    for name, value in change.items():
      values = found.setdefault(name, [])
      if value not in values:
        values.append(value)
  return found


def reseed(changes: Sweep, num_seeds: int) -> Sweep:
  """Each combination with the seeds 0, 1, ..., instead of those it had."""
  without = [
    {name: value for name, value in change.items() if name != 'seed'}
    for change in changes
  ]
  different = [c for i, c in enumerate(without) if c not in without[:i]]
  return product(different, sweep('seed', range(num_seeds)))


def load(path: str) -> tuple[config_dict.ConfigDict, Sweep | None]:
  """A config file's config, and the sweep that its get_hyper makes, if any.

  Args:
    path: as --config takes it, perhaps with an argument after a colon.

  Raises:
    InputError: if there is no such file or it cannot be used.
  """
  name, *argument = path.split(':', 1)
  try:
    found = runpy.run_path(os.path.expanduser(name))
    config = found['get_config'](*argument)
    get_hyper = found.get('get_hyper')
    return config, get_hyper and get_hyper(sys.modules[__name__])
  except InputError:
    raise
  except FileNotFoundError as error:
    raise ConfigError(f'--config={name}', cli.no_such_config(name)) from error
  except Exception as error:  # whatever a config file raises
    raise ConfigError(
      f'--config={path}', f'it fails with {type(error).__name__}: {error}'
    ) from error


def configs(
  config: config_dict.ConfigDict, changes: Sweep
) -> list[config_dict.ConfigDict]:
  """The changed configs of a sweep, each of them checked.

  Args:
    config: what the changes are made to; stays as it is.
    changes: a sweep.

  Raises:
    ConfigError: if the sweep is empty, has a change twice, a field that is not
      there or changes nothing, or a value that is of another type or cannot be
      used.
    DataError: if a field of the data set is not there or cannot be used.
  """
  if not changes:
    raise ConfigError(
      'the sweep', 'it is empty', 'give it a field and its values'
    )
  for index, change in enumerate(changes):
    if change in changes[:index]:
      raise ConfigError('the sweep', f'it has {change} twice')
  changed = [_apply(config, change) for change in changes]
  idle = [dict(settings.idle_fields(one)) for one in changed]
  for name, values in fields(changes).items():
    if len(values) > 1 and all(name in one for one in idle):
      raise ConfigError(
        f'config.{name}',
        f'the sweep changes it, and it changes nothing {idle[0][name]}',
        'leave it out',
      )
  return changed


def _apply(config, change):
  changed = copy.deepcopy(config)
  for name, value in change.items():
    before = _value(changed, name)
    if isinstance(value, Range):
      raise ConfigError(
        f'config.{name}',
        f'{value} is a range, which only --search can try',
        'name values, as in 1,2,4',
      )
    try:
      changed.update_from_flattened_dict({name: value})
    except (TypeError, ValueError) as error:
      raise ConfigError(
        f'config.{name}', f'{value!r} is of another type than {before!r}'
      ) from error
  settings.check(changed)
  return changed


def _value(config, name):
  known = settings.flat(config)
  if name not in known:
    raise ConfigError(
      f'config.{name}',
      'a sweep changes it, but there is no such field',
      did_you_mean(name, known),
    )
  return known[name]


def _convert(name, kind, word):
  if kind is bool:
    if word not in ('True', 'False'):
      raise ConfigError(
        f'--sweep={name}', f'{word!r} is neither True nor False'
      )
    return word == 'True'
  try:
    return word if kind in (str, type(None)) else kind(word)
  except ValueError as error:
    raise ConfigError(
      f'--sweep={name}', f'{word!r} is no {kind.__name__}'
    ) from error


def _range(name, kind, text):
  ends, separator, scale = text.partition(':')
  low, high = (_convert(name, kind, end) for end in ends.split('..', 1))
  if (
    (separator and scale != 'log')
    or not low < high  # nor NaN
    or (scale and low <= 0)
  ):
    raise ConfigError(
      f'--sweep={name}={text}',
      'it is no range',
      'write one as in 1e-4..1e-1, or as in 1e-4..1e-1:log if both ends are'
      ' positive',
    )
  return Range(low, high, log=bool(scale))


def _merge(changes: tuple[Change, ...]) -> Change:
  merged: Change = {}
  for change in changes:
    twice = merged.keys() & change.keys()
    if twice:
      raise ConfigError(
        ', '.join(f'config.{name}' for name in sorted(twice)),
        'two sweeps change it',
        'leave one out',
      )
    merged |= change
  return merged
