"""Layers on a bare GraphsTuple: any order, ids that are no nodes, padding."""

from flax import nnx
import jax
from jax import numpy as jnp
import jraph
import numpy as np
import pytest
import scipy.sparse
from small_layers import ALL
from small_layers import ATTENTION
from small_layers import GRAPHS
from small_layers import attention_of
from small_layers import dense_alpha
from small_layers import dense_outputs
from small_layers import each_attention
from small_layers import each_layer
from small_layers import make_edged
from small_layers import make_layer
from small_layers import outputs_of
from small_layers import params_of
from small_layers import sparse

from gat_jax import graphs
from gat_jax.errors import InputError
from gat_jax.nn.layers import GATLayer

N_NODE = len(ALL.nodes)
# Ends of edges that are no nodes, or only one of them is.
STRANGE = [(-1, 0), (0, -1), (N_NODE, 0), (0, N_NODE), (-N_NODE, 0)]
STRANGE += [(2**31 - 1, 0), (0, -(2**31)), (-1, -1)]


def bare(graph):
  return jraph.GraphsTuple(*graph)


def mixed(graph, seed=0, strange=STRANGE):
  """Its edges in any order, and where the old ones are among them."""
  ends = np.stack([graph.senders, graph.receivers])
  others = np.array(strange, np.int32).reshape(-1, 2).T
  order = np.random.default_rng(seed).permutation(
    ends.shape[1] + others.shape[1]
  )
  senders, receivers = np.concatenate([ends, others], axis=1)[:, order]
  place = np.argsort(order)[: ends.shape[1]]
  edges = graph.edges
  if edges is not None:  # of what is no edge they are as if not there
    unknown = np.full((others.shape[1], edges.shape[1]), np.nan, edges.dtype)
    edges = np.concatenate([edges, unknown])[order]
  return bare(graph)._replace(
    edges=edges,
    senders=senders,
    receivers=receivers,
    n_edge=np.array([len(senders)]),
  ), place


def close(found, expected):
  np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@each_layer
def test_outputs_are_those_of_the_dense_formulas(layer_type):
  layer, graph = make_edged(layer_type, residual=True)
  expected = dense_outputs(layer, graph, params_of(layer))
  one, two = (mixed(graph, seed)[0] for seed in (0, 1))
  close(outputs_of(layer, one), expected)
  close(layer(one).nodes, expected)  # eager
  stacked = jax.tree.map(lambda *x: jnp.stack(x), one, two)
  several = jax.jit(jax.vmap(lambda graph: layer.forward(graph).nodes))(stacked)
  close(several, np.stack([expected, expected]))


@each_layer
def test_gradients_are_those_of_a_prepared_graph(layer_type):
  """Which the tests of layers compare with finite differences."""
  layer, graph = make_edged(layer_type)
  graphdef, params = nnx.split(layer, nnx.Param)

  @jax.jit
  def gradient(graph):
    def loss(nodes, params):
      own = nnx.merge(graphdef, params)
      return jnp.sin(own.forward(graph._replace(nodes=nodes)).nodes).sum()

    return jax.grad(loss, (0, 1))(graph.nodes, params)

  jax.tree.map(close, gradient(mixed(graph)[0]), gradient(graph))


@each_attention
def test_attention_is_that_of_the_dense_formulas(layer_type):
  """In the order of the edges; of those that are none it is 0."""
  layer, graph = make_edged(layer_type)
  expected = dense_alpha(layer, graph, params_of(layer))
  other, place = mixed(graph)
  alpha = np.asarray(attention_of(layer, other))
  close(alpha[place], expected)
  assert not np.delete(alpha, place, axis=0).any()
  close(attention_of(layer, graph), expected)


@each_layer
def test_jraph_joins_and_pads_them(layer_type):
  """Prepared graphs as well as bare ones."""
  layer = make_layer(layer_type)
  several = [*GRAPHS.values(), mixed(GRAPHS['hub'], strange=())[0]]
  joined = jraph.batch(several)
  n_node, n_edge = int(joined.n_node.sum()), int(joined.n_edge.sum())
  padded = jraph.pad_with_graphs(joined, n_node + 5, n_edge + 9, 12)
  found = np.asarray(outputs_of(layer, padded))
  p = params_of(layer)
  close(found[:N_NODE], dense_outputs(layer, ALL, p))
  close(found[N_NODE:n_node], dense_outputs(layer, GRAPHS['hub'], p))
  if layer_type in ATTENTION:
    alpha = np.asarray(attention_of(layer, padded))
    close(alpha[: len(ALL.senders)], dense_alpha(layer, ALL, p))


def test_ids_of_any_integer_dtype():
  """Beyond int32 they are no nodes, and do not wrap around to one."""
  layer = make_layer(GATLayer)
  graph = GRAPHS['one edge']
  expected = layer(bare(graph)).nodes
  for dtype in (np.uint8, np.int16, np.uint32, np.int64, np.uint64):
    ids = {
      name: getattr(graph, name).astype(dtype)
      for name in ('senders', 'receivers')
    }
    np.testing.assert_array_equal(
      layer(bare(graph)._replace(**ids)).nodes, expected
    )
  strange = np.array([2**32, 2**31, -(2**32) + 1])
  wide = bare(graph)._replace(
    senders=np.concatenate([graph.senders, strange]),
    receivers=np.concatenate([graph.receivers, [1, 1, 1]]),
  )
  close(layer(wide).nodes, expected)


GRAPH = bare(GRAPHS['one edge'])  # two nodes, three edges
WRONG = {
  'floats': ({'senders': np.zeros(3)}, 'senders: an array .* of float'),
  'lengths': ({'senders': np.zeros(1, int)}, 'receivers: 3 for 1 senders'),
  'rows': (
    {'receivers': np.zeros((3, 1), int)},
    'ids of nodes must be integers',
  ),
  'none': ({'senders': None}, 'senders: an array .* of object'),
  'list': ({'nodes': [[1.0] * 5] * 2}, 'its nodes are of list; they must be'),
  'no nodes': ({'nodes': None}, 'its nodes are of NoneType'),
  'SciPy': (
    {'nodes': scipy.sparse.csr_matrix((2, 5))},
    '`graphs.prepare` takes lists and SciPy matrices as well',
  ),
  'masked': ({'nodes': np.ma.zeros((2, 5))}, 'its nodes are of MaskedArray'),
  'complex': ({'nodes': np.zeros((2, 5), complex)}, 'of complex128, no real'),
  'text': ({'nodes': np.full((2, 5), '1')}, 'no real numbers'),
  'values': (
    {
      'nodes': graphs.SparseFeatures(
        np.ones(2), graphs.Edges(np.zeros(3, int), np.zeros(3, int), 5, 2)
      )
    },
    r'values \(2,\) for 3 non-zeros',
  ),
}


@pytest.mark.parametrize('name', WRONG)
def test_what_no_graph_can_be_is_refused(name):
  fields, message = WRONG[name]
  with pytest.raises(InputError, match=message):
    make_layer(GATLayer)(GRAPH._replace(**fields))


def test_an_array_is_no_graph():
  with pytest.raises(InputError, match=r'as `graphs\.prepare` makes'):
    make_layer(GATLayer)(np.ones((2, 5)))


@pytest.mark.parametrize('form', [bare, lambda graph: mixed(graph)[0]])
def test_sparse_features_may_be_in_any_order(form):
  dense, sparse_graph = sparse(ALL)
  edges = sparse_graph.nodes.edges
  order = np.random.default_rng(2).permutation(len(edges.senders))
  n_node, n_feature = dense.nodes.shape
  strange = [(n_feature, 0), (0, n_node), (-1, 0), (0, -1)]
  columns, rows = np.array(strange, np.int32).T
  nodes = graphs.SparseFeatures(
    np.concatenate([np.ones(4, np.float32), sparse_graph.nodes.values[order]]),
    graphs.Edges(
      np.concatenate([columns, edges.senders[order]]),
      np.concatenate([rows, edges.receivers[order]]),
      n_feature,
      n_node,
    ),
  )
  layer = make_layer(GATLayer, out_features=5, residual=True)
  close(
    outputs_of(layer, form(dense)._replace(nodes=nodes)),
    dense_outputs(layer, dense, params_of(layer)),
  )


@each_layer
def test_graphs_of_nothing(layer_type):
  """No nodes, no nodes and yet edges, no edges, one node."""
  layer = make_layer(layer_type)
  no_nodes = np.zeros((0, 5), np.float32)
  empty = np.zeros(0, np.int32)
  three = np.zeros(3, np.int32)
  for graph in (
    graphs.prepare(no_nodes, [], []),
    graphs.from_edges(no_nodes, empty, empty),
    graphs.from_edges(no_nodes, three, three),
  ):
    nodes = graph.nodes
    assert layer(graph).nodes.shape == (0, 12)
    gradient = jax.grad(
      lambda nodes, graph=graph: layer(graph._replace(nodes=nodes)).nodes.sum()
    )
    assert gradient(nodes).shape == (0, 5)
  nodes = ALL.nodes[:2]
  for graph in (
    graphs.prepare(nodes, [], [], self_loops=False),
    graphs.from_edges(nodes, empty, empty),
  ):
    p = params_of(layer)
    alone = p['bias']
    if layer_type.__name__ == 'MLPLayer':
      alone = np.einsum('nd,dkf->nkf', nodes, p['kernel']) + p['bias']
    alone = np.broadcast_to(alone, (2, 4, 3)).reshape(2, 12)
    close(layer(graph).nodes, np.where(alone > 0, alone, np.expm1(alone)))
  one = graphs.prepare(nodes[:1], [], [])
  close(layer(one).nodes, dense_outputs(layer, one, params_of(layer)))


def test_attention_in_the_order_that_was_given():
  """With reverse edges and self-loops told apart."""
  rng = np.random.default_rng(0)
  nodes = rng.normal(size=(6, 5)).astype(np.float32)
  senders, receivers = [4, 0, 3, 2, 2, 1], [5, 1, 0, 2, 4, 0]
  graph = graphs.prepare(nodes, senders, receivers, reverse=True)
  layer = make_layer(GATLayer)
  alpha = dense_alpha(layer, graph, params_of(layer))
  of = {
    (int(s), int(r)): alpha[e]
    for e, (s, r) in enumerate(zip(graph.senders, graph.receivers, strict=True))
  }
  found = graph.in_given_order(layer.attention(graph))
  close(
    found.given, [of[s, r] for s, r in zip(senders, receivers, strict=True)]
  )
  close(
    found.reverse, [of[r, s] for s, r in zip(senders, receivers, strict=True)]
  )
  close(found.self_loops, [of[i, i] for i in range(6)])

  @jax.jit
  def inside(graph):
    return graph.in_given_order(layer.attention(graph))

  jax.tree.map(close, inside(graph), found)
