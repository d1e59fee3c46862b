"""Writes the edges of a layer into arrays of a fixed size, with their groups.

Shapes: E edges, N receivers, M senders, T groups, C edges a group.
"""

import numba
import numpy as np

from gat_jax.graphs import Edges
from gat_jax.graphs import Groups
from gat_jax.graphs import with_tree


def edges_of_layer(
  senders: np.ndarray,
  degrees: np.ndarray,
  places: np.ndarray,
  num_edges: int,
  num_receivers: int,
  num_senders: int,
  widths: tuple[int, int],
  *,
  trees: bool = False,
) -> Edges:
  """Prepared edges in padded arrays.

  What pads them joins the last receiver, which is none, to itself.

  Args:
    senders: of the edges, by receiver; numbers of `places`.
    degrees: edges of each receiver; the receivers are the first of `places`.
    places: where each node is among the padded ones; it never decreases.
    num_edges: E.
    num_receivers: N.
    num_senders: M.
    widths: C of the groups by receiver and by sender.
    trees: whether groups have the tree of sums that accelerators add along.
  """
  own, other = widths
  arrays = _fill(
    senders,
    degrees,
    places,
    num_edges,
    num_receivers,
    num_senders,
    own,
    num_groups(num_edges, num_receivers, own),
    other,
    num_groups(num_edges, num_senders, other),
  )
  both = _groups(arrays[2:8]), _groups(arrays[8:])
  if trees:
    both = with_tree(both[0], num_edges), with_tree(both[1], num_edges)
  ends = arrays[0], arrays[1]
  edges = Edges(*ends, num_senders, num_receivers)
  return edges._with(by_receiver=both[0], by_sender=both[1])


def num_groups(num_edges: int, num_nodes: int, width: int) -> int:
  """T that so many edges and nodes can have at most."""
  return (num_edges + (width - 1) * min(num_nodes, num_edges)) // width


def _groups(arrays: tuple) -> Groups:
  edges, is_edge, others, nodes, degrees, count = arrays
  return Groups(
    edges=edges,
    is_edge=is_edge,
    others=others,
    nodes=nodes,
    degrees=degrees,
    num_groups=np.array(count, np.int32),
    above=(),
    levels=np.zeros(len(degrees), np.int32),
    roots=np.zeros((len(degrees), 0), np.int32),
  )


@numba.njit(nogil=True, cache=True)
def _fill(
  local,
  degrees,
  places,
  num_edges,
  num_receivers,
  num_senders,
  width,
  count,
  other_width,
  other_count,
):
  real = len(local)
  senders = np.empty(num_edges, np.int32)
  receivers = np.empty(num_edges, np.int32)
  by_receiver = _new_groups(count, width, num_receivers)
  by_sender = _new_groups(other_count, other_width, num_senders)
  of_receivers, of_senders = by_receiver[4], by_sender[4]
  for e in range(real):
    senders[e] = places[local[e]]
  e = 0
  for i in range(len(degrees)):
    of_receivers[places[i]] = degrees[i]
    for _ in range(degrees[i]):
      receivers[e] = places[i]
      e += 1
  senders[real:] = num_receivers - 1
  receivers[real:] = num_receivers - 1
  order = np.arange(real).astype(np.int32)
  num_by_receiver = _fill_groups(by_receiver, order, senders)
  # By counting: where each sender's edges start, then which they are.
  for e in range(real):
    of_senders[senders[e]] += 1
  starts = np.cumsum(of_senders) - of_senders
  for e in range(real):
    sender = senders[e]
    order[starts[sender]] = e
    starts[sender] += 1
  num_by_sender = _fill_groups(by_sender, order, receivers)
  return (
    senders,
    receivers,
    by_receiver[0],
    by_receiver[1],
    by_receiver[2],
    by_receiver[3],
    of_receivers,
    num_by_receiver,
    by_sender[0],
    by_sender[1],
    by_sender[2],
    by_sender[3],
    of_senders,
    num_by_sender,
  )


@numba.njit(nogil=True, cache=True)
def _new_groups(count, width, num_nodes):
  return (
    np.zeros((count, width), np.int32),
    np.zeros((count, width), np.bool_),
    np.zeros((count, width), np.int32),
    np.full(count, num_nodes, np.int32),
    np.zeros(num_nodes, np.int32),
  )


@numba.njit(nogil=True, cache=True)
def _fill_groups(groups, order, others_of):
  """Writes the groups of edges in an order by node; returns how many."""
  edges, is_edge, others, nodes, degrees = groups
  width = edges.shape[1]
  group, first = 0, 0
  for node in range(len(degrees)):
    end = first + degrees[node]
    while first < end:
      nodes[group] = node
      for c in range(width):
        e = order[min(first + c, end - 1)]
        edges[group, c] = e
        is_edge[group, c] = first + c < end
        others[group, c] = others_of[e]
      group += 1
      first += width
    first = end
  return group
