"""Names of nodes and classes through training to predictions.csv."""

import csv
import json
import pathlib

import commands
import numpy as np
import pytest
import small_npz
from small_tables import IDS
from small_tables import NODES
from small_tables import write

from configs import custom
from experiments import predict
from gat_jax import datasets
from gat_jax import runs
from gat_jax.runs import settings
from gat_jax.runs.fields import UNNAMED_IN_0_1


def config_of(**dataset):
  config = custom.get_config()
  config.dataset.update(dataset)
  config.model.name = 'mlp'
  config.model.num_layers = 1
  config.model.dropout_rate = 0.0
  config.max_epochs = 30
  return config


def rows_of(folder):
  with open(pathlib.Path(folder, 'predictions.csv'), newline='') as file:
    return list(csv.DictReader(file))


def check_rows(rows):
  """Each row has the id, the names and the probabilities of its own node."""
  table = {row['id']: row for row in csv.DictReader(NODES.splitlines())}
  assert [row['node'] for row in rows] == list(IDS)
  for row in rows:
    own = table[row['node']]
    assert (row['split'], row['label']) == (own['split'], own['label'])
    p = {name: float(row[f'p_{name}']) for name in ('no', 'yes')}
    assert sum(p.values()) == pytest.approx(1, abs=1e-4)
    assert row['prediction'] == max(p, key=p.get)


def test_a_run_on_tables_predicts_names(tmp_path):
  """`test_tables` says that an .npz gives the same data set, names and all."""
  folder = tmp_path / 'run'
  result = runs.train_and_evaluate(config_of(**write(tmp_path)), folder)
  _, graphs = runs.predict(folder)
  predict.write_csv(folder / 'predictions.csv', graphs)
  rows = rows_of(folder)
  check_rows(rows)
  tested = [row for row in rows if row['split'] == 'test']
  right = [row['label'] == row['prediction'] for row in tested]
  assert result.seeds[0].test == pytest.approx(np.mean(right))
  card = json.loads((folder / 'dataset.json').read_text())
  assert card['class_names'] == ['no', 'yes']


def test_names_of_several_labels_stand_in_one_cell():
  prediction = runs.GraphPrediction(
    splits=np.array(['train', '']),
    labels=np.array([[1, 1], [0, 0]]),
    probabilities=np.array([[0.9, 0.8], [0.1, 0.7]]),
    hidden=[],
    attention=[],
  )
  words = [predict._as_text(prediction, row) for row in prediction.labels]
  assert words == ['0 1', '']
  assert predict._column(prediction, 1) == 'probability_1'


def test_the_config_and_what_old_folders_had_are_the_defaults():
  options = datasets.options('tables')
  assert custom.get_config().dataset.to_dict() == {'name': 'tables'} | options
  for name in options.keys() - datasets.options('cora').keys() - {'directed'}:
    assert UNNAMED_IN_0_1[f'dataset.{name}'] == options[name]
  assert set(datasets.explain('tables')) > set(options)


def test_folders_of_npz_files_have_none_of_the_fields_of_tables(tmp_path):
  """A run of an earlier version of the same graph can be continued."""
  config = config_of(name='graph.npz')
  settings.check(config)
  fields = settings.deciding_fields(config)['dataset']
  assert fields == {
    'name': 'graph.npz',
    'normalize_features': False,
    'directed': False,
  }
  plain = small_npz.load(tmp_path, small_npz.good())
  options = config.dataset.to_dict() | {'name': str(tmp_path / 'graph.npz')}
  assert datasets.load(**options).card == plain.card


@pytest.mark.slow
def test_the_commands_take_tables(tmp_path, environment):
  files = write(tmp_path)
  flags = [f'--config.dataset.{name}={path}' for name, path in files.items()]
  folder = tmp_path / 'run'
  done = commands.run(
    environment,
    'train',
    '--config=configs/custom.py',
    *flags,
    '--config.max_epochs=5',
    f'--workdir={folder}',
  )
  assert done.returncode == 0, done.stderr
  assert 'feature columns' in done.stdout
  done = commands.run(environment, 'predict', f'--workdir={folder}')
  assert done.returncode == 0, done.stderr
  check_rows(rows_of(folder))
  pathlib.Path(files['nodes']).write_text(NODES.replace('7,8', '7,eight'))
  for command, words in (
    (('predict', f'--workdir={folder}'), "nodes.csv, line 4: column 'mark'"),
    (
      ('train', '--config=configs/custom.py', *flags),
      'leave it out: --config.dataset.leave_out=mark',
    ),
    (
      ('train', '--config=configs/custom.py'),
      '--config.dataset.nodes: is not set; name the tables of your graph in'
      ' --config.dataset.nodes and --config.dataset.edges, or an .npz file in'
      ' --config.dataset.name',
    ),
  ):
    done = commands.run(environment, *command)
    assert done.returncode == 2
    assert words in done.stderr
    assert 'Traceback' not in done.stderr
