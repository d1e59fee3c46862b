"""The road for a TPU: what a node has lies flat on the lanes of a register.

A TPU keeps the last two axes of an array in tiles of 8 x 128 numbers, so that
[E, K, F] of 8 heads of 8 features takes 16 times its numbers. As [E, K F] it
takes twice, and there XLA takes rows, scales and adds them in one kernel, so
that no array of messages exists. Products of two ends are rows of 128.

Shapes: E edges, M senders, N receivers, K heads, F features a head, R rows of
128.
"""

from collections.abc import Callable
import itertools
import math

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.graphs import Edges
from gat_jax.nn.roads import plain

_LANES = 128
# Columns added at a time: of more, XLA makes the messages and sorts them, where
# receivers are not sorted.
_COLUMNS = 2 * _LANES
_MOST_PIECES = 64  # that columns are cut into: every platform traces them all

edge_sums = plain.edge_sums
slope_moments = plain.slope_moments
slope_features = plain.slope_features


def weighted_sums(
  initial: jax.Array,
  weights: jax.Array,
  values: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
) -> jax.Array:
  """The same as `plain.weighted_sums`: [N, K, F]."""
  weights, values = jnp.asarray(weights, dtype), jnp.asarray(values, dtype)
  flat = _flat(values)

  def messages(columns):
    spread = _spread(weights, values.shape[2], columns)
    return (spread * edges.of_senders(flat[:, columns])).astype(initial.dtype)

  return initial + _sums(messages, edges, initial)


def of_receivers(of_nodes: jax.Array, edges: Edges) -> jax.Array:
  """The same as `Edges.of_receivers`: [N, K] -> [E, K]."""
  return of_nodes.T[:, edges.receivers].T


def softmax(logits: jax.Array, edges: Edges) -> jax.Array:
  """The same as `plain.softmax`: [E, K]."""
  return plain.softmax_of(logits, edges, edge_sums, of_receivers)


def edge_products(
  sent: jax.Array,
  received: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
) -> jax.Array:
  """The same as `plain.edge_products`: [E, K]."""
  products = edges.of_senders(_rows(jnp.asarray(sent, dtype)))
  products *= edges.of_receivers(_rows(jnp.asarray(received, dtype)))
  return _per_head(products.astype(received.dtype), received.shape[1:])


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None = None,
  *,
  slope: float,
) -> jax.Array:
  """The same as `plain.pair_scores`: [E, K]."""
  pairs = _pairs(_rows, queries, values, edges, terms)
  scores = jax.nn.leaky_relu(pairs, slope) * _rows(vectors[None])
  return _per_head(scores, vectors.shape)


def slope_sums(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None = None,
  *,
  slope: float,
) -> jax.Array:
  """The same as `plain.slope_sums`: [N, K, F]."""

  def slopes(columns):
    def laid_out(x):
      return _flat(x)[:, columns]

    pairs = _pairs(laid_out, queries, values, edges, terms)
    spread = _spread(weights, queries.shape[2], columns)
    return jnp.where(pairs >= 0, spread, slope * spread)

  return _sums(slopes, edges, jnp.zeros(queries.shape, weights.dtype))


def _pairs(
  laid_out: Callable[[jax.Array], jax.Array],
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: plain.EdgeTerms | None,
) -> jax.Array:
  """`plain.pairs` of [n, K, F] laid out otherwise: [E, ...]."""
  if terms is not None:
    terms = terms._replace(kernel=laid_out(terms.kernel))
  return plain.pairs(laid_out(queries), laid_out(values), edges, terms)


def _flat(x: jax.Array) -> jax.Array:
  """[n, K, F] -> [n, K F]."""
  return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def _rows(x: jax.Array) -> jax.Array:
  """[n, K, F] -> [n, R, 128], filled up with zeros."""
  flat = _flat(x)
  filled = jnp.pad(flat, ((0, 0), (0, -flat.shape[1] % _LANES)))
  return filled.reshape(x.shape[0], filled.shape[1] // _LANES, _LANES)


def _spread(weights: jax.Array, num_features: int, columns: slice) -> jax.Array:
  """The weight of the head of each flat feature: [E, K] -> [E, columns].

  Written as choices, which XLA makes part of the kernel that needs them. An
  array that is repeated it would make first.
  """
  heads = np.arange(columns.start, columns.stop) // num_features
  spread = weights[:, heads[0], None]
  for head in range(heads[0] + 1, heads[-1] + 1):
    spread = jnp.where(heads[None] >= head, weights[:, head, None], spread)
  return jnp.broadcast_to(spread, (weights.shape[0], len(heads)))


def _per_head(rows: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Adds the features of each head: [E, R, 128] -> [E, K]."""
  num_heads, num_features = shape
  heads = np.arange(math.prod(rows.shape[1:])) // max(1, num_features)
  heads = heads.reshape(1, *rows.shape[1:])
  return jnp.stack(
    [jnp.where(heads == k, rows, 0).sum((1, 2)) for k in range(num_heads)],
    axis=1,
  )


def _sums(
  of_edges: Callable[[slice], jax.Array], edges: Edges, like: jax.Array
) -> jax.Array:
  """Adds flat rows at every receiver, some columns at a time.

  Args:
    of_edges: makes those columns, [E, columns].
    edges: prepared.
    like: of the shape [N, K, F] and dtype of the result.
  """
  width = math.prod(like.shape[1:])
  ends = [*range(0, width, max(_COLUMNS, -(-width // _MOST_PIECES))), width]
  sums = [
    plain.edge_sums(of_edges(slice(first, end)), edges)
    for first, end in itertools.pairwise(ends)
  ]
  return jnp.concatenate(sums, axis=1).reshape(like.shape) if sums else like
