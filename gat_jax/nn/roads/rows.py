"""The road for an NVIDIA GPU: every row of a sum is added by who owns it.

Sums over edges are a tree of short sums, each read where it is needed. Nothing
is added to what another thread adds to, so the order of a sum never changes,
and the same numbers give the same bits.

Shapes: E edges, M senders, N receivers, K heads, F features a head, T groups,
C edges a group.
"""

from collections.abc import Callable

import jax
from jax import numpy as jnp

from gat_jax.graphs import Edges
from gat_jax.graphs import Groups
from gat_jax.nn.roads import plain

edge_products = plain.edge_products
of_receivers = plain.of_receivers


def weighted_sums(
  initial: jax.Array,
  weights: jax.Array,
  values: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
) -> jax.Array:
  """The same as `plain.weighted_sums`, for prepared edges: [N, K, F]."""
  weights, values = jnp.asarray(weights, dtype), jnp.asarray(values, dtype)

  def message(edges, others):
    return (weights[edges][..., None] * values[others]).astype(initial.dtype)

  return initial + _sums(edges, message, initial)


def edge_sums(of_edges: jax.Array, edges: Edges) -> jax.Array:
  """The same as `plain.edge_sums`, for prepared edges: [N, K]."""
  like = jnp.zeros((edges.num_receivers, *of_edges.shape[1:]), of_edges.dtype)
  return _sums(edges, lambda edges, unused_others: of_edges[edges], like)


def softmax(logits: jax.Array, edges: Edges) -> jax.Array:
  """The same as `plain.softmax`, for prepared edges: [E, K]."""
  return plain.softmax_of(logits, edges, edge_sums, of_receivers)


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None = None,
  *,
  slope: float,
) -> jax.Array:
  """The same as `plain.pair_scores`: [E, K].

  A product and a sum, which XLA makes one kernel of; `plain` has a matrix
  product, which needs all pairs.
  """
  pairs = plain.pairs(queries, values, edges, terms)  # [E, K, F]
  return (jax.nn.leaky_relu(pairs, slope) * vectors[None]).sum(-1)


def slope_sums(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None = None,
  *,
  slope: float,
) -> jax.Array:
  """The same as `plain.slope_sums`, for prepared edges: [N, K, F]."""
  groups = edges.incoming
  like = jnp.zeros(queries.shape, weights.dtype)
  if not groups.edges.shape[0]:
    return like

  def message(place):
    """Of one edge of each group: [T, K, F]."""
    ids = groups.edges[:, place]
    own = weights[ids][..., None]
    pairs = queries[groups.nodes] + values[groups.others[:, place]]
    if terms is not None:
      pairs += plain.edge_terms(terms.features[ids], terms.kernel)
    slopes = jnp.where(pairs >= 0, own, slope * own)
    return _where(groups.is_edge[:, place], slopes)

  # One after the other: as one sum over places, JAX 0.11.2 took 90 times as
  # long for it on an H200 as for that of `weighted_sums`.
  return _tree(groups, sum(map(message, range(groups.edges.shape[1]))), like)


def slope_moments(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms,
  *,
  slope: float,
) -> jax.Array:
  """The same as `plain.slope_moments`: [D, K, F].

  A sum a feature instead of a matrix product, which would need all slopes.
  """
  slopes = plain.slopes(weights, queries, values, edges, terms, slope)
  return jnp.stack(
    [(column[:, None, None] * slopes).sum(0) for column in terms.features.T]
  )


def slope_features(
  weights: jax.Array,
  vectors: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms,
  *,
  slope: float,
) -> jax.Array:
  """The same as `plain.slope_features`: [E, D]; see `slope_moments`."""
  slopes = plain.slopes(weights, queries, values, edges, terms, slope)
  return jnp.stack(
    [(slopes * (vectors * row)[None]).sum((1, 2)) for row in terms.kernel],
    axis=1,
  )


def _sums(edges: Edges, message: Callable, like: jax.Array) -> jax.Array:
  """Adds messages over the incoming edges of every receiver.

  Args:
    edges: prepared.
    message: of ids of edges and of their senders, of one shape.
    like: of the shape and dtype of the result.
  """
  groups = edges.incoming
  if not groups.edges.shape[0]:
    return jnp.zeros_like(like)
  messages = message(groups.edges, groups.others)  # [T, C, ...]
  sums = _where(groups.is_edge, messages).sum(axis=1)
  return _tree(groups, sums, like)


def _tree(groups: Groups, sums: jax.Array, like: jax.Array) -> jax.Array:
  """Adds the sums of groups, [T, ...], for every node."""
  total = jnp.zeros_like(like)
  for level in range(len(groups.above) + 1):
    if level:
      sums = _taken(sums, groups.above[level - 1]).sum(axis=1)
    is_here = (groups.levels == level)[:, None]
    total += _taken(sums, jnp.where(is_here, groups.roots, -1)).sum(axis=1)
  return total


def _taken(of_rows, rows):
  """Rows, and zeros where the row is -1."""
  return _where(rows >= 0, of_rows[jnp.maximum(rows, 0)])


def _where(condition, x):
  axes = range(condition.ndim, x.ndim)
  return jnp.where(jnp.expand_dims(condition, tuple(axes)), x, 0)
