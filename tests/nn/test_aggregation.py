"""Weighted sums over edges against a segment sum of all messages."""

import functools

from fixtures import all_graphs
import jax
from jax import numpy as jnp
from jax.test_util import check_grads
import numpy as np
import pytest

from gat_jax import graphs
from gat_jax.errors import InputError
from gat_jax.nn import aggregate
from gat_jax.nn import segment_softmax

GRAPHS = all_graphs()
ALL = graphs.batch(list(GRAPHS.values()))


def random(shape, dtype=np.float32, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def edge_values(graph, num_heads=3, dtype=np.float32):
  return random((len(graph.senders), num_heads), dtype)


def plain_aggregate(weights, values, senders, receivers, num_receivers):
  return jax.ops.segment_sum(
    weights[:, :, None] * values[senders], receivers, num_receivers
  )


@pytest.mark.parametrize(
  ('name', 'dtype', 'block', 'num_features'),
  [
    ('all', np.float32, block, num_features)
    for block, num_features in ((0, 4), (0, 67), (1, 4), (7, 67), (1000, 67))
  ]  # 67 are filled up
  + [('all', np.float64, 0, 4), ('all', np.float64, 7, 67)]
  + [(name, np.float32, 7, 4) for name in ('one node', 'one edge', 'hub')],
)
def test_sums_and_gradients_equal_segment_sum(name, dtype, block, num_features):
  """Started from what is the same for all receivers, as a layer's bias."""
  graph = ALL if name == 'all' else GRAPHS[name]
  edges = graph.senders, graph.receivers, len(graph.nodes)

  def ours(w, v, i):
    return aggregate(w, v, *edges, block, initial=i)

  def theirs(w, v, i):
    return plain_aggregate(w, v, *edges) + i

  def run(function, args, cotangent):
    sums, gradient = jax.vjp(function, *args)
    return sums, *gradient(cotangent)

  with jax.enable_x64(True):
    shape = (len(graph.nodes), 3, num_features)
    args = (
      edge_values(graph, dtype=dtype),
      random(shape, dtype, 1),
      random(shape[1:], dtype, 2),
    )
    run = jax.jit(run, static_argnums=0)
    cotangent = random(shape, dtype, 3)
    tolerance = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    for found, expected in zip(
      run(ours, args, cotangent), run(theirs, args, cotangent), strict=True
    ):
      assert found.dtype == dtype
      np.testing.assert_allclose(
        found, expected, rtol=tolerance, atol=2 * tolerance
      )


def test_gradient_equals_finite_differences():
  graph = GRAPHS['hub']
  with jax.enable_x64(True):
    values = random((len(graph.nodes), 3, 2), np.float64, 3)
    check_grads(
      jax.jit(
        lambda w, v, i: aggregate(
          w, v, graph.senders, graph.receivers, len(graph.nodes), 16, initial=i
        )
      ),
      (edge_values(graph, dtype=np.float64), values, values[::-1]),
      order=1,
      modes=['rev'],
    )


def test_graph_may_be_an_argument_of_what_is_differentiated():
  graph = GRAPHS['random']
  n_node = len(graph.nodes)

  def loss(logits, senders, receivers):
    weights = segment_softmax(logits, receivers, n_node)
    values = jnp.ones((n_node, 3, 2))
    return aggregate(weights**2, values, senders, receivers, n_node).sum()

  def over_graphs(logits, senders, receivers):
    def add(total, edges):
      return total + loss(logits, *edges), None

    edges = jnp.stack([senders]), jnp.stack([receivers])
    return jax.lax.scan(add, 0.0, edges)[0]

  edges = graph.senders, graph.receivers
  expected = jax.jit(jax.grad(lambda logits: loss(logits, *edges)))(
    edge_values(graph)
  )
  for function in (loss, jax.jit(loss), jax.checkpoint(loss), over_graphs):
    np.testing.assert_allclose(
      jax.jit(jax.grad(function))(edge_values(graph), *edges),
      expected,
      rtol=1e-5,
      atol=1e-6,
    )


def test_it_has_a_second_derivative_where_the_graph_is_an_argument():
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
    slope(aggregate), slope(plain_aggregate), rtol=1e-3, atol=1e-3
  )


@pytest.mark.parametrize('axes', [(0, 0, None), (0, None, None), (0, 0, 0)])
def test_vmap_equals_segment_sum(axes):
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
    return jax.jit(jax.vmap(jax.value_and_grad(loss, (0, 1)), axes))(
      weights,
      values if over_values == 0 else values[0],
      (senders, receivers) if over_graphs == 0 else (senders[2], receivers[2]),
    )

  jax.tree.map(
    lambda ours, theirs: np.testing.assert_allclose(
      ours, theirs, rtol=1e-4, atol=1e-4
    ),
    gradients(functools.partial(aggregate, block=16)),
    gradients(plain_aggregate),
  )


def test_no_edges_leave_what_it_starts_from():
  empty = np.zeros(0, np.int32)
  initial = jnp.arange(1.0, 25).reshape(2, 3, 4)
  sums, gradient = jax.vjp(
    lambda w, v, i: aggregate(w, v, empty, empty, 2, initial=i),
    jnp.zeros((0, 3)),
    jnp.ones((2, 3, 4)),
    initial,
  )
  np.testing.assert_array_equal(sums, initial)
  d_weights, d_values, d_initial = gradient(2 * initial)
  np.testing.assert_array_equal(d_initial, 2 * initial)
  assert d_weights.shape == (0, 3)
  assert not d_values.any()


def test_it_never_holds_all_messages():
  """No array of [E, K, F] entries, nor nearly as large, in either program."""
  n_edge, num_heads, num_features, block = 4096, 4, 32, 256
  receivers = np.sort(np.arange(n_edge, dtype=np.int32) % 16)
  senders = np.arange(n_edge, dtype=np.int32) % 16

  def loss(weights, values):
    sums = aggregate(weights, values, senders, receivers, 16, block)
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


def test_bfloat16_sums_do_not_lose_a_hub():
  """A sum of 4096 ones ends at 256 if it is kept in bfloat16."""
  n = 4096
  edges = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
  sums = jax.jit(lambda w, v: aggregate(w, v, *edges, 1, dtype=jnp.bfloat16))(
    np.ones((n, 1), np.float32), np.ones((n, 1, 1), np.float32)
  )
  assert sums.item() == n


@pytest.mark.parametrize(
  ('weights', 'senders'), [((4, 3), 5), ((5, 2), 5), ((5, 3), 4)]
)
def test_shapes_that_do_not_fit_are_refused(weights, senders):
  with pytest.raises(InputError, match=r'shapes must be \[E, K\], \[E\]'):
    aggregate(
      jnp.ones(weights),
      jnp.ones((2, 3, 1)),
      np.zeros(senders, np.int32),
      np.zeros(5, np.int32),
      2,
    )
