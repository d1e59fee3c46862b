"""Layers under the transformations of JAX and Flax, and what they refuse."""

import copy
import pickle
import re

from fixtures import edge_features
from flax import nnx
import jax
from jax import export
from jax import numpy as jnp
from jax.test_util import check_grads
import jraph
import numpy as np
import pytest
from small_layers import ALL
from small_layers import ATTENTION
from small_layers import GRAPHS
from small_layers import LAYERS
from small_layers import each_layer
from small_layers import make_edged
from small_layers import make_layer
from small_layers import outputs_of
from small_layers import sparse

from gat_jax import graphs
from gat_jax import nn
from gat_jax.errors import InputError
from gat_jax.nn.layers import GATLayer
from gat_jax.nn.layers import GATv2Layer
from gat_jax.nn.layers import MLPLayer

GRAPH = GRAPHS['random']
FORMS = {
  'prepared': lambda graph: graph,
  'bare': lambda g: jraph.GraphsTuple(*g),
}
each_form = pytest.mark.parametrize('form', FORMS.values(), ids=FORMS)


@pytest.mark.slow
@pytest.mark.parametrize('layer_type', [GATLayer, GATv2Layer])
@pytest.mark.parametrize(
  ('form', 'road', 'modes'),
  [('prepared', None, ['rev']), ('bare', 'plain', ['fwd', 'rev'])],
)
def test_second_derivatives(layer_type, form, road, modes):
  """Forward over reverse needs the plain road, reverse over reverse none."""
  graph = FORMS[form](GRAPHS['isolated node'])
  layer = make_layer(layer_type, implementation=road, edge_features=2)
  with jax.enable_x64(True):
    given = [
      np.asarray(x, np.float64) for x in (graph.nodes, edge_features(graph))
    ]
    graphdef, state = nnx.split(layer)
    wide = jax.tree.map(lambda x: x.astype(np.float64), state)

    @jax.jit
    def run(nodes, edges):
      own = graph._replace(nodes=nodes, edges=edges)
      return nnx.merge(graphdef, wide).forward(own).nodes

    check_grads(run, given, order=2, modes=modes, atol=1e-4, rtol=1e-4)


@each_layer
def test_the_hessian_is_that_of_reverse_over_reverse(layer_type):
  graph = GRAPHS['one edge']

  def loss(layer):
    return lambda nodes: (
      layer.forward(graph._replace(nodes=nodes)).nodes ** 2
    ).sum()

  plain = make_layer(layer_type, implementation='plain')
  fast = make_layer(layer_type)
  expected = jax.jit(jax.jacrev(jax.jacrev(loss(fast))))(graph.nodes)
  found = jax.jit(jax.hessian(loss(plain)))(graph.nodes)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
  with pytest.raises(InputError, match="choose implementation='plain'"):
    jax.hessian(loss(fast))(graph.nodes)


def test_jit_of_nnx_checkpoint_and_scan():
  graph = GRAPH
  layer = make_layer(GATLayer, 8, 2, 4)
  nodes = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
  graph = graph._replace(nodes=nodes)
  expected = outputs_of(layer, graph)
  np.testing.assert_allclose(
    nnx.jit(lambda layer, graph: layer(graph).nodes)(layer, graph),
    expected,
    rtol=1e-5,
    atol=1e-6,
  )

  def loss(nodes):
    return (layer.forward(graph._replace(nodes=nodes)).nodes ** 2).sum()

  np.testing.assert_allclose(
    jax.jit(jax.grad(jax.checkpoint(loss)))(nodes),
    jax.jit(jax.grad(loss))(nodes),
    rtol=1e-4,
    atol=1e-5,
  )

  @nnx.split_rngs(splits=3)
  @nnx.vmap(in_axes=0, out_axes=0)
  def stack_of(rngs):
    return GATLayer(8, 2, 4, rngs=rngs)

  @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
  def through(graph, layer):
    return layer(graph)

  stack = stack_of(nnx.Rngs(0))
  found = nnx.jit(through)(jax.tree.map(jnp.asarray, graph), stack).nodes
  graphdef, state = nnx.split(stack)
  one_by_one = graph
  for index in range(3):
    own = jax.tree.map(lambda x, index=index: x[index], state)
    one_by_one = nnx.merge(graphdef, own)(one_by_one)
  np.testing.assert_allclose(found, one_by_one.nodes, rtol=1e-4, atol=1e-5)


@each_layer
def test_pickle_and_deepcopy(layer_type):
  layer = make_layer(layer_type, dropout_rate=0.5)
  expected = layer(GRAPH, deterministic=True).nodes
  for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
    np.testing.assert_array_equal(
      other(GRAPH, deterministic=True).nodes, expected
    )
    assert other.rngs is not None


@pytest.mark.parametrize('layer_type', LAYERS)
def test_export_with_symbolic_numbers_of_nodes_and_edges(layer_type):
  """For three platforms at once, written down and read back."""
  layer, all_graphs = make_edged(layer_type)
  graph = GRAPH
  if layer.edge_features:
    graph = GRAPH._replace(edges=edge_features(GRAPH))

  def run(nodes, senders, receivers, edges):
    return layer.forward(
      jraph.GraphsTuple(
        nodes, edges, receivers, senders, None, jnp.array([0]), jnp.array([0])
      )
    ).nodes

  n_node, n_edge = export.symbolic_shape('n, e')
  ids = jax.ShapeDtypeStruct((n_edge,), np.int32)
  nodes = jax.ShapeDtypeStruct((n_node, 5), np.float32)
  edges = None
  if layer.edge_features:
    edges = jax.ShapeDtypeStruct((n_edge, layer.edge_features), np.float32)
  exported = export.export(jax.jit(run), platforms=('cpu', 'cuda', 'tpu'))(
    nodes, ids, ids, edges
  )
  again = export.deserialize(exported.serialize())
  for own in (graph, all_graphs):
    np.testing.assert_allclose(
      again.call(own.nodes, own.senders, own.receivers, own.edges),
      outputs_of(layer, own),
      rtol=1e-5,
      atol=1e-5,
    )


def test_export_of_a_prepared_graph():
  layer = make_layer(GATLayer)
  _, graph = sparse(ALL)
  exported = export.export(
    jax.jit(lambda graph: layer.forward(graph).nodes),
    platforms=('cpu', 'cuda'),
  )(graph)
  np.testing.assert_allclose(
    exported.call(graph), outputs_of(layer, graph), rtol=1e-5, atol=1e-5
  )


@each_form
def test_xla_does_not_compute_with_a_graph_that_is_closed_over(form):
  """It took minutes to compile; a barrier keeps the edges from being folded."""
  graph, layer = form(GRAPH), make_layer(nn.GCNLayer)

  def compiled(passed):
    def outputs(nodes, graph=graph):
      return layer.forward(graph._replace(nodes=nodes)).nodes

    args = (graph.nodes, graph) if passed else (graph.nodes,)
    lowered = jax.jit(outputs).lower(*args)
    assert ('optimization_barrier' in lowered.as_text()) != passed
    return lowered.compile()

  passed, closed_over = compiled(True), compiled(False)
  expected = passed(graph.nodes, graph)
  np.testing.assert_allclose(closed_over(graph.nodes), expected, rtol=1e-6)
  # What is folded is a constant of floats, as the weights of edges are.
  constants = re.findall(r'f32\[\d{2,}.*? constant\(', closed_over.as_text())
  assert not constants


def test_a_prepared_graph_is_compiled_once_where_nothing_is_compiled(caplog):
  """Outside `jax.jit`, in a notebook."""
  layer = make_layer(GATv2Layer)

  def gradient(nodes):
    return jax.grad(
      lambda nodes: layer.forward(GRAPH._replace(nodes=nodes)).nodes.sum()
    )(nodes)

  gradient(GRAPH.nodes)
  with jax.log_compiles(True), caplog.at_level('WARNING', 'jax'):
    gradient(GRAPH.nodes + 1)
    found = [r for r in caplog.messages if r.startswith('Finished XLA')]
    assert not found
    jax.jit(lambda x: x + 1)(np.ones(7))  # they can be seen
    assert any(r.startswith('Finished XLA') for r in caplog.messages)


@each_layer
def test_what_a_layer_does_not_use_it_refuses(layer_type):
  layer = make_layer(layer_type)
  features = np.ones((len(GRAPH.senders), 2))
  with pytest.raises(InputError, match='its edges have 2 features, and none'):
    layer(GRAPH._replace(edges=features))
  if layer_type in ATTENTION:
    edged, graph = make_edged(layer_type)
    for other in (GRAPH, GRAPH._replace(edges=features[:, :1])):
      with pytest.raises(InputError, match='and 2 are wanted'):
        edged(other)
    with pytest.raises(InputError, match=r'edges have features \(5, 2\)'):
      edged(graph._replace(edges=features[:5]))
  no_features = GRAPH._replace(edges=features[:, :0])  # are none
  assert layer(no_features).nodes.shape == layer(GRAPH).nodes.shape
  dense, sparse_graph = sparse(GRAPH)
  for nodes in (np.ones((30, 6)), np.ones(30), np.ones((30, 5, 1))):
    with pytest.raises(InputError, match=r'they must be \[N, 5\]'):
      layer(dense._replace(nodes=nodes))
  edges = sparse_graph.nodes.edges
  wide = graphs.Edges(edges.senders, edges.receivers, 6, 30)
  nodes = graphs.SparseFeatures(sparse_graph.nodes.values, wide)
  with pytest.raises(InputError, match=r'its nodes are \(30, 6\)'):
    layer(dense._replace(nodes=nodes))


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'compute_dtype': 'int8'}, "there is no 'int8'; choose one of float32"),
    ({'compute_dtype': None}, 'there is no None'),
    ({'implementation': 'fast'}, "there is no 'fast'; choose one of 'plain'"),
    ({'edge_block': -1}, 'block: -1 is no number of edges'),
    ({'edge_block': 8.0}, r'block: 8\.0 is no number of edges'),
    ({'dropout_rate': 1.0}, 'from 0 to below 1'),
    ({'dropout_rate': -0.1}, 'from 0 to below 1'),
    ({'dropout_rate': float('nan')}, 'from 0 to below 1'),
    ({'dropout_rate': '0.5'}, 'from 0 to below 1'),
    ({'dropout_rate': True}, 'from 0 to below 1'),
  ],
)
def test_options_that_are_none_are_refused(options, message):
  with pytest.raises(InputError, match=message):
    MLPLayer(5, 3, 2, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize(
  ('key', 'rate', 'message'),
  [
    (0, 0.6, r'key: 0 is not one key; make one with `jax\.random\.key\(0\)`'),
    (np.zeros(2), 0.6, 'is not one key'),
    (jax.random.split(jax.random.key(0)), 0.6, 'is not one key'),
    (jax.random.key(0), 1.0, r'rate: 1\.0 is no number from 0 to below 1'),
    (jax.random.key(0), jnp.float32(-1), 'from 0 to below 1'),
    (jax.random.key(0), 'a half', 'from 0 to below 1'),
  ],
)
def test_a_dropout_that_is_none_is_refused(key, rate, message):
  layer = make_layer(MLPLayer)
  with pytest.raises(InputError, match=message):
    layer.forward(GRAPH, nn.Dropout(key, rate))
  with pytest.raises(InputError, match=message):
    nn.drop_features(nn.Dropout(key, rate), GRAPH.nodes, 2)


def test_a_key_alone_is_no_dropout():
  model = nn.Model(5, 2, num_heads=1, hidden_dim=1, rngs=nnx.Rngs(0))
  for module in (model, make_layer(MLPLayer)):
    with pytest.raises(InputError, match='give `Dropout'):
      module.forward(GRAPH, jax.random.key(0))
