"""Ids of nodes at the ends of edges, as arrays.

Shapes: E edges.
"""

from typing import Any

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.groups import Array


def ends_of(senders: Any, receivers: Any) -> tuple[Array, Array]:
  """Both as int32 [E].

  Raises:
    InputError: if the ids are no integers, or their numbers differ.
  """
  senders = as_int32('senders', senders)
  receivers = as_int32('receivers', receivers)
  require_same_number(senders, receivers)
  return senders, receivers


def require_same_number(senders: Array, receivers: Array) -> None:
  """Refuses [E] senders and receivers that differ in E.

  Raises:
    InputError: says both numbers.
  """
  if senders.shape != receivers.shape:
    raise InputError(
      'receivers',
      f'{receivers.shape[0]} for {senders.shape[0]} senders',
      'entry e of both belongs to edge e',
    )


def as_int32(name: str, ids: Any) -> Array:
  """Ids of nodes [E] as int32; one beyond that is no node, and becomes -1.

  Args:
    name: of the argument, for errors.
    ids: an array, also a traced one, or a list.

  Raises:
    InputError: if they are no integers, or not [E].
  """
  if not isinstance(ids, jax.Array):
    ids = np.asarray(ids)
    ids = ids if ids.size else ids.astype(np.int32)  # of an empty list
  if ids.ndim != 1 or ids.dtype.kind not in 'iu':
    raise InputError(
      name,
      f'an array {ids.shape} of {ids.dtype}',
      'ids of nodes must be integers, [E]',
    )
  if not np.can_cast(ids.dtype, np.int32):
    most = np.iinfo(np.int32).max
    xp = jnp if isinstance(ids, jax.Array) else np
    ids = xp.where((ids < 0) | (ids > most), -1, ids.astype(np.int32))
  return ids if ids.dtype == np.int32 else ids.astype(np.int32)
