"""A graph on several devices: what one has, and no more rows on any of them."""

import os
import pathlib
import re
import subprocess
import sys

from fixtures import hubs
from flax import nnx
import jax
from jax import numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec
import numpy as np
import pytest
import realdata

from benchmarks import exchange
from gat_jax import datasets
from gat_jax import graphs
from gat_jax import nn

HERE = pathlib.Path(__file__).parent


def on_devices(function, num_parts):
  """`function(params, part, scale)` of every device, added up."""
  mesh = Mesh(np.array(jax.devices()[:num_parts]), ('nodes',))
  alone, apart = PartitionSpec(), PartitionSpec('nodes')

  def on_one(params, *own):
    own = jax.tree.map(lambda array: array[0], own)
    (value, logits), grads = function(params, *own)
    value, grads = jax.lax.psum((value, grads), 'nodes')
    return value, logits[None], grads

  return jax.jit(
    jax.shard_map(
      on_one,
      mesh=mesh,
      in_specs=(alone, apart, apart),
      out_specs=(alone, apart, alone),
      check_vma=False,
    )
  )


def check_same(name, graph, num_parts, dropout, dtype='float32', tol=1e-5):
  """Logits, value and gradient on several devices are those on one."""
  num_edge_features = 0 if graph.edges is None else graph.edges.shape[1]
  options = {'edge_features': num_edge_features} if num_edge_features else {}
  model = nn.Model(
    graph.nodes.shape[1],
    5,
    layer=name,
    num_heads=2,
    hidden_dim=4,
    rngs=nnx.Rngs(params=0),
    **options,
  )
  graphdef, params = nnx.split(model)
  params = jax.tree.map(lambda x: x.astype(dtype), params)
  num_nodes = graph.nodes.shape[0]
  rng = np.random.default_rng(2)
  scale = rng.uniform(size=(num_nodes, 5)).astype(dtype)

  def total(params, graph, scale):
    logits = nnx.merge(graphdef, params).forward(graph, dropout)
    return (logits**2 * scale).sum(), logits

  function = jax.value_and_grad(total, has_aux=True)
  (value, logits), grads = jax.jit(function)(params, graph, scale)
  cut = graphs.partition(graph, graphs.deal_nodes(graph, num_parts), num_parts)
  found = on_devices(function, num_parts)(
    params, cut.graph, cut.of_nodes(scale)
  )
  # Relative to the largest entry of each array.
  close = (value, logits, grads), (found[0], cut.whole(found[1]), found[2])
  for wanted, got in zip(*map(jax.tree.leaves, close), strict=True):
    largest = float(jnp.abs(wanted).max())
    np.testing.assert_allclose(got, wanted, rtol=tol, atol=tol * largest)


MASKS = nn.Dropout(jax.random.key(2), 0.5)


def test_two_devices_give_what_one_gives():
  check_same('gcn', hubs(), 2, MASKS)


@pytest.mark.slow
def test_no_device_has_the_whole_graph():
  graph = hubs(3000)
  model = nn.Model(6, 5, num_heads=2, hidden_dim=4, rngs=nnx.Rngs(params=0))
  graphdef, params = nnx.split(model)

  def total(params, graph, scale):
    logits = nnx.merge(graphdef, params).forward(graph, MASKS)
    return (logits * scale).sum(), logits

  function = jax.value_and_grad(total, has_aux=True)
  cut = graphs.partition(graph, graphs.deal_nodes(graph, 2), 2)
  scale = np.ones((*cut.nodes.shape, 5), np.float32)
  lowered = on_devices(function, 2).lower(params, cut.graph, scale)
  text = lowered.compile().as_text()
  # All that nodes have in a layer: 2 heads of 4 features, and 5 classes.
  rows = re.findall(r'f32\[(\d+),(?:2,4|8|1,5|5)\]', text)
  assert max(map(int, rows)) == cut.graph.structure.num_senders < 3000
  assert '[3000' not in text
  # And what is exchanged is what the formula says.
  features = [layer.sent_features for layer in model.layers]
  assert features == [2 * (4 + 1), 5 + 1]
  expected = cut.spread.program_bytes(features, padded=True)
  assert sum(exchange.exchanges(text)) == expected
  # All but fillers, and what a part would send itself.
  moved = cut.spread.exchanged_bytes(sum(features))
  assert moved <= expected


@pytest.mark.slow
def test_all_layers_on_1_2_and_4_devices():
  """In a process that has four, and in float64, which hides no mistake."""
  code = 'import test_exchange; test_exchange.check_all()'
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=HERE,
    env=os.environ
    | {
      'JAX_NUM_CPU_DEVICES': '4',
      'XLA_FLAGS': '--xla_backend_optimization_level=0',
      'PYTHONPATH': f'{HERE.parents[1]}:{HERE}:{HERE.parent}',
    },
    capture_output=True,
    text=True,
  )
  assert not done.returncode, done.stderr[-3000:]


def check_all():
  with jax.enable_x64(True):
    for index, name in enumerate(nn.LAYERS):
      graph = hubs(sparse=index % 2 == 0)
      check_same(name, graph, 4, MASKS, 'float64', 1e-10)
    check_same('gatv2', hubs(edge_features=True), 4, MASKS, 'float64', 1e-10)
    check_same('gat', hubs(edge_features=True), 2, None, 'float64', 1e-10)
    check_same('const_gat', hubs(), 1, MASKS, 'float64', 1e-10)


@pytest.mark.slow
def test_cora_and_the_largest_graph_of_ppi():
  cora = datasets.load('cora', str(realdata.folder('planetoid', 'ind.cora.x')))
  check_same('gat', cora.train[0].graph, 2, MASKS)
  ppi = datasets.load('ppi', str(realdata.folder('ppi', 'ppi.zip')))
  largest = max((e.graph for e in ppi.train), key=lambda g: len(g.senders))
  check_same('gat', largest, 2, MASKS)
