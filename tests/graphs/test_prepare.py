"""One call makes a graph ready: what it takes, adds, remembers and refuses."""

import copy
import pickle

from groups import assert_groups_hold_every_edge_once
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
from jax import numpy as jnp
import jraph
import networkx
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax.errors import InputError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


def pairs(graph):
  return list(
    zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
  )


def test_it_adds_what_is_asked_for_and_sorts():
  given = [2, 0, 3], [1, 1, 3]
  kept = graphs.prepare(FEATURES, *given, self_loops=False)
  assert pairs(kept) == [(0, 1), (2, 1), (3, 3)]
  looped = graphs.prepare(FEATURES, *given)
  assert pairs(looped) == [(0, 0), (0, 1), (1, 1), (2, 1), (2, 2), (3, 3)]
  both = graphs.prepare(FEATURES, *given, reverse=True, self_loops=False)
  assert pairs(both) == [(1, 0), (0, 1), (2, 1), (1, 2), (3, 3)]
  assert both.n_edge.tolist() == [5]
  assert both.n_node.tolist() == [4]
  assert isinstance(both, jraph.GraphsTuple)


def edges_and_nodes():
  sizes = st.integers(1, 6)
  return sizes.flatmap(
    lambda n: st.tuples(
      st.just(n),
      st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=20),
      st.booleans(),
      st.booleans(),
    )
  )


@settings(deadline=None, max_examples=200)
@given(edges_and_nodes())
def test_it_equals_sets_of_pairs_and_remembers_their_order(case):
  n_node, edges, reverse, self_loops = case
  ends = np.array(edges, np.int64).reshape(-1, 2).T
  own = {pair: (pair[0] + 0.5, 7.0 * pair[1] - pair[0]) for pair in edges}
  graph = graphs.prepare(
    np.zeros((n_node, 1)),
    *ends,
    reverse=reverse,
    self_loops=self_loops,
    duplicates='merge',
    edge_features=np.array([own[pair] for pair in edges]).reshape(-1, 2),
  )
  expected = set(edges)
  if reverse:
    expected |= {(r, s) for s, r in edges}
  if self_loops:
    expected |= {(i, i) for i in range(n_node)}
  assert pairs(graph) == sorted(expected, key=lambda pair: pair[::-1])
  names = np.array(pairs(graph)).reshape(-1, 2)
  found = graph.in_given_order(names)
  assert [tuple(pair) for pair in found.given.tolist()] == edges
  if reverse:
    assert [tuple(pair[::-1]) for pair in found.reverse.tolist()] == edges
  else:
    assert found.reverse is None
  if self_loops:
    assert found.self_loops.tolist() == [[i, i] for i in range(n_node)]
  else:
    assert found.self_loops is None
  assert_groups_hold_every_edge_once(graph.structure)
  features = dict(own)  # of reverse edges: what is given, else a copy
  if reverse:
    features = {pair[::-1]: of_pair for pair, of_pair in own.items()} | own
  means = {
    i: np.mean([f for (_, r), f in features.items() if r == i] or [(0, 0)], 0)
    for i in range(n_node)
  }
  np.testing.assert_allclose(
    graph.edges,
    np.reshape(
      [features.get(pair, means[pair[1]]) for pair in pairs(graph)], (-1, 2)
    ),
  )
  np.testing.assert_array_equal(
    graph.in_given_order(graph.edges).given,
    np.reshape([own[pair] for pair in edges], (-1, 2)),
  )


def test_features_of_self_loops():
  """The mean of what comes in, 0 for a node that hears none, or as said."""
  senders, receivers = [0, 1, 3, 3], [1, 0, 1, 3]
  of_edges = [[1, -1], [2, 5], [3, 0], [8, 8]]

  def loops(**options):
    graph = graphs.prepare(
      FEATURES, senders, receivers, edge_features=of_edges, **options
    )
    assert graph.edges.dtype == np.float32
    found = graph.in_given_order(graph.edges)
    assert found.given.tolist() == of_edges
    return found.self_loops.tolist()

  own = [8, 8]  # given, and so left alone
  assert loops() == [[2, 5], [2, -0.5], [0, 0], own]
  assert loops(reverse=True) == loops()  # 1 -> 3 is none that 3 needs
  assert loops(loop_features=0.5) == [[0.5, 0.5]] * 3 + [own]
  assert loops(loop_features=np.array([7, -7])) == [[7, -7]] * 3 + [own]
  none = graphs.prepare(
    FEATURES, senders, receivers, edge_features=of_edges, self_loops=False
  )
  assert none.in_given_order(none.edges).self_loops is None


def test_features_of_edges_that_are_there_twice():
  twice = [0, 1, 0], [1, 2, 1]
  kept = graphs.prepare(
    FEATURES, *twice, duplicates='keep', edge_features=[1, 2, 3]
  )
  assert kept.in_given_order(kept.edges).given.tolist() == [[1], [2], [3]]
  assert kept.in_given_order(kept.edges).self_loops.tolist() == [
    [0],
    [2],
    [2],
    [0],
  ]
  merged = graphs.prepare(
    FEATURES, *twice, duplicates='merge', edge_features=[1, 2, 1]
  )
  assert merged.in_given_order(merged.edges).given.tolist() == [[1], [2], [1]]
  with pytest.raises(
    InputError,
    match='entries 0 and 2, both the edge from 0 to 1, have different ones',
  ):
    graphs.prepare(
      FEATURES, *twice, duplicates='merge', edge_features=[1, 2, 3]
    )


@pytest.mark.parametrize(
  ('given', 'expected'),
  [
    ([True, False], np.float32),
    (np.array([[1], [0]], np.int8), np.float32),
    (np.array([1, 0], np.float16), np.float16),
    (np.array([1.0, 0.0]), np.float64),
    (jnp.array([1, 0], jnp.bfloat16), jnp.bfloat16),
  ],
)
def test_features_of_edges_of_any_kind(given, expected):
  graph = graphs.prepare(FEATURES, [1, 0], [0, 3], edge_features=given)
  assert graph.edges.shape == (6, 1)
  assert graph.edges.dtype == expected
  found = graph.in_given_order(graph.edges)
  assert np.float32(found.given).tolist() == [[1], [0]]
  assert np.float32(found.self_loops).tolist() == [[1], [0], [0], [0]]


@pytest.mark.parametrize(
  ('edges', 'given'),
  [
    (scipy.sparse.csr_matrix((np.ones(2), ([0, 1], [3, 2])), (4, 4)), [5, 6]),
    (networkx.path_graph(4, networkx.DiGraph), [5, 6, 7]),
    (networkx.path_graph(4), [5, 6, 7]),
  ],
)
def test_features_are_in_the_order_of_a_matrix_or_a_graph(edges, given):
  graph = graphs.prepare(FEATURES, edges, edge_features=given)
  found = graph.in_given_order(graph.edges)
  assert found.given[:, 0].tolist() == given
  if isinstance(edges, networkx.Graph) and not edges.is_directed():
    assert found.reverse[:, 0].tolist() == given


NO_FEATURES = {
  'too few': (
    [1],
    {},
    r'an array of shape \(1,\) for 2 edges; it must be \[E,',
  ),
  'axes': (np.ones((2, 1, 1)), {}, r'shape \(2, 1, 1\)'),
  'of no width': (np.ones((2, 0)), {}, r'shape \(2, 0\)'),
  'ragged': ([[1], [1, 2]], {}, 'edge_features: no array'),
  'text': (['1', '2'], {}, 'is no real number'),
  'objects': ([None, 1.0], {}, 'object is no real number'),
  'complex': (np.ones(2, complex), {}, 'complex128 is no real number'),
  'masked': (np.ma.zeros(2), {}, 'edge_features: a masked array'),
  'NaN': ([[0, 1], [0, np.nan]], {}, 'feature 1 of edge 1 is nan; replace'),
  'infinite': ([np.inf, 0], {}, 'feature 0 of edge 0 is inf'),
  'a word': ([1, 2], {'loop_features': 'maen'}, "loop_features: 'maen' for 1 "),
  'text of one': ([1, 2], {'loop_features': '1'}, "loop_features: '1' for"),
  'loop NaN': ([1, 2], {'loop_features': np.nan}, 'loop_features: nan for 1'),
  'too large': ([1, 2], {'loop_features': 1e39}, r'loop_features: 1e\+39'),
  'width': ([1, 2], {'loop_features': [1, 2]}, r'\[1, 2\] for 1 features of'),
  'a row each': (
    [[1, 2]] * 2,
    {'loop_features': np.ones((4, 2))},
    'one number a feature',
  ),
  'no loops': (
    [1, 2],
    {'loop_features': 'none', 'self_loops': False},
    "loop_features: 'none'",
  ),
  'none': (None, {'loop_features': 0.0}, 'loop_features: edges have no feat'),
}


@pytest.mark.parametrize('name', NO_FEATURES)
def test_features_of_edges_that_are_none_are_refused(name):
  given, options, message = NO_FEATURES[name]
  with pytest.raises(InputError, match=message):
    graphs.prepare(FEATURES, [0, 1], [1, 2], edge_features=given, **options)


def test_edges_that_are_there_twice():
  twice = [0, 1, 0], [1, 2, 1]
  with pytest.raises(
    InputError, match='entry 2, the edge from 0 to 1, is the same as entry 0'
  ):
    graphs.prepare(FEATURES, *twice)
  merged = graphs.prepare(FEATURES, *twice, duplicates='merge')
  assert pairs(merged).count((0, 1)) == 1
  kept = graphs.prepare(FEATURES, *twice, duplicates='keep')
  assert pairs(kept).count((0, 1)) == 2
  places = kept.in_given_order(np.arange(len(kept.senders))).given
  assert len(set(places.tolist())) == 3
  assert [pairs(kept)[place] for place in places] == [(0, 1), (1, 2), (0, 1)]
  with pytest.raises(InputError, match="choose `duplicates='merge'` for one"):
    graphs.prepare(FEATURES, *twice, duplicates='keep', reverse=True)
  with pytest.raises(InputError, match="there is no 'sum'"):
    graphs.prepare(FEATURES, *twice, duplicates='sum')


@pytest.mark.parametrize(
  'form',
  [
    lambda s, r: (s, r),
    lambda s, r: (np.array(s, np.uint8), np.array(r, np.int64)),
    lambda s, r: (jnp.array(s), tuple(r)),
    lambda s, r: (scipy.sparse.coo_array((np.ones(3), (s, r)), (4, 4)),),
    lambda s, r: (scipy.sparse.csr_matrix((np.ones(3, bool), (s, r)), (4, 4)),),
    lambda s, r: (networkx.DiGraph(_with_nodes(s, r)),),
  ],
)
def test_edges_of_any_kind(form):
  senders, receivers = [3, 0, 1], [2, 1, 0]
  graph = graphs.prepare(FEATURES, *form(senders, receivers), self_loops=False)
  assert pairs(graph) == [(1, 0), (0, 1), (3, 2)]
  assert graph.senders.dtype == np.int32


def _with_nodes(senders, receivers):
  graph = networkx.DiGraph()
  graph.add_nodes_from(range(4))
  graph.add_edges_from(zip(senders, receivers, strict=True))
  return graph


def test_networkx_without_directions_has_both():
  """Nodes may be anything; they are counted as networkx lists them."""
  graph = networkx.Graph()
  graph.add_nodes_from('abcd')
  graph.add_edges_from([('c', 'a'), ('d', 'd')])
  made = graphs.prepare(FEATURES, graph, self_loops=False)
  assert pairs(made) == [(2, 0), (0, 2), (3, 3)]
  found = made.in_given_order(np.array(pairs(made)))
  forward = [['abcd'.index(end) for end in edge] for edge in graph.edges]
  assert found.given.tolist() == forward
  assert found.reverse.tolist() == [edge[::-1] for edge in forward]


@pytest.mark.parametrize(
  ('features', 'expected'),
  [
    (FEATURES.tolist(), FEATURES),
    (FEATURES.astype(int), FEATURES),
    (FEATURES > 4, (FEATURES > 4).astype(np.float32)),
    (FEATURES.astype(np.float16), FEATURES.astype(np.float16)),
    (jnp.asarray(FEATURES, jnp.bfloat16), FEATURES),
    (FEATURES.astype(np.float64), FEATURES),
  ],
)
def test_features_of_any_kind(features, expected):
  nodes = graphs.prepare(features, [], []).nodes
  np.testing.assert_array_equal(np.float64(nodes), expected)
  kept = getattr(features, 'dtype', np.dtype(np.float64))
  assert nodes.dtype == (np.float32 if kept.kind in 'ib' else kept)


def test_sparse_features():
  graph = graphs.prepare(scipy.sparse.csr_matrix(FEATURES), [0], [1])
  assert graph.nodes.shape == (4, 3)
  assert graph.nodes.values.tolist() == list(range(1, 12))
  again = graphs.prepare(graph.nodes, [0], [1])
  assert again.nodes is graph.nodes


WRONG = {
  'negative': ([0, -1], [1, 0], 'senders: entry 1 is -1; ids of 4 nodes are 0'),
  'N': ([0, 1], [4, 0], 'receivers: entry 0 is 4; ids of 4 nodes are 0 to 3'),
  'from 1': ([1, 4], [2, 1], 'subtract 1 from all `senders`'),
  'floats': ([0.0, 1.0], [1, 0], 'of float64; ids of nodes are integers'),
  'NaN': ([0, float('nan')], [1, 0], 'of float64; ids of nodes are integers'),
  'booleans': ([True, False], [0, 1], 'ids of nodes are integers'),
  'text': (['0', '1'], [0, 1], 'ids of nodes are integers'),
  'beyond int32': ([2**31, 0], [0, 1], 'entry 0 is 2147483648'),
  'wraps to 0': ([2**32, 0], [0, 1], 'entry 0 is 4294967296'),
  'beyond int64': ([2**64, 0], [0, 1], 'ids of nodes are integers'),
  'lengths': ([0, 1, 2], [1, 0], 'receivers: 2 for 3 senders'),
  'rows': ([[0, 1], [1, 2]], [0], 'give its two rows or columns as'),
  'ragged': ([[0], [1, 2]], [0], 'senders: no array'),
  'missing': ([0], None, 'receivers: missing; give `senders`'),
  'masked': (np.ma.zeros(2, int), [0, 1], 'senders: a masked array'),
  'scalar': (0, 1, r'senders: an array of shape \(\), not \[E\]'),
}


@pytest.mark.parametrize('name', WRONG)
def test_the_first_entry_that_is_wrong_is_named(name):
  senders, receivers, message = WRONG[name]
  with pytest.raises(InputError, match=message):
    graphs.prepare(FEATURES, senders, receivers)


@pytest.mark.parametrize(
  ('edges', 'message'),
  [
    (np.eye(3), 'receivers: missing'),
    (scipy.sparse.eye(3), r'an adjacency matrix \(3, 3\) for 4 nodes'),
    (2 * scipy.sparse.eye(4), r'entry 0 has the weight 2\.0, and weights of'),
    (networkx.path_graph(3), 'a graph of 3 nodes for 4 rows of features'),
    (
      networkx.Graph([(0, 1, {'weight': 3}), (2, 3)]),
      r'edge \(0, 1\) has the weight 3',
    ),
  ],
)
def test_adjacency_that_does_not_fit_is_refused(edges, message):
  with pytest.raises(InputError, match=message):
    graphs.prepare(FEATURES, edges)


@pytest.mark.parametrize(
  ('features', 'message'),
  [
    (np.zeros(4), r'an array of shape \(4,\)'),
    (np.zeros((4, 1, 1)), r'it must have two axes'),
    (np.zeros((4, 1), complex), 'complex128 is no real number'),
    ([['a']] * 4, 'is no real number'),
    ([[1], [1, 2]], 'features: no array'),
    (scipy.sparse.eye(4, dtype=complex), 'complex128'),
  ],
)
def test_features_that_are_none_are_refused(features, message):
  with pytest.raises(InputError, match=message):
    graphs.prepare(features, [0], [1])


def test_traced_edges_are_refused_with_the_way_out():
  with pytest.raises(InputError, match='prepare it before'):
    jax.jit(lambda s: graphs.prepare(FEATURES, s, s).nodes)(jnp.array([0]))
  with pytest.raises(InputError, match=r'edge_features: .* prepare it before'):
    jax.jit(
      lambda f: graphs.prepare(FEATURES, [0], [1], edge_features=f).edges
    )(jnp.ones(1))


def test_the_structure_goes_with_its_edges_and_never_with_others():
  graph = graphs.prepare(FEATURES, [0, 1], [1, 2])
  assert graph._replace(nodes=FEATURES + 1).structure is graph.structure
  assert graph._replace(globals=np.ones(1)).structure is graph.structure
  for field in ('senders', 'receivers', 'n_node', 'n_edge'):
    changed = graph._replace(**{field: getattr(graph, field)})
    assert type(changed) is jraph.GraphsTuple
  for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
    assert isinstance(other, graphs.PreparedGraph)
    np.testing.assert_array_equal(
      other.structure.by_sender.edges, graph.structure.by_sender.edges
    )
  doubled = jax.jit(lambda g: g._replace(nodes=2 * g.nodes))(graph)
  assert isinstance(doubled, graphs.PreparedGraph)
  np.testing.assert_array_equal(doubled.nodes, 2 * FEATURES)
  np.testing.assert_array_equal(doubled.senders, graph.senders)
  assert type(jraph.batch([graph, graph])) is jraph.GraphsTuple
  made_of_fields = type(graph)._make(graph), type(graph)(*graph)
  for other in made_of_fields:
    assert not graphs.edges_of(other).is_prepared
  with pytest.raises(InputError, match='prepared with 4 nodes and has 2'):
    graphs.edges_of(graph._replace(nodes=FEATURES[:2]))


def test_an_order_that_is_lost_is_not_made_up():
  graph = graphs.prepare(FEATURES, [0, 1], [1, 2])
  with pytest.raises(InputError, match='the order that was given is lost'):
    graphs.batch([graph, graph]).in_given_order(np.zeros(12))
  with pytest.raises(InputError, match=r'\(5,\) for a graph of 6 edges'):
    graph.in_given_order(np.zeros(5))


@pytest.mark.parametrize(
  ('senders', 'receivers', 'message'),
  [
    ([0, 1], [1, 0], 'receivers: they decrease at entry 1; sort the edges'),
    ([0, 2], [0, 1], 'senders: entry 1 is 2; there are 2 nodes'),
    ([0, 1], [-1, 1], 'receivers: entry 0 is -1'),
  ],
)
def test_only_sorted_edges_of_nodes_are_grouped(senders, receivers, message):
  with pytest.raises(InputError, match=message):
    graphs.Edges(np.array(senders), np.array(receivers), 2, 2).prepared()
