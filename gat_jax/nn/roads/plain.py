"""The plain road: sums and scores of edges as anyone would write them.

It is right on edges in any order, has derivatives of both modes and any order,
and holds an array of all messages, unless XLA makes them where it adds them.

Shapes: E edges, M senders, N receivers, K heads, F features a head, D features
of an edge.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import numpy as jnp
import jraph

from gat_jax.graphs import Edges
from gat_jax.nn.products import dot_per_head

# Features of an edge whose products are added one after the other, which XLA
# makes no array of; of more there is a matrix product.
_MOST_WRITTEN_OUT = 16


class EdgeTerms(NamedTuple):
  """What edges add to the scores of their pairs: W f_ij.

  Attributes:
    features: f, [E, D].
    kernel: W, [D, K, F].
  """

  features: jax.Array
  kernel: jax.Array


def edge_terms(features: jax.Array, kernel: jax.Array) -> jax.Array:
  """W f of some edges: [n, D] and [D, ...] -> [n, ...]."""
  if len(kernel) > _MOST_WRITTEN_OUT:
    return jnp.tensordot(features, kernel, 1, precision='highest')
  ones = (1,) * (kernel.ndim - 1)
  columns = [column.reshape(-1, *ones) for column in features.T]
  return sum(
    (x * row[None] for x, row in zip(columns, kernel, strict=True)),
    jnp.zeros((), kernel.dtype),
  )


def pairs(
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: EdgeTerms | None,
) -> jax.Array:
  """q_i + v_j + W f_ij: [E, ...], of what nodes have, [nodes, ...]."""
  sums = edges.of_receivers(queries) + edges.of_senders(values)
  return sums if terms is None else sums + edge_terms(*terms)


def weighted_sums(
  initial: jax.Array,
  weights: jax.Array,
  values: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
) -> jax.Array:
  """Adds alpha_ij v_j over the incoming edges of every receiver i.

  Args:
    initial: [N, K, F], what the sums start from; sums are of its dtype.
    weights: alpha, [E, K].
    values: v, [M, K, F].
    edges: checked.
    dtype: of the factors.

  Returns:
    [N, K, F].
  """
  weights, values = jnp.asarray(weights, dtype), jnp.asarray(values, dtype)
  messages = weights[:, :, None] * edges.of_senders(values)  # [E, K, F]
  return initial + jax.ops.segment_sum(
    messages.astype(initial.dtype),
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )


def edge_sums(of_edges: jax.Array, edges: Edges) -> jax.Array:
  """Adds what edges have at every receiver: [E, ...] -> [N, ...]."""
  return jax.ops.segment_sum(
    of_edges,
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )


def of_receivers(of_nodes: jax.Array, edges: Edges) -> jax.Array:
  """What belongs to the receiver of each edge: [N, K] -> [E, K]."""
  return edges.of_receivers(of_nodes)


def softmax(logits: jax.Array, edges: Edges) -> jax.Array:
  """Softmax of finite logits [E, K] over the edges of each receiver."""
  return jraph.segment_softmax(
    logits,
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )


def softmax_of(
  logits: jax.Array,
  edges: Edges,
  edge_sums: Callable[[jax.Array, Edges], jax.Array],
  of_receivers: Callable[[jax.Array, Edges], jax.Array],
) -> jax.Array:
  """The same as `softmax`, by these operations of a road: [E, K]."""
  highest = jax.ops.segment_max(
    logits,
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )
  powers = jnp.exp(logits - of_receivers(highest, edges))
  return powers / of_receivers(edge_sums(powers, edges), edges)


def edge_products(
  sent: jax.Array,
  received: jax.Array,
  edges: Edges,
  dtype: jnp.dtype,
) -> jax.Array:
  """x_j . y_i of every edge from j to i and every head: [E, K].

  Args:
    sent: x, [M, K, F].
    received: y, [N, K, F].
    edges: checked.
    dtype: of the factors; sums are of that of `received`.
  """
  products = edges.of_senders(jnp.asarray(sent, dtype))
  products *= edges.of_receivers(jnp.asarray(received, dtype))
  return products.astype(received.dtype).sum(axis=-1)


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  terms: EdgeTerms | None = None,
  *,
  slope: float,
) -> jax.Array:
  """Scores a . LeakyReLU(q_i + v_j + W f_ij) of every edge: [E, K].

  Args:
    queries: q, [N, K, F].
    values: v, [M, K, F].
    vectors: a, [K, F].
    edges: checked, from j to i.
    terms: W f; None for none.
    slope: of LeakyReLU below 0.
  """
  active = jax.nn.leaky_relu(pairs(queries, values, edges, terms), slope)
  return dot_per_head(active, vectors[..., None])[:, :, 0]


# What the gradients of these scores are made of. Each takes w, [E, K], and what
# the scores took but for a; s_ij is LeakyReLU'(q_i + v_j + W f_ij).


def slope_sums(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: EdgeTerms | None = None,
  *,
  slope: float,
) -> jax.Array:
  """Adds w_ij s_ij over the incoming edges of i: [N, K, F]."""
  return jax.ops.segment_sum(
    slopes(weights, queries, values, edges, terms, slope),
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )


def slope_moments(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: EdgeTerms,
  *,
  slope: float,
) -> jax.Array:
  """Adds f_ij w_ij s_ij over all edges: [D, K, F]."""
  each = slopes(weights, queries, values, edges, terms, slope)
  return jnp.tensordot(terms.features, each, ((0,), (0,)), precision='highest')


def slope_features(
  weights: jax.Array,
  vectors: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  terms: EdgeTerms,
  *,
  slope: float,
) -> jax.Array:
  """(a w_ij s_ij) . W of every edge, over heads and features: [E, D]."""
  each = slopes(weights, queries, values, edges, terms, slope)
  return jnp.tensordot(
    each, vectors[None] * terms.kernel, ((1, 2), (1, 2)), precision='highest'
  )


def slopes(weights, queries, values, edges, terms, slope):
  """w_ij s_ij, 0 for what is no edge: [E, K, F]."""
  sums = pairs(queries, values, edges, terms)
  weights = weights[:, :, None]
  return jnp.where(sums >= 0, weights, slope * weights)
