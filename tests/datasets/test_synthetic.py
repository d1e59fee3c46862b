import numpy as np
import pytest

from gat_jax import datasets
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
    {'num_nodes': 10**7},
    {'num_features': 10**9},
    {'seed': -1},
    {'signal': float('nan')},
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
