"""Weighted sums over edges.

Shapes: E edges, M senders, N receivers, K heads, F features a head.
"""

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.nn.dtypes import as_floats
from gat_jax.nn.dtypes import broadcast
from gat_jax.nn.dtypes import sum_dtype
from gat_jax.nn.roads import choice
from gat_jax.nn.roads.road import Road


def aggregate(
  weights: jax.Array,
  values: jax.Array,
  edges: Edges,
  *,
  initial: jax.typing.ArrayLike = 0.0,
  dtype: jnp.dtype | None = None,
  block: int = 0,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """Sums alpha_ij v_j over the incoming edges of every receiver i.

  This is the sum of equation 4 of Velickovic et al. (ICLR 2018). The product
  of sparse features and a kernel is the same sum: non-zeros of a matrix are
  edges from its columns to its rows.

  On a CPU and prepared edges the array of all messages, [E, K, F], never
  exists, neither here nor in the gradient. Elsewhere that is left to XLA.

  Args:
    weights: alpha, [E, K].
    values: v, [M, K, F]. Sums are as exact as float32 and come out in the dtype
      of the values, those of integers in float32.
    edges: E, from M senders to N receivers: `graphs.edges_of(graph)`, or
      `graphs.Edges` of arrays in any order.
    initial: what the sums start from, broadcast to [N, K, F] in the dtype of
      the values. It saves an array where something is added to them anyway.
    dtype: of the factors, if not their own.
    block: edges at a time on the road 'blocks', at least 8; 0 chooses.
    implementation: 'plain' has derivatives of both modes and any order;
      'blocks', fast on a CPU, 'rows', on an NVIDIA GPU, and 'lanes', on a
      TPU, need prepared edges and have no forward mode.
      None chooses by the edges and by the platform it is lowered for.

  Returns:
    [N, K, F]; `initial` where nothing comes in.

  Raises:
    InputError: if the shapes of weights, values and edges do not fit, there is
      no such implementation, or the edges are not prepared for it.
  """
  weights, values = as_floats(weights), as_floats(values)
  wanted = (*jnp.shape(edges.receivers), *values.shape[1:2])
  fits = weights.shape == wanted and values.ndim == 3
  if not fits or values.shape[0] != edges.num_senders:
    raise InputError(
      'weights',
      f'{weights.shape} for {jnp.shape(edges.receivers)} edges from'
      f' {edges.num_senders} senders and values {values.shape}',
      'shapes must be [E, K] and [M, K, F]',
    )
  implementation = choice.resolve(implementation, block, edges)
  edges = edges.checked()
  shape = (edges.num_receivers, *values.shape[1:])
  initial = jnp.asarray(initial, sum_dtype(values.dtype))
  initial = broadcast(initial, shape)
  factors = jnp.dtype(dtype or values.dtype)
  road = Road(implementation, block, (('dtype', factors),))
  if implementation == 'plain':
    sums = road.run('weighted_sums', initial, weights, values, edges)
  else:
    sums = _weighted_sums(road, initial, weights, values, edges)
  return sums.astype(values.dtype)


# Two operations, each linear in either of its factors, so that the gradients of
# each are made of both, and theirs again.


def _weighted_sums_backward(road, residuals, cotangent):
  _, weights, values, edges = residuals
  d_weights = _edge_products(road, values, cotangent, edges)
  d_values = _weighted_sums(
    road,
    jnp.zeros(values.shape, cotangent.dtype),
    weights,
    cotangent,
    edges.reversed,
  )
  d_weights = d_weights.astype(weights.dtype)
  return cotangent, d_weights, d_values.astype(values.dtype), None


_weighted_sums = choice.with_gradient(
  lambda road, *args: road.run('weighted_sums', *args),
  _weighted_sums_backward,
  static=0,
)


def _edge_products_backward(road, residuals, cotangent):
  sent, received, edges = residuals

  def sums(values, along):
    zeros = jnp.zeros((along.num_receivers, *values.shape[1:]), cotangent.dtype)
    return _weighted_sums(road, zeros, cotangent, values, along)

  d_sent = sums(received, edges.reversed).astype(sent.dtype)
  return d_sent, sums(sent, edges).astype(received.dtype), None


_edge_products = choice.with_gradient(
  lambda road, *args: road.run('edge_products', *args),
  _edge_products_backward,
  static=0,
)
