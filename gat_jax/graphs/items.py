"""Edges as items of work, each for one program of a kernel.

Shapes: E edges, M senders, N receivers, T items, J joins.
"""

import dataclasses
import functools

import jax
import numpy as np

from gat_jax.graphs.groups import Array

# Edges of an item at most, so that a hub is not left to one program.
MOST = 256


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('items', 'joins'),
  meta_fields=('num_parts', 'num_joins'),
)
@dataclasses.dataclass(frozen=True)
class Side:
  """The edges of every node at one end, sorted by that end.

  A node of more edges than an item takes has several, its parts, whose results
  are joined in their order. The longest items come first, so that none of them
  is left for the end.

  Attributes:
    items: [T, 4] int32: node, first edge, end, and which part it is of all
      parts, -1 if it is all of its node. Nodes without edges have an item too.
    joins: [J, 4] int32: node, first part, end, 0; a row of zeros if J = 0.
    num_parts: parts of all nodes, at least 1.
    num_joins: J.
  """

  items: Array
  joins: Array
  num_parts: int
  num_joins: int


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('by_receiver', 'by_sender', 'order', 'receivers'),
  meta_fields=(),
)
@dataclasses.dataclass(frozen=True)
class Items:
  """The work along the edges, at either end.

  Attributes:
    by_receiver: N receivers; edges are as they are, sorted by receiver.
    by_sender: M senders; its edges are in the order of `order`.
    order: [E] int32, the edges sorted by sender.
    receivers: [E] int32, the receiver of each of these.
  """

  by_receiver: Side
  by_sender: Side
  order: Array
  receivers: Array


def make_items(
  senders: np.ndarray,
  receivers: np.ndarray,
  num_senders: int,
  num_receivers: int,
  most: int = MOST,
) -> Items:
  """Shares out edges whose receivers never decrease, on the host.

  Args:
    senders: [E], in [0, M).
    receivers: [E], in [0, N).
    num_senders: M.
    num_receivers: N.
    most: edges an item.
  """
  order = np.argsort(senders, kind='stable')
  return Items(
    _side(np.bincount(receivers, minlength=num_receivers), most),
    _side(np.bincount(senders, minlength=num_senders), most),
    order.astype(np.int32),
    receivers[order].astype(np.int32),
  )


def _side(degrees: np.ndarray, most: int) -> Side:
  starts = degrees.cumsum() - degrees
  count = np.maximum(-(-degrees // most), 1)
  node = np.repeat(np.arange(len(degrees)), count)
  rank = np.arange(len(node)) - (count.cumsum() - count)[node]
  # Equal shares rather than full ones and a rest.
  first = starts[node] + degrees[node] * rank // count[node]
  end = starts[node] + degrees[node] * (rank + 1) // count[node]
  is_part = count[node] > 1
  part = np.where(is_part, is_part.cumsum() - 1, -1)
  long = np.flatnonzero(count > 1)
  ends = count[long].cumsum()
  joins = np.stack([long, ends - count[long], ends, 0 * long], axis=1)
  longest_first = np.argsort(first - end, kind='stable')
  items = np.stack([node, first, end, part], axis=1)[longest_first]
  return Side(
    items.astype(np.int32),
    (joins if len(long) else np.zeros((1, 4))).astype(np.int32),
    max(int(is_part.sum()), 1),
    len(long),
  )
