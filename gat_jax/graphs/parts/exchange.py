"""How a part of a graph gets rows that are on other devices.

There and back are one collective each, and each other's gradient. Where it
exists, a ragged one moves what is wanted and no more. XLA has none for CPUs:
there every part sends every other as many rows as the two that need most.

Shapes: P parts, N rows of a part, H rows that it lacks, M = N + H, F numbers a
row, R rows that it sends in all, S that it sends one part at most.
"""

from collections.abc import Callable
import dataclasses
import functools

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.graphs.groups import Array


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('rows', 'padded_rows', 'padded_places', 'blocks'),
  meta_fields=('axis',),
)
@dataclasses.dataclass(frozen=True)
class Exchange:
  """Who sends which rows to whom, inside `jax.shard_map`.

  H, R and S are the same on all devices, at least 1, and what a device does not
  need of them is a filler.

  Attributes:
    rows: [R] int32, own rows that others lack, those for part 0 first; fillers
      come last and are N.
    padded_rows: [P, S] int32, own rows that each part lacks; fillers are N.
    padded_places: [H] int32, where what this part lacks is among the P S rows
      that the others send it; fillers are P S.
    blocks: [2, 3, P] int32. Of the rows that it sends each part: how many they
      are, where they begin among `rows`, and where among the H that the other
      lacks. Then of the rows that each part sends it: how many, where they
      begin among its own H, and where among the other's `rows`.
    axis: of the mesh, over which the graph is spread.
  """

  rows: Array
  padded_rows: Array
  padded_places: Array
  blocks: Array
  axis: str

  def fetch(self, *own: jax.Array) -> tuple[jax.Array, ...]:
    """The own rows and then those that are lacking: [N, F] -> [M, F] each.

    One collective moves what belongs to all arrays. Fillers are 0.
    """
    return _there(own, self)


def _move(ragged: Callable, padded: Callable) -> Callable:
  """A function of rows and an exchange that is chosen where it is lowered."""

  def move(rows, exchange):
    return jax.lax.platform_dependent(
      rows, exchange, cpu=padded, default=ragged
    )

  # As in `nn.roads.choice`: else it would be compiled anew in every call. Each
  # direction gets the other as its gradient, below.
  return jax.custom_vjp(jax.jit(move))


def _ragged_there(own, exchange):
  sent = _joined(_taken(array, exchange.rows) for array in own)  # [R, F]
  size, (there, back) = exchange.padded_places.shape[0], exchange.blocks
  got = _ragged(sent, size, there, back, exchange.axis)  # [H, F]
  halos = _parted(got, own)
  return tuple(map(jnp.concatenate, zip(own, halos, strict=True)))


def _ragged_back(all_rows, exchange):
  size, (there, back) = exchange.rows.shape[0], exchange.blocks
  own, sent = _own_and_halo(all_rows, exchange)
  got = _ragged(_joined(sent), size, back, there, exchange.axis)  # [R, F]
  return _added(own, exchange.rows, got)


def _ragged(rows, num_results, there, back, axis):
  """Sends blocks of rows: [n, F] -> [num_results, F]."""
  return jax.lax.ragged_all_to_all(
    rows,
    jnp.zeros((num_results, rows.shape[1]), rows.dtype),
    input_offsets=there[1],
    send_sizes=there[0],
    output_offsets=there[2],
    recv_sizes=back[0],
    axis_name=axis,
  )


# On a CPU, rows are written where they belong rather than joined to the own
# ones or taken from them. XLA makes one loop of those and of what is computed
# before, as the drawing of masks, and goes through it entry by entry.


def _padded_there(own, exchange):
  rows = exchange.padded_rows.reshape(-1)
  sent = _joined(_taken(array, rows) for array in own)  # [P S, F]
  got = jax.lax.all_to_all(sent, exchange.axis, 0, 0, tiled=True)
  halos = _parted(_taken(got, exchange.padded_places), own)  # [H, F]
  return tuple(map(_with_halo, own, halos))


def _padded_back(all_rows, exchange):
  own, halo = _own_and_halo(all_rows, exchange)
  rows = exchange.padded_rows.reshape(-1)
  sent = _joined(
    jnp.zeros((rows.size, *array.shape[1:]), array.dtype)
    .at[exchange.padded_places]
    .set(array, mode='drop', unique_indices=True)
    for array in halo
  )
  got = jax.lax.all_to_all(sent, exchange.axis, 0, 0, tiled=True)  # [P S, F]
  return _added(own, rows, got)


def _with_halo(own, halo):
  places = own.shape[0] + jnp.arange(halo.shape[0])
  room = jnp.pad(own, ((0, halo.shape[0]), (0, 0)))
  return room.at[places].set(halo, unique_indices=True, indices_are_sorted=True)


def _taken(of_rows, rows):
  """Rows, and zeros for fillers."""
  return of_rows.at[rows].get(mode='fill', fill_value=0)


def _joined(arrays):
  return jnp.concatenate([*arrays], axis=1)


def _parted(joined, like):
  """The columns of each array."""
  ends = np.cumsum([array.shape[1] for array in like])
  return jnp.split(joined, ends[:-1], axis=1)


def _own_and_halo(all_rows, exchange):
  num_lacking = exchange.padded_places.shape[0]
  own = [array[:-num_lacking] for array in all_rows]
  return own, [array[-num_lacking:] for array in all_rows]


def _added(own, rows, joined):
  """Adds what other parts have for own rows."""
  return tuple(
    array.at[rows].add(others, mode='drop')
    for array, others in zip(own, _parted(joined, own), strict=True)
  )


_there = _move(_ragged_there, _padded_there)
_back = _move(_ragged_back, _padded_back)


def _is_gradient_of(gradient, moved):
  def forward(rows, exchange):
    return moved(rows, exchange), exchange

  def backward(exchange, cotangents):
    return gradient(cotangents, exchange), None

  moved.defvjp(forward, backward)


_is_gradient_of(_back, _there)
_is_gradient_of(_there, _back)
