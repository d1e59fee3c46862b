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
from jax.test_util import check_grads
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
each_graph = pytest.mark.parametrize('name', GRAPHS)


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


def params_of(layer):
  pure = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
  return {name: np.asarray(value, np.float64) for name, value in pure.items()}


def sparse(graph):
  nodes = np.where(np.abs(graph.nodes) > 0.5, graph.nodes, 0)
  dense = graph._replace(nodes=nodes)
  matrix = scipy.sparse.csr_matrix(nodes)
  return dense, graph._replace(nodes=graphs.SparseFeatures.from_csr(matrix))


@each_layer
@each_graph
@pytest.mark.parametrize('out_features', [3, 9])  # narrower and wider than 5
def test_layer_equals_dense_formulas(layer_type, name, out_features):
  graph = GRAPHS[name]
  layer = make_layer(layer_type, out_features=out_features)
  heads = LAYERS[layer_type](graph, params_of(layer))
  joined = elu(heads).reshape(len(heads), -1)
  np.testing.assert_allclose(layer(graph).nodes, joined, rtol=2e-5, atol=2e-5)


@each_layer
def test_output_layer_averages_heads(layer_type):
  graph = GRAPHS['random']
  layer = make_layer(layer_type, average_heads=True, activation=lambda x: x)
  expected = LAYERS[layer_type](graph, params_of(layer)).mean(axis=1)
  np.testing.assert_allclose(layer(graph).nodes, expected, rtol=2e-5, atol=2e-5)


@each_layer
def test_learned_skip_connection(layer_type):
  graph = GRAPHS['random']
  layer = make_layer(layer_type, residual=True)
  p = params_of(layer)
  skip = np.einsum('nd,dkf->nkf', graph.nodes, p['skip_kernel'])
  heads = LAYERS[layer_type](graph, p) + skip + p['skip_bias']
  expected = elu(heads).reshape(len(heads), -1)
  np.testing.assert_allclose(layer(graph).nodes, expected, rtol=2e-5, atol=2e-5)


@each_layer
def test_skip_connection_is_identity_at_equal_width(layer_type):
  graph = GRAPHS['random']
  layer = make_layer(layer_type, out_features=5, residual=True)
  p = params_of(layer)
  assert 'skip_kernel' not in p
  heads = LAYERS[layer_type](graph, p) + graph.nodes[:, None]
  expected = elu(heads).reshape(len(heads), -1)
  np.testing.assert_allclose(layer(graph).nodes, expected, rtol=2e-5, atol=2e-5)


@each_layer
@pytest.mark.parametrize('out_features', [3, 5])
def test_sparse_features_equal_dense_ones(layer_type, out_features):
  dense, sparse_graph = sparse(GRAPHS['random'])
  layer = make_layer(layer_type, out_features=out_features, residual=True)
  np.testing.assert_allclose(
    layer(sparse_graph).nodes, layer(dense).nodes, rtol=1e-5, atol=1e-5
  )


@each_layer
@each_graph
def test_gradient_equals_finite_differences(layer_type, name):
  layer = make_layer(layer_type, residual=True)
  check_gradient(layer, GRAPHS[name])


@each_layer
def test_gradient_of_wide_heads_equals_finite_differences(layer_type):
  check_gradient(make_layer(layer_type, out_features=9), GRAPHS['random'])


def check_gradient(layer, graph):
  with jax.enable_x64(True):
    graphdef, state = nnx.split(layer)
    state = jax.tree.map(lambda x: x.astype(np.float64), state)
    nodes = jnp.asarray(graph.nodes, jnp.float64)

    def loss(state, nodes):
      layer = nnx.merge(graphdef, state)
      outputs = layer(graph._replace(nodes=nodes)).nodes
      return jnp.sin(outputs).sum()

    check_grads(  # steps so small that few kinks of LeakyReLU lie within
      loss, (state, nodes), 1, ['rev'], atol=1e-4, rtol=1e-4, eps=1e-6
    )


@each_layer
def test_gradient_equals_finite_differences_of_dense_formulas(layer_type):
  """The reference's own differences, so that both cannot share a mistake."""
  graph = GRAPHS['random']
  layer = make_layer(layer_type)
  graphdef, state = nnx.split(layer)

  def loss(state):
    return jnp.sum(nnx.merge(graphdef, state)(graph).nodes ** 2)

  gradient = nnx.to_pure_dict(jax.grad(loss)(state))
  p = params_of(layer)
  rng = np.random.default_rng(0)
  for name in p:
    direction = rng.normal(size=p[name].shape)
    difference = [
      np.sum(
        elu(LAYERS[layer_type](graph, p | {name: p[name] + step * direction}))
        ** 2
      )
      for step in (1e-5, -1e-5)
    ]
    np.testing.assert_allclose(
      np.sum(direction * gradient[name]),
      (difference[0] - difference[1]) / 2e-5,
      rtol=2e-3,
      atol=2e-3,
      err_msg=name,
    )


@each_attention
@each_graph
def test_attention_sums_to_one(layer_type, name):
  graph = GRAPHS[name]
  alpha = make_layer(layer_type).attention(graph)
  sums = jax.ops.segment_sum(alpha, graph.receivers, len(graph.nodes))
  np.testing.assert_allclose(sums, np.ones_like(sums), rtol=1e-5)
  assert (alpha >= 0).all()


@each_layer
def test_isolated_node_sees_itself_alone(layer_type):
  graph = GRAPHS['isolated node']
  layer = make_layer(layer_type)
  before = layer(graph).nodes
  nodes = graph.nodes.copy()
  nodes[:2] += 1
  after = layer(graph._replace(nodes=nodes)).nodes
  np.testing.assert_array_equal(before[2], after[2])
  assert (before[0] != after[0]).any()


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
    layer(permuted).nodes,
    np.asarray(layer(graph).nodes)[order],
    rtol=1e-5,
    atol=1e-6,
  )


@each_layer
@each_graph
def test_padding_changes_nothing(layer_type, name):
  """But the last bit: whether XLA fuses a product and a sum is up to shapes."""
  graph = GRAPHS[name]
  layer = make_layer(layer_type)
  padded = graphs.pad(graph, len(graph.nodes) + 3, len(graph.senders) + 7)
  n_node = len(graph.nodes)
  outputs = layer(padded).nodes
  np.testing.assert_allclose(
    outputs[:n_node], layer(graph).nodes, rtol=1e-6, atol=1e-7
  )
  assert np.isfinite(outputs).all()


@each_layer
def test_batch_equals_single_graphs(layer_type):
  layer = make_layer(layer_type)
  joined = graphs.batch(list(GRAPHS.values()))
  expected = np.concatenate([layer(g).nodes for g in GRAPHS.values()])
  np.testing.assert_allclose(
    layer(joined).nodes, expected, rtol=1e-5, atol=1e-6
  )


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
    alpha = np.asarray(layer.attention(graph))[real]  # sorted by receiver
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


@each_layer
@pytest.mark.parametrize('form', ['dense', 'sparse'])
def test_dropout_keeps_the_mean_of_values(layer_type, form):
  """With one node the output is the dropped, rescaled value: mean z."""
  dense, sparse_graph = sparse(make_graph(1, [], n_feature=5))
  graph = dense if form == 'dense' else sparse_graph
  layer = make_layer(layer_type, activation=lambda x: x)
  draws = jax.vmap(lambda key: layer(graph, Dropout(key, 0.3)).nodes)(
    jax.random.split(jax.random.key(0), 20_000)
  )
  error = np.abs(draws.mean(axis=0) - layer(graph).nodes)
  assert (error < 5 * draws.std(axis=0) / len(draws) ** 0.5).all()


def masked_inputs(shared):
  graph = make_graph(50, [])
  layer = GATLayer(
    5,
    5,
    3,
    shared_input_dropout=shared,
    value_dropout=False,
    residual=True,
    activation=lambda x: x,
    rngs=nnx.Rngs(0),
  )
  silent = jax.tree.map(jnp.zeros_like, nnx.state(layer, nnx.Param))
  nnx.update(layer, silent)  # what is left is the skip from dropped inputs
  heads = layer(graph, Dropout(jax.random.key(1), 0.5)).nodes
  return np.asarray(heads).reshape(50, 3, 5) != 0


def test_each_head_drops_its_own_inputs():
  kept = masked_inputs(shared=False)
  assert 0.4 < kept.mean() < 0.6
  assert 0.4 < (kept[:, 0] == kept[:, 1]).mean() < 0.6


def test_shared_input_dropout_drops_the_same():
  kept = masked_inputs(shared=True)
  assert 0.4 < kept.mean() < 0.6
  assert (kept[:, 0] == kept[:, 1]).all()


def test_scores_see_undropped_values_and_attention_is_not_renormalised():
  """One node: alpha is 1, so outputs are z / (0.5 * 0.5) or 0, per feature."""
  graph = make_graph(1, [], n_feature=4)
  layer = make_layer(GATLayer, in_features=4, activation=lambda x: x)
  nnx.update(layer, {'bias': jnp.zeros_like(layer.bias[...])})
  z = operations.project(graph.nodes, layer.kernel[...])[0]  # [K, F]
  seen = set()
  for seed in range(200):
    key = jax.random.key(seed)
    outputs = layer(graph, Dropout(key, 0.5)).nodes.reshape(4, 3)
    inputs_kept = Dropout(key, 0.5).fold_in(0).scales((1, 4, 4)) > 0
    for head in np.flatnonzero(np.asarray(inputs_kept).all(axis=(0, 2))):
      ratio = np.asarray(outputs[head] / z[head]) * 0.5
      seen |= set(np.round(ratio, 3))
  assert seen == {0.0, 4.0}


@pytest.mark.parametrize(('fused', 'fan_out'), [(False, 3), (True, 12)])
def test_initial_parameters_fill_glorot_range(fused, fan_out):
  layer = GATLayer(400, 3, 4, fused_fan=fused, rngs=nnx.Rngs(0))
  limit = (6 / (400 + fan_out)) ** 0.5
  assert 0.99 * limit < np.abs(layer.kernel[...]).max() < limit
  vectors = np.concatenate(
    [
      np.abs(GATLayer(2, 3, 4, rngs=nnx.Rngs(i)).sender_vector[...])
      for i in range(50)
    ]
  )
  assert 0.97 * (6 / 4) ** 0.5 < vectors.max() < (6 / 4) ** 0.5
  assert not np.any(layer.bias[...])


def test_score_bias_can_be_left_out():
  layer = GATLayer(5, 3, 4, score_bias=False, rngs=nnx.Rngs(0))
  assert 'sender_bias' not in params_of(layer)
  assert 'receiver_bias' not in params_of(layer)


@each_layer
def test_bfloat16_stays_close_and_parameters_stay_float32(layer_type):
  graph = GRAPHS['random']
  exact, narrow = (
    make_layer(layer_type, residual=True, compute_dtype=dtype)
    for dtype in ('float32', 'bfloat16')
  )
  expected, outputs = exact(graph).nodes, narrow(graph).nodes
  assert outputs.dtype == np.float32
  error = np.abs(outputs - expected).max()
  assert 0 < error < 0.05 * np.abs(expected).max()

  def loss(state, layer):
    return (nnx.merge(nnx.graphdef(layer), state)(graph).nodes ** 2).sum()

  gradients = [
    jax.grad(loss)(nnx.state(layer, nnx.Param), layer)
    for layer in (exact, narrow)
  ]
  for a, b in zip(*map(jax.tree.leaves, gradients), strict=True):
    assert b.dtype == np.float32
    assert np.linalg.norm(a - b) <= 0.2 * np.linalg.norm(a) + 1e-2


def test_bfloat16_sums_do_not_lose_a_hub():
  """A sum of 4096 ones ends at 256 if it is kept in bfloat16."""
  n = 4096
  sums = operations.aggregate(
    jnp.ones((n, 1)),
    jnp.ones((n, 1, 1)),
    np.arange(n, dtype=np.int32),
    np.zeros(n, np.int32),
    1,
    dtype=jnp.bfloat16,
  )
  assert sums.item() == n


@each_attention
def test_aggregating_inputs_equals_aggregating_values(layer_type, monkeypatch):
  """Also while training, where the two must drop the same entries."""
  graph = GRAPHS['random']
  layer = make_layer(layer_type, out_features=9, value_dropout=False)
  dropout = Dropout(jax.random.key(2), 0.5)
  inputs_first = layer(graph, dropout).nodes
  monkeypatch.setattr(layer_type, '_is_widening', lambda *_: False)
  values_first = layer(graph, dropout).nodes
  assert (inputs_first != values_first).any()  # they did take two paths
  np.testing.assert_allclose(inputs_first, values_first, rtol=1e-4, atol=1e-5)
