"""Products, softmax over edges and ELU, as functions of arrays.

Together with `aggregate` they make a layer, without Flax.

Shapes: N nodes, E edges, K heads, D input features, F output features a head,
Z stored non-zeros.
"""

import functools

import jax
from jax import numpy as jnp
import jraph

from gat_jax.errors import InputError
from gat_jax.graphs import Array
from gat_jax.graphs import Features
from gat_jax.graphs import SparseFeatures
from gat_jax.nn.aggregation import aggregate
from gat_jax.nn.products import product


def project(
  features: Features,
  kernel: jax.Array,
  block: int = 0,
  dtype: jnp.dtype | None = None,
) -> jax.Array:
  """Returns W h for every head.

  It has gradients, also of gradients, but no forward-mode one (`jax.jvp`).

  Args:
    features: h, [N, D]; [N, K, D] if every head has its own, as
      `drop_features` makes them; or sparse with values [Z] or [Z, K].
    kernel: W, [D, K, F], of a floating dtype.
    block: see `aggregate`; for sparse features alone.
    dtype: of the factors, if not that of the kernel. Sums keep the dtype of the
      kernel.

  Returns:
    [N, K, F].

  Raises:
    InputError: if features and kernel differ in D.
  """
  if features.shape[-1] != kernel.shape[0]:
    raise InputError(
      'features',
      f'{features.shape} for a kernel {kernel.shape}',
      'shapes must be [N, D] and [D, K, F]',
    )
  if isinstance(features, SparseFeatures):
    weights = jnp.asarray(features.values)
    if weights.ndim == 1:
      weights = jnp.broadcast_to(
        weights[:, None], (len(weights), kernel.shape[1])
      )
    return aggregate(
      weights,
      kernel,
      features.columns,
      features.rows,
      features.shape[0],
      block,
      dtype,
    )
  dtype = dtype or kernel.dtype
  return product(
    jnp.asarray(features, dtype), jnp.asarray(kernel, dtype), kernel.dtype
  )


def densify(features: Features, num_heads: int) -> jax.Array:
  """Returns features, dense or sparse, dropped or not, as dense [N, K, D]."""
  if isinstance(features, SparseFeatures):
    values = jnp.asarray(features.values)
    index = (features.rows, features.columns)
    dense = jnp.zeros(features.shape + values.shape[1:]).at[index].add(values)
    features = dense if values.ndim == 1 else dense.swapaxes(1, 2)
  if features.ndim == 2:
    features = features[:, None]
  n_node, _, n_feature = features.shape
  return jnp.broadcast_to(features, (n_node, num_heads, n_feature))


def segment_softmax(
  logits: jax.Array, segment_ids: Array, num_segments: int
) -> jax.Array:
  """Softmax over the edges of each receiver, for every head on its own.

  These are equations 2 and 3 of Velickovic et al. (ICLR 2018), given the scores
  e. A score of -inf masks its edge: its weight is 0 and it gets no gradient,
  even if all edges of its receiver are masked (`jraph.segment_softmax` gives
  NaN there). It has derivatives of both modes and any order.

  Args:
    logits: e, [E, K], of a floating dtype.
    segment_ids: [E], the receiver of each edge, never decreasing. Out of order,
      weights may be wrong and there is no error.
    num_segments: N.

  Returns:
    alpha, [E, K]; those of a receiver with an unmasked edge sum to 1.
  """
  masked = jnp.isneginf(logits)
  finite = jnp.where(masked, jnp.finfo(logits.dtype).min, logits)
  weights = _finite_segment_softmax(finite, segment_ids, num_segments)
  return jnp.where(masked, 0.0, weights)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _finite_segment_softmax(logits, segment_ids, num_segments):
  return jraph.segment_softmax(
    logits, segment_ids, num_segments, indices_are_sorted=True
  )


@_finite_segment_softmax.defjvp
def _finite_segment_softmax_jvp(num_segments, primals, tangents):
  # jraph's own derivative would also go through the maximum, for nothing.
  logits, segment_ids = primals
  weights = _finite_segment_softmax(logits, segment_ids, num_segments)
  change = weights * tangents[0]
  mean_change = jax.ops.segment_sum(
    change, segment_ids, num_segments, indices_are_sorted=True
  )
  return weights, change - weights * mean_change[segment_ids]


@jax.custom_jvp
def elu(x: jax.Array) -> jax.Array:
  """ELU: x where x > 0, else e^x - 1 (Clevert et al., ICLR 2016, equation 1).

  Values are those of `jax.nn.elu`. The derivative needs x alone. It is a
  workaround for JAX before 0.12: there, XLA on a CPU keeps e^x - 1 for the
  derivative of `jax.nn.elu`, besides x and the result.

  Args:
    x: of any shape and floating dtype.

  Returns:
    The same shape and dtype.
  """
  return jax.nn.elu(x)


@elu.defjvp
def _elu_jvp(primals, tangents):
  (x,) = primals
  return elu(x), tangents[0] * jnp.exp(jnp.minimum(x, 0))
