"""The road 'fused': its errors everywhere, its kernels where Triton is."""

import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

from fixtures import all_graphs
from fixtures import edge_features
import jax
from jax import numpy as jnp
import jax.export
import numpy as np
import pytest
from small_layers import make_layer

from gat_jax import graphs
from gat_jax import nn
from gat_jax.errors import InputError
from gat_jax.graphs.items import make_items
from gat_jax.nn.roads.fused import operation
from gat_jax.nn.roads.fused import platform

ROOT = pathlib.Path(__file__).parents[2]
GRAPH = all_graphs()['random']
BOTH = (nn.GATLayer, nn.GATv2Layer)


def has(*modules):
  return all(importlib.util.find_spec(name) for name in modules)


needs_triton = pytest.mark.skipif(
  not has('triton', 'jax_triton'),
  reason='no jax-triton: pip install "jax-triton>=0.4.1,<0.5"'
  ' "triton>=3.7,<3.8", on Python 3.12 or newer',
)


@pytest.fixture
def without_kernels(monkeypatch):
  """What comes before the kernels, whether there is Triton or not."""
  monkeypatch.setattr(operation, 'load', lambda: None)


def refused(field, layer, graph, dropout=None):
  with pytest.raises(InputError) as caught:
    jax.eval_shape(lambda nodes: layer.forward(graph, dropout).nodes, 0.0)
  assert caught.value.field == field, caught.value
  return str(caught.value)


@pytest.mark.parametrize('layer_type', BOTH)
def test_without_jax_triton_the_error_says_what_to_install(
  layer_type, monkeypatch
):
  monkeypatch.setitem(sys.modules, 'jax_triton', None)
  layer = make_layer(layer_type, implementation='fused')
  message = refused('implementation', layer, graphs.with_items(GRAPH))
  assert 'pip install "jax-triton' in message


def test_lowered_for_anything_but_cuda_is_an_error():
  x = jnp.ones(3)
  run = jax.jit(platform.only_on_cuda)
  for attempt in (
    lambda: run(x),
    lambda: jax.export.export(run, platforms=['tpu'])(x),
    lambda: jax.export.export(run, platforms=['cuda', 'cpu'])(x),
  ):
    with pytest.raises(InputError, match=r'NVIDIA GPUs.* lowered for'):
      attempt()
  exported = jax.export.export(run, platforms=['cuda'])(x)
  assert 'custom_call' not in exported.mlir_module()


@pytest.mark.parametrize(
  'layer_type', [nn.ConstGATLayer, nn.GCNLayer, nn.MLPLayer]
)
def test_other_layers_go_the_way_of_none(layer_type):
  fused, usual = (
    jax.make_jaxpr(
      lambda nodes, road=road: (
        make_layer(layer_type, implementation=road)
        .forward(GRAPH._replace(nodes=nodes))
        .nodes
      )
    )(GRAPH.nodes)
    for road in ('fused', None)
  )
  assert str(fused.eqns) == str(usual.eqns)


def test_attention_goes_the_way_of_none():
  layer = make_layer(nn.GATLayer)
  expected = layer.attention(GRAPH)
  layer.implementation = 'fused'
  np.testing.assert_array_equal(layer.attention(GRAPH), expected)


def test_operations_have_no_such_road():
  weights = np.ones((len(GRAPH.senders), 1), np.float32)
  values = np.ones((len(GRAPH.nodes), 1, 2), np.float32)
  edges = graphs.edges_of(GRAPH)
  with pytest.raises(InputError, match="there is no 'fused'"):
    nn.aggregate(weights, values, edges, implementation='fused')


def test_what_the_kernels_cannot_do_is_an_error(without_kernels):
  layers = [make_layer(kind, implementation='fused') for kind in BOTH]
  ready, dropout = graphs.with_items(GRAPH), nn.Dropout(jax.random.key(0), 0.5)
  for layer in layers:
    for graph in (
      GRAPH,
      graphs.pad(ready, 40, 200),
      graphs.batch([ready, ready]),
      graphs.from_edges(GRAPH.nodes, GRAPH.senders, GRAPH.receivers),
    ):
      assert '`graphs.with_items`' in refused('edges', layer, graph)
  refused('value_dropout', layers[1], ready, dropout)
  edged = ready._replace(edges=edge_features(ready))
  for kind in BOTH:
    layer = make_layer(kind, implementation='fused', edge_features=2)
    assert 'no features of edges' in refused('implementation', layer, edged)
  layers[0].compute_dtype = 'bfloat16'
  refused('compute_dtype', layers[0], ready)
  with jax.enable_x64(True):
    double = np.zeros((30, 2, 3))
    with pytest.raises(InputError, match=r'takes float32 and .* float64'):
      operation.attention(
        double, double[..., 0], ready.structure, keys=double[..., 0], slope=0.2
      )
  for nodes, heads, features, match in (
    (30, 4, 257, '4 heads of 257 features'),
    (2**16, 2**15, 8, '32 bits'),
  ):
    queries = jax.ShapeDtypeStruct((nodes, heads), np.float32)
    values = jax.ShapeDtypeStruct((nodes, heads, features), np.float32)
    with pytest.raises(InputError, match=match):
      operation._check_sizes(queries, values, ready.structure.items)


def test_graphs_without_structure_get_no_items():
  bare = graphs.from_edges(GRAPH.nodes, GRAPH.senders, GRAPH.receivers)
  with pytest.raises(InputError, match='not prepared'):
    graphs.with_items(bare)
  with pytest.raises(InputError, match='traced'):
    jax.eval_shape(graphs.with_items, GRAPH)
  ready = graphs.with_items(GRAPH)
  assert ready.in_given_order(ready.senders).self_loops is not None
  assert graphs.edges_of(jax.device_put(ready)).items is not None
  assert graphs.edges_of(ready).reversed.items is None


@pytest.mark.parametrize('most', [1, 3, 256])
def test_every_edge_is_in_one_item(most):
  rng = np.random.default_rng(0)
  receivers = np.sort(rng.integers(0, 9, 50)).astype(np.int32)  # not 9 itself
  senders = rng.integers(3, 12, 50).astype(np.int32)
  items = make_items(senders, receivers, 12, 10, most)
  np.testing.assert_array_equal(items.receivers, receivers[items.order])
  for side, ends in (
    (items.by_receiver, receivers),
    (items.by_sender, senders[items.order]),
  ):
    nodes, first, end, part = side.items.T
    assert (np.diff(end - first) <= 0).all()  # the longest first
    assert (end - first).max() <= most
    edges = [np.arange(*both) for both in zip(first, end, strict=True)]
    owner = np.repeat(nodes, end - first)
    np.testing.assert_array_equal(ends[np.concatenate(edges)], owner)
    assert sorted(np.concatenate(edges)) == list(range(50))
    # Each part is joined once, at its node, in the order of its edges.
    joined = [
      (node, number)
      for node, start, stop, _ in side.joins[: side.num_joins]
      for number in range(start, stop)
    ]
    parts = sorted(zip(nodes[part >= 0], part[part >= 0], strict=True))
    assert joined == parts
    assert len(parts) in (side.num_parts, 0)
    in_order = np.argsort(part[part >= 0])
    assert (np.diff(first[part >= 0][in_order]) > 0).all()
    assert set(nodes[part < 0]) | {n for n, _ in parts} == set(
      range(10 if ends is receivers else 12)
    )


@needs_triton
def test_derivatives_that_there_are_not_are_errors():
  graph = graphs.with_items(GRAPH)
  layer = make_layer(nn.GATLayer, implementation='fused', value_dropout=False)

  def loss(nodes, rate):
    dropout = nn.Dropout(jax.random.key(0), rate)
    return layer.forward(graph._replace(nodes=nodes), dropout).nodes.sum()

  by_nodes = jax.grad(loss)
  args = GRAPH.nodes, np.float32(0.5)
  for transformed, match in (
    (jax.jacfwd(loss), 'no forward-mode'),
    (jax.grad(lambda *args: by_nodes(*args).sum()), 'no second derivatives'),
    (jax.hessian(loss), 'no (forward-mode|second) derivatives'),
    (jax.grad(loss, argnums=1), 'no derivative on the road'),
  ):
    with pytest.raises(InputError, match=match):
      jax.eval_shape(jax.jit(transformed), *args)
  jax.eval_shape(jax.jit(jax.value_and_grad(loss)), *args)
  with pytest.raises(InputError, match='lowered for cpu'):
    by_nodes(*args)
  several = jax.tree.map(functools.partial(np.expand_dims, axis=0), graph)
  run = jax.vmap(lambda graph: layer.forward(graph).nodes)
  with pytest.raises(InputError, match='one graph for all'):
    jax.eval_shape(run, several)


def found_by(program, **environment):
  done = subprocess.run(
    [sys.executable, ROOT / 'tests/nn/fused_programs.py', program],
    env=os.environ
    | {'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}'}
    | environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout)


@needs_triton
@pytest.mark.slow
def test_values_and_gradients_by_the_interpreter():
  """Of the operation in float64, and of layers on the plain road."""
  errors = found_by('interpreted', TRITON_INTERPRET='1')
  assert len(errors) == 26
  assert max(errors.values()) < 1e-5, errors


@needs_triton
@pytest.mark.skipif(
  not has('jax_cuda13_plugin'), reason='no CUDA: pip install "jax[cuda13]"'
)
@pytest.mark.slow
def test_kernels_of_an_operation_with_its_gradient():
  """Three, and joins; besides, what XLA makes of sums over heads."""
  found = found_by('compiled', JAX_SKIP_CUDA_CONSTRAINTS_CHECK='1')
  assert len(found) == 8
  for name, counts in found.items():
    # One join of the forward pass, of dv, of ds and of dr.
    assert counts['triton'] == (7 if 'items of 8' in name else 3)
    others = counts['kernels'] - counts['triton']
    assert others <= (3 if 'pairs 1' in name else 1), name
