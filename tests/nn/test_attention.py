"""What attention layers do, and what every layer drops."""

from fixtures import make_graph
from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
import pytest
from small_layers import ALL
from small_layers import GRAPHS
from small_layers import LAYERS
from small_layers import attention_of
from small_layers import drop
from small_layers import each_attention
from small_layers import make_layer
from small_layers import outputs_of
from small_layers import sparse

from gat_jax.nn import operations
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.layers import GATLayer
from gat_jax.nn.layers import GATv2Layer
from gat_jax.nn.layers import MLPLayer


@each_attention
def test_attention_sums_to_one(layer_type):
  alpha = np.asarray(attention_of(make_layer(layer_type), ALL))
  sums = np.zeros((len(ALL.nodes), 4))
  np.add.at(sums, ALL.receivers, alpha)
  np.testing.assert_allclose(sums, 1, rtol=1e-5)
  assert (alpha >= 0).all()


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
  layer = MLPLayer(
    5,
    5,
    3,
    shared_input_dropout=shared,
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


@pytest.mark.parametrize('layer_type', [GATLayer, GATv2Layer])
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


def test_a_layer_of_other_values_is_not_summed_up_as_inputs():
  """Where it is wider than its inputs and drops no values."""

  class Doubled(GATLayer):
    VALUES_ARE_PROJECTED = False

    def values_and_scores(self, edges, inputs):
      values, scores = super().values_and_scores(edges, inputs)
      return 2 * values, scores

  graph = GRAPHS['random']
  options = {'out_features': 9, 'activation': None}
  doubled, plain = (
    make_layer(Doubled, **options),
    make_layer(GATLayer, **options),
  )
  bias = np.asarray(plain.bias[...]).reshape(-1)
  np.testing.assert_allclose(
    outputs_of(doubled, graph) - bias,
    2 * (outputs_of(plain, graph) - bias),
    rtol=1e-4,
    atol=1e-5,
  )
