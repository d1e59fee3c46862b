"""Every road of every operation on edges, against sums in NumPy.

The forms that a graph may have are prepared, padded, and in any order with
edges that are none; each goes every road that takes it.
"""

import dataclasses
import functools
import re

from fixtures import all_graphs
from flax import nnx
import jax
from jax import numpy as jnp
import jax.export
from jax.test_util import check_grads
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.nn import ConstGATLayer
from gat_jax.nn import Dropout
from gat_jax.nn import GATLayer
from gat_jax.nn import GATv2Layer
from gat_jax.nn import aggregate
from gat_jax.nn import segment_softmax
from gat_jax.nn.pairs import pair_scores
from gat_jax.nn.roads.choice import NAMES
from gat_jax.nn.scores import end_scores
from gat_jax.nn.scores import softmax

GRAPHS = all_graphs()
ALL = graphs.batch(list(GRAPHS.values()))


def random(shape, dtype=np.float32, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def prepared(graph):
  return graphs.edges_of(graph)


def padded(graph):
  n_node, n_edge = len(graph.nodes) + 3, len(graph.senders) + 20
  return graphs.edges_of(graphs.pad(graph, n_node, n_edge))


def mixed(graph):
  """Its edges in any order, among them some whose ends are no nodes."""
  n_node = len(graph.nodes)
  strange = [(-1, 0), (0, -1), (n_node, 0), (0, n_node), (-n_node, 0)]
  strange += [(2**31 - 1, 0), (0, -(2**31))]
  ends = np.stack([graph.senders, graph.receivers])
  ends = np.concatenate([ends, np.array(strange, np.int32).T], axis=1)
  order = np.random.default_rng(0).permutation(ends.shape[1])
  return Edges(*ends[:, order], n_node, n_node)


# Every form and road that go together.
ROADS = [(form, road) for form in (prepared, padded) for road in NAMES] + [
  (mixed, None)
]
each_road = pytest.mark.parametrize(('form', 'road'), ROADS)


def dense_aggregate(weights, values, edges, initial):
  """Edge by edge in NumPy, [N, K, F], without those whose ends are no nodes."""
  sums = np.broadcast_to(
    np.float64(initial), (edges.num_receivers, *values.shape[1:])
  ).copy()
  for weight, sender, receiver in zip(
    weights, edges.senders, edges.receivers, strict=True
  ):
    if 0 <= sender < edges.num_senders and 0 <= receiver < edges.num_receivers:
      sums[receiver] += np.float64(weight)[:, None] * values[sender]
  return sums


def dense_gradients(weights, values, edges, cotangent):
  """Of weights and values, edge by edge; zero for those that are no edges."""
  d_weights, d_values = (np.zeros(x.shape) for x in (weights, values))
  for e, (sender, receiver) in enumerate(
    zip(edges.senders, edges.receivers, strict=True)
  ):
    if 0 <= sender < edges.num_senders and 0 <= receiver < edges.num_receivers:
      d_weights[e] = (values[sender] * np.float64(cotangent[receiver])).sum(-1)
      d_values[sender] += np.float64(weights[e])[:, None] * cotangent[receiver]
  return d_weights, d_values


@pytest.mark.parametrize(
  ('form', 'road', 'dtype', 'block', 'num_features'),
  [(*road, np.float32, 0, 4) for road in ROADS]
  + [(prepared, 'blocks', np.float32, b, f) for b, f in ((1, 4), (7, 67))]
  + [(padded, 'blocks', np.float32, 1000, 67), (mixed, None, np.float32, 0, 67)]
  + [(prepared, road, np.float64, 7, 67) for road in ('plain', 'blocks')]
  + [(prepared, 'rows', np.float64, 0, 4)]
  + [(prepared, 'lanes', np.float64, 0, 100)]  # more than are added at a time
  + [(mixed, None, np.float64, 0, 4)],
)  # 67 are filled up
def test_sums_and_gradients(form, road, dtype, block, num_features):
  """Started from what is the same for all receivers, as a layer's bias."""
  edges = form(ALL)
  with jax.enable_x64(dtype == np.float64):
    args = (
      random((len(edges.senders), 3), dtype),
      random((edges.num_senders, 3, num_features), dtype, 1),
      random((3, num_features), dtype, 2),
    )
    cotangent = random((edges.num_receivers, 3, num_features), dtype, 3)

    @jax.jit
    def run(edges, args, cotangent):
      sums, gradient = jax.vjp(
        lambda w, v, i: aggregate(
          w, v, edges, initial=i, block=block, implementation=road
        ),
        *args,
      )
      return sums, *gradient(cotangent)

    found = run(edges, args, cotangent)
  expected = (
    dense_aggregate(*args[:2], edges, args[2]),
    *dense_gradients(*args[:2], edges, cotangent),
    cotangent.sum(axis=0),
  )
  tolerance = 2e-5 if dtype == np.float32 else 1e-12
  for ours, theirs in zip(found, expected, strict=True):
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('name', ['one node', 'one edge', 'hub'])
def test_single_graphs(name):
  edges = prepared(GRAPHS[name])
  weights = random((len(edges.senders), 3))
  values = random((edges.num_senders, 3, 4), seed=1)
  run = jax.jit(aggregate, static_argnames='implementation')
  np.testing.assert_allclose(
    run(weights, values, edges, implementation='blocks'),
    dense_aggregate(weights, values, edges, 0),
    rtol=1e-5,
    atol=1e-5,
  )


@each_road
def test_gradients_of_gradients_equal_finite_differences(form, road):
  """And forward-mode derivatives, on the road that has them."""
  edges = form(GRAPHS['random'])
  with jax.enable_x64(True):
    values = random((edges.num_senders, 3, 2), np.float64, 3)
    check_grads(
      jax.jit(
        lambda w, v, i: aggregate(w, v, edges, initial=i, implementation=road)
      ),
      (random((len(edges.senders), 3), np.float64), values, values[::-1]),
      order=2,
      modes=['rev', 'fwd'] if road == 'plain' or form is mixed else ['rev'],
    )


@pytest.mark.parametrize('derivative', [jax.jacfwd, jax.hessian])
def test_the_fast_road_says_how_to_get_forward_mode(derivative):
  edges = prepared(GRAPHS['one edge'])
  weights = jnp.ones((len(edges.senders), 1))

  def loss(values, road=None):
    return aggregate(weights, values, edges, implementation=road).sum()

  values = jnp.ones((edges.num_senders, 1, 2))
  with pytest.raises(InputError, match="choose implementation='plain'"):
    derivative(loss)(values)
  derivative(functools.partial(loss, road='plain'))(values)


def test_graph_may_be_an_argument_of_what_is_differentiated():
  graph = GRAPHS['random']
  logits = random((len(graph.senders), 3))

  def loss(logits, edges):
    weights = segment_softmax(logits, edges.receivers, edges.num_receivers)
    values = jnp.ones((edges.num_senders, 3, 2))
    return aggregate(weights**2, values, edges).sum()

  def over_graphs(logits, edges):
    def add(total, edges):
      return total + loss(logits, edges), None

    several = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)]), edges)
    return jax.lax.scan(add, 0.0, several)[0]

  bare = Edges(
    graph.senders, graph.receivers, len(graph.nodes), len(graph.nodes)
  )
  expected = jax.jit(jax.grad(lambda x: loss(x, bare)))(logits)
  for edges in (prepared(graph), bare):
    for function in (loss, jax.jit(loss), jax.checkpoint(loss), over_graphs):
      np.testing.assert_allclose(
        jax.jit(jax.grad(function))(logits, edges),
        expected,
        rtol=1e-5,
        atol=1e-6,
      )


@pytest.mark.parametrize('axes', [(0, 0, None), (0, None, None), (0, 0, 0)])
@pytest.mark.parametrize('is_prepared', [True, False])
def test_vmap_equals_one_after_the_other(axes, is_prepared):
  """Seeds of one graph, and several graphs of different degrees, at once."""
  n_node, n_edge, n_seed = 12, 90, 3
  rng = np.random.default_rng(6)
  several = []
  for power in (1, 2, 4):
    ends = (n_node * rng.random((2, n_edge)) ** power).astype(np.int32)
    if is_prepared:
      graph = graphs.prepare(
        np.zeros((n_node, 1)), *ends, self_loops=False, duplicates='keep'
      )
      several.append(prepared(graphs.pad(graph, n_node + 1, n_edge)))
    else:
      several.append(Edges(*ends, n_node, n_node))
  n_node = several[0].num_senders
  weights = random((n_seed, n_edge, 2))
  values = random((n_seed, n_node, 2, 5), seed=1)
  over_values, over_graphs = axes[1:]
  args = (
    weights,
    values if over_values == 0 else values[0],
    jax.tree.map(lambda *x: np.stack(x), *several)
    if over_graphs == 0
    else several[2],
  )

  def gradients(weights, values, edges):
    def loss(weights, values):
      return (aggregate(weights, values, edges, block=16) ** 2).sum()

    return jax.value_and_grad(loss, (0, 1))(weights, values)

  def pick(tree, axis, index):
    return jax.tree.map(lambda x: x if axis is None else x[index], tree)

  one = jax.jit(gradients)
  expected = [
    one(*(pick(x, axis, i) for x, axis in zip(args, axes, strict=True)))
    for i in range(n_seed)
  ]
  jax.tree.map(
    lambda ours, *theirs: np.testing.assert_allclose(
      ours, np.stack(theirs), rtol=1e-4, atol=1e-4
    ),
    jax.jit(jax.vmap(gradients, axes))(*args),
    *expected,
  )


def test_no_edges_leave_what_it_starts_from():
  empty = np.zeros(0, np.int32)
  initial = jnp.arange(1.0, 25).reshape(2, 3, 4)
  for edges in (
    Edges(empty, empty, 2, 2),
    Edges(empty, empty, 2, 2).prepared(),
  ):
    sums, gradient = jax.vjp(
      lambda w, v, i, edges=edges: aggregate(w, v, edges, initial=i),
      jnp.zeros((0, 3)),
      jnp.ones((2, 3, 4)),
      initial,
    )
    np.testing.assert_array_equal(sums, initial)
    d_weights, d_values, d_initial = gradient(2 * initial)
    np.testing.assert_array_equal(d_initial, 2 * initial)
    assert d_weights.shape == (0, 3)
    assert not d_values.any()


def test_the_road_of_blocks_never_holds_all_messages():
  """No array of [E, K, F] entries, nor nearly as large, in either program."""
  n_edge, num_heads, num_features, block = 4096, 4, 96, 256
  edges = Edges(
    np.arange(n_edge, dtype=np.int32) % 16,
    np.sort(np.arange(n_edge, dtype=np.int32) % 16),
    16,
    16,
  ).prepared()

  def sums(road, weights, values):
    return aggregate(weights, values, edges, block=block, implementation=road)

  def scores(road, weights, values):
    return weights * pair_scores(
      values,
      2 * values,
      values[0],
      edges,
      slope=0.2,
      block=block,
      implementation=road,
    )

  def scores_with_features(road, weights, values, num_edge_features):
    """Which are of nodes here, and so need their gradient as well."""
    kernel = jnp.stack([values[3]] * num_edge_features)
    features = weights[:, :1] * jnp.arange(1.0, num_edge_features + 1)
    return scores_of(
      edges, road, values, 2 * values, values[0], features, kernel, block
    )

  def num_bytes(function, road):
    def loss(weights, values):
      return (function(road, weights, values) ** 2).sum()

    shapes = (n_edge, num_heads), (16, num_heads, num_features)
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    compiled = gradient.lower(*map(jnp.ones, shapes)).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  all_messages = n_edge * num_heads * num_features * 4
  few, many = (
    functools.partial(scores_with_features, num_edge_features=n)
    for n in (8, 17)
  )
  for function in (sums, scores, few, many):
    assert num_bytes(function, 'blocks') < all_messages / 2
  for function in (sums, scores):  # the number can be missed
    assert num_bytes(function, 'plain') >= all_messages / 2


@pytest.mark.parametrize('layer_type', [GATLayer, ConstGATLayer])
def test_features_of_edges_are_never_projected_on_any_road(layer_type):
  """Neither in GAT's scores nor in their gradient is there W_e f_ij."""
  layer = layer_type(5, 16, 4, edge_features=3, rngs=nnx.Rngs(0))
  graphdef, params = nnx.split(layer)
  edges = prepared(ALL._replace(edges=random((len(ALL.senders), 3))))

  def loss(params, features):
    own = edges._with(features=features)
    return (nnx.merge(graphdef, params).edge_scores(own) ** 2).sum()

  program = jax.make_jaxpr(jax.grad(loss, (0, 1)))(params, edges.features)
  sizes = [var.aval.size for eqn in program.jaxpr.eqns for var in eqn.outvars]
  assert len(ALL.senders) * 4 in sizes  # the scores, else nothing is seen
  assert max(sizes) <= len(ALL.senders) * 4


@each_road
def test_narrow_sums_do_not_lose_a_hub(form, road):
  """A sum of 5,000 ones ends at 256 if it is kept in bfloat16."""
  n = 5000
  graph = graphs.prepare(
    np.zeros((n, 1)), np.arange(n), np.zeros(n, int), self_loops=False
  )
  edges = form(graph)
  ones = np.ones((len(edges.senders), 1), np.float32)
  values = np.ones((edges.num_senders, 1, 1), np.float32)
  narrow = [jnp.asarray(x, jnp.bfloat16) for x in (ones, values)]
  run = functools.partial(aggregate, implementation=road)
  by_dtype = jax.jit(run)(*narrow, edges)
  assert by_dtype.dtype == jnp.bfloat16
  assert by_dtype[0].item() == jnp.bfloat16(n).item()
  run = functools.partial(run, dtype=jnp.bfloat16)
  assert jax.jit(run)(ones, values, edges)[0].item() == n


def test_a_node_hears_of_its_senders_alone():
  """A NaN does not spread through the places that a group leaves empty."""
  receivers = np.array([0, 0, 1, 2, 2, 2], np.int32)
  senders = np.array([0, 3, 1, 2, 3, 1], np.int32)
  values = np.ones((4, 2, 3), np.float32)
  values[0] = np.nan
  weights = np.ones((6, 2), np.float32)
  cotangent = np.zeros_like(values)
  cotangent[2] = np.nan

  @jax.jit
  def run(edges, values, cotangent):
    result, gradient = jax.vjp(lambda v: aggregate(weights, v, edges), values)
    return result, gradient(cotangent)[0]

  bare = Edges(senders, receivers, 4, 4)
  for edges in (bare, bare.prepared()):
    result, d_values = run(edges, values, cotangent)
    assert np.isnan(result[0]).all()
    counts = np.array([1, 3, 0])[:, None, None]
    np.testing.assert_array_equal(
      result[1:], np.broadcast_to(counts, (3, 2, 3))
    )
    assert not d_values[0].any()
    assert np.isnan(d_values[1:]).all()


def test_groups_do_not_go_with_other_edges():
  edges = prepared(GRAPHS['hub'])
  weights = random((len(edges.senders), 2))
  values = random((edges.num_senders, 2, 3), seed=1)
  other = dataclasses.replace(edges, receivers=edges.senders[::-1])
  assert not other.is_prepared
  np.testing.assert_allclose(
    aggregate(weights, values, other),
    dense_aggregate(weights, values, other, 0),
    rtol=1e-4,
    atol=1e-5,
  )
  checked = dataclasses.replace(edges.checked(), senders=edges.senders - 1)
  np.testing.assert_allclose(
    aggregate(weights, values, checked),
    dense_aggregate(weights, values, checked, 0),
    rtol=1e-4,
    atol=1e-5,
  )


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_no_other_platform_is_told_that_senders_are_sorted(platform):
  """They are not, and there a scatter would be wrong."""
  edges = prepared(GRAPHS['hub'])
  weights = jnp.ones((len(edges.senders), 1))
  values = jnp.ones((edges.num_senders, 1, 2))

  def lowered(function):
    exported = jax.export.export(jax.jit(function), platforms=[platform])
    return exported(edges, weights, values).mlir_module()

  run = functools.partial(aggregate, implementation='plain')
  forward = lowered(lambda e, w, v: run(w, v, e))
  assert forward.count('indices_are_sorted = true') == 1
  backward = lowered(lambda e, w, v: jax.grad(lambda v: run(w, v, e).sum())(v))
  assert 'scatter' in backward
  assert 'indices_are_sorted = true' not in backward


SPARSE = ALL._replace(
  nodes=graphs.SparseFeatures.from_csr(scipy.sparse.csr_matrix(ALL.nodes))
)


def gradient_of_a_layer(layer_type, platform, implementation):
  """The program of 2 heads of 3 features on `SPARSE`, with dropout."""
  width = SPARSE.nodes.shape[1]
  graphdef, params = nnx.split(layer_type(width, 3, 2, rngs=nnx.Rngs(0)))

  def loss(params, graph):
    layer = nnx.merge(graphdef, params)
    layer.implementation = implementation
    dropout = Dropout(jax.random.key(0), 0.5)
    return (layer.forward(graph, dropout).nodes ** 2).sum()

  gradient = jax.jit(jax.grad(loss))
  exported = jax.export.export(gradient, platforms=[platform])
  return exported(params, SPARSE).mlir_module()


@pytest.mark.parametrize('layer_type', [GATLayer, GATv2Layer])
def test_on_a_gpu_nothing_is_added_to_what_others_add_to(layer_type):
  """Sums of floats in an order that is not fixed have other last bits."""

  def added(implementation):
    text = gradient_of_a_layer(layer_type, 'cuda', implementation)
    bodies = re.findall(r'"stablehlo.scatter"(.*?)stablehlo.return', text, re.S)
    return sum('stablehlo.add' in body for body in bodies)

  assert not added(None)
  assert added('plain')  # else nothing would be found


@pytest.mark.parametrize('layer_type', [GATLayer, GATv2Layer])
def test_on_a_tpu_nothing_has_axes_of_edges_heads_and_features(layer_type):
  """Its tiles of 8 x 128 numbers would be a sixteenth full."""
  ends = SPARSE.senders, SPARSE.nodes.rows

  def found(implementation):
    text = gradient_of_a_layer(layer_type, 'tpu', implementation)
    assert 'stablehlo.sort' not in text
    return any(f'tensor<{len(ids)}x2x3xf32>' in text for ids in ends)

  assert not found(None)
  assert found('plain')


def test_integers_are_weights_and_values_as_well():
  edges = prepared(GRAPHS['one edge'])
  weights = np.full((len(edges.senders), 1), 0.5, np.float32)
  values = np.full((edges.num_senders, 1, 2), 3)
  expected = dense_aggregate(weights, values, edges, 0)
  np.testing.assert_array_equal(aggregate(weights, values, edges), expected)
  np.testing.assert_array_equal(
    aggregate(np.rint(2 * weights).astype(int), values, edges), 2 * expected
  )


def test_narrow_ids_are_held_against_wide_numbers_of_nodes():
  """uint8 ids of 300 nodes: N must not become 44."""
  senders = np.array([200, 44, 255], np.uint8)
  edges = Edges(senders, np.array([1, 2, 0], np.int8), 300, 300)
  values = random((300, 1, 2))
  weights = np.ones((3, 1), np.float32)
  np.testing.assert_array_equal(
    aggregate(weights, values, edges),
    dense_aggregate(weights, values, edges, 0).astype(np.float32),
  )
  alpha = segment_softmax(jnp.zeros((3, 1)), senders, 300)
  np.testing.assert_array_equal(alpha, 1)


@pytest.mark.parametrize(
  ('senders', 'message'),
  [
    ([0.9, 1.0, 0.0], 'of float'),
    ([True, False, True], 'of bool'),
    ([0], '3 for 1 senders'),
    ([[0, 1, 1]], r'an array \(1, 3\)'),
  ],
)
def test_edges_made_by_hand_are_checked(senders, message):
  edges = Edges(np.array(senders), np.zeros(3, int), 2, 2)
  for use in (edges.prepared, edges.checked):
    with pytest.raises(InputError, match=message):
      use()
  wraps = Edges(np.array([2**32, 1]), np.zeros(2, int), 2, 2).checked()
  assert wraps.senders.tolist() == [2, 1]  # of no node


def test_graphs_without_features_have_gradients():
  edges = prepared(GRAPHS['hub'])
  weights = jnp.ones((len(edges.senders), 2))
  values = jnp.ones((edges.num_senders, 2, 0))
  gradient = jax.grad(lambda w: aggregate(w, values, edges).sum())(weights)
  assert not gradient.any()


@pytest.mark.parametrize(
  ('weights', 'num_senders'), [((4, 3), 2), ((5, 2), 2), ((5, 3), 4)]
)
def test_shapes_that_do_not_fit_are_refused(weights, num_senders):
  ends = np.zeros(5, np.int32)
  with pytest.raises(InputError, match=r'shapes must be \[E, K\] and'):
    aggregate(
      jnp.ones(weights), jnp.ones((2, 3, 1)), Edges(ends, ends, num_senders, 2)
    )


def test_roads_that_are_not_there_are_refused():
  edges = prepared(GRAPHS['one edge'])
  weights, values = jnp.ones((3, 1)), jnp.ones((2, 1, 1))
  with pytest.raises(
    InputError, match="there is no 'fast'; choose one of 'plain'"
  ):
    aggregate(weights, values, edges, implementation='fast')
  bare = dataclasses.replace(edges)  # leaves the groups behind
  for run in (
    lambda road: aggregate(weights, values, bare, implementation=road),
    lambda road: softmax(weights, bare, road),
    lambda road: end_scores(weights[:2], weights[:2], bare, road),
  ):
    for road in set(NAMES) - {None, 'plain'}:
      with pytest.raises(InputError, match=r'`graphs\.prepare`'):
        run(road)
  with pytest.raises(InputError, match=r'queries \(1, 1, 1\)'):
    pair_scores(values[:1], values, values[0], edges, slope=0.2)


# With how many features of edges each form and road is tried; of more than 16
# products are made another way.
PAIRS = [
  *((prepared, road, 4, 3) for road in NAMES),
  *((padded, road, 4, 0) for road in NAMES),
  (mixed, None, 4, 1),
  (mixed, None, 4, 17),
  (prepared, 'blocks', 67, 17),
  (padded, 'blocks', 32, 1),
  (padded, 'rows', 4, 17),
  (padded, 'lanes', 100, 17),
]


def pairs_of(edges, num_features, num_edge_features, dtype=np.float64):
  """q, v, a and what edges have, if anything: f and W."""
  shape = (edges.num_senders, 3, num_features)
  shapes = [shape, shape, shape[1:]]
  if num_edge_features:
    shapes.append((len(edges.senders), num_edge_features))
    shapes.append((num_edge_features, *shape[1:]))
  return [random(shape, dtype, seed) for seed, shape in enumerate(shapes)]


def scores_of(edges, road, q, v, a, f=None, w=None, block=24):
  return pair_scores(
    q,
    v,
    a,
    edges,
    slope=0.2,
    edge_features=f,
    edge_kernel=w,
    block=block,
    implementation=road,
  )


@pytest.mark.parametrize(
  ('form', 'road', 'num_features', 'num_edge_features'), PAIRS
)
def test_scores_of_pairs_and_gradients(
  form, road, num_features, num_edge_features
):
  """Kinks of LeakyReLU apart, finite differences are those of NumPy."""
  edges = form(ALL)
  given = pairs_of(edges, num_features, num_edge_features)
  q, v, a, *more = given
  f, w = more or (np.zeros((len(edges.senders), 1)), np.zeros((1, *a.shape)))
  cotangent = random((len(edges.senders), 3), np.float64, 9)
  ends = np.stack([edges.senders, edges.receivers])
  is_edge = ((ends >= 0) & (ends < len(q))).all(axis=0)
  senders, receivers = np.where(is_edge, ends, 0)
  cotangent[~is_edge] = 0  # a softmax gives them none

  @jax.jit
  def run(edges, *given):
    scores, gradient = jax.vjp(
      lambda *given: scores_of(edges, road, *given), *given
    )
    return scores, *gradient(cotangent)

  with jax.enable_x64(True), jax.numpy_rank_promotion('raise'):
    scores, *gradient = run(edges, *given)
  pairs = q[receivers] + v[senders] + np.einsum('ed,dkf->ekf', f, w)
  expected = (np.where(pairs > 0, pairs, 0.2 * pairs) * a).sum(-1)
  np.testing.assert_allclose(scores[is_edge], expected[is_edge], rtol=1e-10)
  d_pairs = cotangent[:, :, None] * np.where(pairs > 0, 1, 0.2) * a
  d_q, d_v = np.zeros_like(q), np.zeros_like(v)
  np.add.at(d_q, receivers, d_pairs)
  np.add.at(d_v, senders, d_pairs)
  d_a = np.where(pairs > 0, pairs, 0.2 * pairs) * cotangent[:, :, None]
  d_f = np.einsum('ekf,dkf->ed', d_pairs, w)
  d_w = np.einsum('ed,ekf->dkf', f, d_pairs)
  wanted = (d_q, d_v, d_a.sum(0), d_f, d_w)[: len(given)]
  for found, expected in zip(gradient, wanted, strict=True):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('form', 'road', 'num_edge_features'),
  [(*pair, 2) for pair in ROADS] + [(prepared, road, 17) for road in NAMES],
)
def test_second_derivatives_of_scores(form, road, num_edge_features):
  """Of nodes, vectors, features of edges and their kernel at once."""
  edges = form(GRAPHS['isolated node'])
  with jax.enable_x64(True):
    check_grads(
      jax.jit(lambda *given: scores_of(edges, road, *given) ** 2),
      pairs_of(edges, 2, num_edge_features),
      order=2,
      modes=['rev', 'fwd'] if road == 'plain' or form is mixed else ['rev'],
    )


@pytest.mark.parametrize('road', [*NAMES])
def test_no_edges_have_no_scores(road):
  ends = np.zeros(0, np.int32)
  edges = Edges(ends, ends, 2, 2).prepared()
  given = pairs_of(edges, 4, 3, np.float32)
  scores, gradient = jax.vjp(lambda *x: scores_of(edges, road, *x), *given)
  assert scores.shape == (0, 3)
  for own, d_own in zip(given, gradient(scores), strict=True):
    assert own.shape == d_own.shape
    assert not d_own.any()


@pytest.mark.parametrize(
  ('f', 'w'),
  [
    ((5, 2), None),
    (None, (2, 3, 4)),
    ((5, 2), (3, 3, 4)),
    ((4, 2), (2, 3, 4)),
    ((5,), (2, 3, 4)),
    ((5, 2), (2, 3, 5)),
    ((5, 2), (2, 12)),
  ],
)
def test_features_of_edges_that_do_not_fit_are_refused(f, w):
  ends = np.zeros(5, np.int32)
  edges = Edges(ends, ends, 2, 2)
  terms = [None if shape is None else np.ones(shape) for shape in (f, w)]
  q, v, a = pairs_of(edges, 4, 0)
  with pytest.raises(InputError, match=r'edge_features: .* leave out both or'):
    scores_of(edges, None, q, v, a, *terms)


@each_road
def test_scores_of_ends_their_softmax_and_gradients(form, road):
  """Through the softmax, so that scores and sums of edges are taken as well."""
  edges = form(ALL)
  r, s = (random((edges.num_senders, 3), np.float64, i) for i in (0, 1))
  cotangent = random((len(edges.senders), 3), np.float64, 2)
  ends = np.stack([edges.senders, edges.receivers])
  is_edge = ((ends >= 0) & (ends < len(r))).all(axis=0)
  senders, receivers = np.where(is_edge, ends, 0)

  @jax.jit
  def run(edges, r, s):
    weights, gradient = jax.vjp(
      lambda *x: softmax(end_scores(*x, edges, road), edges, road), r, s
    )
    return weights, *gradient(cotangent)

  with jax.enable_x64(True):
    found = run(edges, r, s)

  def sums(of_edges, nodes):
    total = np.zeros_like(r)
    np.add.at(total, nodes, of_edges)
    return total

  powers = np.exp(r[receivers] + s[senders]) * is_edge[:, None]
  alpha = powers / np.maximum(sums(powers, receivers), 1e-300)[receivers]
  change = alpha * cotangent
  change -= alpha * sums(change, receivers)[receivers]
  expected = alpha, sums(change, receivers), sums(change, senders)
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
