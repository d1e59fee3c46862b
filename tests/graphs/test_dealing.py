from fixtures import many_graphs
import jax
import numpy as np
import pytest

from gat_jax import graphs
from gat_jax.errors import InputError
from gat_jax.graphs import dealing

TRAIN = many_graphs(num_edge_features=2).train


def hubs():
  """Nodes with enough edges for two levels of rows above their groups."""
  made = []
  for n_node, hub in ((1500, 3), (90, 0), (3, 1), (1, 0)):
    others = np.arange(n_node)
    made.append(
      graphs.prepare(
        np.arange(2 * n_node, dtype=np.float32).reshape(-1, 2),
        np.concatenate([others, np.full(n_node, hub)]),
        np.concatenate([np.full(n_node, hub), others]),
        duplicates='merge',
      )
    )
  return made


@pytest.mark.parametrize('kind', ['many', 'hubs'])
def test_dealt_batch_is_that_of_the_host(kind):
  """Also where the padding has as many edges as a hub, none, or one node."""
  several = hubs() if kind == 'hubs' else [e.graph for e in TRAIN]
  last = len(several)
  given = [{'mask': np.ones(len(g.nodes), bool)} for g in several]
  deck = dealing.Deck.of(several, given)
  deal = jax.jit(dealing.deal, static_argnums=(2, 3))
  more = (1, 0), (9, 5), (2, 70), (1, 3000)  # nodes and edges
  for index, chosen in enumerate(([0, 1], [3, 0], [2, last], [1, 2])):
    batch = graphs.batch([several[i] for i in chosen if i < last])
    n_node, n_edge = len(batch.nodes), len(batch.senders)
    size = n_node + more[index][0], n_edge + more[index][1]
    expected = graphs.pad(batch, *size, n_graph=3)
    got, own = deal(deck, np.array(chosen), *size)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    paths, _ = jax.tree.flatten_with_path(expected)
    for (path, a), b in zip(paths, jax.tree.leaves(got), strict=True):
      name = f'{jax.tree_util.keystr(path)} of {chosen}'
      np.testing.assert_array_equal(a, b, err_msg=name)
      assert np.asarray(a).dtype == b.dtype, name
    np.testing.assert_array_equal(own['mask'], np.arange(size[0]) < n_node)


def test_deck_wants_prepared_graphs():
  graph = TRAIN[0].graph
  bare = graph._replace(senders=graph.senders)
  with pytest.raises(InputError, match='prepared'):
    dealing.Deck.of([graph, bare], [{}, {}])
