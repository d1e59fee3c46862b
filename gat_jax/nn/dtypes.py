"""Dtypes and shapes said outright, whatever JAX is told to promote."""

import dataclasses

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.graphs import Array
from gat_jax.graphs import Features
from gat_jax.graphs import SparseFeatures
from gat_jax.graphs import sum_dtype as sum_dtype


def broadcast(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Repeats x along new leading axes, also where JAX refuses to by itself.

  The gradient is a sum over them, and so as exact as all of them.
  """
  wide = jnp.expand_dims(x, range(len(shape) - x.ndim))
  wide = wide.astype(sum_dtype(x.dtype))
  return jnp.broadcast_to(wide, shape).astype(x.dtype)


def as_floats(x: Array) -> jax.Array:
  """Integers and booleans as float32, all else as it is."""
  x = jnp.asarray(x)
  return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(np.float32)


def as_dtype(features: Features, dtype: jnp.dtype) -> Features:
  """Features, dense or sparse, in another dtype."""
  if not isinstance(features, SparseFeatures):
    return jnp.asarray(features, dtype)
  values = jnp.asarray(features.values, dtype)
  return dataclasses.replace(features, values=values)
