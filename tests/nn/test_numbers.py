"""Dtypes: whatever features and parameters are, sums are those of float32."""

from flax import nnx
import jax
from jax import numpy as jnp
import jraph
import numpy as np
import pytest
import scipy.sparse
from small_layers import ALL
from small_layers import dense_outputs
from small_layers import each_layer
from small_layers import make_layer
from small_layers import outputs_of
from small_layers import params_of

from gat_jax import graphs
from gat_jax.nn import segment_softmax
from gat_jax.nn.layers import ConstGATLayer
from gat_jax.nn.layers import GATLayer
from gat_jax.nn.layers import GATv2Layer
from gat_jax.nn.layers import GCNLayer
from gat_jax.nn.layers import MLPLayer
from gat_jax.nn.models import Model


def with_nodes(nodes):
  return jraph.GraphsTuple(*ALL._replace(nodes=nodes))


@each_layer
def test_integers_and_booleans_are_as_good_as_floats(layer_type):
  layer = make_layer(layer_type, residual=True)
  counts = np.random.default_rng(0).integers(0, 3, ALL.nodes.shape)
  expected = outputs_of(layer, with_nodes(counts.astype(np.float32)))
  np.testing.assert_array_equal(outputs_of(layer, with_nodes(counts)), expected)
  replaced = ALL._replace(nodes=counts)
  np.testing.assert_array_equal(
    outputs_of(layer, replaced),
    outputs_of(layer, ALL._replace(nodes=counts.astype(np.float32))),
  )
  of_flags = [
    outputs_of(layer, with_nodes((counts > 0).astype(dtype)))
    for dtype in (bool, np.float32)
  ]
  np.testing.assert_array_equal(*of_flags)


def test_integers_are_dropped_as_floats_are():
  """Dense and sparse, through a whole model."""
  counts = np.random.default_rng(0).integers(0, 3, ALL.nodes.shape)
  shape = {'layer': 'mlp', 'num_heads': 2, 'hidden_dim': 2}
  model = Model(5, 3, **shape, rngs=nnx.Rngs(0))
  sparse = graphs.SparseFeatures.from_csr(scipy.sparse.csr_matrix(counts))

  def with_values(dtype):
    values = sparse.values.astype(dtype)
    return with_nodes(graphs.SparseFeatures(values, sparse.edges))

  run = jax.jit(lambda graph: model(graph, rngs=jax.random.key(1)))
  for form in (lambda dtype: with_nodes(counts.astype(dtype)), with_values):
    np.testing.assert_array_equal(run(form(np.int32)), run(form(np.float32)))


@pytest.mark.parametrize('dtype', [jnp.bfloat16, np.float16])
def test_a_hub_of_narrow_features_is_summed_in_float32(dtype):
  """Wider than the inputs as well, where those are what is summed."""
  n = 5000
  nodes = np.ones((n, 2), np.float32)
  senders, receivers = np.arange(1, n), np.zeros(n - 1, int)
  graph = graphs.prepare(nodes, senders, receivers)
  for out_features in (1, 4):
    layer = make_layer(ConstGATLayer, 2, out_features, 1, activation=None)
    z = np.ones(2) @ params_of(layer)['kernel'][:, 0]
    expected = z + params_of(layer)['bias'][0]
    for form in (graph, jraph.GraphsTuple(*graph)):
      narrow = form._replace(nodes=jnp.asarray(nodes, dtype))
      outputs = outputs_of(layer, narrow)
      assert outputs.dtype == np.float32
      np.testing.assert_allclose(outputs[0], expected, atol=1e-3)


def bare(graph):
  return jraph.GraphsTuple(*graph)


@pytest.mark.parametrize(
  ('layer_type', 'form'),
  [(layer, bare) for layer in (GATLayer, GATv2Layer, GCNLayer, MLPLayer)]
  + [(GATLayer, lambda graph: graph)],
)
def test_narrow_gradients_do_not_lose_a_hub(layer_type, form):
  """A node that sends to 5,000 others hears of all of them in its gradient."""
  n = 5000
  nodes = np.random.default_rng(0).random((n, 3)).astype(np.float32)
  graph = form(graphs.prepare(nodes, np.zeros(n - 1, int), np.arange(1, n)))
  exact = make_layer(layer_type, 3, 2, 2, activation=None)
  _, state = nnx.split(exact)
  state = jax.tree.map(np.abs, state)

  def gradient(dtype, compute_dtype='float32'):
    layer = make_layer(
      layer_type, 3, 2, 2, activation=None, compute_dtype=compute_dtype
    )
    graphdef, _ = nnx.split(layer)

    def loss(state, nodes):
      outputs = nnx.merge(graphdef, state)(graph._replace(nodes=nodes)).nodes
      return outputs.astype(np.float32).sum()

    own = jax.tree.map(lambda x: x.astype(dtype), state)
    of_params, of_nodes = jax.jit(jax.grad(loss, (0, 1)))(own, nodes)
    return nnx.to_pure_dict(of_params)['bias'], of_nodes[0]

  expected = gradient(np.float32)
  for found in (gradient(jnp.bfloat16), gradient(np.float32, 'bfloat16')):
    for ours, theirs in zip(found, expected, strict=True):
      np.testing.assert_allclose(np.float32(ours), theirs, rtol=0.03)


def test_float16_parameters_survive_a_hub_that_float16_cannot_count():
  """GCN divides by the roots of degrees; 70,000 is infinite in float16."""
  n = 70_000
  graph = graphs.prepare(
    np.zeros((n, 1)), np.zeros(n, int), np.arange(n), reverse=True
  )
  nodes = np.zeros((n, 1), np.float32)
  nodes[0] = 1
  layer = make_layer(GCNLayer, 1, 1, 1, activation=None)
  graphdef, state = nnx.split(layer)
  narrow = jax.tree.map(lambda x: x.astype(np.float16), state)
  outputs = nnx.merge(graphdef, narrow)(graph._replace(nodes=nodes)).nodes
  expected = outputs_of(layer, graph._replace(nodes=nodes))
  np.testing.assert_allclose(outputs, expected, rtol=1e-2, atol=1e-3)


def test_softmax_of_narrow_logits_sums_to_one_over_a_hub():
  logits = jnp.zeros((5000, 1), jnp.bfloat16)
  alpha = segment_softmax(logits, np.zeros(5000, np.int32), 1)
  assert alpha.dtype == jnp.bfloat16
  np.testing.assert_allclose(alpha.astype(np.float32), 1 / 5000, rtol=2**-8)


@pytest.mark.parametrize(
  'dtype', [jnp.bfloat16, pytest.param(np.float16, marks=pytest.mark.slow)]
)
def test_narrow_parameters_have_gradients(dtype):
  """Close to those of float32, prepared and bare, with dropout as well."""
  layer = make_layer(GATv2Layer, residual=True, dropout_rate=0.5)
  graphdef, state, others = nnx.split(layer, nnx.Param, ...)
  narrow = jax.tree.map(lambda x: x.astype(dtype), state)

  @jax.jit
  def gradient(state, graph):
    def loss(state):
      module = nnx.merge(graphdef, state, others)
      outputs = module(graph, rngs=jax.random.key(0)).nodes
      return (outputs.astype(np.float32) ** 2).sum(), outputs

    return jax.grad(loss, has_aux=True)(state)

  exact, _ = gradient(state, ALL)
  for graph in (ALL, jraph.GraphsTuple(*ALL)):
    found, outputs = gradient(narrow, graph)
    assert outputs.dtype == dtype
    for a, b in zip(*map(jax.tree.leaves, (exact, found)), strict=True):
      assert b.dtype == dtype
      error = np.linalg.norm(a - b.astype(np.float32))
      assert error <= 0.1 * np.linalg.norm(a) + 1e-2


@each_layer
def test_x64_has_float32_parameters_and_exact_gradients_of_float64(layer_type):
  with jax.enable_x64(True):
    layer = make_layer(layer_type, dropout_rate=0.0)
    graphdef, state = nnx.split(layer)
    assert {x.dtype for x in jax.tree.leaves(state)} == {np.dtype(np.float32)}
    wide = jax.tree.map(lambda x: x.astype(np.float64), state)
    nodes = np.asarray(ALL.nodes, np.float64)

    @jax.jit
    def run(state, nodes):
      outputs = nnx.merge(graphdef, state).forward(with_nodes(nodes)).nodes
      return jnp.sin(outputs).sum(), outputs

    gradient, outputs = jax.grad(run, argnums=1, has_aux=True)(wide, nodes)
    assert gradient.dtype == outputs.dtype == np.float64
    expected = dense_outputs(layer, ALL._replace(nodes=nodes), params_of(layer))
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-13)
    step = 1e-6 * np.random.default_rng(0).normal(size=nodes.shape)
    ahead, behind = (run(wide, nodes + sign * step)[0] for sign in (1, -1))
    np.testing.assert_allclose(
      (gradient * step).sum(), (ahead - behind) / 2, rtol=1e-5, atol=1e-12
    )
    # Features of float64 do not widen what parameters of float32 give.
    _, outputs = run(state, nodes)
    assert outputs.dtype == np.float32


@each_layer
def test_nothing_is_promoted_in_silence(layer_type):
  """JAX refuses it if asked to; a sound graph has no NaN on the way either."""
  rate = 0.5 if layer_type is GATLayer else 0.0
  layer = make_layer(layer_type, residual=True, dropout_rate=rate)
  with (
    jax.numpy_dtype_promotion('strict'),
    jax.numpy_rank_promotion('raise'),
    jax.debug_nans(True),
  ):
    for graph in (ALL, jraph.GraphsTuple(*ALL)):

      @jax.jit
      def gradient(nodes, graph=graph):
        def loss(nodes):
          dropped = layer(graph._replace(nodes=nodes), rngs=jax.random.key(0))
          return jnp.sin(dropped.nodes).sum()

        return jax.grad(loss)(nodes)

      assert np.isfinite(gradient(jnp.asarray(ALL.nodes))).all()
