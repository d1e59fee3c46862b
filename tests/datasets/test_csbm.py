import hashlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from gat_jax import datasets
from gat_jax.datasets.drawn import csbm
from gat_jax.errors import DataError


def test_same_seed_same_graph():
  first, again, other = (datasets.load('csbm', seed=s) for s in (1, 1, 2))
  assert first.card == again.card
  assert first.card['digest'] != other.card['digest']
  np.testing.assert_array_equal(
    first.train[0].graph.nodes, again.train[0].graph.nodes
  )


def test_edges_and_features_follow_the_model():
  dataset = datasets.load(
    'csbm', num_nodes=3000, average_degree=20.0, homophily=0.7, signal=3.0
  )
  example = dataset.train[0]
  graph, labels = example.graph, example.labels
  real = graph.senders != graph.receivers
  senders, receivers = graph.senders[real], graph.receivers[real]
  assert len(senders) / 3000 == pytest.approx(20, rel=0.03)
  within = (labels[senders] == labels[receivers]).mean()
  assert within == pytest.approx(0.7, abs=0.02)
  centres = [graph.nodes[labels == c].mean(axis=0) for c in range(4)]
  np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 3, rtol=0.1)


# Of edges, labels and masks that earlier versions drew: runs of theirs are of
# the same graphs. Options, SHA-256.
DRAWN = {
  'smoke': (
    {},
    'a7e23410976f3594f406df21347484ab0179c65bfda2763908ffadecedd6c3e3',
  ),
  'odd': (
    {'num_nodes': 401, 'num_classes': 7, 'seed': 5, 'average_degree': 6.5},
    '8e2fc0209749b373e6060cc370976447ff46f455b7b421cba28086f25238cd83',
  ),
}


@pytest.mark.parametrize('case', DRAWN)
def test_small_graphs_keep_their_bits(case):
  options, sha256 = DRAWN[case]
  example = datasets.load('csbm', **options).train[0]
  graph = example.graph
  made = hashlib.sha256()
  for array in (graph.senders, graph.receivers, example.labels, example.mask):
    made.update(array)
  assert made.hexdigest() == sha256


def expected_pairs(labels, within, across):
  """Of a class, of two classes, and their variances."""
  counts = np.bincount(labels)
  pairs = np.outer(counts, counts) - np.diag(counts * (counts + 1) // 2)
  p = np.full(pairs.shape, across)
  np.fill_diagonal(p, within)
  return pairs * p, pairs * p * (1 - p)


@pytest.mark.parametrize(
  ('within', 'across'), [(0.05, 0.002), (0.0, 0.01), (0.02, 0.0), (1.0, 1e-300)]
)
def test_pairs_are_distinct_and_as_many_as_expected(within, across):
  labels = np.random.default_rng(1).permutation(np.arange(1001) % 4)
  pairs = csbm.draw_pairs(np.random.default_rng(2), labels, within, across)
  again = csbm.draw_pairs(np.random.default_rng(2), labels, within, across)
  np.testing.assert_array_equal(pairs, again)
  assert (pairs[0] != pairs[1]).all()
  assert 0 <= pairs.min() <= pairs.max() < 1001
  low, high = np.sort(pairs, axis=0).astype(np.int64)
  assert len(np.unique(low * 1001 + high)) == pairs.shape[1]
  found = np.zeros((4, 4))
  np.add.at(found, tuple(np.sort(labels[pairs], axis=0)), 1)
  mean, variance = expected_pairs(labels, within, across)
  upper = np.triu_indices(4)
  error = np.abs(found - mean)[upper]
  assert (error <= 5 * np.sqrt(variance[upper])).all()


def test_every_pair_is_as_probable_as_any_other():
  """Over many draws of a small graph, by the chi-squared statistic."""
  labels = np.array([0, 1, 0, 2, 1, 0, 2, 0, 1])
  rng = np.random.default_rng(0)
  within, across, draws = 0.4, 0.15, 4000
  counts = np.zeros((9, 9))
  for _ in range(draws):
    low, high = np.sort(csbm.draw_pairs(rng, labels, within, across), 0)
    counts[low, high] += 1
  upper = np.triu_indices(9, k=1)
  p = np.where(labels[:, None] == labels, within, across)[upper]
  z = (counts[upper] - draws * p) / np.sqrt(draws * p * (1 - p))
  assert 15 < np.sum(z**2) < 65  # 36 degrees of freedom


def test_a_large_graph_has_the_degree_and_homophily_that_are_asked():
  dataset = datasets.load(
    'csbm', num_nodes=10_001, average_degree=22.0, num_features=4, seed=3
  )
  graph, labels = dataset.train[0].graph, dataset.train[0].labels
  real = graph.senders != graph.receivers
  assert real.sum() == 2 * dataset.card['edges_unique']
  assert real.sum() / 10_001 == pytest.approx(22, rel=0.01)
  same = labels[graph.senders[real]] == labels[graph.receivers[real]]
  assert same.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.slow
def test_eleven_million_edges_take_little_memory():
  """In a process of its own, whose memory is measured."""
  code = (
    'import re, numpy; from gat_jax.datasets.drawn import csbm;'
    'made = csbm.draw_pairs(numpy.random.default_rng(0),'
    ' numpy.arange(10**6) % 10, 1.76e-4, 4.9e-6);'
    'status = open("/proc/self/status").read();'
    'print(made.shape[1], re.search(r"VmHWM:\\s+(\\d+)", status)[1])'
  )
  root = pathlib.Path(__file__).parents[2]
  said = subprocess.run(
    [sys.executable, '-c', code],
    cwd=root,
    check=True,
    capture_output=True,
    text=True,
  ).stdout
  edges, kilobytes = map(int, said.split())
  assert edges == pytest.approx(11e6, rel=0.01)
  assert kilobytes < 1e6


def test_splits_are_disjoint_and_balanced():
  dataset = datasets.load('csbm', train_per_class=5, num_val=100)
  masks = [s[0].mask for s in (dataset.train, dataset.val, dataset.test)]
  assert (np.sum(masks, axis=0) == 1).all()
  labels = dataset.train[0].labels
  assert np.bincount(labels[masks[0]]).tolist() == [5, 5, 5, 5]
  assert masks[1].sum() == 100


@pytest.mark.parametrize(
  'options',
  [
    {'num_nodes': 100, 'num_val': 50},
    {'num_nodes': 0},
    {'num_classes': 1},
    {'num_nodes': 10**8},
    {'num_nodes': 10**7, 'num_features': 100},
    {'num_nodes': 10**6, 'average_degree': 1000.0},
    {'num_features': 10**9},
    {'seed': -1},
    {'signal': float('nan')},
    {'signal': 1e39},
    {'average_degree': 599.0},
    {'homophily': 1.5},
    {'average_degree': 0.0},
  ],
)
def test_impossible_numbers_are_named(options):
  with pytest.raises(DataError) as error:
    datasets.load('csbm', **options)
  field = f'config.dataset.{next(iter(options))}'
  assert error.value.field == field
  assert error.value.problem
