"""Configs that train as one group, against each of them alone."""

import json

import pytest

from configs import smoke
from gat_jax import runs
from gat_jax.errors import WorkdirError
from gat_jax.runs import settings


def make_config(**fields):
  config = smoke.get_config()
  config.dataset.num_nodes = 100
  config.dataset.train_per_class = 5
  config.dataset.num_val = 30
  config.model.num_layers = 1
  config.max_epochs = 60
  config.update_from_flattened_dict(fields)
  return config


MIXED = (
  {'seed': 3, 'num_seeds': 2},
  {'seed': 3, 'learning_rate': 0.05, 'max_epochs': 50},
  {'seed': 7, 'weight_decay': 0.01, 'patience': 2},
  {'seed': 7, 'model.dropout_rate': 0.6},
)


@pytest.mark.parametrize(
  'name', ['mlp', pytest.param('gat', marks=pytest.mark.slow)]
)
def test_group_gives_each_config_what_it_gets_alone(tmp_path, name):
  configs = [make_config(**fields, **{'model.name': name}) for fields in MIXED]
  together = [tmp_path / f'together-{i}' for i in range(len(configs))]
  found = runs.train_group(configs, together, tmp_path / 'states')
  for i, config in enumerate(configs):
    alone = tmp_path / f'alone-{i}'
    result = runs.train_and_evaluate(config, alone)
    assert found[i].seeds == result.seeds
    for name in ('config.json', 'metrics.jsonl'):
      assert (together[i] / name).read_text() == (alone / name).read_text()
    written = json.loads((together[i] / 'results.json').read_text())
    assert written['seeds'] == result.to_json()['seeds']
  scores = {str(seed) for result in found for seed in result.seeds}
  assert len(scores) == 5, 'what differs between the configs has no effect'


@pytest.mark.parametrize(
  'fields', [{'model.num_heads': 2}, {'model.dropout_rate': 0.0}]
)
def test_another_program_is_no_part_of_a_group(fields):
  with pytest.raises(ValueError, match='do not share a program'):
    runs.train_group([make_config(), make_config(**fields)])


def test_what_a_program_takes_as_argument_is_no_field_of_it():
  fields = settings.program_fields(make_config())
  for changes in MIXED:
    assert settings.program_fields(make_config(**changes)) == fields


@pytest.mark.parametrize('text', ['[]', '{}', '"words"'])
def test_a_folder_with_a_damaged_config_is_refused(tmp_path, text):
  (tmp_path / 'metrics.jsonl').write_text('{}\n')
  (tmp_path / 'config.json').write_text(text)
  (tmp_path / 'dataset.json').write_text('{}')
  with pytest.raises(WorkdirError, match='cannot be continued'):
    runs.train_and_evaluate(make_config(), tmp_path)
