"""A part of a graph gives its own rows of what the whole graph gives."""

from flax import nnx
import jax
import jraph
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax import nn
from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.graphs import Part
from gat_jax.graphs import PreparedGraph
from gat_jax.graphs import SparseFeatures
from gat_jax.nn.dropout import random_bits
from gat_jax.nn.dropout.bits import _counts

NUM_NODES, NUM_FEATURES, NUM_EDGE_FEATURES = 30, 6, 3
LAYERS = {
  'gat': nn.GATLayer,
  'gatv2': nn.GATv2Layer,
  'const_gat': nn.ConstGATLayer,
  'gcn': nn.GCNLayer,
  'mlp': nn.MLPLayer,
}


def whole_graph(sparse=False, edge_features=False):
  rng = np.random.default_rng(0)
  senders = np.append(rng.integers(0, NUM_NODES - 1, 60), np.arange(12))
  receivers = np.append(rng.integers(0, NUM_NODES - 1, 60), np.full(12, 3))
  features = rng.normal(size=(NUM_NODES, NUM_FEATURES)).astype(np.float32)
  if sparse:
    features = scipy.sparse.csr_array(np.where(features > 0, features, 0))
  of_edges = rng.normal(size=(72, NUM_EDGE_FEATURES)).astype(np.float32)
  _, first = np.unique(receivers * NUM_NODES + senders, return_index=True)
  return graphs.prepare(
    features,
    senders[first],
    receivers[first],
    edge_features=of_edges[first] if edge_features else None,
  )


def part_of(graph, own, senders=None):
  """The part that owns some nodes, and its senders in the whole graph."""
  is_own = np.isin(graph.receivers, own)
  if senders is None:
    others = np.setdiff1d(graph.senders[is_own], own)
    senders = np.append(own, others)
  place = np.full(NUM_NODES, -1)
  place[senders] = np.arange(len(senders))
  receivers = place[graph.receivers[is_own]]
  edge_ids = np.flatnonzero(is_own)[np.argsort(receivers, kind='stable')]
  edges = Edges(
    place[graph.senders[edge_ids]],
    np.sort(receivers),
    len(senders),
    len(own),
  ).prepared()
  part = Part(
    sender_ids=senders.astype(np.uint32),
    edge_ids=edge_ids.astype(np.uint32),
    sender_degrees=np.bincount(graph.receivers, minlength=NUM_NODES)[senders],
  )
  return edges.as_part(part), senders


def rows_of(features, rows):
  if not isinstance(features, SparseFeatures):
    return features[rows]
  is_in = np.isin(features.rows, rows)
  place = np.full(NUM_NODES, -1)
  place[rows] = np.arange(len(rows))
  own = place[features.rows[is_in]]
  ids = np.flatnonzero(is_in)[np.argsort(own, kind='stable')]
  edges = Edges(
    features.columns[ids], np.sort(own), NUM_FEATURES, len(rows)
  ).prepared()
  edges = edges.as_part(Part(edge_ids=ids.astype(np.uint32)))
  return SparseFeatures(features.values[ids], edges)


def graph_of(edges, nodes, of_edges):
  graph = jraph.GraphsTuple(
    nodes=nodes,
    edges=None if of_edges is None else of_edges[edges.part.edge_ids],
    senders=None,
    receivers=None,
    n_node=np.array([edges.num_inputs]),
    n_edge=np.array([len(edges.senders)]),
    globals=None,
  )
  return PreparedGraph.of(graph, edges)


def new_layer(name, **options):
  if options.pop('edge_features', False):
    options['edge_features'] = NUM_EDGE_FEATURES
  layer = LAYERS[name](
    NUM_FEATURES, 4, 2, residual=True, rngs=nnx.Rngs(0), **options
  )
  # No parameter stays 0, so that each is seen.
  params = nnx.state(layer, nnx.Param)
  rng = np.random.default_rng(1)
  drawn = jax.tree.map(
    lambda x: x + rng.normal(size=x.shape).astype(np.float32) / 10, params
  )
  nnx.update(layer, drawn)
  return layer


def test_model_on_a_graph_for_each_layer_gives_the_rows_of_the_whole():
  whole = whole_graph()
  model = nn.Model(NUM_FEATURES, 3, num_heads=2, hidden_dim=4, rngs=nnx.Rngs(0))
  own = np.array([3, 11, 8])
  second, senders = part_of(whole, own)
  first, all_senders = part_of(whole, senders)
  blocks = [
    graph_of(first, whole.nodes[all_senders], None),
    graph_of(second, None, None),
  ]
  for dropout in (None, nn.Dropout(jax.random.key(2), 0.5)):
    got = model.forward(blocks, dropout)
    wanted = model.forward(whole, dropout)[own]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
  with pytest.raises(InputError, match='1 graphs for 2 layers'):
    model.forward(blocks[:1])


@pytest.mark.parametrize('kind', ['dense', 'sparse', 'edge_features'])
@pytest.mark.parametrize('name', LAYERS)
def test_part_has_the_rows_and_masks_of_the_whole(name, kind):
  of_edges = kind == 'edge_features'
  if of_edges and name in ('gcn', 'mlp'):
    pytest.skip('takes no features of edges')
  whole = whole_graph(kind == 'sparse', of_edges)
  layer = new_layer(name, edge_features=of_edges)
  own = np.array([7, 3, 20, NUM_NODES - 1, 0])
  edges, senders = part_of(whole, own)
  part = graph_of(edges, rows_of(whole.nodes, senders), whole.edges)
  for dropout in (None, nn.Dropout(jax.random.key(2), 0.5)):
    wanted = layer.forward(whole, dropout).nodes[own]
    got = layer.forward(part, dropout).nodes
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
  if isinstance(layer, nn.AttentionLayer):
    wanted = layer.attention(whole)[edges.part.edge_ids]
    np.testing.assert_allclose(layer.attention(part), wanted, rtol=1e-5)


@pytest.mark.parametrize('with_dropout', [False, True])
def test_part_has_the_gradients_of_the_whole(with_dropout):
  """Those of all inputs as well; what ends add to scores is made apart."""
  whole = whole_graph(edge_features=True)
  graphdef, params = nnx.split(new_layer('gat', edge_features=True))
  dropout = nn.Dropout(jax.random.key(2), 0.5) if with_dropout else None
  own = np.array([7, 3, 20, NUM_NODES - 1, 0])
  edges, senders = part_of(whole, own)
  weights = np.random.default_rng(3).normal(size=(len(own), 8))

  def loss(params, nodes, graph, rows):
    layer = nnx.merge(graphdef, params)
    found = layer.forward(graph._replace(nodes=nodes), dropout).nodes
    return (found[rows] * weights.astype(np.float32)).sum()

  gradients = jax.jit(jax.grad(loss, (0, 1)))
  wanted, of_nodes = gradients(params, whole.nodes, whole, own)
  nodes = whole.nodes[senders]
  part = graph_of(edges, nodes, whole.edges)
  found, of_inputs = gradients(params, nodes, part, np.arange(len(own)))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
    (found, of_inputs),
    (wanted, of_nodes[senders]),
  )
  assert all(np.abs(x).max() > 1e-3 for x in jax.tree.leaves(found))


def test_rows_draw_the_bits_of_the_whole():
  key = jax.random.key(5)
  whole = random_bits(key, (50, 3, 4), (7, 1))
  rows = np.array([49, 0, 13, 13], np.uint32)
  got = random_bits(key, (4, 3, 4), (7, 1), rows)
  np.testing.assert_array_equal(got, whole[rows])


def test_rows_draw_their_bits_where_nothing_is_promoted():
  """Also outside a run, whatever JAX is told of ranks and types."""
  key, rows = jax.random.key(5), np.array([49, 0], np.uint32)
  with jax.numpy_rank_promotion('raise'), jax.numpy_dtype_promotion('strict'):
    drawn = jax.eval_shape(lambda: random_bits(key, (2, 3, 4), (7, 1), rows))
  assert drawn.shape == (2, 3, 4)


def test_rows_count_beyond_a_word():
  rows = np.array([2**32 - 1, 2**31 + 12345, 65536, 0], np.uint32)
  width = 70_001
  low, high = (np.asarray(x, np.uint64) for x in _counts(rows, (width,)))
  wanted = rows[:, None].astype(object) * width + np.arange(width)
  got = high.reshape(4, -1).astype(object) * 2**32 + low.reshape(4, -1)
  assert (got == wanted).all()


def test_other_generators_cannot_draw_rows():
  key = jax.random.key(0, impl='rbg')
  with pytest.raises(InputError, match='masks of a part'):
    random_bits(key, (2, 3), (), np.zeros(2, np.uint32))


def test_gcn_wants_the_degrees_of_the_whole():
  whole = whole_graph()
  edges, senders = part_of(whole, np.array([1, 2]))
  part = graph_of(edges.as_part(Part()), whole.nodes[senders], None)
  with pytest.raises(InputError, match='does not know the degrees'):
    new_layer('gcn').forward(part)


def test_parts_are_checked_and_not_joined():
  whole = whole_graph()
  own = np.array([1, 2])
  edges, senders = part_of(whole, own)
  with pytest.raises(InputError, match='sender_ids'):
    edges.as_part(Part(sender_ids=np.zeros(1, np.uint32)))
  turned = graph_of(edges.reversed.as_part(Part()), whole.nodes[own], None)
  with pytest.raises(InputError, match='must be the first'):
    graphs.edges_of(turned._replace(edges=None))
  part = graph_of(edges, whole.nodes[senders], None)
  with pytest.raises(InputError, match='cannot be joined'):
    graphs.batch([part, part])
