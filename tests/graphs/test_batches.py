from fixtures import all_graphs
from fixtures import make_graph
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs

GRAPHS = all_graphs()
each_graph = pytest.mark.parametrize('name', GRAPHS)


def pairs(graph):
  return list(
    zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
  )


def raw(n_node, edges):
  array = np.array(edges, np.int32).reshape(-1, 2)
  return graphs.from_edges(np.zeros((n_node, 1)), array[:, 0], array[:, 1])


def test_symmetrize_adds_each_reverse_edge_once():
  graph = graphs.symmetrize(raw(4, [(0, 1), (1, 0), (1, 2), (1, 2), (3, 3)]))
  assert sorted(pairs(graph)) == [(0, 1), (1, 0), (1, 2), (2, 1), (3, 3)]
  assert graph.n_edge.tolist() == [5]


def test_self_loops_are_exactly_one_a_node():
  graph = graphs.add_self_loops(raw(3, [(0, 0), (0, 0), (0, 1)]))
  assert sorted(pairs(graph)) == [(0, 0), (0, 1), (1, 1), (2, 2)]


def test_graph_without_edges():
  graph = graphs.sort_by_receiver(
    graphs.add_self_loops(graphs.symmetrize(raw(2, [])))
  )
  assert pairs(graph) == [(0, 0), (1, 1)]


@each_graph
def test_sorting_orders_by_receiver_then_sender(name):
  graph = GRAPHS[name]
  shuffled = np.random.default_rng(0).permutation(len(graph.senders))
  mixed = graphs.from_edges(
    graph.nodes, graph.senders[shuffled], graph.receivers[shuffled]
  )
  ordered = pairs(graphs.sort_by_receiver(mixed))
  assert ordered == sorted(pairs(graph), key=lambda pair: pair[::-1])


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
  joined = graphs.batch([form(graph) for graph in GRAPHS.values()])
  n_node, n_edge = int(joined.n_node.sum()), int(joined.n_edge.sum())
  extra = {}
  if isinstance(joined.nodes, graphs.SparseFeatures):
    extra = {'n_nonzero': len(joined.nodes.values) + 11}
  padded = graphs.pad(joined, n_node + 5, n_edge + 9, **extra)
  assert (np.diff(padded.receivers) >= 0).all()
  assert (padded.senders[n_edge:] == n_node).all()
  assert padded.n_node.tolist()[-1] == 5
  assert padded.n_edge.tolist()[-1] == 9
  features = as_dense(padded.nodes)
  assert features.shape[0] == n_node + 5
  assert not features[n_node:].any()
  first_node = first_edge = 0
  for graph in GRAPHS.values():
    nodes = slice(first_node, first_node + len(graph.nodes))
    edges = slice(first_edge, first_edge + len(graph.senders))
    np.testing.assert_array_equal(features[nodes], graph.nodes)
    for name in ('senders', 'receivers'):
      np.testing.assert_array_equal(
        getattr(padded, name)[edges] - first_node, getattr(graph, name)
      )
    first_node, first_edge = nodes.stop, edges.stop


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
