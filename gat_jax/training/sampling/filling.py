"""Writes the edges of a layer into arrays of a fixed size, with their groups.

Shapes: E edges, N receivers, M senders, T groups, C edges a group.
"""

import math

import numba
import numpy as np
from numpy.typing import DTypeLike

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
  most: int,
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
    most: edges that a receiver has at most.
    trees: whether groups have the tree of sums that accelerators add along.
  """
  own, other = widths
  by_receiver = _new_groups(
    num_groups(num_edges, num_receivers, own, most), own, num_receivers
  )
  by_sender = _new_groups(
    num_groups(num_edges, num_senders, other, num_edges), other, num_senders
  )
  ends = aligned((num_edges,), np.int32), aligned((num_edges,), np.int32)
  counts = _fill(senders, degrees, places, *ends, by_receiver, by_sender)
  both = _groups(by_receiver, counts[0]), _groups(by_sender, counts[1])
  if trees:
    both = with_tree(both[0], num_edges), with_tree(both[1], num_edges)
  edges = Edges(*ends, num_senders, num_receivers)
  return edges._with(by_receiver=both[0], by_sender=both[1])


def num_groups(num_edges: int, num_nodes: int, width: int, most: int) -> int:
  """T that so many edges, at most so many a node, can have at most."""
  of_edges = (num_edges + (width - 1) * min(num_nodes, num_edges)) // width
  return min(of_edges, -(-most // width) * num_nodes)


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
  """An array that JAX takes over on a CPU without a copy, of any content."""
  num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
  raw = np.empty(num_bytes + 64, np.uint8)
  first = -raw.ctypes.data % 64
  return raw[first : first + num_bytes].view(dtype).reshape(shape)


def _new_groups(count: int, width: int, num_nodes: int) -> tuple:
  return (
    aligned((count, width), np.int32),
    aligned((count, width), np.bool_),
    aligned((count, width), np.int32),
    aligned((count,), np.int32),
    aligned((num_nodes,), np.int32),
  )


def _groups(arrays: tuple, count: int) -> Groups:
  edges, is_edge, others, nodes, degrees = arrays
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
def _fill(local, degrees, places, senders, receivers, by_receiver, by_sender):
  """Writes edges and groups into arrays; returns how many groups there are."""
  real = len(local)
  of_receivers, of_senders = by_receiver[4], by_sender[4]
  of_receivers[:] = 0
  of_senders[:] = 0
  for e in range(real):
    senders[e] = places[local[e]]
  e = 0
  for i in range(len(degrees)):
    of_receivers[places[i]] = degrees[i]
    for _ in range(degrees[i]):
      receivers[e] = places[i]
      e += 1
  senders[real:] = len(of_receivers) - 1
  receivers[real:] = len(of_receivers) - 1
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
  return num_by_receiver, _fill_groups(by_sender, order, receivers)


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
  edges[group:] = 0
  is_edge[group:] = False
  others[group:] = 0
  nodes[group:] = len(degrees)
  return group
