"""The table of config fields, and what follows from it."""

import pytest

from configs import base
from configs import citeseer
from configs import cora
from configs import custom
from configs import ppi
from configs import pubmed
from configs import smoke
from gat_jax import nn
from gat_jax.errors import ConfigError
from gat_jax.errors import DataError
from gat_jax.nn import models
from gat_jax.runs import settings
from gat_jax.runs.fields import FIELDS
from gat_jax.runs.fields import Role
from gat_jax.training.replicas import Hyperparameters

# A value that can be used, and another than the default.
OTHER = {
  'mesh.partitioner': 'ranges',
  'data_dir': 'elsewhere',
  'dataset.name': 'citeseer',
  'stop_rule': 'loss',
  'seed_loop': 'vmap',
  'optimizer': 'adamw',
  'model.name': 'gcn',
  'model.compute_dtype': 'bfloat16',
  'sampler.fan_outs': (10, 5),
}


def other(name):
  default = FIELDS[name].default
  if name in OTHER:
    return OTHER[name]
  return not default if isinstance(default, bool) else default / 2 or 1


def changed(name):
  config = cora.get_config()
  value = other(name)
  config.update_from_flattened_dict(
    {name: int(value) if isinstance(FIELDS[name].default, int) else value}
    if not isinstance(FIELDS[name].default, bool)
    else {name: value}
  )
  return config


def test_every_field_of_the_base_config_is_in_the_table():
  assert set(settings.flat(base.get_config())) == set(FIELDS)
  for name, field in FIELDS.items():
    assert name == 'dataset.name' or field.holds(field.default), name
    assert field.about
    assert field.wanted


@pytest.mark.parametrize('name', FIELDS)
def test_role_says_what_a_field_decides(name):
  before, after = cora.get_config(), changed(name)
  if name.startswith('model.'):  # an option of some layers alone
    option, own = name.removeprefix('model.'), nn.LAYERS[before.model.name]
    takers = [n for n, kind in nn.LAYERS.items() if option in kind.OPTIONS]
    if takers and option not in own.OPTIONS:
      before.model.name = after.model.name = takers[0]
  role = FIELDS[name].role
  same_program = settings.program_fields(before) == settings.program_fields(
    after
  )
  same_result = settings.deciding_fields(before) == settings.deciding_fields(
    after
  )
  assert same_program == (role in (Role.ARGUMENT, Role.REPLICA))
  assert same_result == (role is Role.EXECUTION)


def test_arguments_are_the_hyperparameters():
  arguments = {
    name.rpartition('.')[2]
    for name, field in FIELDS.items()
    if field.role is Role.ARGUMENT
  }
  assert arguments == set(Hyperparameters._fields)


def test_whether_anything_is_dropped_decides_the_program():
  config = cora.get_config()
  config.model.dropout_rate = 0.0
  fields = settings.program_fields(config)
  assert fields != settings.program_fields(cora.get_config())


def test_unknown_field_cannot_be_assigned():
  config = cora.get_config()
  with pytest.raises(AttributeError, match='learning_rate'):
    config.learning_rte = 1
  with pytest.raises(AttributeError):
    config.model.heads = 1
  with pytest.raises(AttributeError):
    config.dataset.directed = True  # which the loader of Cora does not know


@pytest.mark.parametrize(
  ('name', 'value', 'error', 'text'),
  [
    (
      'learning_rte',
      1,
      ConfigError,
      'config.learning_rte: there is no such field; did you mean'
      ' learning_rate?',
    ),
    (
      'dataset.normalise_features',
      True,
      DataError,
      'did you mean normalize_features?',
    ),
    ('dataset.normalize_features', 'yes', DataError, 'is not of type bool'),
    (
      'learning_rate',
      -1.0,
      ConfigError,
      'config.learning_rate: -1.0 is not above 0 and finite',
    ),
    ('stop_rule', 'acuracy', ConfigError, 'did you mean accuracy?'),
    ('num_seeds', 2**31 - 1, ConfigError, 'pass 2**31'),
    ('seed', True, ConfigError, 'config.seed: True is not a whole number'),
  ],
)
def test_what_cannot_be_used_is_one_error(name, value, error, text):
  config = cora.get_config()
  config.seed = 5
  with config.unlocked():
    place = config
    *path, last = name.split('.')
    for part in path:
      place = place[part]
    with place.ignore_type():
      place[last] = value
  with pytest.raises(error) as caught:
    settings.check(config)
  assert text in str(caught.value)
  assert caught.value.field == f'config.{name}'


@pytest.mark.parametrize(
  ('fields', 'name', 'reason'),
  [
    ({'model.residual': True}, 'model.residual', 'fewer than 3 layers'),
    (
      {'model.num_layers': 1, 'model.hidden_dim': 4},
      'model.hidden_dim',
      'without hidden layers',
    ),
    (
      {'model.num_layers': 1, 'model.num_heads': 4},
      'model.num_heads',
      'without hidden layers',
    ),
    (
      {'model.name': 'gatv2', 'model.score_bias': False},
      'model.score_bias',
      'of gatv2 layers',
    ),
    (
      {'model.name': 'gcn', 'model.value_dropout': False},
      'model.value_dropout',
      'of gcn layers',
    ),
    (
      {'model.dropout_rate': 0.0, 'model.value_dropout': False},
      'model.value_dropout',
      'dropout_rate` is 0',
    ),
    (
      {'weight_decay': 0.0, 'optimizer': 'adamw'},
      'optimizer',
      'weight_decay` is 0',
    ),
    ({'batch_shapes': 3}, 'batch_shapes', 'batch_size` is 0'),
    ({'stop_rule': 'none', 'patience': 3}, 'patience', "is 'none'"),
  ],
)
def test_field_that_changes_nothing_is_refused_where_it_was_set(
  fields, name, reason
):
  config = smoke.get_config()
  config.update_from_flattened_dict(fields)
  settings.check(config)
  with pytest.raises(ConfigError, match=reason) as caught:
    settings.check_effects(config, fields)
  assert caught.value.field == f'config.{name}'
  assert 'changes nothing' in caught.value.problem
  settings.check_effects(config, fields.keys() - {name})


def test_what_does_change_something_is_not_refused():
  for fields in (
    {'model.num_layers': 3, 'model.residual': True},
    {'model.score_bias': False, 'model.value_dropout': False},
    {'stop_rule': 'none', 'compare_rules': True, 'patience': 3},
    {'batch_size': 2, 'batch_shapes': 3},
    {'model.name': 'mlp', 'model.score_bias': True},  # as it is anyway
    {'model.name': 'mlp', 'model.num_heads': 4, 'optimizer': 'adamw'},
  ):
    config = smoke.get_config()
    config.update_from_flattened_dict(fields)
    settings.check_effects(config, fields)


def test_no_config_of_the_project_sets_what_changes_nothing():
  for module in (base, citeseer, cora, custom, ppi, pubmed, smoke):
    assert settings.without_effect(module.get_config()) == {}


def test_missing_field_is_named():
  config = cora.get_config()
  with config.unlocked():
    del config.model['num_heads']
  with pytest.raises(ConfigError, match=r'config.model.num_heads: missing'):
    settings.check(config)


def test_fields_that_are_new_decide_nothing_where_they_have_their_default():
  """Names of older trials, ledgers and runs stay what they were."""
  config = smoke.get_config()
  fields = settings.deciding_fields(config)
  assert 'num_val' not in fields['dataset']
  config.dataset.num_val = 100
  assert settings.deciding_fields(config)['dataset']['num_val'] == 100


def test_smoke_names_all_fields_of_its_data_set():
  from gat_jax import datasets

  names = set(smoke.get_config().dataset) - {'name'}
  assert names == set(datasets.options('csbm'))


def test_every_field_is_described():
  text = ' '.join(settings.describe().split())
  for name, field in FIELDS.items():
    assert f'config.{name} = {field.default!r}' in text
    assert field.about in text


def test_fields_of_the_model_are_those_that_models_read():
  read = {'model.name'} | {f'model.{name}' for name in models._FIELDS}
  read.add('model.edge_features')  # whether the data keep theirs
  for layer in nn.LAYERS.values():
    read |= {f'model.{option}' for option in layer.OPTIONS}
  named = {name for name in FIELDS if name.startswith('model.')}
  assert read == named
