"""The fields of `config.dataset` are known and checked before any loading."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from small_npz import good

from gat_jax import datasets
from gat_jax.errors import DataError

OF_NPZ = {
  'normalize_features': False,
  'directed': False,
  'loop_features': 'mean',
}
OPTIONS = {
  'cora': {'normalize_features': True},
  'ppi': {'num_graphs': 0},
  'graph.npz': OF_NPZ,
  'FOLDER/GRAPH.NPZ': OF_NPZ,
}


@pytest.mark.parametrize('name', OPTIONS)
def test_every_data_set_tells_its_fields_and_their_defaults(name):
  assert datasets.options(name) == OPTIONS[name]
  datasets.check_options(name, OPTIONS[name])
  datasets.check_options(name, {})


def test_the_defaults_are_what_is_loaded_without_options():
  options = datasets.options('csbm')
  assert options['num_nodes'] == 600
  assert datasets.load('csbm', **options).card == datasets.load('csbm').card


@pytest.mark.parametrize('name', ['coar', 'Cora', 'ogbn', '', 'graph.csv'])
@pytest.mark.parametrize(
  'use',
  [datasets.options, datasets.load, lambda n: datasets.check_options(n, {})],
)
def test_unknown_data_set_lists_the_known(use, name):
  with pytest.raises(DataError, match='cora, citeseer, pubmed, csbm') as error:
    use(name)
  assert error.value.field == 'config.dataset.name'
  meant = {'coar': 'did you mean cora?', 'Cora': 'did you mean cora?'}
  assert error.value.remedy == meant.get(name, '')


# name of the data set, its options, the field that is named, words
REFUSED = [
  ('cora', {'normalise_features': True}, 'did you mean normalize_features?'),
  ('cora', {'num_graphs': 0}, 'it has normalize_features'),
  ('cora', {'normalize_features': 'yes'}, "'yes' is not of type bool"),
  ('cora', {'normalize_features': 1}, '1 is not of type bool'),
  ('ppi', {'num_graphs': True}, 'True is not of type int'),
  ('ppi', {'num_graphs': 1.0}, '1.0 is not of type int'),
  ('csbm', {'signal': 'loud'}, "'loud' is not of type float"),
  ('csbm', {'num_nodes': 'many'}, "'many' is not of type int"),
  ('csbm', {'nodes': 10}, 'did you mean num_nodes?'),
  ('graph.npz', {'direct': True}, 'did you mean directed?'),
  ('graph.npz', {'edges': 'a.csv'}, 'graph.npz, which holds the whole graph'),
  ('tables', {'edge': 'a.csv'}, 'did you mean edges?'),
  ('tables', {'nodes': 1}, '1 is not of type str'),
]


@pytest.mark.parametrize(('name', 'options', 'words'), REFUSED)
def test_refused_field_is_named(name, options, words):
  for use in (datasets.check_options, lambda n, o: datasets.load(n, **o)):
    with pytest.raises(DataError) as error:
      use(name, options)
    assert error.value.field == f'config.dataset.{next(iter(options))}'
    assert words in str(error.value)


def test_a_whole_number_does_for_a_real_one():
  datasets.check_options('csbm', {'average_degree': 10})


@pytest.mark.slow
def test_too_little_memory_is_said_and_nothing_is_called_damaged(tmp_path):
  """In a process of its own, whose memory is limited after the imports."""
  path = tmp_path / 'graph.npz'
  features = np.zeros((6, 50_000_000), np.uint8)
  np.savez_compressed(path, **good() | {'features': features})
  code = f"""
import pathlib, resource
from gat_jax import datasets
from gat_jax.errors import DataError
pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])
limit = pages * resource.getpagesize() + 2 ** 29
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
large = {{'num_nodes': 4_000_000}}
for name, options in (({str(path)!r}, {{}}), ('csbm', large)):
  try:
    datasets.load(name, **options)
  except DataError as error:
    assert isinstance(error.__cause__, MemoryError)
    print(error.field, '|', error)
"""
  said = subprocess.run(
    [sys.executable, '-c', code],
    cwd=pathlib.Path(__file__).parents[2],
    check=True,
    capture_output=True,
    text=True,
  ).stdout.splitlines()
  assert [line.split(' | ')[0] for line in said] == ['memory'] * 2
  assert 'does not fit into it' in said[0]
