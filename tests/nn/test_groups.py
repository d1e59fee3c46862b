"""Edges in groups: each edge once, and none with a stranger."""

import jax
import numpy as np
import pytest

from gat_jax.nn import aggregate
from gat_jax.nn import groups


def random_ends(num_nodes, num_edges, seed=0):
  """Few nodes get most edges, and some none."""
  rng = np.random.default_rng(seed)
  ends = (num_nodes * rng.random(num_edges) ** 3).astype(np.int32)
  return rng.permutation(num_nodes).astype(np.int32)[ends]


@pytest.mark.parametrize('is_sorted', [True, False])
@pytest.mark.parametrize(
  ('num_nodes', 'num_edges', 'size'),
  [(1, 1, 8), (1, 30, 8), (40, 7, 2)]
  + [(50, 400, size) for size in (1, 2, 8, 1000)],
)
def test_every_edge_is_in_one_group_of_its_node(
  num_nodes, num_edges, size, is_sorted
):
  ends = random_ends(num_nodes, num_edges)
  if is_sorted:
    ends.sort()
  got = jax.jit(groups.group, static_argnums=(1, 2, 3))(
    ends, num_nodes, size, is_sorted
  )
  edges, is_edge, nodes, num_groups = (np.asarray(x) for x in got)
  degrees = np.bincount(ends, minlength=num_nodes)
  assert num_groups == (-(-degrees // size)).sum() <= len(nodes)
  assert (nodes[num_groups:] == num_nodes).all()
  assert not is_edge[num_groups:].any()
  assert is_edge[:num_groups, 0].all()
  np.testing.assert_array_equal(edges[is_edge], np.argsort(ends, kind='stable'))
  owners = np.broadcast_to(nodes[:, None], edges.shape)
  np.testing.assert_array_equal(ends[edges[:num_groups]], owners[:num_groups])
  assert (edges >= 0).all()
  assert (edges < num_edges).all()


def test_all_groups_that_there_can_be_have_room():
  """As many edges as nodes, each with its own: every group has one edge."""
  group = jax.jit(groups.group, static_argnums=(1, 2))
  got = group(np.arange(30, dtype=np.int32), 30, 8)
  assert got.num_groups == len(got.nodes) == 30


@pytest.mark.parametrize('num_nodes', [100, 2**32])  # the keys fit, or do not
def test_order_is_that_of_a_stable_sort(num_nodes):
  ends = random_ends(100, 1000)
  np.testing.assert_array_equal(
    groups._order(ends, num_nodes), np.argsort(ends, kind='stable')
  )


def test_largest_key_is_ordered_right():
  """2^16 nodes and 2^16 edges make keys up to 2^32 - 1."""
  ends = np.arange(2**16, dtype=np.int32)[::-1].copy()
  np.testing.assert_array_equal(groups._order(ends, 2**16), ends)


def test_a_node_hears_of_its_senders_alone():
  """A NaN does not spread through the places that a group leaves empty."""
  receivers = np.array([0, 0, 1, 2, 2, 2], np.int32)
  senders = np.array([0, 3, 1, 2, 3, 1], np.int32)
  values = np.ones((4, 2, 3), np.float32)
  values[0] = np.nan
  weights = np.ones((6, 2), np.float32)

  def sums(values):
    return aggregate(weights, values, senders, receivers, 4)

  @jax.jit
  def run(values, cotangent):
    result, gradient = jax.vjp(sums, values)
    return result, gradient(cotangent)[0]

  cotangent = np.zeros_like(values)
  cotangent[2] = np.nan
  result, d_values = run(values, cotangent)
  assert np.isnan(result[0]).all()
  np.testing.assert_array_equal(
    result[1:], np.broadcast_to(np.array([1, 3, 0])[:, None, None], (3, 2, 3))
  )
  assert not d_values[0].any()
  assert np.isnan(d_values[1:]).all()
