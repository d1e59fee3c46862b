"""Operations as functions of arrays: softmax, ELU, and a layer made of them."""

from fixtures import all_graphs
from fixtures import dense_gat
from fixtures import elu as plain_elu
import jax
from jax import numpy as jnp
from jax.test_util import check_grads
import jraph
import numpy as np
import pytest

from gat_jax import graphs
from gat_jax import nn
from gat_jax.errors import InputError

GRAPHS = all_graphs()
ALL = graphs.batch(list(GRAPHS.values()))
each_dtype = pytest.mark.parametrize('dtype', [np.float32, np.float64])


def tolerance(dtype):
  return {'rtol': 1e-5 if dtype == np.float32 else 1e-12, 'atol': 1e-6}


def random(shape, dtype=np.float32, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def test_a_layer_of_plain_functions_equals_dense_formulas():
  """No Flax: parameters are arrays, derivatives those of jax.grad."""
  num_nodes, num_features = ALL.nodes.shape

  def gat(p, nodes):
    z = nn.project(nodes, p['kernel'])  # [N, K, F]
    to = (z * p['receiver_vector']).sum(-1) + p['receiver_bias']  # [N, K]
    of = (z * p['sender_vector']).sum(-1) + p['sender_bias']
    scores = jax.nn.leaky_relu(to[ALL.receivers] + of[ALL.senders], 0.2)
    alpha = nn.segment_softmax(scores, ALL.receivers, num_nodes)  # [E, K]
    edges = graphs.edges_of(ALL)
    sums = nn.aggregate(alpha, z, edges, initial=p['bias'])
    return nn.elu(sums)

  shapes = {
    'kernel': (num_features, 4, 3),
    'receiver_vector': (4, 3),
    'sender_vector': (4, 3),
    'receiver_bias': (4,),
    'sender_bias': (4,),
    'bias': (4, 3),
  }
  p = {
    name: random(shape, np.float64, seed)
    for seed, (name, shape) in enumerate(shapes.items())
  }
  nodes = np.asarray(ALL.nodes, np.float64)

  def dense(p):
    return plain_elu(dense_gat(ALL, p))

  with jax.enable_x64(True):
    np.testing.assert_allclose(
      jax.jit(gat)(p, nodes), dense(p), rtol=1e-10, atol=1e-12
    )
    gradient = jax.jit(jax.grad(lambda p: jnp.sin(gat(p, nodes)).sum()))(p)
    gradient = jax.tree.map(np.asarray, gradient)
  for name, value in p.items():
    step = 1e-6 * random(value.shape, np.float64, 9)
    ahead, behind = (
      np.sin(dense(p | {name: value + sign * step})).sum() for sign in (1, -1)
    )
    np.testing.assert_allclose(
      np.sum(step * gradient[name]),
      (ahead - behind) / 2,
      rtol=1e-4,
      atol=1e-10,
      err_msg=name,
    )


@pytest.mark.parametrize(
  ('name', 'dtype'),
  [('all', np.float32), ('all', np.float64), ('one node', np.float32)],
)
def test_softmax_equals_jraph_forward_and_backward(name, dtype):
  graph = ALL if name == 'all' else GRAPHS[name]
  segments = graph.receivers, len(graph.nodes)

  def run(softmax, logits, cotangent):
    weights, gradient = jax.vjp(lambda x: softmax(x, *segments), logits)
    return weights, gradient(cotangent)[0]

  with jax.enable_x64(True):
    run = jax.jit(run, static_argnums=0)
    args = [random((len(graph.senders), 3), dtype, seed) for seed in (0, 1)]
    for ours, theirs in zip(
      run(nn.segment_softmax, *args),
      run(jraph.segment_softmax, *args),
      strict=True,
    ):
      assert ours.dtype == dtype
      np.testing.assert_allclose(ours, theirs, **tolerance(dtype))


def test_softmax_of_masked_edges_is_zero_and_has_no_gradient_there():
  """Nor have the others another one than without them."""
  receivers = jnp.array([0, 0, 2, 2, 2])  # segment 1 is empty

  @jax.jit
  def run(x):
    def loss(x):
      weights = nn.segment_softmax(x, receivers, 3)
      return (weights**2).sum(), weights

    return jax.grad(loss, has_aux=True)(x)

  logits = jnp.array([[-jnp.inf], [-jnp.inf], [1.0], [-jnp.inf], [2.0]])
  gradient, weights = run(logits)
  shares = np.array([0, 0, 1 / (1 + np.e), 0, np.e / (1 + np.e)])[:, None]
  np.testing.assert_allclose(weights, shares, rtol=1e-6)
  # Of the sum of p_i^2 to x_i: 2 p_i (p_i - sum of p_k^2).
  expected = 2 * shares * (shares - (shares**2).sum())
  np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_softmax_tells_what_is_masked_from_the_lowest_number():
  lowest = np.finfo(np.float32).min
  logits = jnp.array([[-jnp.inf], [lowest], [lowest], [lowest]])
  weights = nn.segment_softmax(logits, np.array([0, 0, 0, 1]), 2)
  np.testing.assert_array_equal(weights[:, 0], [0, 0.5, 0.5, 1])


@pytest.mark.parametrize(
  ('logits', 'ids', 'message'),
  [
    (np.zeros((3, 1)), np.zeros(2, int), r'shapes must be \[E, K\] and \[E\]'),
    (np.zeros(3), np.zeros(3, int), r'shapes must be \[E, K\] and \[E\]'),
    (np.zeros((3, 1), int), np.zeros(3, int), 'no floating dtype'),
    (np.zeros((3, 1)), np.zeros(3), 'ids of nodes must be integers'),
  ],
)
def test_logits_that_are_none_are_refused(logits, ids, message):
  with pytest.raises(InputError, match=message):
    nn.segment_softmax(logits, ids, 2)


def test_softmax_survives_huge_logits():
  logits = jnp.array([[3e38], [-3e38], [3e38]])
  weights = nn.segment_softmax(logits, jnp.array([0, 0, 0]), 1)
  np.testing.assert_allclose(weights[:, 0], [0.5, 0, 0.5])


def test_softmax_has_forward_mode_and_second_derivatives():
  graph = GRAPHS['random']
  with jax.enable_x64(True):
    check_grads(
      jax.jit(
        lambda x: nn.segment_softmax(x, graph.receivers, len(graph.nodes))
      ),
      (random((len(graph.senders), 3), np.float64),),
      order=2,
    )


def test_softmax_makes_no_nan_of_what_is_no_segment():
  """Neither of an id beyond them nor of one before, the last one empty."""
  ids = np.array([0, 5, -1])
  with jax.debug_nans(True):
    gradient = jax.grad(lambda x: (nn.segment_softmax(x, ids, 3) ** 2).sum())
    assert np.isfinite(gradient(jnp.ones((3, 1)))).all()


@pytest.mark.parametrize('shape', [(5,), (4, 1, 1, 5), (4, 2, 5)])
def test_features_of_other_axes_are_refused(shape):
  with pytest.raises(InputError, match=r'for a kernel \(5, 1, 2\)'):
    nn.project(np.ones(shape), np.ones((5, 1, 2)))


def test_features_of_another_width_are_refused():
  with pytest.raises(InputError, match=r'\(4, 6\) for a kernel \(5, 1, 2\)'):
    nn.project(np.ones((4, 6)), np.ones((5, 1, 2)))


@each_dtype
def test_elu_equals_its_equation_and_has_the_gradient_of_jax(dtype):
  with jax.enable_x64(True):
    x = np.array([-1e30, -100, -5, -1e-3, -1e-20, 0, 1e-3, 4, 1e30], dtype)
    expected = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    np.testing.assert_allclose(nn.elu(x), expected, **tolerance(dtype))
    ours, theirs = (
      jax.vmap(jax.grad(function))(x) for function in (nn.elu, jax.nn.elu)
    )
    np.testing.assert_allclose(ours, theirs, **tolerance(dtype))
    assert ours.dtype == dtype


def test_elu_has_forward_mode_and_second_derivatives():
  with jax.enable_x64(True):
    check_grads(nn.elu, (np.array([-3.0, -0.5, 0.5, 3.0]),), order=2)


@pytest.mark.skipif(
  jax.default_backend() != 'cpu' or jax.__version_info__ >= (0, 12),
  reason='there XLA makes e^x - 1 again',
)
def test_elu_keeps_one_array_less_than_that_of_jax():
  def num_bytes(elu):
    def loss(x, kernel):
      return ((elu(elu(x @ kernel) @ kernel) @ kernel) ** 2).sum()

    x, kernel = jnp.ones((4096, 256)), jnp.ones((256, 256))
    gradient = jax.jit(jax.grad(loss, argnums=1)).lower(x, kernel)
    return gradient.compile().memory_analysis().temp_size_in_bytes

  assert num_bytes(nn.elu) <= num_bytes(jax.nn.elu) - 4096 * 256 * 4 / 2
