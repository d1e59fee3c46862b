"""Dropout whose masks cost nothing to store: drawn and used in one loop.

Shapes: N nodes, K heads, D features, Z stored non-zeros.
"""

import math
from typing import NamedTuple

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.graphs import Features
from gat_jax.graphs import SparseFeatures


class Dropout(NamedTuple):
  """Randomness and rate of all dropout below one point of a model.

  Attributes:
    key: a typed threefry key; every purpose folds in a number of its own.
    rate: the probability that an entry is dropped, below 1; may be traced.
  """

  key: jax.Array
  rate: jax.Array | np.number | float

  def fold_in(self, purpose: int) -> 'Dropout':
    """The dropout of one layer, or of one of its three masks."""
    return Dropout(jax.random.fold_in(self.key, purpose), self.rate)

  def scales(self, shape: tuple[int, ...]) -> jax.Array:
    """Draws 1 / (1 - rate) for what is kept and 0 for what is dropped."""
    rate = jnp.asarray(self.rate, jnp.float32)
    threshold = (rate * 2.0**32).astype(jnp.uint32)
    kept = random_bits(self.key, shape) >= threshold
    return jnp.where(kept, 1 / (1 - rate), 0.0)


def random_bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """The same as `jax.random.bits(key, shape)`, twice as fast on a CPU.

  On a CPU, JAX writes Threefry-2x32 (Salmon et al., SC 2011, 20 rounds) as a
  loop that stores its state in every turn, a third of a training step on Cora.
  Written out it fuses with whatever compares the bits.

  Args:
    key: a typed threefry key.
    shape: at most 2**32 entries.

  Returns:
    uint32 of that shape.
  """
  keys = jax.random.key_data(key)
  schedule = (keys[0], keys[1], keys[0] ^ keys[1] ^ jnp.uint32(0x1BD11BDA))
  low = jax.lax.iota(jnp.uint32, math.prod(shape)) + schedule[1]
  high = jnp.full_like(low, schedule[0])
  rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
  for turn in range(5):
    for rotation in rotations[turn % 2]:
      high += low
      low = (low << rotation) | (low >> (32 - rotation))
      low ^= high
    high += schedule[(turn + 1) % 3]
    low += schedule[(turn + 2) % 3] + jnp.uint32(turn + 1)
  return (high ^ low).reshape(shape)


def drop_features(
  dropout: Dropout, features: Features, num_heads: int, shared: bool
) -> Features:
  """Drops entries of [N, D], each head its own or all heads the same.

  Entries that are zero need no mask: on sparse features it is drawn for the
  non-zeros alone, and the product has the same distribution.

  Args:
    dropout: key and rate.
    features: dense [N, D] or sparse.
    num_heads: K.
    shared: one mask for all heads instead of one for each.

  Returns:
    Dense [N, D] or [N, K, D]; sparse with values [Z] or [Z, K].
  """
  heads = () if shared else (num_heads,)
  if isinstance(features, SparseFeatures):
    values = jnp.asarray(features.values)
    scales = dropout.scales(values.shape + heads)  # [Z] or [Z, K]
    if not shared:
      values = values[:, None]
    return SparseFeatures(
      values * scales, features.rows, features.columns, features.shape
    )
  n_node, n_feature = features.shape
  scales = dropout.scales((n_node, *heads, n_feature))  # [N, D] or [N, K, D]
  return scales * (features if shared else features[:, None])
