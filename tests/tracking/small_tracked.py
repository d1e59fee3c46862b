"""Runs that take a second: an MLP of one layer on a hundred nodes."""

import importlib.util
import os

import pytest

from configs import smoke

FIELDS = {
  'dataset.num_nodes': 100,
  'dataset.train_per_class': 5,
  'dataset.num_val': 30,
  'model.name': 'mlp',
  'model.num_layers': 1,
  'model.dropout_rate': 0.0,
  'log_every': 10,
  'max_epochs': 30,
  'stop_rule': 'none',
}
FLAGS = (
  '--config=configs/smoke.py',
  *(f'--config.{name}={value}' for name, value in FIELDS.items()),
)


def make_config(**fields):
  """That of smoke.py, made small, and changed as the fields say."""
  config = smoke.get_config()
  config.update_from_flattened_dict(FIELDS | fields)
  return config


def need(*packages):
  """Skips a module without them, but not in CI; imports none, which is slow."""
  for name in packages:
    if importlib.util.find_spec(name) is None and not os.environ.get('CI'):
      pytest.skip(f'needs {name}', allow_module_level=True)
