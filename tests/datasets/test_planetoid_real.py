"""Cora, Citeseer and Pubmed as they are published."""

import pickle
import warnings

import numpy as np
import pytest
import realdata
import scipy.sparse

from gat_jax import datasets
from gat_jax.datasets import planetoid

pytestmark = pytest.mark.slow

# From the description of the files; edges_unique without self-loops.
CARDS = {
  'cora': {
    'nodes': 2708,
    'features': 1433,
    'classes': 7,
    'edges_raw': 10858,
    'edges_unique': 5278,
    'edges_with_loops': 13264,
    'nonzeros': 49216,
    'max_degree': 168,
    'self_loops_in_file': 0,
    'isolated_nodes': 0,
    'missing_ids': 0,
    'warnings': [],
    'train': 140,
    'val': 500,
    'test': 1000,
  },
  'citeseer': {
    'nodes': 3327,
    'features': 3703,
    'classes': 6,
    'edges_unique': 4552,
    'self_loops_in_file': 124,
    'isolated_nodes': 48,
    'isolated_test_nodes': 12,
    'missing_ids': 15,
    # Those ids; unlike what is often said of them, they have neighbours.
    'warnings': [
      'nodes with features that are all 0: 15 (the first is node 2407), of'
      ' which 0 are in a split and 0 have no neighbours'
    ],
    'train': 120,
    'val': 500,
    'test': 1000,
  },
  'pubmed': {
    'nodes': 19717,
    'features': 500,
    'classes': 3,
    'edges_raw': 88676,
    'edges_unique': 44324,
    'edges_with_loops': 108365,
    'nonzeros': 988031,
    'max_degree': 171,
    'self_loops_in_file': 3,
    'isolated_nodes': 0,
    'warnings': [],
    'train': 60,
    'val': 500,
    'test': 1000,
  },
}


def load(name, **options):
  """From the published files; a test that finds none is skipped."""
  needed = [file.name for file in planetoid.data_files(name)]
  folder = realdata.folder('planetoid', *needed)
  return datasets.load(name, str(folder), **options)


def read(name, part):
  """The published file, by Python's own unpickler: for comparison only."""
  file = f'ind.{name}.{part}'
  path = realdata.folder('planetoid', file) / file
  if part == 'test.index':
    return np.loadtxt(path, dtype=int)
  with warnings.catch_warnings(action='ignore'):  # of names that moved
    return pickle.loads(path.read_bytes(), encoding='latin1')


@pytest.mark.parametrize('name', CARDS)
def test_card(name):
  card = load(name).card
  assert {key: card[key] for key in CARDS[name]} == CARDS[name]
  assert len(card['sha256']) == 8


@pytest.mark.parametrize('name', CARDS)
def test_splits_and_rows_are_those_of_the_files(name):
  dataset = load(name, normalize_features=False)
  graph = dataset.train[0].graph
  labels = dataset.train[0].labels
  y, ty, ally = (read(name, part) for part in ('y', 'ty', 'ally'))
  tx, allx = (read(name, part).toarray() for part in ('tx', 'allx'))
  test = read(name, 'test.index')
  np.testing.assert_array_equal(
    np.flatnonzero(dataset.train[0].mask), np.arange(len(y))
  )
  np.testing.assert_array_equal(
    np.flatnonzero(dataset.val[0].mask), len(y) + np.arange(500)
  )
  np.testing.assert_array_equal(
    np.flatnonzero(dataset.test[0].mask), np.sort(test)
  )
  np.testing.assert_array_equal(labels[test], ty.argmax(axis=1))
  np.testing.assert_array_equal(labels[: len(ally)], ally.argmax(axis=1))
  features = np.zeros(graph.nodes.shape, np.float32)
  features[graph.nodes.rows, graph.nodes.columns] = graph.nodes.values
  np.testing.assert_array_equal(features[: len(allx)], allx)
  np.testing.assert_array_equal(features[test], tx)


@pytest.mark.parametrize('name', CARDS)
def test_edges_are_those_of_the_file_both_ways_with_loops(name):
  graph = load(name).train[0].graph
  n_node = graph.nodes.shape[0]
  adjacency = scipy.sparse.lil_matrix((n_node, n_node), dtype=bool)
  for node, neighbours in read(name, 'graph').items():
    adjacency[node, neighbours] = True
  adjacency.setdiag(True)
  expected = ((adjacency + adjacency.T) > 0).tocoo()
  order = np.lexsort((expected.col, expected.row))
  np.testing.assert_array_equal(graph.receivers, expected.row[order])
  np.testing.assert_array_equal(graph.senders, expected.col[order])


def test_missing_ids_have_no_feature_no_label_no_split():
  dataset = load('citeseer')
  test = read('citeseer', 'test.index')
  missing = sorted(set(range(test.min(), test.max())) - set(test))
  assert len(missing) == 15
  example = dataset.test[0]
  assert not np.isin(example.graph.nodes.rows, missing).any()
  assert (example.labels[missing] == -1).all()
  for split in (dataset.train, dataset.val, dataset.test):
    assert not split[0].mask[missing].any()


def test_rows_are_scaled_to_sum_one_and_empty_rows_stay():
  nodes = load('citeseer').train[0].graph.nodes
  sums = np.bincount(nodes.rows, nodes.values, minlength=nodes.shape[0])
  assert np.isclose(sums, 1, atol=1e-5).sum() + (sums == 0).sum() == len(sums)
  assert (sums == 0).sum() >= 15
