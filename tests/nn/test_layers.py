"""Properties that all layers have."""

from fixtures import edge_features
from fixtures import elu
from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
import pytest
from small_layers import ALL
from small_layers import ATTENTION
from small_layers import GRAPHS
from small_layers import LAYERS
from small_layers import dense_outputs
from small_layers import each_layer
from small_layers import make_edged
from small_layers import make_layer
from small_layers import outputs_of
from small_layers import params_of
from small_layers import sparse

from gat_jax import graphs
from gat_jax.nn import Dropout
from gat_jax.nn.layers import GATLayer
from gat_jax.nn.layers import GATv2Layer
from gat_jax.nn.layers import GCNLayer
from gat_jax.nn.layers import MLPLayer

# Narrower than D = 5, wider, and as wide; together they have both kinds of skip
# connections and both ends of a layer. Attention that is wider has features of
# edges.
FORMS = {
  'joined': {'out_features': 3},
  'wide': {'out_features': 9, 'residual': True},
  'averaged': {
    'out_features': 5,
    'residual': True,
    'average_heads': True,
    'activation': None,
  },
}


def make(layer_type, form):
  """A layer and a graph for it."""
  if form == 'wide':
    return make_edged(layer_type, **FORMS[form])
  return make_layer(layer_type, **FORMS[form]), ALL


@pytest.mark.parametrize(
  ('layer_type', 'form'),
  [(layer, form) for layer in LAYERS for form in ('joined', 'wide')]
  + [(layer, 'averaged') for layer in (GATLayer, GCNLayer, MLPLayer)],
)
def test_layer_equals_dense_formulas(layer_type, form):
  layer, graph = make(layer_type, form)
  p = params_of(layer)
  assert ('skip_kernel' in p) == (form == 'wide')
  assert ('edge_kernel' in p) == (form == 'wide' and layer_type in ATTENTION)
  np.testing.assert_allclose(
    outputs_of(layer, graph),
    dense_outputs(layer, graph, p),
    rtol=2e-5,
    atol=2e-5,
  )


@pytest.mark.parametrize(
  ('layer_type', 'form'),
  [(layer, 'wide') for layer in LAYERS] + [(GATLayer, 'averaged')],
)
def test_sparse_features_equal_dense_formulas(layer_type, form):
  dense, sparse_graph = sparse(ALL)
  layer = make_layer(layer_type, **FORMS[form])
  np.testing.assert_allclose(
    outputs_of(layer, sparse_graph),
    dense_outputs(layer, dense, params_of(layer)),
    rtol=2e-5,
    atol=2e-5,
  )


@each_layer
def test_batch_equals_single_graphs(layer_type):
  layer = make_layer(layer_type)
  joined = outputs_of(layer, ALL)
  # Sums over edges are the same code for all, so GAT stands for the others.
  names = GRAPHS if layer_type is GATLayer else ['random']
  until = dict(zip(GRAPHS, np.cumsum(ALL.n_node), strict=True))
  for name in names:
    graph = GRAPHS[name]
    np.testing.assert_allclose(
      outputs_of(layer, graph),
      joined[until[name] - len(graph.nodes) : until[name]],
      rtol=1e-5,
      atol=1e-6,
      err_msg=name,
    )


@pytest.mark.parametrize(
  ('layer_type', 'form'),
  [(layer, 'joined') for layer in LAYERS]
  + [(layer, 'wide') for layer in ATTENTION],
)
def test_gradient_equals_finite_differences_of_dense_formulas(layer_type, form):
  """Of parameters, nodes and features of edges.

  Differences are those of the reference, so as not to share a mistake.
  """
  layer, graph = make(layer_type, form)
  given = {'nodes': np.asarray(graph.nodes, np.float64)}
  if graph.edges is not None:
    given['edges'] = np.asarray(graph.edges, np.float64)
  p = params_of(layer)

  def dense_loss(p, given):
    own = graph._replace(**given)
    return np.sin(dense_outputs(layer, own, p)).sum()

  with jax.enable_x64(True):
    graphdef, state = nnx.split(layer)
    state = jax.tree.map(lambda x: x.astype(np.float64), state)

    def loss(state, given):
      own = graph._replace(**given)
      return jnp.sin(nnx.merge(graphdef, state).forward(own).nodes).sum()

    gradient, d_given = jax.jit(jax.grad(loss, (0, 1)))(state, given)
    gradient = jax.tree.map(np.asarray, nnx.to_pure_dict(gradient))
    d_given = jax.tree.map(np.asarray, d_given)
  rng = np.random.default_rng(0)
  assert gradient.keys() == p.keys()
  for name, value in (p | given).items():
    step = 1e-6 * rng.normal(size=value.shape)  # within few kinks of LeakyReLU
    ends = [
      [x | {name: value + sign * step} if name in x else x for x in (p, given)]
      for sign in (1, -1)
    ]
    np.testing.assert_allclose(
      np.sum(step * (gradient | d_given)[name]),
      (dense_loss(*ends[0]) - dense_loss(*ends[1])) / 2,
      rtol=1e-4,
      atol=1e-10,
      err_msg=name,
    )


@each_layer
def test_isolated_node_sees_itself_alone(layer_type):
  layer = make_layer(layer_type)
  first = len(GRAPHS['one node'].nodes)  # that of 'isolated node' in ALL
  nodes = ALL.nodes.copy()
  nodes[first : first + 2] += 1
  before = outputs_of(layer, ALL)
  after = outputs_of(layer, ALL._replace(nodes=nodes))
  np.testing.assert_array_equal(before[first + 2], after[first + 2])
  assert (before[first] != after[first]).any()


@each_layer
def test_permuting_nodes_permutes_outputs(layer_type):
  layer, _ = make_edged(layer_type)
  graph = GRAPHS['random']
  if layer.edge_features:
    graph = graph._replace(edges=edge_features(graph))
  order = np.random.default_rng(3).permutation(len(graph.nodes))
  place = np.argsort(order)
  permuted = graphs.prepare(
    graph.nodes[order],
    place[graph.senders],
    place[graph.receivers],
    duplicates='keep',
    edge_features=graph.edges,
  )
  np.testing.assert_allclose(
    outputs_of(layer, permuted),
    np.asarray(outputs_of(layer, graph))[order],
    rtol=1e-5,
    atol=1e-6,
  )


@each_layer
def test_padding_changes_nothing(layer_type):
  """But the last bit: whether XLA fuses a product and a sum is up to shapes."""
  layer, graph = make_edged(layer_type)
  n_node = len(graph.nodes)
  padded = graphs.pad(graph, n_node + 3, len(graph.senders) + 7)
  outputs = outputs_of(layer, padded)
  np.testing.assert_allclose(
    outputs[:n_node], outputs_of(layer, graph), rtol=1e-6, atol=5e-7
  )
  # Padding is zero, so what a layer makes of it is its biases. Only the first
  # padding node has edges.
  p = params_of(layer)
  of_padding = np.stack([p['bias']] * 3)
  if layer_type is GATv2Layer:
    of_padding[0] += p['sender_bias']
  np.testing.assert_allclose(
    outputs[n_node:], elu(of_padding).reshape(3, -1), rtol=1e-6, atol=1e-7
  )


@pytest.mark.parametrize(('fused', 'fan_out'), [(False, 3), (True, 12)])
def test_initial_parameters_fill_glorot_range(fused, fan_out):
  layer = GATLayer(400, 3, 4, fused_fan=fused, rngs=nnx.Rngs(0))
  limit = (6 / (400 + fan_out)) ** 0.5
  assert 0.99 * limit < np.abs(layer.kernel[...]).max() < limit
  vectors = np.abs(GATLayer(2, 3, 200, rngs=nnx.Rngs(0)).sender_vector[...])
  assert 0.97 * (6 / 4) ** 0.5 < vectors.max() < (6 / 4) ** 0.5
  assert not np.any(layer.bias[...])


LESS = {
  'score_bias': (GATLayer, {'score_bias': False}),
  'projection_bias': (GATv2Layer, {'projection_bias': False}),
  'receiver_bias': (GATv2Layer, {'share_weights': True}),
  'neither': (GATv2Layer, {'share_weights': True, 'projection_bias': False}),
}


@pytest.mark.parametrize('name', LESS)
def test_biases_and_kernels_that_can_be_left_out(name):
  """Also where weights are summed up as inputs, with a node of no edges."""
  layer_type, options = LESS[name]
  layer = make_layer(layer_type, out_features=9, **options)
  p = params_of(layer)
  left_out = {'sender_bias', 'receiver_bias'} - p.keys()
  assert left_out == (
    {'receiver_bias'}
    if name == 'receiver_bias'
    else {'sender_bias', 'receiver_bias'}
  )
  assert ('receiver_kernel' in p) == (name == 'projection_bias')
  graph = graphs.prepare(ALL.nodes[:6], [0, 1], [1, 2], self_loops=False)
  np.testing.assert_allclose(
    layer(graph).nodes, dense_outputs(layer, graph, p), rtol=2e-5, atol=2e-5
  )


def test_a_bias_of_values_is_dropped_and_summed_as_they_are():
  """On either side of W: sum_j alpha_ij (W h_j + b), some alpha dropped."""
  graph = graphs.prepare(ALL.nodes[:6], [0, 1, 2], [1, 2, 1], self_loops=False)
  layer = make_layer(
    GATv2Layer, out_features=9, value_dropout=False, shared_input_dropout=True
  )
  dropout = Dropout(jax.random.key(0), 0.5)
  found = []
  for is_projected in (True, False):
    layer.VALUES_ARE_PROJECTED = is_projected
    found.append(layer.forward(graph, dropout).nodes)
  np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)
  for is_projected in (True, False):  # nothing comes in at nodes 0, 3, 4, 5
    layer.VALUES_ARE_PROJECTED = is_projected
    own = layer.forward(graph).nodes
    np.testing.assert_allclose(
      own[3], elu(params_of(layer)['bias']).ravel(), rtol=1e-6
    )


@pytest.mark.parametrize(
  'layer_type', [GATLayer, GATv2Layer, GCNLayer, MLPLayer]
)
def test_bfloat16_stays_close_and_parameters_stay_float32(layer_type):
  exact, narrow = (
    make_layer(layer_type, residual=True, compute_dtype=dtype)
    for dtype in ('float32', 'bfloat16')
  )

  @jax.jit
  def run(layer):
    graphdef, state = nnx.split(layer)

    def loss(state):
      outputs = nnx.merge(graphdef, state).forward(ALL).nodes
      return (outputs**2).sum(), outputs

    return jax.grad(loss, has_aux=True)(state)

  (wide_gradient, expected), (gradient, outputs) = run(exact), run(narrow)
  assert outputs.dtype == np.float32
  error = np.abs(outputs - expected).max()
  assert 0 < error < 0.05 * np.abs(expected).max()
  for a, b in zip(
    *map(jax.tree.leaves, (wide_gradient, gradient)), strict=True
  ):
    assert b.dtype == np.float32
    assert np.linalg.norm(a - b) <= 0.2 * np.linalg.norm(a) + 1e-2
