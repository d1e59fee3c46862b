"""Layer by layer, blocks of nodes give what the whole graph gives."""

from flax import nnx
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax import nn
from gat_jax.datasets import Example
from gat_jax.errors import DataError
from gat_jax.training import SplitCounter
from gat_jax.training import metrics
from gat_jax.training.sampling import Csr
from gat_jax.training.sampling import Layerwise
from gat_jax.training.sampling import layerwise

NUM_NODES, NUM_FEATURES, NUM_CLASSES = 60, 5, 3


def graph_of(sparse=False, edge_features=False):
  """With a hub, and a node that has no neighbour."""
  rng = np.random.default_rng(0)
  pairs = np.append(
    rng.integers(0, NUM_NODES - 1, (90, 2)),
    np.stack([np.arange(40), np.full(40, 7)], 1),
    axis=0,
  )
  pairs = np.unique(pairs, axis=0)
  features = rng.normal(size=(NUM_NODES, NUM_FEATURES)).astype(np.float32)
  if sparse:
    features = scipy.sparse.csr_array(np.where(features > 0, features, 0))
  of_edges = rng.normal(size=(len(pairs), 2)).astype(np.float32)
  return graphs.prepare(
    features, *pairs.T, edge_features=of_edges if edge_features else None
  )


def model_of(name, edge_features=False, **options):
  if edge_features:
    options['edge_features'] = 2
  return nn.Model(
    NUM_FEATURES,
    NUM_CLASSES,
    layer=name,
    num_layers=2,
    num_heads=2,
    hidden_dim=4,
    residual=True,
    dropout_rate=0.0,
    rngs=nnx.Rngs(0),
    **options,
  )


def check(name, graph, monkeypatch, **options):
  monkeypatch.setattr(layerwise, '_MOST_ENTRIES', 20 * 8)  # many blocks
  model = model_of(name, **options)
  graphdef, params = nnx.split(model)
  own = Layerwise(graphdef, graph)
  wanted = model.activations(graph)
  for whole, found in zip(wanted, own.activations(params), strict=True):
    np.testing.assert_allclose(found, whole, atol=1e-5)
  some = np.array([3, 7, 30, NUM_NODES - 1])
  found = own.logits(params, some)
  np.testing.assert_allclose(found, wanted[-1][some], atol=1e-5)
  return model, own, params


@pytest.mark.slow
@pytest.mark.parametrize('name', ['gat', 'gatv2'])
def test_layerwise_is_exact(name, monkeypatch):
  graph = graph_of(edge_features=True)
  model, own, params = check(name, graph, monkeypatch, edge_features=True)
  if name == 'gat':
    pairs = zip(model.attention(graph), own.attention(params), strict=True)
    for whole, found in pairs:
      np.testing.assert_allclose(found.alpha, whole.alpha, atol=1e-5)
      np.testing.assert_array_equal(found.senders, whole.senders)


def test_layerwise_takes_sparse_features(monkeypatch):
  check('gcn', graph_of(sparse=True), monkeypatch)


def test_counts_of_a_split_are_those_of_the_whole_graph():
  graph = graph_of()
  model = model_of('mlp')
  graphdef, params = nnx.split(model)
  labels = np.arange(NUM_NODES, dtype=np.int32) % NUM_CLASSES
  mask = np.arange(NUM_NODES) % 3 == 0
  counted = SplitCounter(graphdef, 'accuracy').count(
    params, [Example(graph, labels, mask)] * 2
  )
  wanted = metrics.count(model.forward(graph), labels, mask)
  for found, one in zip(counted, wanted, strict=True):
    np.testing.assert_allclose(found, 2 * one, rtol=1e-5)


def test_only_sorted_edges_are_taken():
  bare = graphs.from_edges(np.ones((3, 1), np.float32), [0, 1], [2, 1])
  with pytest.raises(DataError, match='not sorted by receiver'):
    Csr.of(bare)
