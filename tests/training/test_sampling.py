"""Sampled neighbourhoods: what is drawn, what shapes, which gradients."""

import dataclasses
import subprocess
import sys
import tracemalloc

from flax import nnx
import jax
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax import machine
from gat_jax import nn
from gat_jax.datasets import Example
from gat_jax.errors import ConfigError
from gat_jax.errors import DataError
from gat_jax.training import memory
from gat_jax.training import metrics
from gat_jax.training.sampling import Csr
from gat_jax.training.sampling import csr
from gat_jax.training.sampling import shapes

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


def last_of(block):
  """The receiver that pads."""
  return block.structure.num_receivers - 1


def ids_of(batches):
  """Training nodes of some batches, whose labels are ids."""
  own = [batch.example.labels[batch.example.mask] for batch in batches]
  return np.concatenate(own)


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


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'num_layers', 'edge_features', 'trees'),
  [
    ('gat', 2, True, False),
    ('gatv2', 1, False, False),
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
  ids = np.arange(NUM_NODES, dtype=np.int32)
  example = dataclasses.replace(example, labels=ids)
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
      assert one[1:3] == another[1:3]
      jax.tree.map(np.testing.assert_array_equal, one.example, another.example)
  orders = [ids_of(wanted[4 * i : 4 * (i + 1)]) for i in range(3)]
  for order in orders:  # each is all training nodes
    np.testing.assert_array_equal(np.sort(order), np.flatnonzero(example.mask))
  assert not np.array_equal(orders[0], orders[1])
  assert sum(batch.num_seeds for batch in wanted[:4]) == example.mask.sum()


def test_a_smaller_last_batch_of_a_dense_graph_fits():
  """It finds more new nodes than any full one."""
  count = 40
  ends = np.nonzero(~np.eye(count, dtype=bool))
  graph = graphs.prepare(np.ones((count, 1), np.float32), *ends)
  ids = np.arange(count, dtype=np.int32)
  own = neighbours_of(Example(graph, ids, ids < 30), (ALL, ALL), 16)
  found = list(own.batches(0, 0, own.num_batches, 0))
  assert [batch.num_seeds for batch in found] == [16, 14]
  np.testing.assert_array_equal(np.sort(ids_of(found)), ids[:30])
  with pytest.raises(RuntimeError, match=r'no shape of .* nodes and'):
    shapes.index_of((), own._walk(ids[:1], (0,)))


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
    walk = own._walk(own.order(0, index)[:8], (0, index, 0))
    assert largest.holds(walk)
  assert usual.counts[0] == 9  # a padding node as well
  sizes = {
    tuple(x.shape for x in jax.tree.leaves(own.batch(0, i).example))
    for i in range(20)
  }
  assert len(sizes) <= len(own.shapes)


@pytest.mark.parametrize('fan_outs', [(3, 2), (40, 1), (ALL, ALL)])
def test_groups_hold_every_edge_once_in_arrays_that_jax_takes_over(fan_outs):
  """A narrow fan-out makes at most one group a receiver."""
  own = neighbours_of(example_of(), fan_outs)
  for index in range(own.num_batches):
    blocks = own.batch(2, index).example.graph
    for block, fan_out in zip(blocks, fan_outs, strict=True):
      edges, is_real = block.structure, block.receivers != last_of(block)
      if fan_out < 16:
        assert len(edges.by_receiver.nodes) <= edges.num_receivers
      for groups, ends in (
        (edges.by_receiver, block.receivers),
        (edges.by_sender, block.senders),
      ):
        held = groups.edges[groups.is_edge]
        np.testing.assert_array_equal(np.sort(held), np.flatnonzero(is_real))
        nodes = np.repeat(groups.nodes, groups.is_edge.sum(1))
        np.testing.assert_array_equal(ends[held], nodes)
        is_filler = ~groups.is_edge.any(1)
        assert (np.flatnonzero(is_filler) >= groups.num_groups).all()
        assert (groups.nodes[is_filler] == len(groups.degrees)).all()
  cpu = jax.devices('cpu')[0]
  for array in (block.senders, groups.edges, groups.is_edge, groups.degrees):
    taken = jax.device_put(array, cpu)
    assert taken.unsafe_buffer_pointer() == array.ctypes.data


def test_what_is_sampled_is_what_the_graph_has_there():
  example = example_of(edge_features=True)
  own = neighbours_of(example, (2, 3), ids=True)
  graph = example.graph
  for index in range(own.num_batches):
    batch = own.batch(1, index).example
    for block in batch.graph:
      part, is_own = block.structure.part, block.receivers != last_of(block)
      assert 0 < is_own.sum() < len(is_own)
      edges = part.edge_ids[is_own]
      np.testing.assert_array_equal(block.edges[is_own], graph.edges[edges])
      assert not block.edges[~is_own].any()
      for ends, whole in (
        (block.senders, graph.senders),
        (block.receivers, graph.receivers),
      ):
        found = part.sender_ids[ends[is_own]]
        np.testing.assert_array_equal(found, whole[edges])
    first = batch.graph[0]
    read = np.unique(first.senders[first.receivers != last_of(first)])
    ids = first.structure.part.sender_ids[read]
    np.testing.assert_array_equal(first.nodes[read], graph.nodes[ids])


@pytest.mark.parametrize('form', ['unaligned', 'by column'])
def test_rows_are_gathered_without_a_copy_of_all(form, tmp_path):
  """An .npz has its arrays at any place."""
  example = example_of()
  wide = np.random.default_rng(0).normal(size=(NUM_NODES, 20_000))
  wide = wide.astype(np.float32)
  path = tmp_path / 'features'
  order = 'C' if form == 'unaligned' else 'F'
  path.write_bytes(b'1' + wide.tobytes(order))
  mapped = np.memmap(path, np.float32, 'r', 1, wide.shape, order)
  assert not mapped.flags.aligned
  graph = example.graph._replace(nodes=mapped)
  example = dataclasses.replace(example, graph=graph)
  own = neighbours_of(example, (1,), 1, ids=True)
  tracemalloc.start()
  block = own.batch(0, 0).example.graph[0]
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < wide.nbytes / 2
  edges = block.receivers != last_of(block)
  senders = block.senders[edges]
  ids = block.structure.part.sender_ids[senders]
  np.testing.assert_array_equal(block.nodes[senders], wide[ids])


def test_nothing_draws_the_same_numbers(monkeypatch):
  from gat_jax.training.sampling import loading

  drawn, walk = [], loading.walk

  def watched(*args):
    drawn.append(args[-1])
    return walk(*args)

  monkeypatch.setattr(loading, 'walk', watched)
  own = neighbours_of(example_of(), (2,))
  for seed in (0, 1, 2**31 - 1):
    for index in range(3 * own.num_batches):
      own.batch(seed, index)
  assert len(drawn) > 36
  assert len(set(drawn)) == len(drawn)


def test_each_seed_orders_the_nodes_once_an_epoch(monkeypatch):
  own = neighbours_of(example_of(), (2,))
  asked, order = [], own.order

  def watched(*key):
    asked.append(key)
    return order(*key)

  monkeypatch.setattr(own, 'order', watched)
  several = [own.batches(seed, 0, own.num_batches, 0) for seed in range(12)]
  for _ in range(own.num_batches):  # in turn, as several replicas do
    for batches in several:
      next(batches)
  assert asked == [(seed, 0) for seed in range(12)]


def test_edges_are_read_in_turn_and_once(monkeypatch):
  graph = example_of().graph
  wanted = np.bincount(graph.receivers, minlength=NUM_NODES)
  wrong = graphs.from_edges(np.ones((3, 1), np.float32), [0, 1], [2, 1])
  for most in (1, 7, 10**6):
    monkeypatch.setattr(csr, '_MOST_EDGES', most)
    monkeypatch.setattr(csr, '_KNOWN', type(csr._KNOWN)())
    found = Csr.of(graph)
    np.testing.assert_array_equal(found.degrees, wanted)
    with pytest.raises(DataError):
      Csr.of(wrong)
  other = graph._replace(nodes=graph.nodes + 1)
  assert Csr.of(other) is found
  monkeypatch.setattr(csr, '_MOST_EDGES', 10_000)
  ends = np.arange(10**6, dtype=np.int32) // 10
  long = graph._replace(nodes=np.ones((10**5, 1)), senders=ends, receivers=ends)
  tracemalloc.start()
  Csr.of(long)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 8 * 10**5 + 10**6


def test_what_the_host_must_hold_is_checked(monkeypatch):
  class Accelerator:
    platform = 'gpu'

    def memory_stats(self):
      return {'bytes_limit': 100, 'bytes_in_use': 0}

  monkeypatch.setattr(machine, 'free_memory', lambda: 50)
  memory.check({Accelerator(): 100}, on_host=50)
  with pytest.raises(ConfigError, match='this machine has'):
    memory.check({Accelerator(): 100}, on_host=51)
  cpu = jax.devices('cpu')[0]
  memory.check({cpu: 20}, on_host=30)
  with pytest.raises(ConfigError, match='this machine has'):
    memory.check({cpu: 20}, on_host=31)


@pytest.mark.slow
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
  assert "pip install 'gat_jax[sampling]'" in last
