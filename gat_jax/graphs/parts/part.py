"""What the edges of a part know of the whole graph.

A part has N receivers, its own nodes, and M senders, of which the first N are
the receivers. The others are nodes of other parts: their rows are either among
the inputs of a layer, or on other devices, where an exchange fetches them.

Shapes: N receivers, M senders, E edges, P parts, S rows that one part sends
another.
"""

import dataclasses
import functools
import math

import jax
from jax import numpy as jnp

from gat_jax.graphs.groups import Array


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('rows', 'places'),
  meta_fields=('axis',),
)
@dataclasses.dataclass(frozen=True)
class Exchange:
  """How a part gets the rows of others, inside `jax.shard_map`.

  Attributes:
    rows: [P, S] int32, the own rows that each part wants of this one; the rest
      are N, which is no row.
    places: [M - N] int32, where the rows that this part lacks are among the
      P S that it gets; P S for a filler.
    axis: of the mesh, over which the graph is spread.
  """

  rows: Array
  places: Array
  axis: str

  def fetch(self, own: jax.Array) -> jax.Array:
    """The rows that are lacking: [N, F] -> [M - N, F]; 0 in fillers."""
    rows = jnp.asarray(self.rows)
    sent = own.at[rows].get(mode='fill', fill_value=0)  # [P, S, F]
    got = jax.lax.all_to_all(sent, self.axis, 0, 0)
    got = got.reshape(rows.size, own.shape[1])
    return got.at[self.places].get(mode='fill', fill_value=0)


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('sender_ids', 'edge_ids', 'sender_degrees', 'exchange'),
  meta_fields=(),
)
@dataclasses.dataclass(frozen=True)
class Part:
  """What of the whole graph matters to the layers of a part.

  Attributes:
    sender_ids: [M] uint32, the number of each sender in the whole graph, for
      its entries of masks; None draws them for the part as it stands.
    edge_ids: [E] uint32, the same of edges.
    sender_degrees: [M] int32, how many edges come in at each sender in the
      whole graph; None if that is not known, which GCN refuses.
    exchange: fetches the senders that are no receivers; None if a layer's
      inputs are those of all senders.
  """

  sender_ids: Array | None = None
  edge_ids: Array | None = None
  sender_degrees: Array | None = None
  exchange: Exchange | None = None


def send(
  exchange: Exchange, of_own: tuple[jax.Array, ...]
) -> tuple[jax.Array, ...]:
  """What belongs to all senders, by one exchange: [N, ...] -> [M, ...] each."""
  widths = [math.prod(array.shape[1:]) for array in of_own]
  flat = [
    array.reshape(array.shape[0], width)
    for array, width in zip(of_own, widths, strict=True)
  ]
  fetched = exchange.fetch(jnp.concatenate(flat, axis=1))
  ends = [sum(widths[: i + 1]) for i in range(len(widths))]
  halos = jnp.split(fetched, ends[:-1], axis=1)
  return tuple(
    jnp.concatenate([array, halo.reshape(-1, *array.shape[1:])])
    for array, halo in zip(of_own, halos, strict=True)
  )
