"""Edges in groups that share a node, so that a group's sum is one row.

Shapes: E edges, N nodes, T groups, C edges a group, B sums added at a time, W
sums that a node adds.
"""

from collections.abc import Sequence
import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import scipy.sparse

Array = jax.Array | np.ndarray

# Edges of a node whose messages are added in one loop, before its sum is
# touched. Nodes with fewer edges waste what is left.
GROUP = 8
# Sums of groups that are one sum more, where a node has more than it adds.
FAN = 16
# Sums that a node adds itself; more, if no node has more and all nodes together
# not so many that nothing would be added for most of them.
ROOTS = 8
_MOST_ROOTS = 2**16


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=(
    'edges',
    'is_edge',
    'others',
    'nodes',
    'degrees',
    'num_groups',
    'above',
    'levels',
    'roots',
  ),
  meta_fields=(),
)
@dataclasses.dataclass(frozen=True)
class Groups:
  """Up to C edges each that have one end in common, for all edges.

  Attributes:
    edges: [T, C] int32; a group that is not full repeats its last edge.
    is_edge: [T, C], False for such repetitions and for all of a filler.
    others: [T, C] int32, the other end of each.
    nodes: [T] int32, the common end, never decreasing; fillers come last and
      have the number of nodes.
    degrees: [nodes] int32, the edges of each node.
    num_groups: how many are no fillers, a scalar.
    above: a tree of sums over the groups, which are its level 0, so that every
      sum is of few numbers. Level l + 1 is an array [rows, B] int32 of rows of
      level l to be added; -1 for none.
    levels: [nodes] int32, the level whose rows are added to the node's sum.
    roots: [nodes, W] int32, those rows; -1 for none.
  """

  edges: Array
  is_edge: Array
  others: Array
  nodes: Array
  degrees: Array
  num_groups: Array
  above: tuple[Array, ...]
  levels: Array
  roots: Array


def group(ends: np.ndarray, others: np.ndarray, num_nodes: int) -> Groups:
  """Groups edges by one of their ends, in their order, on the host.

  Args:
    ends: [E], the node at that end of each edge, in [0, N).
    others: [E], the node at the other end.
    num_nodes: N.

  Returns:
    As many groups as are needed, without fillers.
  """
  num_edges = len(ends)
  degrees = np.bincount(ends, minlength=num_nodes)
  groups_of_node = _groups_of_node(degrees)
  until = degrees.cumsum()
  # Half the memory of int64, unless what follows would overflow.
  dtype = np.int32 if num_edges < 2**31 - GROUP else np.int64
  nodes = np.repeat(np.arange(num_nodes, dtype=np.int32), groups_of_node)
  # Which of its node's groups each is, and where its edges are when sorted.
  rank = (
    np.arange(len(nodes), dtype=dtype)
    - (groups_of_node.cumsum() - groups_of_node).astype(dtype)[nodes]
  )
  first = (until - degrees).astype(dtype)[nodes] + GROUP * rank
  last = until.astype(dtype)[nodes][:, None] - 1
  edges = first[:, None] + np.arange(GROUP, dtype=dtype)
  is_edge = edges <= last
  np.minimum(edges, last, out=edges)
  if num_edges and (ends[1:] < ends[:-1]).any():
    edges = stable_order(ends, num_nodes)[edges]
  return Groups(
    edges=edges.astype(np.int32, copy=False),
    is_edge=is_edge,
    others=np.asarray(others, np.int32)[edges],
    nodes=nodes,
    degrees=degrees.astype(np.int32),
    num_groups=np.array(len(nodes), np.int32),
    **_tree(groups_of_node),
  )


def stable_order(ids: np.ndarray, count: int) -> np.ndarray:
  """As `np.argsort(ids, kind='stable')`, in steps as many as ids, not more.

  Args:
    ids: [E], in [0, count).
    count: how many there are.

  Returns:
    [E] int32.
  """
  if not len(ids):
    return np.zeros(0, np.int32)
  # Each id is a column with one entry; SciPy counts them to sort by row.
  ends = np.arange(len(ids) + 1, dtype=np.int32)
  columns = scipy.sparse.csc_array(
    (np.empty(len(ids), np.int8), ids, ends), shape=(count, len(ids))
  )
  return columns.tocsr().indices.astype(np.int32, copy=False)


def _groups_of_node(degrees, width=GROUP):
  return -(-np.asarray(degrees) // width)


def _tree(
  counts: np.ndarray, sizes: Sequence[int] | None = None
) -> dict[str, Any]:
  """What of `Groups` is above groups of which each node has so many.

  Args:
    counts: groups of each node.
    sizes: rows of each level above them; what is needed if None.
  """
  width, most = ROOTS, int(counts.max(initial=0))
  if sizes is None and most * len(counts) <= _MOST_ROOTS:
    width = most
  levels = np.zeros(len(counts), np.int32)
  first, roots = counts.cumsum() - counts, counts
  above: list[np.ndarray] = []
  while (counts > width).any() if sizes is None else len(above) < len(sizes):
    children = np.where(counts > width, counts, 0)
    counts = -(-children // FAN)
    nodes = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(nodes)) - (counts.cumsum() - counts)[nodes]
    rows = first[nodes][:, None] + FAN * rank[:, None] + np.arange(FAN)
    rows = np.where(rows < (first + children)[nodes][:, None], rows, -1)
    if sizes is not None:
      filler = (0, sizes[len(above)] - len(rows)), (0, 0)
      rows = np.pad(rows, filler, constant_values=-1)
    above.append(rows.astype(np.int32))
    is_higher = counts > 0
    levels[is_higher] = len(above)
    first = np.where(is_higher, counts.cumsum() - counts, first)
    roots = np.where(is_higher, counts, roots)
  rows = np.arange(width, dtype=np.int32)
  is_root = rows < roots[:, None]
  rows = first.astype(np.int32)[:, None] + rows
  rows[~is_root] = -1
  return {'above': tuple(above), 'levels': levels, 'roots': rows}


def fill_groups(groups: Groups, num_edges: int) -> Groups:
  """Adds fillers: as many groups as so many edges and nodes can ever have."""
  num_nodes = len(groups.degrees)
  num_groups = (num_edges + (GROUP - 1) * min(num_nodes, num_edges)) // GROUP
  extra = num_groups - len(groups.nodes)
  rows = (0, extra), (0, 0)
  filled = dataclasses.replace(
    groups,
    edges=np.pad(groups.edges, rows),
    is_edge=np.pad(groups.is_edge, rows),
    others=np.pad(groups.others, rows),
    nodes=np.pad(groups.nodes, (0, extra), constant_values=num_nodes),
  )
  return with_tree(filled, num_edges)


def with_tree(groups: Groups, num_edges: int) -> Groups:
  """Adds a tree of the size that it can have at most.

  Args:
    groups: with fillers, as many as there can be.
    num_edges: how many edges there can be.
  """
  num_groups, width = groups.edges.shape
  # A level needs a row for every B below, and one more for every node that has
  # more than it adds.
  sizes, reach = [num_groups], width * ROOTS
  while reach < num_edges:
    sizes.append(sizes[-1] // FAN + sizes[-1] // (ROOTS + 1) + 1)
    reach *= FAN
  counts = _groups_of_node(groups.degrees, width)
  return dataclasses.replace(groups, **_tree(counts, sizes[1:]))


def join_groups(
  several: Sequence[Groups],
  first_edge: np.ndarray,
  first_node: np.ndarray,
  first_other: np.ndarray,
) -> Groups:
  """The groups of several graphs as those of one, without fillers.

  Args:
    several: of each graph.
    first_edge: where the edges of each begin.
    first_node: where its nodes at the common end begin.
    first_other: where those at the other end begin.
  """
  counts = [int(groups.num_groups) for groups in several]  # without fillers

  def joined(name, starts):
    arrays = [
      getattr(g, name)[:n] for g, n in zip(several, counts, strict=True)
    ]
    return shifted(arrays, starts)

  degrees = np.concatenate([groups.degrees for groups in several])
  return Groups(
    edges=joined('edges', first_edge),
    is_edge=joined('is_edge', np.zeros_like(first_edge)).astype(bool),
    others=joined('others', first_other),
    nodes=joined('nodes', first_node),
    degrees=degrees,
    num_groups=np.array(sum(counts), np.int32),
    **_tree(_groups_of_node(degrees)),
  )


def shifted(arrays: Sequence[Array], starts: np.ndarray) -> np.ndarray:
  """Joins arrays of ids, each counted from where its graph starts."""
  return np.concatenate(
    [
      np.asarray(array, np.int32) + np.int32(start)
      for array, start in zip(arrays, starts[:-1], strict=True)
    ]
  )
