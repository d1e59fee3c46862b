import functools

from fixtures import all_graphs
import jax
from jax import numpy as jnp
from jax.test_util import check_grads
import jraph
import numpy as np
import pytest

from gat_jax.nn import operations

GRAPHS = all_graphs()
each_graph = pytest.mark.parametrize('name', GRAPHS)
each_dtype = pytest.mark.parametrize('dtype', [np.float32, np.float64])


def tolerance(dtype):
  return {'rtol': 1e-5 if dtype == np.float32 else 1e-12, 'atol': 1e-6}


def edge_values(graph, num_heads=3, dtype=np.float32):
  rng = np.random.default_rng(0)
  return rng.normal(size=(len(graph.senders), num_heads)).astype(dtype)


@each_graph
@each_dtype
def test_softmax_equals_jraph_forward_and_backward(name, dtype):
  graph = GRAPHS[name]
  with jax.enable_x64(True):
    logits = edge_values(graph, dtype=dtype)
    weight = np.random.default_rng(1).normal(size=logits.shape).astype(dtype)

    def ours(x):
      return operations.segment_softmax(x, graph.receivers, len(graph.nodes))

    def theirs(x):
      return jraph.segment_softmax(x, graph.receivers, len(graph.nodes))

    np.testing.assert_allclose(ours(logits), theirs(logits), **tolerance(dtype))
    np.testing.assert_allclose(
      jax.grad(lambda x: (weight * ours(x)).sum())(logits),
      jax.grad(lambda x: (weight * theirs(x)).sum())(logits),
      **tolerance(dtype),
    )
    assert ours(logits).dtype == dtype


def test_softmax_of_a_masked_segment_is_zero_with_finite_gradient():
  logits = jnp.array([[-jnp.inf], [-jnp.inf], [1.0], [-jnp.inf], [2.0]])
  receivers = jnp.array([0, 0, 2, 2, 2])  # segment 1 is empty

  def softmax(x):
    return operations.segment_softmax(x, receivers, 3)

  weights = softmax(logits)
  assert (weights[:2] == 0).all()
  assert weights[3] == 0
  np.testing.assert_allclose(weights[2:].sum(), 1, rtol=1e-6)
  gradient = jax.grad(lambda x: (softmax(x) ** 2).sum())(logits)
  assert np.isfinite(gradient).all()
  assert (gradient[jnp.array([0, 1, 3])] == 0).all()


def test_softmax_survives_huge_logits():
  logits = jnp.array([[3e38], [-3e38], [3e38]])
  weights = operations.segment_softmax(logits, jnp.array([0, 0, 0]), 1)
  np.testing.assert_allclose(weights[:, 0], [0.5, 0, 0.5])


def test_softmax_has_forward_mode_and_second_derivatives():
  graph = GRAPHS['random']
  with jax.enable_x64(True):
    check_grads(
      lambda x: operations.segment_softmax(
        x, graph.receivers, len(graph.nodes)
      ),
      (edge_values(graph, dtype=np.float64),),
      order=2,
    )


@pytest.mark.parametrize('wrap', [jax.jit, jax.checkpoint])
def test_graph_may_be_an_argument_of_what_is_differentiated(wrap):
  graph = GRAPHS['random']
  n_node = len(graph.nodes)

  def loss(logits, senders, receivers):
    weights = operations.segment_softmax(logits, receivers, n_node)
    values = jnp.ones((n_node, 3, 2))
    sums = operations.aggregate(weights**2, values, senders, receivers, n_node)
    return sums.sum()

  args = edge_values(graph), graph.senders, graph.receivers
  expected = jax.grad(loss)(*args)
  np.testing.assert_allclose(
    jax.grad(wrap(loss))(*args), expected, rtol=1e-5, atol=1e-6
  )

  def over_graphs(logits, senders, receivers):
    def add(total, edges):
      return total + loss(logits, *edges), None

    edges = jnp.stack([senders]), jnp.stack([receivers])
    return jax.lax.scan(add, 0.0, edges)[0]

  np.testing.assert_allclose(
    jax.grad(over_graphs)(*args), expected, rtol=1e-5, atol=1e-6
  )


def plain_aggregate(weights, values, senders, receivers, num_receivers):
  return jax.ops.segment_sum(
    weights[:, :, None] * values[senders], receivers, num_receivers
  )


@each_graph
@each_dtype
@pytest.mark.parametrize('block', [0, 1, 7, 1000])
@pytest.mark.parametrize('num_features', [4, 67])  # the latter is filled up
def test_aggregate_equals_segment_sum(name, dtype, block, num_features):
  """Started from what is the same for all receivers, as a layer's bias."""
  graph = GRAPHS[name]
  with jax.enable_x64(True):
    weights = edge_values(graph, dtype=dtype)
    rng = np.random.default_rng(2)
    values = rng.normal(size=(len(graph.nodes), 3, num_features)).astype(dtype)
    initial = rng.normal(size=(3, num_features)).astype(dtype)
    edges = graph.senders, graph.receivers, len(graph.nodes)
    sums, gradient = jax.vjp(
      lambda w, v, i: operations.aggregate(w, v, *edges, block, initial=i),
      weights,
      values,
      initial,
    )
    expected, expected_gradient = jax.vjp(
      lambda w, v, i: plain_aggregate(w, v, *edges) + i,
      weights,
      values,
      initial,
    )
    np.testing.assert_allclose(sums, expected, **tolerance(dtype))
    cotangent = rng.normal(size=sums.shape).astype(dtype)
    for ours, theirs in zip(
      gradient(cotangent), expected_gradient(cotangent), strict=True
    ):
      np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_aggregate_gradient_equals_finite_differences():
  graph = GRAPHS['hub']
  with jax.enable_x64(True):
    values = np.random.default_rng(3).normal(size=(len(graph.nodes), 3, 2))
    check_grads(
      lambda w, v, i: operations.aggregate(
        w, v, graph.senders, graph.receivers, len(graph.nodes), 16, initial=i
      ),
      (edge_values(graph, dtype=np.float64), values, values[::-1]),
      order=1,
      modes=['rev'],
    )


def test_aggregate_has_a_second_derivative_where_the_graph_is_an_argument():
  graph = GRAPHS['random']
  n_node = len(graph.nodes)
  rng = np.random.default_rng(5)
  values = jnp.asarray(rng.normal(size=(n_node, 3, 16)), jnp.float32)
  weights = edge_values(graph)

  def slope(aggregate):
    def loss(weights, senders, receivers):
      sums = aggregate(weights, values, senders, receivers, n_node)
      return (sums**3).sum()

    def second(weights, *edges):
      return (jax.grad(loss)(weights, *edges) ** 2).sum()

    return jax.jit(jax.grad(second))(weights, graph.senders, graph.receivers)

  np.testing.assert_allclose(
    slope(operations.aggregate), slope(plain_aggregate), rtol=1e-3, atol=1e-3
  )


@pytest.mark.parametrize('axes', [(0, 0, None), (0, None, None), (0, 0, 0)])
def test_aggregate_under_vmap_equals_segment_sum(axes):
  """Seeds of one graph, and several graphs of different degrees, at once."""
  n_node, n_edge, n_seed = 12, 90, 3
  rng = np.random.default_rng(6)
  power = np.array([1, 2, 4])[:, None]
  ends = n_node * rng.random((2, n_seed, n_edge)) ** power
  senders, receivers = np.sort(ends.astype(np.int32))
  senders = rng.permuted(senders, axis=1)
  weights = rng.normal(size=(n_seed, n_edge, 2)).astype(np.float32)
  values = rng.normal(size=(n_seed, n_node, 2, 5)).astype(np.float32)

  def gradients(aggregate):
    def loss(weights, values, edges):
      sums = aggregate(weights, values, *edges, n_node)
      return (sums**2).sum()

    over_values, over_graphs = axes[1:]
    return jax.vmap(jax.value_and_grad(loss, (0, 1)), axes)(
      weights,
      values if over_values == 0 else values[0],
      (senders, receivers) if over_graphs == 0 else (senders[2], receivers[2]),
    )

  jax.tree.map(
    lambda ours, theirs: np.testing.assert_allclose(
      ours, theirs, rtol=1e-4, atol=1e-4
    ),
    gradients(functools.partial(operations.aggregate, block=16)),
    gradients(plain_aggregate),
  )


def test_aggregate_of_no_edges_is_what_it_starts_from():
  empty = np.zeros(0, np.int32)
  initial = jnp.arange(1.0, 25).reshape(2, 3, 4)
  sums, gradient = jax.vjp(
    lambda w, v, i: operations.aggregate(w, v, empty, empty, 2, initial=i),
    jnp.zeros((0, 3)),
    jnp.ones((2, 3, 4)),
    initial,
  )
  np.testing.assert_array_equal(sums, initial)
  d_weights, d_values, d_initial = gradient(2 * initial)
  np.testing.assert_array_equal(d_initial, 2 * initial)
  assert d_weights.shape == (0, 3)
  assert not d_values.any()


def test_aggregate_never_holds_all_messages():
  """No array of [E, K, F] entries, nor nearly as large, in either program."""
  n_edge, num_heads, num_features, block = 4096, 4, 32, 256
  receivers = np.sort(np.arange(n_edge, dtype=np.int32) % 16)
  senders = np.arange(n_edge, dtype=np.int32) % 16

  def loss(weights, values):
    sums = operations.aggregate(weights, values, senders, receivers, 16, block)
    return (sums**2).sum()

  compiled = (
    jax.jit(jax.grad(loss, argnums=(0, 1)))
    .lower(
      jnp.ones((n_edge, num_heads)), jnp.ones((16, num_heads, num_features))
    )
    .compile()
  )
  all_messages = n_edge * num_heads * num_features * 4
  assert compiled.memory_analysis().temp_size_in_bytes < all_messages / 2


@each_dtype
def test_elu_equals_its_equation_and_has_the_gradient_of_jax(dtype):
  with jax.enable_x64(True):
    x = np.array([-1e30, -100, -5, -1e-3, -1e-20, 0, 1e-3, 4, 1e30], dtype)
    expected = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    np.testing.assert_allclose(operations.elu(x), expected, **tolerance(dtype))
    ours, theirs = (
      jax.vmap(jax.grad(function))(x)
      for function in (operations.elu, jax.nn.elu)
    )
    np.testing.assert_allclose(ours, theirs, **tolerance(dtype))
    assert ours.dtype == dtype


def test_elu_has_forward_mode_and_second_derivatives():
  with jax.enable_x64(True):
    check_grads(operations.elu, (np.array([-3.0, -0.5, 0.5, 3.0]),), order=2)


@pytest.mark.skipif(
  jax.default_backend() != 'cpu', reason='XLA elsewhere makes it again'
)
def test_elu_keeps_one_array_less_than_that_of_jax():
  def num_bytes(elu):
    def loss(x, kernel):
      return ((elu(elu(x @ kernel) @ kernel) @ kernel) ** 2).sum()

    x, kernel = jnp.ones((4096, 256)), jnp.ones((256, 256))
    gradient = jax.jit(jax.grad(loss, argnums=1)).lower(x, kernel)
    return gradient.compile().memory_analysis().temp_size_in_bytes

  assert num_bytes(operations.elu) <= num_bytes(jax.nn.elu) - 4096 * 256 * 4 / 2
