"""Products, softmax over edges and ELU, as functions of arrays.

Together with `aggregate` they make a layer, without Flax.

Shapes: N nodes, E edges, K heads, D input features, F output features a head,
Z stored non-zeros.
"""

from collections.abc import Callable
import functools
import math

import jax
from jax import numpy as jnp
import jraph

from gat_jax.errors import InputError
from gat_jax.graphs import Array
from gat_jax.graphs import Features
from gat_jax.graphs import SparseFeatures
from gat_jax.graphs import as_int32
from gat_jax.nn.aggregation import aggregate
from gat_jax.nn.dtypes import sum_dtype
from gat_jax.nn.products import product
from gat_jax.nn.roads.choice import Implementation


def project(
  features: Features,
  kernel: jax.Array,
  *,
  dtype: jnp.dtype | None = None,
  block: int = 0,
  implementation: Implementation = None,
) -> jax.Array:
  """Returns W h for every head.

  Args:
    features: h, [N, D]; [N, K, D] if every head has its own, as
      `drop_features` makes them; or sparse with values [Z] or [Z, K]. Integers
      and booleans are taken as numbers of the dtype of the kernel.
    kernel: W, [D, K, F], of a floating dtype.
    dtype: of the factors, if not that of the kernel. Sums are as exact as
      float32 and come out in the dtype of the kernel.
    block: see `aggregate`; for sparse features alone.
    implementation: 'plain' has derivatives of both modes; the other roads have
      no forward mode (`jax.jvp`). See `aggregate`.

  Returns:
    [N, K, F].

  Raises:
    InputError: if features and kernel do not fit, the kernel is of integers, or
      there is no such implementation.
  """
  kernel, num_axes = jnp.asarray(kernel), len(features.shape)
  fits = kernel.ndim == 3 and num_axes in (2, 3)
  if not fits or features.shape[-1] != kernel.shape[0]:
    raise InputError(
      'features',
      f'{features.shape} for a kernel {kernel.shape}',
      'shapes must be [N, D] and [D, K, F]',
    )
  if not jnp.issubdtype(kernel.dtype, jnp.floating):
    raise InputError('kernel', f'{kernel.dtype} is no floating dtype')
  if isinstance(features, SparseFeatures):
    shape = kernel.shape[1:]
    weights = jnp.asarray(features.values, kernel.dtype)
    if weights.ndim == 1:  # the heads are one, of longer rows
      weights = weights[:, None]
      kernel = kernel.reshape(kernel.shape[0], 1, math.prod(shape))
    sums = aggregate(
      weights,
      kernel,
      features.edges,
      dtype=dtype,
      block=block,
      implementation=implementation,
    )
    return sums.reshape(sums.shape[0], *shape)
  if features.ndim == 3 and features.shape[1] != kernel.shape[1]:
    raise InputError(
      'features',
      f'{features.shape} for a kernel {kernel.shape}',
      'shapes must be [N, K, D] and [D, K, F]',
    )
  dtype = dtype or kernel.dtype
  factors = jnp.asarray(features, dtype), jnp.asarray(kernel, dtype)
  return product(*factors, kernel.dtype, implementation)


def densify(features: Features, num_heads: int, dtype: jnp.dtype) -> jax.Array:
  """Returns features, dense or sparse, dropped or not, as dense [N, K, D]."""
  if isinstance(features, SparseFeatures):
    values = jnp.asarray(features.values, dtype)
    edges = features.edges.checked()
    dense = jnp.zeros(features.shape + values.shape[1:], dtype)
    dense = dense.at[edges.receivers, edges.senders].add(values, mode='drop')
    features = dense if values.ndim == 1 else dense.swapaxes(1, 2)
  features = jnp.asarray(features, dtype)
  if features.ndim == 2:
    features = features[:, None]
  n_node, _, n_feature = features.shape
  return jnp.broadcast_to(features, (n_node, num_heads, n_feature))


def segment_softmax(
  logits: jax.Array,
  segment_ids: Array,
  num_segments: int,
  *,
  indices_are_sorted: bool = False,
) -> jax.Array:
  """Softmax over the edges of each receiver, for every head on its own.

  These are equations 2 and 3 of Velickovic et al. (ICLR 2018), given the scores
  e. A score of -inf masks its edge: its weight is 0 and it gets no gradient,
  even if all edges of its receiver are masked (`jraph.segment_softmax` gives
  NaN there). So does a receiver outside [0, N). It has derivatives of both
  modes and any order.

  Args:
    logits: e, [E, K], of a floating dtype; sums are as exact as float32.
    segment_ids: [E], the receiver of each edge, in any order.
    num_segments: N.
    indices_are_sorted: a promise that `segment_ids` never decrease and are in
      range, for speed. Broken, weights are wrong and there is no error.

  Returns:
    alpha, [E, K]; those of a receiver with an unmasked edge sum to 1.

  Raises:
    InputError: if logits and segment ids differ in E, or are no floats and no
      integers.
  """
  logits = jnp.asarray(logits)
  segment_ids = as_int32('segment_ids', segment_ids)
  if logits.ndim != 2 or segment_ids.shape != logits.shape[:1]:
    raise InputError(
      'logits',
      f'{logits.shape} for segment ids {segment_ids.shape}',
      'shapes must be [E, K] and [E]',
    )
  if not jnp.issubdtype(logits.dtype, jnp.floating):
    raise InputError('logits', f'{logits.dtype} is no floating dtype')
  is_segment: Array | None = None
  if not indices_are_sorted:
    is_segment = (segment_ids >= 0) & (segment_ids < num_segments)
    segment_ids = jnp.where(is_segment, segment_ids, num_segments)
  if not num_segments:
    return jnp.zeros_like(logits)
  # What is none of the segments has one of its own.
  count = num_segments + (not indices_are_sorted)
  return softmax_where_finite(
    lambda finite: _finite_segment_softmax(
      count, indices_are_sorted, finite, segment_ids
    ),
    logits,
    is_segment,
  )


def softmax_where_finite(
  softmax: Callable[[jax.Array], jax.Array],
  logits: jax.Array,
  is_edge: Array | None = None,
) -> jax.Array:
  """A softmax of logits of which some are masked.

  Args:
    softmax: of finite logits.
    logits: [E, K], -inf where masked.
    is_edge: [E], False where masked as well.

  Returns:
    alpha, [E, K], 0 where masked.
  """
  exact = logits.astype(sum_dtype(logits.dtype))
  masked = jnp.isneginf(exact)
  if is_edge is not None:
    masked |= ~is_edge[:, None]
  # What is masked is below everything else, the lowest number included.
  least = jnp.finfo(exact.dtype).min
  lowest = jnp.where(exact == least, jnp.nextafter(least, 0), exact)
  weights = softmax(jnp.where(masked, least, lowest))
  weights = jnp.where(masked, jnp.zeros((), weights.dtype), weights)
  return weights.astype(logits.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _finite_segment_softmax(
  num_segments, indices_are_sorted, logits, segment_ids
):
  return jraph.segment_softmax(
    logits, segment_ids, num_segments, indices_are_sorted=indices_are_sorted
  )


@_finite_segment_softmax.defjvp
def _finite_segment_softmax_jvp(
  num_segments, indices_are_sorted, primals, tangents
):
  # jraph's own derivative would also go through the maximum, for nothing.
  logits, segment_ids = primals
  weights = _finite_segment_softmax(
    num_segments, indices_are_sorted, logits, segment_ids
  )
  change = weights * tangents[0]
  mean_change = jax.ops.segment_sum(
    change, segment_ids, num_segments, indices_are_sorted=indices_are_sorted
  )
  return weights, change - weights * mean_change[segment_ids]


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
  return _elu(x)  # a function of its own, so that it can be pickled


@jax.custom_jvp
def _elu(x):
  return jax.nn.elu(x)


@_elu.defjvp
def _elu_jvp(primals, tangents):
  (x,) = primals
  return _elu(x), tangents[0] * jnp.exp(jnp.minimum(x, 0))
