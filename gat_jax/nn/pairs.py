"""Scores of pairs of nodes, as GATv2 has them.

Shapes: E edges, M senders, N receivers, K heads, F features a head.
"""

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.nn.dtypes import as_floats
from gat_jax.nn.dtypes import sum_dtype
from gat_jax.nn.roads import choice
from gat_jax.nn.roads.road import Road


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  *,
  slope: float,
  block: int = 0,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """Scores a . LeakyReLU(q_i + v_j) of every edge from j to i, for every head.

  This is e of equation 7 of Brody, Alon and Yahav (ICLR 2022). On a CPU and
  prepared edges the array of all pairs, [E, K, F], never exists, neither here
  nor in the gradient, which makes them again. Its second derivative makes it.

  Args:
    queries: q, [N, K, F].
    values: v, [M, K, F].
    vectors: a, [K, F].
    edges: E, from M senders to N receivers.
    slope: of LeakyReLU below 0.
    block: see `gat_jax.nn.aggregate`.
    implementation: see `gat_jax.nn.aggregate`.

  Returns:
    [E, K], in the dtype of the queries, as exact as float32.

  Raises:
    InputError: if the shapes do not fit the edges, there is no such
      implementation, or the edges are not prepared for it.
  """
  queries, values, vectors = map(as_floats, (queries, values, vectors))
  shape = vectors.shape
  wanted = (edges.num_receivers, *shape), (edges.num_senders, *shape)
  if len(shape) != 2 or (queries.shape, values.shape) != wanted:
    raise InputError(
      'queries',
      f'queries {queries.shape}, values {values.shape} and vectors {shape} for'
      f' edges from {edges.num_senders} to {edges.num_receivers} nodes',
      'shapes must be [N, K, F], [M, K, F] and [K, F]',
    )
  implementation = choice.resolve(implementation, block, edges)
  edges = edges.checked()
  dtype = sum_dtype(queries.dtype)
  pairs = jnp.asarray(queries, dtype), jnp.asarray(values, dtype)
  vectors = jnp.asarray(vectors, dtype)
  road = Road(implementation, block, (('slope', slope),))
  if implementation == 'plain':
    scores = road.run('pair_scores', *pairs, vectors, edges)
  else:
    scores = _scores(road, *pairs, vectors, edges)
  return scores.astype(queries.dtype)


# With s = LeakyReLU'(q_i + v_j) an edge scores a . s (q_i + v_j). Its gradients
# are made of the sums of w s over the edges of a node at either end, w being
# the scores' own: a times that for q and v, and q and v times that for a.


def _scores_backward(road, residuals, cotangent):
  queries, values, vectors, edges = residuals
  of_receivers = _slope_sums(road, cotangent, queries, values, edges)
  of_senders = _slope_sums(road, cotangent, values, queries, edges.reversed)
  d_vectors = (of_receivers * queries).sum(0) + (of_senders * values).sum(0)
  vectors = vectors[None]
  return vectors * of_receivers, vectors * of_senders, d_vectors, None


_scores = choice.with_gradient(
  lambda road, *args: road.run('pair_scores', *args),
  _scores_backward,
  static=0,
)


def _slope_sums_backward(road, residuals, cotangent):
  _, queries, values, edges = residuals
  pairs = edges.of_receivers(queries) + edges.of_senders(values)  # [E, K, F]
  slopes = jnp.where(pairs >= 0, 1, dict(road.options)['slope']).astype(
    cotangent.dtype
  )
  d_weights = (slopes * edges.of_receivers(cotangent)).sum(-1)
  return d_weights, jnp.zeros_like(queries), jnp.zeros_like(values), None


_slope_sums = choice.with_gradient(
  lambda road, *args: road.run('slope_sums', *args),
  _slope_sums_backward,
  static=0,
)
