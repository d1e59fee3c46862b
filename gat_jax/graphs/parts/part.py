"""What the edges of a part know of the whole graph.

A part has N receivers, its own nodes, and M senders, of which the first N are
the receivers. The others are nodes of other parts: their rows are either among
the inputs of a layer, or on other devices, where an exchange fetches them.

Shapes: N receivers, M senders, E edges.
"""

import dataclasses
import functools
import math

import jax

from gat_jax.graphs.groups import Array
from gat_jax.graphs.parts.exchange import Exchange


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
  flat = [
    array.reshape(array.shape[0], math.prod(array.shape[1:]))
    for array in of_own
  ]
  return tuple(
    array.reshape(-1, *own.shape[1:])
    for array, own in zip(exchange.fetch(*flat), of_own, strict=True)
  )
