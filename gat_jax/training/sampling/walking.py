"""Draws the neighbourhood of some nodes, compiled by Numba.

It runs without Python's lock, so that threads draw at the same time.

Shapes: N nodes, E edges, S seeds, L layers, M_l nodes that layer l reads, of
which the first M_{l+1} are those that it computes; M_L = S; E_l edges of it.
"""

from typing import NamedTuple

import numba
import numpy as np


class Walk(NamedTuple):
  """The neighbourhood of some seeds, layer by layer from the last to the first.

  Attributes:
    nodes: [M_0] int32, ids in the graph; the first M_l are read by layer l.
    counts: [L + 1] int64: S, M_{L-1}, ..., M_0.
    degrees: [S + ... + M_1] int32, the edges of each receiver of each layer.
    senders: [E_{L-1} + ... + E_0] int32, places in `nodes`, by receiver.
    edges: of the same length, int64, places among the edges of the graph.
    num_edges: [L] int64: E_{L-1}, ..., E_0.
  """

  nodes: np.ndarray
  counts: np.ndarray
  degrees: np.ndarray
  senders: np.ndarray
  edges: np.ndarray
  num_edges: np.ndarray


def walk(
  indptr: np.ndarray,
  indices: np.ndarray,
  seeds: np.ndarray,
  fan_outs: np.ndarray,
  seed: int,
) -> Walk:
  """Draws the edges of each layer, without replacement.

  A node keeps its edge to itself, and of all others that come in as many as the
  layer's fan-out; all of them, in their order, if there are no more.

  Args:
    indptr: [N + 1] int64, where the edges of each receiver start.
    indices: [E] int32, senders; sorted for each receiver.
    seeds: [S] int32, distinct ids.
    fan_outs: [L] int64, of the layers from the first to the last.
    seed: the source of all randomness, below 2^64.

  Returns:
    The neighbourhood.
  """
  return Walk(*_walk(indptr, indices, seeds, fan_outs, np.uint64(seed)))


@numba.njit(nogil=True, cache=True)
def _next(state):
  """The next state of splitmix64, and 64 bits that are made of it."""
  state += np.uint64(0x9E3779B97F4A7C15)
  z = state
  z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return state, z ^ (z >> np.uint64(31))


@numba.njit(nogil=True, cache=True)
def _below(bits, count):
  """A whole number below a count of at most 2^31, of the high bits."""
  return np.int64(((bits >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))


@numba.njit(nogil=True, cache=True)
def _hash(node, mask):
  return (np.uint64(node) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(
    20
  ) & mask


@numba.njit(nogil=True, cache=True)
def _table(nodes, num_nodes, most):
  """A table of where each node is, with room for so many."""
  size = 16
  while size < 2 * most:
    size *= 2
  table = np.full(size, -1, np.int32)
  mask = np.uint64(size - 1)
  for place in range(num_nodes):
    slot = _hash(nodes[place], mask)
    while table[slot] >= 0:
      slot = (slot + np.uint64(1)) & mask
    table[slot] = place
  return table


@numba.njit(nogil=True, cache=True)
def _place_of_loop(indices, first, end, node):
  """Where a node's edge to itself is, by halving; -1 for none."""
  low, high = first, end
  while low < high:
    middle = (low + high) // 2
    if indices[middle] < node:
      low = middle + 1
    else:
      high = middle
  return low if low < end and indices[low] == node else np.int64(-1)


@numba.njit(nogil=True, cache=True)
def _choose(edges, to, first, end, loop, fan_out, state):
  """Writes places of `fan_out` of the edges of a node that are not its loop."""
  count = end - first - (1 if loop >= 0 else 0)
  if fan_out <= 32:  # Floyd, Communications of the ACM 30(9), 1987
    begin = to
    for last in range(count - fan_out, count):
      state, bits = _next(state)
      place = first + _below(bits, last + 1)
      for i in range(begin, to):
        if edges[i] == place:
          place = first + last
          break
      edges[to] = place
      to += 1
    for i in range(begin, to):  # as if the loop were not there
      if loop >= 0 and edges[i] >= loop:
        edges[i] += 1
    return to, state
  wanted = fan_out  # Knuth, volume 2, algorithm S
  for seen in range(count):
    state, bits = _next(state)
    if _below(bits, count - seen) < wanted:
      place = first + seen
      edges[to] = place + 1 if loop >= 0 and place >= loop else place
      to += 1
      wanted -= 1
  return to, state


# Arrays that may not be written are of another type, and compiled anew.
_INT32 = numba.types.Array(numba.int32, 1, 'C', readonly=True)
_INT64 = numba.types.Array(numba.int64, 1, 'C', readonly=True)


@numba.njit(
  (_INT64, _INT32, _INT32, _INT64, numba.uint64), nogil=True, cache=True
)
def _walk(indptr, indices, seeds, fan_outs, state):
  num_layers = len(fan_outs)
  counts = np.zeros(num_layers + 1, np.int64)
  num_edges = np.zeros(num_layers, np.int64)
  nodes, count = seeds.astype(np.int32), len(seeds)
  counts[0] = count
  all_degrees = np.zeros(0, np.int32)
  all_senders, all_edges = np.zeros(0, np.int32), np.zeros(0, np.int64)
  for step in range(num_layers):
    fan_out = fan_outs[num_layers - 1 - step]
    # In several passes, so that waits for memory go side by side.
    firsts, ends = np.empty(count, np.int64), np.empty(count, np.int64)
    for i in range(count):
      firsts[i], ends[i] = indptr[nodes[i]], indptr[nodes[i] + 1]
    most = np.int64(0)
    for i in range(count):
      most += min(ends[i] - firsts[i], fan_out + 1)
    degrees = np.empty(count, np.int32)
    edges = np.empty(most, np.int64)
    to = np.int64(0)
    for i in range(count):
      first, end = firsts[i], ends[i]
      begin = to
      loop = np.int64(-1)
      if end - first > fan_out:
        loop = _place_of_loop(indices, first, end, nodes[i])
      if end - first - (1 if loop >= 0 else 0) <= fan_out:
        for place in range(first, end):
          edges[to] = place
          to += 1
      else:
        if loop >= 0:
          edges[to] = loop
          to += 1
        to, state = _choose(edges, to, first, end, loop, fan_out, state)
      degrees[i] = to - begin
    edges = edges[:to]
    senders = np.empty(to, np.int32)
    for e in range(to):
      senders[e] = indices[edges[e]]
    found = np.empty(count + to, np.int32)
    found[:count] = nodes[:count]
    table = _table(found, count, count + to)
    mask = np.uint64(len(table) - 1)
    for e in range(to):
      node = senders[e]
      slot = _hash(node, mask)
      while table[slot] >= 0 and found[table[slot]] != node:
        slot = (slot + np.uint64(1)) & mask
      if table[slot] < 0:
        table[slot] = count
        found[count] = node
        count += 1
      senders[e] = table[slot]
    nodes = found
    counts[step + 1] = count
    num_edges[step] = to
    all_degrees = np.concatenate((all_degrees, degrees))
    all_senders = np.concatenate((all_senders, senders))
    all_edges = np.concatenate((all_edges, edges))
  return nodes[:count], counts, all_degrees, all_senders, all_edges, num_edges
