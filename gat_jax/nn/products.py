"""Dense products, by features and by vectors, that suit XLA on a CPU.

Shapes: N nodes, K heads, D input features, F output features a head, M rows of
anything.
"""

import math

import jax
from jax import numpy as jnp

from gat_jax.nn.roads import choice

# A dz so many times narrower than h is transposed instead.
_MUCH_NARROWER = 8
# The axis of heads of either factor that has one.
_HEADS = (1,), (1,)


def product(
  features: jax.Array,
  kernel: jax.Array,
  dtype: jnp.dtype,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """Returns W h for every head.

  The gradient of W is h^T dz as it stands. JAX alone, which is the road
  'plain', would take (dz^T h)^T, for which XLA on a CPU copies dz column by
  column and leaves the gradient in an order that is slow to read.

  Args:
    features: h, [N, D] or, for each head its own, [N, K, D]; of a floating
      dtype, which dz is rounded to as the other factor of gradients.
    kernel: W, [D, K, F].
    dtype: of the sums.
    implementation: 'plain' has derivatives of both modes, others no forward
      mode (`jax.jvp`).

  Returns:
    [N, K, F].
  """
  choice.check(implementation)
  run = _values if implementation == 'plain' else _product
  return run(features, kernel, dtype)


def _values(features, kernel, dtype):
  if features.ndim == 2:
    return _dot(features, kernel, ((1,), (0,)), dtype)
  # XLA would lay an einsum's result out as [K, F, N], which is slow to read as
  # [N, K, F].
  products = _dot(features, kernel, ((2,), (0,)), dtype, _HEADS)
  return products.swapaxes(0, 1)


def _backward(dtype, residuals, cotangent):
  features, kernel = residuals
  cotangent = jnp.asarray(cotangent, features.dtype)  # [N, K, F]
  if features.ndim == 2:
    d_features = _dot(cotangent, kernel, ((1, 2), (1, 2)), dtype)
  else:
    d_features = _dot(cotangent, kernel, ((2,), (2,)), dtype, _HEADS)
    d_features = d_features.swapaxes(0, 1)
  d_kernel = _kernel_gradient(features, cotangent, dtype)
  return d_features.astype(features.dtype), d_kernel.astype(kernel.dtype)


def _kernel_gradient(features, cotangent, dtype):
  """h^T dz, [D, K, F]; the other way where XLA on a CPU is better at that."""
  heads = _HEADS if features.ndim == 3 else ((), ())
  over_nodes = (0,), (0,)
  width = math.prod(cotangent.shape[features.ndim - 1 :])  # of one product
  is_narrow = _MUCH_NARROWER * width <= features.shape[-1]
  if is_narrow or features.dtype != dtype:  # no mixed dtypes for h^T dz
    gradient = _dot(cotangent, features, over_nodes, dtype, heads)  # [K, F, D]
    return jnp.moveaxis(gradient, -1, 0)
  gradient = _dot(features, cotangent, over_nodes, dtype, heads)
  return gradient if features.ndim == 2 else gradient.swapaxes(0, 1)


_product = choice.with_gradient(_values, _backward, static=2)


def _dot(x, y, contracted, dtype, batched=((), ())):
  return jax.lax.dot_general(
    x, y, (contracted, batched), preferred_element_type=dtype
  )


def dot_per_head(x: jax.Array, vectors: jax.Array) -> jax.Array:
  """Returns a . x for every head and each of its vectors a.

  It is one product with a block-diagonal [K F, K V] matrix, since XLA on a CPU
  is slow at sums over a short last axis (by 2 to 20 times for F = 8).

  Args:
    x: [M, K, F].
    vectors: [K, F, V], V vectors a head.

  Returns:
    [M, K, V].
  """
  num_heads, features, num_vectors = vectors.shape
  own_head = jnp.eye(num_heads, dtype=vectors.dtype)[:, None, :, None]
  blocks = vectors[:, :, None, :] * own_head  # [K, F, K, V]
  products = jnp.matmul(
    x.reshape(x.shape[0], num_heads * features),
    blocks.reshape(num_heads * features, num_heads * num_vectors),
    precision=jax.lax.Precision.HIGHEST,
  )
  return products.reshape(x.shape[0], num_heads, num_vectors)
