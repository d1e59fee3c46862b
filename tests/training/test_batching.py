import itertools

from fixtures import many_graphs
import numpy as np
import pytest

from gat_jax.training import batching
from gat_jax.training import padding

TRAIN = many_graphs().train
# Edges and nodes of the training graphs of PPI.
PPI = [
  padding.Shape(*size)
  for size in (
    (34085, 1767),
    (31081, 1377),
    (61907, 2263),
    (67769, 2339),
    (37740, 1578),
    (19237, 1021),
    (46153, 1823),
    (72878, 2488),
    (8299, 591),
    (109510, 3312),
    (66619, 2401),
    (48146, 1878),
    (47587, 1819),
    (110234, 3480),
    (88112, 2794),
    (62188, 2326),
    (79714, 2650),
    (88335, 2815),
    (97321, 3163),
    (94359, 3021),
  )
]


def test_epoch_deals_out_every_graph_once():
  batches = batching.Batches.plan(TRAIN, 2, 3)
  for epoch in range(5):
    dealt = batches.epoch(0, epoch)
    assert len(dealt) == 4
    assert sum(b.mask.sum() for b in dealt) == sum(len(e.mask) for e in TRAIN)
    rows = np.concatenate([b.graph.nodes[b.mask] for b in dealt])
    expected = np.concatenate([e.graph.nodes for e in TRAIN])
    order = np.lexsort(rows.T), np.lexsort(expected.T)
    np.testing.assert_array_equal(rows[order[0]], expected[order[1]])


def test_order_depends_on_seed_and_epoch_alone():
  def order(seed, epoch):
    batches = batching.Batches.plan(TRAIN, 2, 3)
    return [float(b.graph.nodes[0, 0]) for b in batches.epoch(seed, epoch)]

  assert order(1, 2) == order(1, 2)
  assert len({tuple(order(s, e)) for s in range(3) for e in range(3)}) > 6


@pytest.mark.parametrize('batch_size', [1, 2, 3, 7])
@pytest.mark.parametrize('num_shapes', [1, 2, 4, 100])
def test_every_possible_batch_has_a_shape(batch_size, num_shapes):
  batches = batching.Batches.plan(TRAIN, batch_size, num_shapes)
  assert len(batches.shapes) <= num_shapes
  shapes = {
    (len(b.graph.senders), len(b.mask))
    for epoch in range(30)
    for b in batches.epoch(0, epoch)
  }
  assert shapes <= set(batches.shapes)


def test_padding_is_masked_and_talks_to_itself_alone():
  for b in batching.Batches.plan(TRAIN, 2, 2).epoch(3, 0):
    assert not b.labels[~b.mask].any()
    padded = ~b.mask
    assert padded.any()
    np.testing.assert_array_equal(
      padded[b.graph.senders], padded[b.graph.receivers]
    )
    assert (np.diff(b.graph.receivers) >= 0).all()


def test_shapes_are_the_cheapest_there_are():
  """Against all ways to choose three shapes, for small sizes."""
  sizes = [
    padding.Shape(*size)
    for size in ((3, 9), (4, 2), (9, 3), (20, 11), (21, 5), (50, 12))
  ]
  batches = padding._possible_batches(sizes, 2)
  n_edge, n_node = (np.array(axis) for axis in zip(*batches, strict=True))

  def cost(limits):
    """Nodes and edges that are computed for all batches, real ones being 1."""
    total = 0.0
    for edges in n_edge:
      limit = min(limit for limit in limits if limit >= edges)
      nodes = 1 + n_node[n_edge <= limit].max()
      total += limit / n_edge.mean() + nodes / n_node.mean()
    return total

  best = min(
    cost((*pair, max(n_edge)))
    for pair in itertools.combinations(sorted(set(n_edge)), 2)
  )
  shapes = padding.choose(sizes, 2, 3)
  assert cost([shape.n_edge for shape in shapes]) == pytest.approx(best)


@pytest.mark.parametrize('num_shapes', [4, 6, 10])
def test_padding_of_ppi_costs_less_than_a_quarter(num_shapes):
  shapes = padding.choose(PPI, 2, num_shapes)
  assert len(shapes) == num_shapes
  padded, real = np.zeros(2), np.zeros(2)
  for pair in itertools.combinations(PPI, 2):
    n_edge, n_node = (sum(axis) for axis in zip(*pair, strict=True))
    fits = [s for s in shapes if s.n_edge >= n_edge and s.n_node > n_node]
    padded += fits[0]
    real += n_edge, n_node
  assert (padded / real < 1.25).all()


def test_too_many_batches_to_list_are_sampled():
  sizes = [padding.Shape(10 + i, 5 + i) for i in range(60)]
  shapes = padding.choose(sizes, 8, 4)
  assert 1 <= len(shapes) <= 4
  assert shapes[-1].n_edge >= sum(s.n_edge for s in sizes[-8:])
  assert shapes[-1].n_node > sum(s.n_node for s in sizes[-8:])
