"""Checks a config before anything is loaded or compiled."""

from collections.abc import Callable
import difflib
from typing import Any, NamedTuple

import numpy as np

from gat_jax.nn import models
from gat_jax.training import early_stopping
from gat_jax.errors import ConfigError


class _Rule(NamedTuple):
  holds: Callable[[Any], bool]
  wanted: str


def _whole(low: int) -> _Rule:
  return _Rule(
    lambda v: (
      isinstance(v, int) and not isinstance(v, bool) and low <= v < 2**31
    ),
    f'a whole number from {low} to 2**31 - 1',
  )


def _number(wanted: str, holds: Callable[[float], bool]) -> _Rule:
  return _Rule(
    lambda v: (
      isinstance(v, int | float) and not isinstance(v, bool) and holds(v)
    ),
    wanted,
  )


def _choice(*names: str) -> _Rule:
  return _Rule(lambda v: v in names, f'one of {", ".join(names)}')


_BOOL = _Rule(lambda v: isinstance(v, bool), 'True or False')

RULES: dict[str, _Rule] = {
  'dataset.name': _Rule(
    lambda v: isinstance(v, str) and v != '',
    'the name of a data set or the path of an .npz file',
  ),
  'data_dir': _Rule(
    lambda v: v is None or isinstance(v, str), 'a folder, or None'
  ),
  'seed': _Rule(
    lambda v: isinstance(v, int) and 0 <= v < 2**31,
    'a whole number from 0 to 2**31 - 1',
  ),
  'num_seeds': _whole(1),
  'seed_loop': _choice('auto', 'map', 'vmap'),
  'max_epochs': _whole(1),
  'patience': _whole(1),
  'stop_rule': _choice(*early_stopping.RULES),
  'compare_rules': _BOOL,
  'log_every': _whole(1),
  'checkpoint_minutes': _number(
    'at least 0 and finite', lambda v: 0 <= v < 1e30
  ),
  'optimizer': _choice('adam', 'adamw'),
  'learning_rate': _number('above 0 and finite', lambda v: 0 < v < 1e30),
  'weight_decay': _number('at least 0 and finite', lambda v: 0 <= v < 1e30),
  'model.name': _choice(*models.LAYERS),
  'model.num_layers': _whole(1),
  'model.num_heads': _whole(1),
  'model.hidden_dim': _whole(1),
  'model.num_output_heads': _whole(1),
  'model.dropout_rate': _number(
    'from 0 to below 1', lambda v: bool(0 <= v < 1 and np.float32(v) < 1)
  ),
  'model.residual': _BOOL,
  'model.shared_input_dropout': _BOOL,
  'model.value_dropout': _BOOL,
  'model.score_bias': _BOOL,
  'model.fused_fan': _BOOL,
  'model.edge_block': _whole(0),
  'model.compute_dtype': _choice('float32', 'bfloat16'),
  'batch_size': _whole(0),
  'batch_shapes': _whole(1),
}


def check(config: Any) -> None:
  """Checks that every field that training reads is there and makes sense.

  Raises:
    ConfigError: names the field, its value and what it may be.
  """
  for field, rule in RULES.items():
    value = config
    for part in field.split('.'):
      if part not in value:
        raise ConfigError(
          f'config.{field} is missing; it must be {rule.wanted}'
          ' (configs/base.py has all fields)'
        )
      value = value[part]
    if not rule.holds(value):
      raise ConfigError(
        f'config.{field}={value!r} must be {rule.wanted}'
        + _suggestion(value, rule.wanted)
      )
  if config.seed + config.num_seeds > 2**31:
    raise ConfigError(
      f'config.seed={config.seed} and config.num_seeds={config.num_seeds}'
      ' pass 2**31; choose a smaller first seed'
    )


def _suggestion(value: Any, wanted: str) -> str:
  close = difflib.get_close_matches(
    str(value), wanted.removeprefix('one of ').split(', '), n=1
  )
  return f'; did you mean {close[0]}?' if close else ''
