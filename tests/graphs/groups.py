"""What groups of edges promise."""

import numpy as np


def assert_groups_hold_every_edge_once(edges):
  for groups, own, other, n_node in (
    (edges.by_receiver, edges.receivers, edges.senders, edges.num_receivers),
    (edges.by_sender, edges.senders, edges.receivers, edges.num_senders),
  ):
    count = int(groups.num_groups)
    order = np.argsort(own, kind='stable')
    np.testing.assert_array_equal(groups.edges[groups.is_edge], order)
    np.testing.assert_array_equal(
      groups.others, np.append(other, 0)[groups.edges]
    )
    np.testing.assert_array_equal(
      groups.degrees, np.bincount(own, minlength=n_node)
    )
    assert count == (-(-groups.degrees // 8)).sum()
    assert (groups.nodes[count:] == n_node).all()
    assert (np.diff(groups.nodes) >= 0).all()
    owners = np.broadcast_to(groups.nodes[:, None], groups.edges.shape)
    np.testing.assert_array_equal(
      own[groups.edges[:count]], owners[:count]
    )  # also where a group is not full
    assert_tree_adds_every_group_once(groups)


def assert_tree_adds_every_group_once(groups):
  """What a node adds leads to its own groups, each of them once."""
  leaves = [[group] for group in range(len(groups.nodes))]
  for level in range(len(groups.above) + 1):
    if level:
      leaves = [
        [group for row in rows[rows >= 0] for group in leaves[row]]
        for rows in groups.above[level - 1]
      ]
    for node in np.flatnonzero(groups.levels == level):
      roots = groups.roots[node]
      found = [group for row in roots[roots >= 0] for group in leaves[row]]
      np.testing.assert_array_equal(found, np.flatnonzero(groups.nodes == node))
