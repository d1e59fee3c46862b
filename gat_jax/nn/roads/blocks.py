"""The road for a CPU: blocks of edges that stay in its cache.

Messages are made and added some hundred edges at a time, those of eight edges
of a node in one loop. No array of all messages ever exists.

Shapes: E edges, M senders, N receivers, K heads, F features a head, T groups,
C edges a group, D features of an edge.
"""

import jax
from jax import numpy as jnp

from gat_jax.graphs import Edges
from gat_jax.nn.roads import blocking
from gat_jax.nn.roads import plain

# One number an edge and head is little.
edge_sums = plain.edge_sums
of_receivers = plain.of_receivers
softmax = plain.softmax


def weighted_sums(
  initial: jax.Array,
  weights: jax.Array,
  values: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.weighted_sums`, for prepared edges.

  Args:
    initial: [N, K, F].
    weights: [E, K].
    values: [M, K, F].
    edges: prepared.
    dtype: of the factors.
    block: edges at a time, at least C; 0 chooses.

  Returns:
    [N, K, F].

  Raises:
    InputError: if they are not prepared.
  """
  num_features = values.shape[2]
  initial, values = blocking.filled_up(initial, values)
  values = jnp.asarray(values, dtype)

  def message(weights, others, unused_nodes):
    return (weights[:, :, None] * values[others]).astype(initial.dtype)

  weights = jnp.asarray(weights, dtype)
  sums = blocking.sum_messages(initial, weights, edges, message, block)
  return sums[:, :, :num_features]


def edge_products(
  sent: jax.Array,
  received: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.edge_products`, for prepared edges.

  Args:
    sent: [M, K, F].
    received: [N, K, F].
    edges: prepared.
    dtype: of the factors; sums are of that of `received`.
    block: edges at a time; 0 chooses.

  Returns:
    [E, K].
  """
  sum_dtype = received.dtype
  sent, received = blocking.filled_up(sent, received)
  sent, received = jnp.asarray(sent, dtype), jnp.asarray(received, dtype)

  def multiply(columns, senders, receivers):
    products = sent[:, *columns][senders] * received[:, *columns][receivers]
    return products.astype(sum_dtype)

  ends = edges.senders, edges.receivers
  return blocking.sums_per_edge(
    ends, multiply, sent.shape[1:], sum_dtype, block
  )


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None = None,
  *,
  slope: float,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.pair_scores`, for prepared edges: [E, K]."""
  queries, values = blocking.filled_up(queries, values)
  (vectors,) = blocking.filled_up(vectors)
  ends, pairs_of = _pairs(queries, values, edges, terms)

  def score(columns, *ends):
    pairs = jax.nn.leaky_relu(pairs_of(columns, *ends), slope)
    return pairs * vectors[columns][None]

  shape = queries.shape[1:]
  return blocking.sums_per_edge(ends, score, shape, queries.dtype, block)


def slope_sums(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None = None,
  *,
  slope: float,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.slope_sums`, for prepared edges: [N, K, F]."""
  num_heads, num_features = queries.shape[1:]
  queries, values = blocking.filled_up(queries, values)
  of_edges = weights
  if terms is not None:
    of_edges = jnp.concatenate([weights, terms.features], axis=1)
    (kernel,) = blocking.filled_up(terms.kernel)

  def message(of_edges, others, nodes):
    pairs = queries[nodes] + values[others]
    if terms is not None:
      pairs += plain.edge_terms(of_edges[:, num_heads:], kernel)
    weights = of_edges[:, :num_heads, None]
    return jnp.where(pairs >= 0, weights, slope * weights)

  zeros = jnp.zeros(queries.shape, weights.dtype)
  sums = blocking.sum_messages(zeros, of_edges, edges, message, block)
  return sums[:, :, :num_features]


def slope_moments(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms,
  *,
  slope: float,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.slope_moments`: [D, K, F]."""

  def add_block(sums, of_block):
    weights, ends = of_block
    slopes = slopes_of(weights, *ends)
    return sums + jnp.tensordot(
      ends[-1], slopes, ((0,), (0,)), precision='highest'
    ), None

  num_features = queries.shape[2]
  ends, slopes_of = _slopes(queries, values, edges, terms, slope)
  blocks = blocking.all_in_blocks((weights, ends), block or blocking.LEAST)
  (kernel,) = blocking.filled_up(terms.kernel)
  sums, _ = jax.lax.scan(add_block, jnp.zeros_like(kernel), blocks)
  return sums[:, :, :num_features]


def slope_features(
  weights: jax.Array,
  vectors: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms,
  *,
  slope: float,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.slope_features`: [E, D]."""
  (factors,) = blocking.filled_up(vectors[None] * terms.kernel)

  def of_block(_, of_block):
    weights, ends = of_block
    slopes = slopes_of(weights, *ends)
    return None, jnp.tensordot(
      slopes, factors, ((1, 2), (1, 2)), precision='highest'
    )

  ends, slopes_of = _slopes(queries, values, edges, terms, slope)
  blocks = blocking.all_in_blocks((weights, ends), block or blocking.LEAST)
  _, found = jax.lax.scan(of_block, None, blocks)
  num_blocks, size, num_features = found.shape
  found = found.reshape(num_blocks * size, num_features)
  return found[: len(edges.senders)]


def _slopes(queries, values, edges, terms, slope):
  """What all edges have, and what makes w s [block, K, F] of w and of that."""
  queries, values = blocking.filled_up(queries, values)
  ends, pairs_of = _pairs(queries, values, edges, terms)

  def slopes_of(weights, *ends):
    pairs = pairs_of((slice(None),), *ends)
    weights = weights[:, :, None]
    return jnp.where(pairs >= 0, weights, slope * weights)

  return ends, slopes_of


def _pairs(queries, values, edges, terms):
  """What all edges have, and what makes q_i + v_j + W f_ij of that.

  The second takes the columns that are wanted, then what some edges have.
  """
  if terms is None:
    return (
      (edges.senders, edges.receivers),
      lambda columns, senders, receivers: (
        queries[:, *columns][receivers] + values[:, *columns][senders]
      ),
    )
  (kernel,) = blocking.filled_up(terms.kernel)

  def pairs_of(columns, senders, receivers, features):
    pairs = queries[:, *columns][receivers] + values[:, *columns][senders]
    return pairs + plain.edge_terms(features, kernel[:, *columns])

  return (edges.senders, edges.receivers, terms.features), pairs_of
