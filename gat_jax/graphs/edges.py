"""The structure of the edges: who sends to whom, and edges in groups.

It is made once, on the host, so that no compiled step sorts, searches or
counts what never changes.

Shapes: E edges, M senders, N receivers, T groups, C edges a group.
"""

from collections.abc import Sequence
import dataclasses
import functools

import jax
from jax import numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray

# Edges of a node whose messages are added in one loop, before its sum is
# touched. Nodes with fewer edges waste what is left.
GROUP = 8


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('edges', 'is_edge', 'others', 'nodes', 'degrees', 'num_groups'),
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
  """

  edges: Array
  is_edge: Array
  others: Array
  nodes: Array
  degrees: Array
  num_groups: Array


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('senders', 'receivers', 'by_receiver', 'by_sender'),
  meta_fields=('num_senders', 'num_receivers', 'is_checked'),
)
@dataclasses.dataclass(frozen=True)
class Edges:
  """Edges from M senders to N receivers, prepared or not.

  Edges of a graph have the same nodes at both ends. The non-zeros of a sparse
  matrix are edges from its columns to its rows.

  Attributes:
    senders: [E] int32.
    receivers: [E] int32.
    num_senders: M, static under `jax.jit`.
    num_receivers: N, static under `jax.jit`.
    by_receiver: the edges in groups of one receiver. None if they are not
      prepared: then they may be in any order, and an edge with an end outside
      [0, M) or [0, N) is as if it were not there.
    by_sender: the same for senders.
    is_checked: whether `checked` made it.
  """

  senders: Array
  receivers: Array
  num_senders: int
  num_receivers: int
  by_receiver: Groups | None = None
  by_sender: Groups | None = None
  is_checked: bool = False

  @property
  def is_prepared(self) -> bool:
    """Whether they are sorted by receiver, in range and grouped both ways."""
    return self.by_receiver is not None

  @property
  def reversed(self) -> 'Edges':
    """The same edges in the other direction."""
    return Edges(
      self.receivers,
      self.senders,
      self.num_receivers,
      self.num_senders,
      self.by_sender,
      self.by_receiver,
      self.is_checked,
    )

  def prepared(self) -> 'Edges':
    """Groups them, on the host; they must be sorted by receiver, in range."""
    senders = np.asarray(self.senders, np.int32)
    receivers = np.asarray(self.receivers, np.int32)
    return Edges(
      senders,
      receivers,
      self.num_senders,
      self.num_receivers,
      group(receivers, senders, self.num_receivers),
      group(senders, receivers, self.num_senders),
    )

  def checked(self) -> 'Edges':
    """The same edges, with ids that indexing with `mode='fill'` gets right.

    Prepared edges are right as they are. Of others, an edge with an end that is
    no node gets M as its sender and N as its receiver.
    """
    if self.is_checked:
      return self
    edges = self
    if not isinstance(self.senders, jax.core.Tracer):
      # A graph that a compiled function closes over is a constant to XLA, which
      # would compute with it while it compiles.
      edges = jax.lax.optimization_barrier(jax.tree.map(jnp.asarray, self))
    senders, receivers = edges.senders, edges.receivers
    if not self.is_prepared:
      is_edge = (senders >= 0) & (senders < self.num_senders)
      is_edge &= (receivers >= 0) & (receivers < self.num_receivers)
      senders = jnp.where(is_edge, senders, self.num_senders)
      receivers = jnp.where(is_edge, receivers, self.num_receivers)
    return dataclasses.replace(
      edges, senders=senders, receivers=receivers, is_checked=True
    )

  def of_senders(self, of_nodes: jax.Array) -> jax.Array:
    """What belongs to the sender of each edge: [M, ...] -> [E, ...]."""
    return self._at(of_nodes, self.checked().senders)

  def of_receivers(self, of_nodes: jax.Array) -> jax.Array:
    """What belongs to the receiver of each edge: [N, ...] -> [E, ...]."""
    return self._at(of_nodes, self.checked().receivers)

  def _at(self, of_nodes, ids):
    """Zeros for what is no edge."""
    if self.is_prepared:
      return of_nodes[ids]
    if not of_nodes.shape[0]:
      return jnp.zeros((*ids.shape, *of_nodes.shape[1:]), of_nodes.dtype)
    return of_nodes.at[ids].get(mode='fill', fill_value=0)

  def degrees(self) -> jax.Array:
    """How many edges come in at each receiver: [N] int32."""
    edges = self.checked()
    if edges.by_receiver is not None:
      return jnp.asarray(edges.by_receiver.degrees)
    ones = jnp.ones(edges.senders.shape, jnp.int32)
    return jax.ops.segment_sum(ones, edges.receivers, edges.num_receivers)


def group(
  ends: np.ndarray, others: np.ndarray, num_nodes: int, size: int = GROUP
) -> Groups:
  """Groups edges by one of their ends, in their order, on the host.

  Args:
    ends: [E], the node at that end of each edge, in [0, N).
    others: [E], the node at the other end.
    num_nodes: N.
    size: C.

  Returns:
    As many groups as are needed, without fillers.
  """
  num_edges = len(ends)
  degrees = np.bincount(ends, minlength=num_nodes)
  groups_of_node = -(-degrees // size)
  nodes = np.repeat(np.arange(num_nodes), groups_of_node)
  # Which of its node's groups each is, and where its edges are when sorted.
  rank = (
    np.arange(len(nodes)) - (groups_of_node.cumsum() - groups_of_node)[nodes]
  )
  until = degrees.cumsum()
  first = (until - degrees)[nodes] + size * rank
  last = until[nodes][:, None] - 1
  places = first[:, None] + np.arange(size)
  is_edge = places <= last
  edges = np.minimum(places, last)
  if num_edges and (ends[1:] < ends[:-1]).any():
    edges = np.argsort(ends, kind='stable')[edges]
  return Groups(
    edges=edges.astype(np.int32),
    is_edge=is_edge,
    others=np.asarray(others, np.int32)[edges],
    nodes=nodes.astype(np.int32),
    degrees=degrees.astype(np.int32),
    num_groups=np.array(len(nodes), np.int32),
  )


def join(several: Sequence[Edges]) -> Edges:
  """The edges of several graphs as those of one, nodes renumbered.

  Args:
    several: at least one. Fillers are left out; `fill` makes new ones.
  """
  first_sender = _starts([edges.num_senders for edges in several])
  first_receiver = _starts([edges.num_receivers for edges in several])
  starts = _starts([len(edges.senders) for edges in several])
  both = first_sender, first_receiver
  is_prepared = all(edges.is_prepared for edges in several)

  def groups(of, own, other):
    return _join_groups([of(edges) for edges in several], starts, own, other)

  return Edges(
    _shifted([edges.senders for edges in several], first_sender),
    _shifted([edges.receivers for edges in several], first_receiver),
    int(first_sender[-1]),
    int(first_receiver[-1]),
    groups(lambda e: e.by_receiver, *both[::-1]) if is_prepared else None,
    groups(lambda e: e.by_sender, *both) if is_prepared else None,
  )


def fill(edges: Edges) -> Edges:
  """Adds fillers: as many groups as so many edges and nodes can ever have."""
  if not edges.is_prepared:
    return edges
  num_edges = len(edges.senders)

  def filled(groups, num_nodes):
    most = num_edges + (GROUP - 1) * min(num_nodes, num_edges)
    extra = most // GROUP - len(groups.nodes)
    rows = (0, extra), (0, 0)
    return dataclasses.replace(
      groups,
      edges=np.pad(groups.edges, rows),
      is_edge=np.pad(groups.is_edge, rows),
      others=np.pad(groups.others, rows),
      nodes=np.pad(groups.nodes, (0, extra), constant_values=num_nodes),
    )

  return dataclasses.replace(
    edges,
    by_receiver=filled(edges.by_receiver, edges.num_receivers),
    by_sender=filled(edges.by_sender, edges.num_senders),
  )


def _join_groups(several, first_edge, first_node, first_other):
  counts = [int(groups.num_groups) for groups in several]  # without fillers

  def joined(name, starts):
    arrays = [
      getattr(g, name)[:n] for g, n in zip(several, counts, strict=True)
    ]
    return _shifted(arrays, starts)

  return Groups(
    edges=joined('edges', first_edge),
    is_edge=joined('is_edge', np.zeros_like(first_edge)).astype(bool),
    others=joined('others', first_other),
    nodes=joined('nodes', first_node),
    degrees=np.concatenate([groups.degrees for groups in several]),
    num_groups=np.array(sum(counts), np.int32),
  )


def _starts(lengths: Sequence[int]) -> np.ndarray:
  return np.cumsum([0, *lengths])


def _shifted(arrays: Sequence[Array], starts: np.ndarray) -> np.ndarray:
  """Joins arrays of ids, each counted from where its graph starts."""
  return np.concatenate(
    [
      np.asarray(array, np.int32) + np.int32(start)
      for array, start in zip(arrays, starts[:-1], strict=True)
    ]
  )
