"""Dtypes and shapes said outright, whatever JAX is told to promote."""

import dataclasses

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.graphs import Array
from gat_jax.graphs import Features
from gat_jax.graphs import SparseFeatures


def sum_dtype(dtype: jnp.dtype) -> jnp.dtype:
  """What entries of a floating dtype are added in: float32 at least."""
  return jnp.dtype(dtype if jnp.dtype(dtype).itemsize >= 4 else np.float32)


def broadcast(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Repeats x along new leading axes, also where JAX refuses to by itself."""
  return jnp.broadcast_to(jnp.expand_dims(x, range(len(shape) - x.ndim)), shape)


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
