"""Edges: who sends to whom, in any order or prepared.

What is prepared is made once, on the host, so that no compiled step sorts,
searches or counts what never changes.

Shapes: E edges, M senders, N receivers, T groups, C edges a group.
"""

import dataclasses
from typing import Literal

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.groups import Array
from gat_jax.graphs.groups import Groups
from gat_jax.graphs.groups import group
from gat_jax.graphs.ids import ends_of
from gat_jax.graphs.items import Items
from gat_jax.graphs.parts.part import Part
from gat_jax.graphs.parts.part import send


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, eq=False)
class Edges:
  """Edges from M senders to N receivers, prepared or not.

  Edges of a graph have the same nodes at both ends. The non-zeros of a sparse
  matrix are edges from its columns to its rows. They may be in any order, and
  an edge with an end outside [0, M) or [0, N) is as if it were not there.

  Attributes:
    senders: [E], integers.
    receivers: [E], integers.
    num_senders: M, static under `jax.jit`.
    num_receivers: N, static under `jax.jit`.
    by_receiver: what `prepared` made, the edges in groups of one receiver.
    by_sender: the same for senders.
    items: what `graphs.with_items` made.
    features: [E, D] of the edges of a graph; None for none.
    part: what they know of a whole graph that they are a part of; None if they
      are the whole.
    is_checked: whether `checked` made it.
    is_reversed: whether it is the other direction of prepared ones.
  """

  senders: Array
  receivers: Array
  num_senders: int
  num_receivers: int
  # No arguments, so that `dataclasses.replace` leaves them behind.
  by_receiver: Groups | None = dataclasses.field(init=False, default=None)
  by_sender: Groups | None = dataclasses.field(init=False, default=None)
  items: Items | None = dataclasses.field(init=False, default=None)
  features: Array | None = dataclasses.field(init=False, default=None)
  part: Part | None = dataclasses.field(init=False, default=None)
  is_checked: bool = dataclasses.field(init=False, default=False)
  is_reversed: bool = dataclasses.field(init=False, default=False)

  @property
  def is_prepared(self) -> bool:
    """Whether they are in range and grouped by either end."""
    return self.by_receiver is not None

  @property
  def incoming(self) -> Groups:
    """`by_receiver`; raises InputError if they are not prepared."""
    if self.by_receiver is None:
      raise InputError('edges', 'not prepared', 'use `graphs.prepare`')
    return self.by_receiver

  @property
  def receivers_are_sorted(self) -> bool:
    """Whether it is known that receivers never decrease."""
    return self.is_prepared and not self.is_reversed

  @property
  def reversed(self) -> 'Edges':
    """The same edges in the other direction."""
    return Edges(
      self.receivers, self.senders, self.num_receivers, self.num_senders
    )._with(
      by_receiver=self.by_sender,
      by_sender=self.by_receiver,
      is_checked=self.is_checked,
      is_reversed=not self.is_reversed,
    )

  def prepared(self) -> 'Edges':
    """Groups them by either end, on the host.

    Raises:
      InputError: if the receivers are not sorted, an end is no node, or as
        `checked`.
    """
    senders, receivers = both = ends_of(self.senders, self.receivers)
    counts = self.num_senders, self.num_receivers
    for name, ids, count in zip(
      ('senders', 'receivers'), both, counts, strict=True
    ):
      wrong = (ids < 0) | (ids >= count)
      if wrong.any():
        first = int(wrong.argmax())
        raise InputError(
          name, f'entry {first} is {ids[first]}', f'there are {count} nodes'
        )
    falls = receivers[1:] < receivers[:-1]
    if falls.any():
      raise InputError(
        'receivers',
        f'they decrease at entry {int(falls.argmax()) + 1}',
        'sort the edges by receiver; `graphs.prepare` does',
      )
    senders, receivers = np.array(senders), np.array(receivers)
    for ids in (senders, receivers):
      ids.setflags(write=False)
    return Edges(senders, receivers, *counts)._with(
      by_receiver=group(receivers, senders, self.num_receivers),
      by_sender=group(senders, receivers, self.num_senders),
      part=self.part,
    )

  def as_part(self, part: Part) -> 'Edges':
    """The same edges, as those of a part of a graph.

    Args:
      part: what they know of the whole. Of a graph's edges, the first N of the
        M senders are the receivers. Non-zeros have `edge_ids` alone.

    Raises:
      InputError: if its arrays are not as many as nodes and edges.
    """
    wanted = {
      'sender_ids': self.num_senders,
      'edge_ids': jnp.shape(self.senders)[0],
      'sender_degrees': self.num_senders,
    }
    for name, count in wanted.items():
      array = getattr(part, name)
      if array is not None and array.shape != (count,):
        raise InputError(name, f'{array.shape} for {count}')
    return self._with(part=part)

  def checked(self) -> 'Edges':
    """The same edges, with ids that indexing with `mode='fill'` gets right.

    Prepared edges are right as they are. Of others, an edge with an end that is
    no node gets M as its sender and N as its receiver.

    Raises:
      InputError: if the ids are no integers, or their numbers differ.
    """
    if self.is_checked:
      return self
    edges = self
    if not self.is_prepared:
      ends = ends_of(self.senders, self.receivers)
      edges = Edges(*ends, self.num_senders, self.num_receivers)
      edges = edges._with(part=self.part)
    if not isinstance(edges.senders, jax.core.Tracer) and _is_compiling():
      # What a compiled function closes over is a constant to XLA, which would
      # compute with it while it compiles.
      edges = jax.lax.optimization_barrier(jax.tree.map(jnp.asarray, edges))
    if self.is_prepared:
      return edges._with(is_checked=True)
    is_edge = (edges.senders >= 0) & (edges.senders < self.num_senders)
    is_edge &= (edges.receivers >= 0) & (edges.receivers < self.num_receivers)
    return Edges(
      jnp.where(is_edge, edges.senders, self.num_senders),
      jnp.where(is_edge, edges.receivers, self.num_receivers),
      self.num_senders,
      self.num_receivers,
    )._with(part=self.part, is_checked=True)

  def _with(self, **private) -> 'Edges':
    made = dataclasses.replace(self)
    for name in _PRIVATE:
      object.__setattr__(made, name, private.get(name, getattr(self, name)))
    return made

  def tree_flatten_with_keys(self):
    """For `jax.tree`."""
    children = [
      (jax.tree_util.GetAttrKey(name), getattr(self, name))
      for name in _CHILDREN
    ]
    return children, tuple(getattr(self, name) for name in _STATIC)

  @classmethod
  def tree_unflatten(cls, static, children) -> 'Edges':
    """For `jax.tree`."""
    made = object.__new__(cls)
    names, values = (*_CHILDREN, *_STATIC), (*children, *static)
    for name, value in zip(names, values, strict=True):
      object.__setattr__(made, name, value)
    return made

  def of_senders(self, of_nodes: jax.Array) -> jax.Array:
    """What belongs to the sender of each edge: [M, ...] -> [E, ...]."""
    return self._at(of_nodes, self.checked().senders)

  def of_receivers(self, of_nodes: jax.Array) -> jax.Array:
    """What belongs to the receiver of each edge: [N, ...] -> [E, ...]."""
    return self._at(of_nodes, self.checked().receivers)

  def _at(self, of_nodes, ids):
    """Zeros for what is no edge.

    The gradient is a sum over edges, and so as exact as all of them.
    """
    wide = of_nodes.astype(sum_dtype(of_nodes.dtype))
    if self.is_prepared:
      taken = wide[ids]
    elif of_nodes.shape[0]:
      taken = wide.at[ids].get(mode='fill', fill_value=0)
    else:
      taken = jnp.zeros((*ids.shape, *wide.shape[1:]), wide.dtype)
    return taken.astype(of_nodes.dtype)

  @property
  def num_inputs(self) -> int:
    """Rows that a layer takes: [inputs, D].

    They are all M senders, of which the first N are the receivers; but where a
    part fetches rows from other devices, they are its N receivers.
    """
    is_fetching = self.part is not None and self.part.exchange is not None
    return self.num_receivers if is_fetching else self.num_senders

  def sent(self, *of_inputs: jax.Array) -> tuple[jax.Array, ...]:
    """What belongs to all senders: [inputs, ...] -> [M, ...] each.

    On a part of a graph one exchange between devices fetches what is lacking.
    """
    if self.part is None or self.part.exchange is None:
      return of_inputs
    return send(self.part.exchange, of_inputs)

  def received(self, of_inputs: jax.Array) -> jax.Array:
    """What belongs to the receivers: [inputs, ...] -> [N, ...]."""
    if of_inputs.shape[0] == self.num_receivers:
      return of_inputs
    return of_inputs[: self.num_receivers]

  def ids(self, of: Literal['inputs', 'senders', 'edges']) -> Array | None:
    """Their numbers in the whole graph; None where they are the whole."""
    if self.part is None:
      return None
    if of == 'edges':
      return self.part.edge_ids
    ids = self.part.sender_ids
    return ids if ids is None or of == 'senders' else ids[: self.num_inputs]

  def sender_degrees(self) -> jax.Array:
    """How many edges come in at each sender in the whole graph: [M] int32.

    Raises:
      InputError: if that is not known.
    """
    if self.part is None:
      return self.degrees()
    if self.part.sender_degrees is None:
      raise InputError(
        'edges',
        'a part of a graph that does not know the degrees of its nodes',
        'give `graphs.parts.Part` its `sender_degrees`',
      )
    return jnp.asarray(self.part.sender_degrees)

  def degrees(self) -> jax.Array:
    """How many edges come in at each receiver: [N] int32."""
    edges = self.checked()
    if edges.by_receiver is not None:
      return jnp.asarray(edges.by_receiver.degrees)
    ones = jnp.ones(edges.senders.shape, jnp.int32)
    return jax.ops.segment_sum(ones, edges.receivers, edges.num_receivers)


_CHILDREN = (
  'senders',
  'receivers',
  'by_receiver',
  'by_sender',
  'items',
  'features',
  'part',
)
_STATIC = ('num_senders', 'num_receivers', 'is_checked', 'is_reversed')
_PRIVATE = (*_CHILDREN[2:], *_STATIC[2:])


def _is_compiling() -> bool:
  """Whether what is computed here becomes part of a compiled function."""
  return isinstance(jnp.zeros(()), jax.core.Tracer)


def sum_dtype(dtype: jax.typing.DTypeLike) -> np.dtype:
  """What entries of a floating dtype are added in: float32 at least."""
  return np.dtype(dtype if np.dtype(dtype).itemsize >= 4 else np.float32)
