"""What follows from the table of a config's fields (`fields.py`).

What a new config has, which values are refused, which runs share a compiled
program, and with which other settings a run may be continued.
"""

from collections.abc import Collection, Iterator
import copy
import textwrap
from typing import Any

from flax import traverse_util
from ml_collections import config_dict

from gat_jax import datasets
from gat_jax import nn
from gat_jax.errors import ConfigError
from gat_jax.errors import did_you_mean
from gat_jax.runs.fields import FIELDS
from gat_jax.runs.fields import UNNAMED_IN_0_1
from gat_jax.runs.fields import Role


def default_config(dataset: str | None = None) -> config_dict.ConfigDict:
  """A config with the defaults of all fields: the paper's recipe.

  Args:
    dataset: the name of a data set or the path of an .npz file, whose own
      fields the config then has as well.

  Returns:
    The config. It is locked: assigning a field that is not there raises.

  Raises:
    DataError: if there is no such data set.
  """
  fields = {name: field.default for name, field in FIELDS.items()}
  fields['dataset.name'] = dataset
  if dataset is not None:
    for option, value in datasets.options(dataset).items():
      fields[f'dataset.{option}'] = value
  for name, value in fields.items():
    if value is None:
      fields[name] = config_dict.placeholder(str)
  nested = traverse_util.unflatten_dict(fields, sep='.')
  return config_dict.ConfigDict(nested).lock()


def check(
  config: config_dict.ConfigDict, *, allow_unknown: bool = False
) -> None:
  """Checks that every field is there, is known and makes sense.

  Args:
    config: of any origin.
    allow_unknown: let fields pass that mean nothing, as a config of an earlier
      run may have.

  Raises:
    ConfigError: names the field, its value and what it may be.
    DataError: likewise, of a field of the data set.
  """
  values = flat(config)
  for name, field in FIELDS.items():
    if name not in values:
      raise ConfigError(
        f'config.{name}',
        'missing',
        f'it must be {field.wanted} (gat_jax/runs/fields.py has all fields)',
      )
    if not field.holds(values[name]):
      raise ConfigError(
        f'config.{name}',
        f'{values[name]!r} is not {field.wanted}',
        did_you_mean(values[name], field.choices),
      )
  prefix = 'dataset.'
  own = {n: v for n, v in values.items() if n.startswith(prefix)}
  unknown = sorted(values.keys() - FIELDS.keys() - own.keys())
  if unknown and not allow_unknown:
    raise ConfigError(
      f'config.{unknown[0]}',
      'there is no such field',
      did_you_mean(unknown[0], FIELDS, 'gat_jax/runs/fields.py has all fields'),
    )
  options = {name.removeprefix(prefix): v for name, v in own.items()}
  datasets.check_options(options.pop('name'), options)
  _check_sampler(config)
  if config.seed + config.num_seeds > 2**31:
    raise ConfigError(
      'config.num_seeds',
      f'{config.num_seeds} seeds from {config.seed} on pass 2**31',
      'choose a smaller first seed',
    )


def _check_sampler(config: config_dict.ConfigDict) -> None:
  fan_outs, num_layers = config.sampler.fan_outs, config.model.num_layers
  if not fan_outs:
    return
  if len(fan_outs) != num_layers:
    raise ConfigError(
      'config.sampler.fan_outs',
      f'{len(fan_outs)} numbers for {num_layers} layers',
      'give one for each layer, from the first to the last',
    )
  if config.batch_size:
    raise ConfigError(
      'config.batch_size',
      f'{config.batch_size} graphs a step, and neighbours are sampled',
      'choose 0; `config.sampler.batch_size` is the number of nodes a step',
    )


def check_effects(
  config: config_dict.ConfigDict, named: Collection[str]
) -> None:
  """Refuses fields that a person has set and that change nothing.

  Args:
    config: that `check` lets pass.
    named: the fields that were set, by dotted names. What a config file has of
      itself may be left over: a model of fewer layers needs no `residual`.

  Raises:
    ConfigError: names the first of them, and why it changes nothing.
  """
  for name, reason in without_effect(config).items():
    if name in named:
      raise ConfigError(
        f'config.{name}',
        f'{flat(config)[name]!r} changes nothing {reason}',
        f'leave it at {FIELDS[name].default!r}',
      )


def without_effect(config: config_dict.ConfigDict) -> dict[str, str]:
  """Fields with another value than the default that change nothing, and why.

  Fields that say how a run is executed are none of them, nor is any of which
  that is not sure.
  """
  values = flat(config)
  return {
    name: reason
    for name, reason in idle_fields(config)
    if values[name] != FIELDS[name].default
  }


def idle_fields(config: config_dict.ConfigDict) -> Iterator[tuple[str, str]]:
  """Fields of which no value would change the result, and why."""
  model = config.model
  for name in _options_of_others(model.name):
    yield name, f'in a model of {model.name} layers'
  if model.num_layers < 2:
    for field in ('num_heads', 'hidden_dim'):
      yield f'model.{field}', 'in a model without hidden layers'
  if model.num_layers < 3:
    reason = 'in a model of fewer than 3 layers (`config.model.num_layers`)'
    yield 'model.residual', f'{reason}: the first and the last have none'
  if model.dropout_rate == 0:
    for field in ('shared_input_dropout', 'value_dropout'):
      yield f'model.{field}', 'where `config.model.dropout_rate` is 0'
  if config.weight_decay == 0:
    yield 'optimizer', 'where `config.weight_decay` is 0'
  if config.batch_size == 0:
    yield 'batch_shapes', 'where `config.batch_size` is 0'
  if not config.sampler.fan_outs:
    for field in ('batch_size', 'validate_every'):
      yield f'sampler.{field}', 'where `config.sampler.fan_outs` is empty'
  if config.stop_rule == 'none' and not config.compare_rules:
    yield 'patience', "where `config.stop_rule` is 'none'"


def _options_of_others(layer: Any) -> list[str]:
  """Fields that other layers take and this one does not, by dotted names."""
  if layer not in nn.LAYERS:
    return []
  known = {option for other in nn.LAYERS.values() for option in other.OPTIONS}
  return [f'model.{o}' for o in sorted(known - set(nn.LAYERS[layer].OPTIONS))]


def complete(content: dict[str, Any]) -> dict[str, Any]:
  """A stored config with the fields that version 0.1.0 did not name."""
  completed = copy.deepcopy(content)
  for name, value in UNNAMED_IN_0_1.items():
    if name in FIELDS:
      *rooms, last = name.split('.')
      place: Any = completed
      for room in rooms:
        place = place.setdefault(room, {}) if isinstance(place, dict) else None
      if isinstance(place, dict):  # else `check` says what is wrong
        place.setdefault(last, value)
  return completed


def program_fields(config: config_dict.ConfigDict) -> dict[str, Any]:
  """What two configs must have in common to be trained by one program.

  Returns:
    All fields but seeds and the other arguments of a program, nested.
  """
  fields = _select(config, Role.PROGRAM, Role.EXECUTION)
  # Whether masks are drawn is compiled; how many entries they drop is not.
  fields['model.dropout_rate'] = config.model.dropout_rate > 0
  return traverse_util.unflatten_dict(fields, sep='.')


def deciding_fields(
  config: config_dict.ConfigDict | dict[str, Any],
) -> dict[str, Any]:
  """What two configs must have in common to give the same result.

  Returns:
    All fields but those that say how a run is executed, nested.
  """
  fields = _select(config, Role.PROGRAM, Role.ARGUMENT, Role.REPLICA)
  others = _options_of_others(fields.get('model.name'))
  for name, value in UNNAMED_IN_0_1.items():
    if fields.get(name) == value or name in others:
      fields.pop(name, None)
  return traverse_util.unflatten_dict(fields, sep='.')


def without_seeds(fields: dict[str, Any]) -> dict[str, Any]:
  """Nested fields without those that say which seeds are trained."""
  own = {n: v for n, v in flat(fields).items() if role(n) is not Role.REPLICA}
  return traverse_util.unflatten_dict(own, sep='.')


def _select(config, *roles: Role) -> dict[str, Any]:
  return {name: v for name, v in flat(config).items() if role(name) in roles}


def role(name: str) -> Role:
  """What depends on the field of that dotted name; on an unknown, everything.

  Every field of a data set decides what its graphs are.
  """
  return FIELDS[name].role if name in FIELDS else Role.PROGRAM


def flat(config: config_dict.ConfigDict | dict[str, Any]) -> dict[str, Any]:
  """The fields of a config, or of any nested settings, by dotted names.

  Raises:
    TypeError: if it is neither a config nor a dictionary.
  """
  if isinstance(config, config_dict.ConfigDict):
    config = config.to_dict()
  if not isinstance(config, dict):
    raise TypeError(f'{config!r} is no dictionary of settings')
  found = traverse_util.flatten_dict(config, keep_empty_nodes=True, sep='.')
  return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
  """As a config has it: files have lists for tuples."""
  if value is traverse_util.empty_node:
    return {}
  return tuple(value) if isinstance(value, list) else value


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
  """The fields in which two nested settings differ, with both values.

  Args:
    theirs: as a folder has them ("there").
    ours: as they were asked for ("now").

  Returns:
    A sentence a field.
  """
  there, now = flat(theirs), flat(ours)
  return [
    f'`{name}` is {there.get(name)!r} there and {now.get(name)!r} now'
    for name in sorted(there.keys() | now.keys())
    if there.get(name) != now.get(name)
  ]


def describe() -> str:
  """All fields with their defaults and what they mean, as lines of text."""
  lines, indent = [], 6 * ' '
  for name, field in FIELDS.items():
    lines.append(f'  config.{name} = {field.default!r}: {field.wanted}')
    lines += textwrap.wrap(
      field.about, 80, initial_indent=indent, subsequent_indent=indent
    )
  lines.append('\nand of one data set or another:')
  known_to: dict[tuple[str, str], list[str]] = {}
  for dataset in (*datasets.NAMES, 'graph.npz'):
    about = datasets.explain(dataset)
    for option, default in datasets.options(dataset).items():
      line = f'{option} = {default!r}', about.get(option, '')
      known_to.setdefault(line, []).append(dataset)
  for (option, words), names in known_to.items():
    lines.append(f'  config.dataset.{option}: {", ".join(names)}')
    lines += textwrap.wrap(
      words, 80, initial_indent=indent, subsequent_indent=indent
    )
  return '\n'.join(lines)
