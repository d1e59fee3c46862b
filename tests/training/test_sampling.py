"""Sampled neighbourhoods: what is drawn, what shapes, which gradients."""

import subprocess
import sys

from flax import nnx
import jax
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax import nn
from gat_jax.datasets import Example
from gat_jax.training import metrics

pytestmark = pytest.mark.slow

NUM_NODES, NUM_FEATURES, NUM_CLASSES = 80, 5, 3
ALL = 10**6


def example_of(sparse=False, edge_features=False, self_loops=True):
  """With a hub that all know, and a node that has no neighbour."""
  rng = np.random.default_rng(0)
  hub = np.stack([np.arange(60), np.full(60, 7)], 1)
  pairs = np.concatenate([rng.integers(0, NUM_NODES - 1, (150, 2)), hub])
  pairs = np.unique(pairs, axis=0)
  features = rng.normal(size=(NUM_NODES, NUM_FEATURES)).astype(np.float32)
  of_edges = rng.normal(size=(len(pairs), 2)).astype(np.float32)
  graph = graphs.prepare(
    features if not sparse else np.where(features > 0, features, 0),
    *pairs.T,
    edge_features=of_edges if edge_features else None,
    self_loops=self_loops,
  )
  if sparse:
    own = graphs.SparseFeatures.from_csr(scipy.sparse.csr_array(graph.nodes))
    graph = graph._replace(nodes=own)
  labels = np.arange(NUM_NODES, dtype=np.int32) % NUM_CLASSES
  return Example(graph, labels, np.arange(NUM_NODES) % 4 != 1)


def neighbours_of(example, fan_outs, batch_size=16, **options):
  from gat_jax.training.sampling import loading

  return loading.Neighbours(example, fan_outs, batch_size, **options)


def edges_by_id(graph):
  return list(
    zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
  )


@pytest.mark.parametrize('self_loops', [True, False])
@pytest.mark.parametrize('fan_outs', [(3, 2), (40, 1), (ALL, ALL)])
def test_a_walk_keeps_loops_and_draws_different_neighbours(
  fan_outs, self_loops
):
  example = example_of(self_loops=self_loops)
  own = neighbours_of(example, fan_outs)
  known = edges_by_id(example.graph)
  degrees = own.csr.degrees
  seeds = np.array([7, 3, NUM_NODES - 1, 20], np.int32)
  walk = own._walk(seeds, (0, 0))
  again, other = own._walk(seeds, (0, 0)), own._walk(seeds, (0, 1))
  assert all(map(np.array_equal, walk, again))
  if ALL not in fan_outs:
    assert not all(map(np.array_equal, walk, other))
  assert len(set(walk.nodes.tolist())) == len(walk.nodes)
  np.testing.assert_array_equal(walk.nodes[:4], seeds)
  e = r = 0
  for step, fan_out in enumerate(reversed(fan_outs)):
    count = walk.counts[step]
    for receiver, degree in zip(
      walk.nodes[:count], walk.degrees[r : r + count], strict=True
    ):
      ids = walk.edges[e : e + degree].tolist()
      senders = walk.nodes[walk.senders[e : e + degree]].tolist()
      assert [known[i] for i in ids] == [(s, receiver) for s in senders]
      assert len(set(senders)) == degree
      loops = int(receiver in senders)
      assert loops == ((receiver, receiver) in known)
      assert degree - loops == min(fan_out, degrees[receiver] - loops)
      e += degree
    r += count


def test_all_neighbours_are_drawn_as_often():
  example = example_of()
  for fan_out in (5, 35):  # by either way to choose
    own = neighbours_of(example, (fan_out,))
    hub = np.array([7], np.int32)
    counts = np.zeros(NUM_NODES)
    draws = 2000
    for i in range(draws):
      counts[own._walk(hub, (1, i)).nodes[1:]] += 1
    mates = np.setdiff1d(
      example.graph.senders[example.graph.receivers == 7], [7]
    )
    p = fan_out / len(mates)
    spread = np.sqrt(draws * p * (1 - p))
    assert counts.sum() == draws * fan_out
    assert np.abs(counts[mates] - draws * p).max() < 5 * spread


@pytest.mark.parametrize(
  ('name', 'num_layers', 'edge_features', 'trees'),
  [
    ('gat', 1, True, False),
    ('gatv2', 1, False, False),
    ('const_gat', 1, False, False),
    ('gcn', 2, False, False),
    ('gcn', 1, False, True),
  ],
)
def test_with_all_neighbours_gradients_are_those_of_the_whole_graph(
  name, num_layers, edge_features, trees
):
  """Dropout included: masks are those that the whole graph would draw."""
  example = example_of(edge_features=edge_features)
  options = {'edge_features': 2} if edge_features else {}
  model = nn.Model(
    NUM_FEATURES,
    NUM_CLASSES,
    layer=name,
    num_layers=num_layers,
    num_heads=2,
    hidden_dim=4,
    dropout_rate=0.0,
    rngs=nnx.Rngs(0),
    implementation='rows' if trees else None,
    **options,
  )
  graphdef, params = nnx.split(model)
  own = neighbours_of(
    example,
    (ALL,) * num_layers,
    NUM_NODES,
    ids=True,
    degrees=True,
    trees=trees,
  )
  batch = own.batch(0, 0)
  dropout = nn.Dropout(jax.random.key(3), 0.4)

  def loss(params, example):
    logits = nnx.merge(graphdef, params).forward(example.graph, dropout)
    return metrics.count(logits, example.labels, example.mask).mean_loss

  whole, wanted = jax.jit(jax.value_and_grad(loss))(params, example)
  found, gradients = jax.jit(jax.value_and_grad(loss))(params, batch.example)
  assert batch.example.mask.sum() == example.mask.sum()
  np.testing.assert_allclose(found, whole, rtol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradients, wanted
  )


def test_batches_are_the_same_with_any_number_of_threads_and_from_files(
  tmp_path,
):
  example = example_of(edge_features=True)
  path = tmp_path / 'features.npy'
  np.save(path, example.graph.nodes)
  mapped = np.load(path, mmap_mode='r')
  on_disk = Example(
    example.graph._replace(nodes=mapped), example.labels, example.mask
  )
  own = neighbours_of(example, (2, 3))
  other = neighbours_of(on_disk, (2, 3))
  count = 3 * own.num_batches
  assert own.num_batches == 4  # 60 nodes, 16 at a time
  wanted = [own.batch(5, i) for i in range(count)]
  for first, workers, of in ((0, 0, own), (3, 2, own), (1, 3, other)):
    found = list(of.batches(5, first, count, workers))
    assert len(found) == count - first
    for one, another in zip(found, wanted[first:], strict=True):
      assert one.shape == another.shape
      jax.tree.map(np.testing.assert_array_equal, one.example, another.example)
  for epoch in range(3):  # each is all training nodes
    labels = [
      b.example.labels[b.example.mask]
      for b in wanted[4 * epoch : 4 * (epoch + 1)]
    ]
    assert len(np.concatenate(labels)) == example.mask.sum()
  assert own.work.seeds > 0


def test_sparse_features_become_rows():
  sparse = neighbours_of(example_of(sparse=True), (2, 3)).batch(0, 0)
  graph = example_of().graph
  positive = np.where(graph.nodes > 0, graph.nodes, 0)
  own = graph._replace(nodes=positive)
  dense = neighbours_of(
    Example(own, example_of().labels, example_of().mask), (2, 3)
  ).batch(0, 0)
  np.testing.assert_array_equal(
    sparse.example.graph[0].nodes, dense.example.graph[0].nodes
  )


def test_a_few_shapes_hold_all_neighbourhoods():
  own = neighbours_of(example_of(), (3, 2), 8)
  usual, largest = own.shapes[0], own.shapes[-1]
  assert len(own.shapes) <= 2
  for index in range(40):
    walk = own._walk(own._order(0, index)[:8], (0, index, 0))
    assert largest.holds(walk)
  assert usual.counts[0] == 9  # a padding node as well
  sizes = {
    tuple(x.shape for x in jax.tree.leaves(own.batch(0, i).example))
    for i in range(20)
  }
  assert len(sizes) <= len(own.shapes)


def test_a_missing_library_is_one_clear_error():
  code = """
import sys
sys.modules['grain'] = None
from gat_jax import runs
config = runs.settings.default_config('relations')
config.sampler.fan_outs = (2, 2)
runs.train_and_evaluate(config)
"""
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  last = done.stderr.strip().splitlines()[-1]
  assert 'config.sampler.fan_outs: sampling needs grain, which is' in last
  assert "pip install 'gat-jax[sampling]'" in last
