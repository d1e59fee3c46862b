"""A graph in parts: nothing lost, nothing twice, and fillers are nothing."""

import sys

from fixtures import hubs
import jax
import numpy as np
import pytest

from gat_jax import graphs
from gat_jax.errors import InputError


def take_apart(graph, num_parts, partitioner='metis'):
  parts = graphs.deal_nodes(graph, num_parts, partitioner)
  return parts, graphs.partition(graph, parts, num_parts)


def own_part(tree, index):
  return jax.tree.map(lambda array: array[index], tree)


@pytest.mark.parametrize('partitioner', ['metis', 'ranges'])
@pytest.mark.parametrize('num_parts', [1, 2, 5])
def test_each_edge_is_where_its_receiver_is(num_parts, partitioner):
  graph = hubs(edge_features=True)
  parts, cut = take_apart(graph, num_parts, partitioner)
  n_node = len(parts)
  np.testing.assert_array_equal(cut.whole(cut.of_nodes(parts)), parts)
  found, halos = [], []
  for index in range(num_parts):
    own = own_part(cut.graph, index)
    structure, part = own.structure, own.structure.part
    real = cut.spread.edges[index]
    ids = part.edge_ids[:real]
    receivers = part.sender_ids[structure.receivers[:real]]
    senders = part.sender_ids[structure.senders[:real]]
    np.testing.assert_array_equal(senders, graph.senders[ids])
    np.testing.assert_array_equal(receivers, graph.receivers[ids])
    np.testing.assert_array_equal(own.edges[:real], graph.edges[ids])
    assert (np.diff(ids.astype(int)) > 0).all()  # in their order
    assert (parts[receivers] == index).all()
    # Fillers touch no node of the graph.
    last = structure.num_receivers - 1
    assert (cut.nodes[index] == n_node)[last]
    assert (structure.senders[real:] == last).all()
    assert (structure.receivers[real:] == last).all()
    degrees = np.bincount(graph.receivers)
    used = np.unique(structure.senders[:real])
    np.testing.assert_array_equal(
      part.sender_degrees[used], degrees[part.sender_ids[used]]
    )
    found.append(ids)
    halos.append(len(np.setdiff1d(senders, receivers)))
  np.testing.assert_array_equal(
    np.sort(np.concatenate(found)), np.arange(len(graph.senders))
  )
  spread = cut.spread
  assert (
    spread.edges_cut == (parts[graph.senders] != parts[graph.receivers]).sum()
  )
  assert list(spread.halos) == halos
  assert spread.imbalance < 1.4
  if num_parts == 1:
    assert (spread.edges_cut, spread.halos) == (0, (0,))


def test_exchange_has_the_rows_that_are_lacking():
  """Both forms of it, as told by hand what every part sends."""
  graph = hubs()
  _, cut = take_apart(graph, 4)
  ids = cut.graph.structure.part.sender_ids.astype(int)
  exchange = cut.graph.structure.part.exchange
  n_own = cut.nodes.shape[1]
  n_slot = exchange.padded_rows.shape[2]
  own = np.where(cut.nodes < 300, cut.nodes, -1)
  own = np.concatenate([own, np.full((4, 1), -1)], axis=1)  # row N is none
  for to in range(4):
    halo = ids[to, n_own:][: cut.spread.halos[to]]
    got = np.concatenate(
      [own[p][exchange.padded_rows[p, to]] for p in range(4)]
    )
    assert got.shape == (4 * n_slot,)
    places = exchange.padded_places[to]
    np.testing.assert_array_equal(got[places[: len(halo)]], halo)
    assert (places[len(halo) :] == 4 * n_slot).all()
    ragged = np.full(len(places), -1)
    for sender in range(4):
      (count, first, place), _ = exchange.blocks[sender, :, :, to]
      _, (back, own_place, others) = exchange.blocks[to, :, :, sender]
      assert (count, first, place) == (back, others, own_place)
      rows = exchange.rows[sender][first : first + count]
      ragged[place : place + count] = own[sender][rows]
    np.testing.assert_array_equal(ragged[: len(halo)], halo)
    assert (ragged[len(halo) :] == -1).all()


def test_features_are_with_their_nodes():
  for sparse in (False, True):
    graph = hubs(sparse=sparse)
    _, cut = take_apart(graph, 3)
    for index in range(3):
      own = own_part(cut.graph.nodes, index)
      whole = graph.nodes
      if sparse:
        count = (own.values != 0).sum()
        ids = own.edges.part.edge_ids[:count]
        np.testing.assert_array_equal(own.values[:count], whole.values[ids])
        np.testing.assert_array_equal(own.columns[:count], whole.columns[ids])
        rows = cut.nodes[index][own.rows[:count]]
        np.testing.assert_array_equal(rows, whole.rows[ids])
        assert (own.values[count:] == 0).all()
      else:
        filled = np.append(whole, np.zeros((1, 6)), axis=0)
        np.testing.assert_array_equal(own, filled[cut.nodes[index]])


def test_parts_are_the_same_again_and_metis_cuts_less():
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 4, 400)
  pairs = rng.integers(0, 400, (4000, 2))
  pairs = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
  graph = graphs.prepare(
    np.ones((400, 1), np.float32), *pairs.T, reverse=True, duplicates='merge'
  )
  cuts = {}
  for partitioner in ('metis', 'ranges'):
    parts, cut = take_apart(graph, 4, partitioner)
    again, _ = take_apart(graph, 4, partitioner)
    np.testing.assert_array_equal(parts, again)
    assert cut.spread.imbalance < 1.2
    cuts[partitioner] = cut.spread.edges_cut
  assert 5 * cuts['metis'] < cuts['ranges']


def test_what_cannot_be_taken_apart(monkeypatch):
  graph = hubs()
  with pytest.raises(InputError, match="there is no 'metiss'"):
    graphs.deal_nodes(graph, 2, 'metiss')
  with pytest.raises(InputError, match='part of every node'):
    graphs.partition(graph, np.zeros(3, int), 2)
  with pytest.raises(InputError, match='part of every node'):
    graphs.partition(graph, np.full(300, 2), 2)
  bare = graphs.from_edges(graph.nodes, graph.senders, graph.receivers)
  with pytest.raises(InputError, match='not prepared'):
    graphs.partition(bare, np.zeros(300, int), 1)
  monkeypatch.setitem(sys.modules, 'pymetis', None)
  with pytest.raises(InputError, match='not installed; run `pip install'):
    graphs.deal_nodes(graph, 2)
