from fixtures import all_graphs
from fixtures import dense_const_gat
from fixtures import dense_gat
from fixtures import dense_gatv2
from fixtures import dense_gcn
from fixtures import dense_mlp
from fixtures import elu
from fixtures import make_graph
from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax.nn import operations
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.layers import ConstGATLayer
from gat_jax.nn.layers import GATLayer
from gat_jax.nn.layers import GATv2Layer
from gat_jax.nn.layers import GCNLayer
from gat_jax.nn.layers import MLPLayer

GRAPHS = all_graphs()
ALL = graphs.batch(list(GRAPHS.values()))  # every nasty graph in one program
LAYERS = {
  GATLayer: dense_gat,
  GATv2Layer: dense_gatv2,
  ConstGATLayer: dense_const_gat,
  GCNLayer: dense_gcn,
  MLPLayer: dense_mlp,
}
ATTENTION = [GATLayer, GATv2Layer, ConstGATLayer]

each_layer = pytest.mark.parametrize('layer_type', LAYERS)
each_attention = pytest.mark.parametrize('layer_type', ATTENTION)
# Narrower than D = 5, wider, and as wide; together they have both kinds of skip
# connections and both ends of a layer.
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
each_form = pytest.mark.parametrize('form', FORMS)


def make_layer(layer_type, in_features=5, out_features=3, num_heads=4, **kw):
  """A layer whose biases are not zero, so that none can be forgotten."""
  layer = layer_type(
    in_features, out_features, num_heads, rngs=nnx.Rngs(0), **kw
  )
  rng = np.random.default_rng(1)
  state = jax.tree.map(
    lambda x: x + 0.3 * rng.normal(size=x.shape).astype(np.float32),
    nnx.state(layer, nnx.Param),
  )
  nnx.update(layer, state)
  return layer


@jax.jit
def outputs_of(layer, graph):
  """What a layer makes of the nodes, without dropout."""
  return layer.forward(graph).nodes


@jax.jit
def attention_of(layer, graph):
  return layer.attention(graph)


@jax.jit
def drop(layer, graph, keys):
  """The outputs under the dropout of each key and the layer's own rate."""
  return jax.vmap(lambda key: layer(graph, rngs=key).nodes)(keys)


def params_of(layer):
  pure = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
  return {name: np.asarray(value, np.float64) for name, value in pure.items()}


def dense_outputs(layer, graph, p):
  """The same by dense formulas in float64; p are the layer's parameters."""
  heads = LAYERS[type(layer)](graph, p)
  if layer.residual and 'skip_kernel' in p:
    skip = np.einsum('nd,dkf->nkf', graph.nodes, p['skip_kernel'])
    heads = heads + skip + p['skip_bias']
  elif layer.residual:
    heads = heads + graph.nodes[:, None]
  if layer.activation is not None:
    heads = elu(heads)
  return heads.mean(1) if layer.average_heads else heads.reshape(len(heads), -1)


def sparse(graph):
  """A graph with some zeros among its features, dense and sparse."""
  nodes = np.where(np.abs(graph.nodes) > 0.5, graph.nodes, 0)
  matrix = scipy.sparse.csr_matrix(nodes)
  features = graphs.SparseFeatures.from_csr(matrix)
  return graph._replace(nodes=nodes), graph._replace(nodes=features)


@each_layer
@each_form
def test_layer_equals_dense_formulas(layer_type, form):
  layer = make_layer(layer_type, **FORMS[form])
  p = params_of(layer)
  assert ('skip_kernel' in p) == (form == 'wide')
  np.testing.assert_allclose(
    outputs_of(layer, ALL),
    dense_outputs(layer, ALL, p),
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
  """Of parameters and nodes; the reference's, so as not to share a mistake."""
  layer = make_layer(layer_type, **FORMS[form])
  p = params_of(layer) | {'nodes': np.asarray(ALL.nodes, np.float64)}

  def dense_loss(p):
    graph = ALL._replace(nodes=p['nodes'])
    return np.sin(dense_outputs(layer, graph, p)).sum()

  with jax.enable_x64(True):
    graphdef, state = nnx.split(layer)
    state = jax.tree.map(lambda x: x.astype(np.float64), state)

    def loss(state, nodes):
      graph = ALL._replace(nodes=nodes)
      return jnp.sin(nnx.merge(graphdef, state).forward(graph).nodes).sum()

    gradient, d_nodes = jax.jit(jax.grad(loss, (0, 1)))(state, p['nodes'])
    gradient = nnx.to_pure_dict(gradient) | {'nodes': d_nodes}
    gradient = jax.tree.map(np.asarray, gradient)
  rng = np.random.default_rng(0)
  assert gradient.keys() == p.keys()
  for name, value in p.items():
    step = 1e-6 * rng.normal(size=value.shape)  # within few kinks of LeakyReLU
    difference = dense_loss(p | {name: value + step})
    difference -= dense_loss(p | {name: value - step})
    np.testing.assert_allclose(
      np.sum(step * gradient[name]),
      difference / 2,
      rtol=1e-4,
      atol=1e-10,
      err_msg=name,
    )


@each_attention
def test_attention_sums_to_one(layer_type):
  alpha = np.asarray(attention_of(make_layer(layer_type), ALL))
  sums = np.zeros((len(ALL.nodes), 4))
  np.add.at(sums, ALL.receivers, alpha)
  np.testing.assert_allclose(sums, 1, rtol=1e-5)
  assert (alpha >= 0).all()


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
  graph = GRAPHS['random']
  layer = make_layer(layer_type)
  order = np.random.default_rng(3).permutation(len(graph.nodes))
  place = np.argsort(order)
  permuted = graphs.sort_by_receiver(
    graphs.from_edges(
      graph.nodes[order], place[graph.senders], place[graph.receivers]
    )
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
  layer = make_layer(layer_type)
  n_node = len(ALL.nodes)
  padded = graphs.pad(ALL, n_node + 3, len(ALL.senders) + 7)
  outputs = outputs_of(layer, padded)
  np.testing.assert_allclose(
    outputs[:n_node], outputs_of(layer, ALL), rtol=1e-6, atol=5e-7
  )
  # Padding is zero, so what a layer makes of it is its bias.
  of_padding = np.tile(elu(params_of(layer)['bias']).ravel(), (3, 1))
  np.testing.assert_allclose(outputs[n_node:], of_padding, rtol=1e-6)


def complete_bipartite():
  """Keys 0..2 to queries 3..5, every pair an edge."""
  return make_graph(6, [(s, r) for s in range(3) for r in range(3, 6)], 6)


def test_gatv2_ranks_by_receiver_and_gat_cannot():
  """Brody et al., theorems 1 and 2: rank each query's own key highest."""
  graph = complete_bipartite()
  nodes = np.zeros((6, 6), np.float32)
  nodes[[0, 1, 2], [0, 1, 2]] = 1
  nodes[[3, 4, 5], [3, 4, 5]] = 1
  graph = graph._replace(nodes=nodes)
  real = (graph.senders < 3) & (graph.receivers >= 3)

  def favourites(layer):
    """The key that every query of every head looks at most: [3, K]."""
    alpha = np.asarray(attention_of(layer, graph))[real]  # sorted by receiver
    return alpha.reshape(3, 3, -1).argmax(axis=1)

  for seed in range(20):
    layer = GATLayer(6, 8, 4, rngs=nnx.Rngs(seed))
    assert (favourites(layer) == favourites(layer)[0]).all()

  graphdef, state = nnx.split(GATv2Layer(6, 8, 1, rngs=nnx.Rngs(0)))
  wanted = real & (graph.receivers - 3 == graph.senders)

  def loss(state):
    alpha = nnx.merge(graphdef, state).attention(graph)
    return -jnp.log(alpha[wanted]).sum()

  step = jax.jit(
    lambda s: jax.tree.map(lambda x, d: x - 0.1 * d, s, jax.grad(loss)(s))
  )
  for _ in range(300):
    state = step(state)
  assert (favourites(nnx.merge(graphdef, state))[:, 0] == np.arange(3)).all()


@pytest.mark.parametrize(
  ('layer_type', 'is_sparse'),
  [(layer, False) for layer in LAYERS] + [(GATLayer, True)],
)
def test_dropout_keeps_the_mean_of_values(layer_type, is_sparse):
  """With one node the output is the dropped, rescaled value: mean z."""
  graph = sparse(make_graph(1, [], n_feature=5))[is_sparse]
  layer = make_layer(layer_type, activation=None, dropout_rate=0.3)
  draws = drop(layer, graph, jax.random.split(jax.random.key(0), 20_000))
  error = np.abs(draws.mean(axis=0) - outputs_of(layer, graph))
  assert (error < 5 * draws.std(axis=0) / len(draws) ** 0.5).all()
  assert (draws.std(axis=0) > 0.1 * np.abs(draws.mean(axis=0))).all()


@pytest.mark.parametrize('shared', [False, True])
def test_heads_drop_their_own_inputs_or_share_a_mask(shared):
  layer = GATLayer(
    5,
    5,
    3,
    shared_input_dropout=shared,
    value_dropout=False,
    residual=True,
    activation=None,
    dropout_rate=0.5,
    rngs=nnx.Rngs(0),
  )
  silent = jax.tree.map(jnp.zeros_like, nnx.state(layer, nnx.Param))
  nnx.update(layer, silent)  # what is left is the skip from dropped inputs
  outputs = drop(
    layer, make_graph(50, []), jax.random.split(jax.random.key(1), 1)
  )
  kept = np.asarray(outputs).reshape(50, 3, 5) != 0
  assert 0.4 < kept.mean() < 0.6
  if shared:
    assert (kept[:, 0] == kept[:, 1]).all()
  else:
    assert 0.4 < (kept[:, 0] == kept[:, 1]).mean() < 0.6


def test_scores_see_undropped_values_and_attention_is_not_renormalised():
  """One node: alpha is 1, so outputs are z / (0.5 * 0.5) or 0, per feature."""
  graph = make_graph(1, [], n_feature=4)
  layer = make_layer(GATLayer, in_features=4, activation=None, dropout_rate=0.5)
  nnx.update(layer, {'bias': jnp.zeros_like(layer.bias[...])})
  z = operations.project(graph.nodes, layer.kernel[...])[0]  # [K, F]
  keys = jax.random.split(jax.random.key(0), 200)
  outputs = drop(layer, graph, keys).reshape(200, 4, 3)
  scales = jax.vmap(lambda k: Dropout(k, 0.5).fold_in(0).scales((1, 4, 4)))
  all_inputs_kept = (np.asarray(scales(keys)) > 0).all(axis=(1, 3))  # [200, K]
  ratios = np.asarray(outputs / z * 0.5)[all_inputs_kept]
  assert set(np.unique(np.round(ratios, 3))) == {0.0, 4.0}


@pytest.mark.parametrize(('fused', 'fan_out'), [(False, 3), (True, 12)])
def test_initial_parameters_fill_glorot_range(fused, fan_out):
  layer = GATLayer(400, 3, 4, fused_fan=fused, rngs=nnx.Rngs(0))
  limit = (6 / (400 + fan_out)) ** 0.5
  assert 0.99 * limit < np.abs(layer.kernel[...]).max() < limit
  vectors = np.abs(GATLayer(2, 3, 200, rngs=nnx.Rngs(0)).sender_vector[...])
  assert 0.97 * (6 / 4) ** 0.5 < vectors.max() < (6 / 4) ** 0.5
  assert not np.any(layer.bias[...])


def test_score_bias_can_be_left_out():
  layer = GATLayer(5, 3, 4, score_bias=False, rngs=nnx.Rngs(0))
  assert 'sender_bias' not in params_of(layer)
  assert 'receiver_bias' not in params_of(layer)


@each_layer
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


@each_attention
def test_aggregating_inputs_equals_aggregating_values(layer_type, monkeypatch):
  """Also while training, where the two must drop the same entries."""
  graph = GRAPHS['random']
  layer = make_layer(
    layer_type, out_features=9, value_dropout=False, dropout_rate=0.5
  )
  key = jax.random.key(2)
  inputs_first = jax.jit(lambda: layer(graph, rngs=key).nodes)()
  monkeypatch.setattr(layer_type, '_is_widening', lambda *_: False)
  values_first = jax.jit(lambda: layer(graph, rngs=key).nodes)()
  assert (inputs_first != values_first).any()  # they did take two paths
  np.testing.assert_allclose(inputs_first, values_first, rtol=1e-4, atol=1e-5)
