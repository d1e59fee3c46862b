"""The plain road: sums and scores of edges as anyone would write them.

It is right on edges in any order, has derivatives of both modes and any order,
and holds an array of all messages, unless XLA makes them where it adds them.

Shapes: E edges, M senders, N receivers, K heads, F features a head.
"""

import jax
from jax import numpy as jnp
import jraph

from gat_jax.graphs import Edges
from gat_jax.nn.products import dot_per_head


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


def softmax(logits: jax.Array, edges: Edges) -> jax.Array:
  """Softmax of finite logits [E, K] over the edges of each receiver."""
  return jraph.segment_softmax(
    logits,
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )


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
  slope: float,
) -> jax.Array:
  """Scores a . LeakyReLU(q_i + v_j) of every edge from j to i: [E, K].

  Args:
    queries: q, [N, K, F].
    values: v, [M, K, F].
    vectors: a, [K, F].
    edges: checked.
    slope: of LeakyReLU below 0.
  """
  pairs = edges.of_receivers(queries) + edges.of_senders(values)  # [E, K, F]
  pairs = jax.nn.leaky_relu(pairs, slope)
  return dot_per_head(pairs, vectors[..., None])[:, :, 0]


def slope_sums(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  slope: float,
) -> jax.Array:
  """Adds w_ij LeakyReLU'(q_i + v_j) over the incoming edges of i: [N, K, F].

  Args:
    weights: w, [E, K].
    queries: q, [N, K, F].
    values: v, [M, K, F].
    edges: checked.
    slope: of LeakyReLU below 0.
  """
  pairs = edges.of_receivers(queries) + edges.of_senders(values)  # [E, K, F]
  weights = weights[:, :, None]
  return jax.ops.segment_sum(
    jnp.where(pairs >= 0, weights, slope * weights),
    edges.receivers,
    edges.num_receivers,
    indices_are_sorted=edges.receivers_are_sorted,
  )
