"""Joining and padding graphs."""

from fixtures import all_graphs
from fixtures import edge_features
from fixtures import make_graph
from groups import assert_groups_hold_every_edge_once
import jax
import jraph
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax.errors import InputError

GRAPHS = all_graphs()


def as_sparse(graph):
  matrix = scipy.sparse.csr_matrix(graph.nodes)
  return graph._replace(nodes=graphs.SparseFeatures.from_csr(matrix))


def as_dense(features):
  if not isinstance(features, graphs.SparseFeatures):
    return features
  dense = np.zeros(features.shape, np.float32)
  np.add.at(dense, (features.rows, features.columns), features.values)
  return dense


@pytest.mark.parametrize('form', [lambda graph: graph, as_sparse])
def test_batch_and_pad_keep_every_graph(form):
  several = {
    name: graph._replace(edges=edge_features(graph))
    for name, graph in GRAPHS.items()
  }
  joined = graphs.batch([form(graph) for graph in several.values()])
  n_node, n_edge = int(joined.n_node.sum()), int(joined.n_edge.sum())
  extra = {}
  if isinstance(joined.nodes, graphs.SparseFeatures):
    extra = {'n_nonzero': len(joined.nodes.values) + 11}
  padded = graphs.pad(joined, n_node + 5, n_edge + 9, **extra)
  for structure in (joined.structure, padded.structure):
    assert_groups_hold_every_edge_once(structure)
  assert (padded.senders[n_edge:] == n_node).all()
  assert padded.n_node.tolist()[-1] == 5
  assert padded.n_edge.tolist()[-1] == 9
  if extra:
    assert_groups_hold_every_edge_once(padded.nodes.edges)
  features = as_dense(padded.nodes)
  assert features.shape[0] == n_node + 5
  assert not features[n_node:].any()
  assert padded.edges.shape == (n_edge + 9, 2)
  assert not padded.edges[n_edge:].any()
  first_node = first_edge = 0
  for graph in several.values():
    nodes = slice(first_node, first_node + len(graph.nodes))
    edges = slice(first_edge, first_edge + len(graph.senders))
    np.testing.assert_array_equal(features[nodes], graph.nodes)
    np.testing.assert_array_equal(padded.edges[edges], graph.edges)
    for name in ('senders', 'receivers'):
      np.testing.assert_array_equal(
        getattr(padded, name)[edges] - first_node, getattr(graph, name)
      )
    first_node, first_edge = nodes.stop, edges.stop


def test_what_is_padded_to_the_same_sizes_has_the_same_shapes():
  """And can be joined again."""
  padded = [graphs.pad(graph, 50, 300) for graph in GRAPHS.values()]
  shapes = {
    tuple(np.shape(leaf) for leaf in jax.tree.leaves(graph.structure))
    for graph in padded
  }
  assert len(shapes) == 1
  assert_groups_hold_every_edge_once(graphs.batch(padded).structure)


@pytest.mark.parametrize(
  'others', [[], [make_graph(2, [], 4)], [as_sparse(make_graph(2, []))]]
)
def test_graphs_of_different_kinds_are_not_joined(others):
  with pytest.raises(InputError, match='all dense or all sparse and of the'):
    graphs.batch([GRAPHS['hub'], *others] if others else [])


@pytest.mark.parametrize('edges', [None, np.ones((3, 1)), np.ones(3)])
def test_features_of_edges_of_different_kinds_are_not_joined(edges):
  graph = GRAPHS['one edge']
  one, two = graph._replace(edges=np.ones((3, 2))), graph._replace(edges=edges)
  message = 'features of their edges differ in width, or some have none'
  with pytest.raises(InputError, match=message):
    graphs.batch([one, two])
  with pytest.raises(InputError, match=message):
    graphs.Deck.of([one, two], [{}, {}])


def test_a_batch_with_a_bare_graph_is_bare():
  graph = GRAPHS['hub']
  joined = graphs.batch([graph, jraph.GraphsTuple(*graph)])
  assert type(joined) is jraph.GraphsTuple
  assert type(graphs.pad(joined, 99, 999)) is jraph.GraphsTuple


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'senders': [0, 5, 1]}, 'senders: entry 1 is 5; ids of 2 nodes'),
    ({'receivers': [0, -1, 1]}, 'receivers: entry 1 is -1'),
    ({'n_node': [3]}, r'`n_node` \[3\] and `n_edge` \[3\] for 2 nodes and 3'),
    ({'n_edge': [2]}, 'they must add up'),
  ],
)
def test_edges_never_become_those_of_another_graph(fields, message):
  graph = make_graph(2, [(0, 1)])
  fields = {name: np.array(value) for name, value in fields.items()}
  wrong = jraph.GraphsTuple(*graph)._replace(**fields)
  with pytest.raises(InputError, match=message):
    graphs.batch([graph, wrong])
  with pytest.raises(InputError, match=message):
    graphs.pad(wrong, 9, 99)


def test_jraph_takes_a_batch_apart_and_leaves_the_structure_whole():
  """`unbatch_np` changes the senders that it is given."""
  joined = graphs.batch([GRAPHS['hub'], GRAPHS['one edge']])
  senders = joined.structure.senders.copy()
  _, last = jraph.unbatch_np(joined)
  np.testing.assert_array_equal(last.senders, GRAPHS['one edge'].senders)
  np.testing.assert_array_equal(joined.structure.senders, senders)


def test_sparse_features_made_by_hand_are_sorted():
  graph = as_sparse(GRAPHS['one edge'])
  edges, order = graph.nodes.edges, [7, 3, 9, 0, 1, 2, 4, 5, 6, 8]
  by_hand = graphs.SparseFeatures(
    graph.nodes.values[order],
    graphs.Edges(edges.senders[order], edges.receivers[order], 5, 2),
  )
  joined = graphs.batch([graph._replace(nodes=by_hand), graph])
  expected = as_dense(graph.nodes)
  np.testing.assert_array_equal(
    as_dense(joined.nodes), np.concatenate([expected, expected])
  )


def test_small_integers_do_not_overflow_where_they_are_added():
  twice = (np.array([200, 100], np.uint8), ([0, 0], [1, 1]))
  features = graphs.SparseFeatures.from_csr(scipy.sparse.coo_array(twice))
  assert features.values.tolist() == [300]


def test_too_few_graphs_for_the_padding_are_refused():
  with pytest.raises(InputError, match='n_graph: 1 graphs have no room'):
    graphs.pad(GRAPHS['hub'], 99, 999, n_graph=1)


@pytest.mark.parametrize(('n_node', 'n_edge'), [(3, 99), (99, 3)])
def test_padding_to_less_is_refused(n_node, n_edge):
  with pytest.raises(ValueError, match='do not fit'):
    graphs.pad(make_graph(3, [(0, 1)]), n_node, n_edge)


def test_stored_zeros_of_a_csr_matrix_are_dropped():
  matrix = scipy.sparse.csr_matrix(
    (np.array([0.0, 2.0]), np.array([2, 0]), np.array([0, 2, 2])), (2, 3)
  )
  features = graphs.SparseFeatures.from_csr(matrix)
  assert features.values.tolist() == [2]
  assert features.rows.tolist() == [0]
  assert features.columns.tolist() == [0]
  assert matrix.nnz == 2
