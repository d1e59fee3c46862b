"""All fields of a config: what they mean, what they may be, what they decide.

`FIELDS` is the one table of them. What a new config has, which values are
refused, which runs share a compiled program, and with which other settings a
run may be continued all follow from it. The fields of `config.dataset` besides
its name belong to the data set: see `gat_jax.datasets.options`.
"""

from collections.abc import Callable
import dataclasses
import enum
from typing import Any

from flax import traverse_util
from ml_collections import config_dict
import numpy as np

from gat_jax import datasets
from gat_jax import nn
from gat_jax.errors import ConfigError
from gat_jax.errors import did_you_mean
from gat_jax.training import early_stopping


class Role(enum.Enum):
  """What depends on a field."""

  PROGRAM = enum.auto()  # the result, and the program that is compiled
  ARGUMENT = enum.auto()  # the result; the program takes it as an argument
  REPLICA = enum.auto()  # which seeds are trained
  EXECUTION = enum.auto()  # where and how a run is executed, not its result


@dataclasses.dataclass(frozen=True)
class Field:
  """A field of a config.

  Attributes:
    default: what a new config has.
    about: what it means.
    holds: whether a value can be used.
    wanted: in words, what can be used.
    role: what depends on it.
    choices: the values by name, where there are only some.
  """

  default: Any
  about: str
  holds: Callable[[Any], bool]
  wanted: str
  role: Role = Role.PROGRAM
  choices: tuple[str, ...] = ()


def _whole(default: int, low: int, about: str, role=Role.PROGRAM) -> Field:
  def holds(value: Any) -> bool:
    return (
      isinstance(value, int)
      and not isinstance(value, bool)
      and low <= value < 2**31
    )

  return Field(
    default, about, holds, f'a whole number from {low} to 2**31 - 1', role
  )


def _number(
  default: float,
  wanted: str,
  fits: Callable[[float], bool],
  about: str,
  role: Role = Role.PROGRAM,
) -> Field:
  def holds(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and fits(value)

  return Field(default, about, holds, wanted, role)


def _choice(
  default: str, choices: tuple[str, ...], about: str, role=Role.PROGRAM
) -> Field:
  wanted = f'one of {", ".join(choices)}'
  return Field(default, about, lambda v: v in choices, wanted, role, choices)


def _switch(default: bool, about: str) -> Field:
  return Field(default, about, lambda v: isinstance(v, bool), 'True or False')


FIELDS: dict[str, Field] = {
  'data_dir': Field(
    None,
    'where the files are; None looks in $GAT_JAX_DATA, data/, ../shared/data/'
    " and the user's cache folder, then downloads",
    lambda v: v is None or isinstance(v, str),
    'a folder, or None',
    Role.EXECUTION,
  ),
  'dataset.name': Field(
    None,
    'which data set, or the path of an .npz file',
    lambda v: isinstance(v, str) and v != '',
    'the name of a data set or the path of an .npz file',
  ),
  'seed': _whole(
    0, 0, 'the first seed; the others count up from it', Role.REPLICA
  ),
  'num_seeds': _whole(
    1, 1, 'how many seeds are trained, by one program', Role.REPLICA
  ),
  'seed_loop': _choice(
    'auto',
    ('auto', 'map', 'vmap'),
    'how a device goes through its seeds: one after the other (map) or all at'
    ' once (vmap); auto is map on a CPU, else vmap',
    Role.EXECUTION,
  ),
  'max_epochs': _whole(
    100_000, 1, 'epochs after which a seed ends in any case', Role.ARGUMENT
  ),
  'patience': _whole(
    100, 1, 'epochs without a new best that end a seed', Role.ARGUMENT
  ),
  'stop_rule': _choice(
    'both',
    early_stopping.RULES,
    'what a new best is: validation score or loss (both, as the authors), the'
    ' score, the loss; none trains to the last epoch and keeps its parameters',
  ),
  'compare_rules': _switch(
    False, 'tell what each other stop_rule would have kept'
  ),
  'log_every': _whole(
    20, 1, 'epochs between two evaluations that are logged', Role.EXECUTION
  ),
  'checkpoint_minutes': _number(
    5.0,
    'at least 0 and finite',
    lambda v: 0 <= v < 1e30,
    'what a killed run loses at most, and the epochs since it was logged',
    Role.EXECUTION,
  ),
  'batch_size': _whole(0, 0, 'graphs a step; 0 takes all at once'),
  'batch_shapes': _whole(
    6, 1, 'sizes that batches are padded to, each compiled'
  ),
  'optimizer': _choice(
    'adam',
    ('adam', 'adamw'),
    'adam has L2 in the gradient, as the paper; adamw decays the weights',
  ),
  'learning_rate': _number(
    5e-3,
    'above 0 and finite',
    lambda v: 0 < v < 1e30,
    'of Adam',
    Role.ARGUMENT,
  ),
  'weight_decay': _number(
    5e-4,
    'at least 0 and finite',
    lambda v: 0 <= v < 1e30,
    'lambda of lambda / 2 |v|^2, over all variables',
    Role.ARGUMENT,
  ),
  'model.name': _choice(
    'gat', tuple(nn.LAYERS), 'the layer that the model is made of'
  ),
  'model.num_layers': _whole(2, 1, 'layers, the output layer among them'),
  'model.num_heads': _whole(8, 1, 'K of the hidden layers, joined'),
  'model.hidden_dim': _whole(8, 1, "F' of each hidden head"),
  'model.num_output_heads': _whole(1, 1, 'K of the output layer, averaged'),
  'model.dropout_rate': _number(
    0.6,
    'from 0 to below 1',
    lambda v: bool(0 <= v < 1 and np.float32(v) < 1),
    'of inputs, attention and values',
    Role.ARGUMENT,
  ),
  'model.residual': _switch(
    False, 'a skip connection from the second layer on'
  ),
  'model.edge_block': _whole(
    0, 0, 'edges that are aggregated at a time; 0 chooses'
  ),
  'model.compute_dtype': _choice(
    'float32',
    ('float32', 'bfloat16'),
    'of the factors of products; bfloat16 is for accelerators',
  ),
  # The authors' code has no switches for these; the defaults are its own.
  'model.shared_input_dropout': _switch(
    False, 'one input mask for all heads, instead of one each'
  ),
  'model.value_dropout': _switch(True, 'drop z after the scores were computed'),
  'model.score_bias': _switch(True, 'b_r and b_s in the scores (gat only)'),
  'model.fused_fan': _switch(
    False, "Glorot fan (F, K F') of all heads, instead of (F, F') of each"
  ),
}

# Fields that configs of version 0.1.0 did not name, and the value that all of
# its runs had. With that value they are left out of what is compared, so that
# its folders can be continued.
_UNNAMED_IN_0_1: dict[str, Any] = {
  'dataset.train_per_class': 20,
  'dataset.num_val': 150,
}


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


def check(config: config_dict.ConfigDict) -> None:
  """Checks that every field is there, is known and makes sense.

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
        f'it must be {field.wanted} (gat_jax/runs/settings.py has all fields)',
      )
    if not field.holds(values[name]):
      raise ConfigError(
        f'config.{name}',
        f'{values[name]!r} is not {field.wanted}',
        did_you_mean(values[name], field.choices),
      )
  prefix = 'dataset.'
  own = {n: v for n, v in values.items() if n.startswith(prefix)}
  for name in values.keys() - FIELDS.keys() - own.keys():
    raise ConfigError(
      f'config.{name}',
      'there is no such field',
      did_you_mean(name, FIELDS, 'gat_jax/runs/settings.py has all fields'),
    )
  options = {name.removeprefix(prefix): v for name, v in own.items()}
  datasets.check_options(options.pop('name'), options)
  if config.seed + config.num_seeds > 2**31:
    raise ConfigError(
      'config.num_seeds',
      f'{config.num_seeds} seeds from {config.seed} on pass 2**31',
      'choose a smaller first seed',
    )


def program_fields(config: config_dict.ConfigDict) -> dict[str, Any]:
  """What two configs must have in common to be trained by one program.

  Returns:
    All fields but those that a program takes as arguments, nested.
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
  for name, value in _UNNAMED_IN_0_1.items():
    if fields.get(name) == value:
      del fields[name]
  return traverse_util.unflatten_dict(fields, sep='.')


def _select(config, *roles: Role) -> dict[str, Any]:
  return {name: v for name, v in flat(config).items() if role(name) in roles}


def role(name: str) -> Role:
  """What depends on the field of that dotted name; on an unknown, everything.

  Every field of a data set decides what its graphs are.
  """
  return FIELDS[name].role if name in FIELDS else Role.PROGRAM


def flat(config: config_dict.ConfigDict | dict[str, Any]) -> dict[str, Any]:
  """The fields of a config, or of any nested settings, by dotted names."""
  if isinstance(config, config_dict.ConfigDict):
    config = config.to_dict()
  return traverse_util.flatten_dict(config, sep='.')


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
  """What differs between nested settings: there and now, field by field."""
  there, now = flat(theirs), flat(ours)
  return [
    f'`{name}` is {there.get(name)!r} there and {now.get(name)!r} now'
    for name in sorted(there.keys() | now.keys())
    if there.get(name) != now.get(name)
  ]


def describe() -> str:
  """All fields with their defaults and what they mean, as lines of text."""
  lines = []
  for name, field in FIELDS.items():
    lines.append(f'  config.{name} = {field.default!r}')
    lines.append(f'      {field.about}; {field.wanted}')
  return '\n'.join(lines)
