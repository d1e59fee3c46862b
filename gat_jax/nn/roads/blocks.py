"""The road for a CPU: blocks of edges that stay in its cache.

Messages are made and added some hundred edges at a time, those of eight edges
of a node in one loop. No array of all messages ever exists.

Shapes: E edges, M senders, N receivers, K heads, F features a head, T groups,
C edges a group.
"""

import math

import jax
from jax import numpy as jnp

from gat_jax.graphs import Edges
from gat_jax.nn.products import dot_per_head
from gat_jax.nn.roads import plain

# One number an edge and head is little.
edge_sums = plain.edge_sums
softmax = plain.softmax

# Edges at a time, so that a block stays in the cache: some numbers, but neither
# so few edges that starting a block takes longer, nor so many as to leave it.
_BLOCK_NUMBERS = 2**18
_LEAST, _MOST = 512, 4096
# Entries that a core takes at a time: rows that are no multiple of it, as PPI's
# 121 labels, take twice as long to add.
_VECTOR = 16
# Entries K F up to which a product per edge is written out vector by vector:
# compiling takes three seconds for so many, and grows with them.
_MOST_FOLDED = 4096


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
  initial, values = _filled_up(initial, values)
  values = jnp.asarray(values, dtype)

  def message(weights, others, unused_nodes):
    return (weights[:, :, None] * values[others]).astype(initial.dtype)

  weights = jnp.asarray(weights, dtype)
  sums = _sum_messages(initial, weights, edges, message, block)
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
  sent, received = _filled_up(sent, received)
  sent, received = jnp.asarray(sent, dtype), jnp.asarray(received, dtype)

  def multiply(senders, receivers, columns):
    products = sent[:, *columns][senders] * received[:, *columns][receivers]
    return products.astype(sum_dtype)

  return _sums_per_edge(edges, multiply, sent.shape[1:], sum_dtype, block)


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  slope: float,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.pair_scores`, for prepared edges: [E, K]."""
  queries, values = _filled_up(queries, values)
  (vectors,) = _filled_up(vectors)

  def score(senders, receivers, columns):
    pairs = queries[:, *columns][receivers] + values[:, *columns][senders]
    return jax.nn.leaky_relu(pairs, slope) * vectors[columns][None]

  shape = queries.shape[1:]
  return _sums_per_edge(edges, score, shape, queries.dtype, block)


def slope_sums(
  weights: jax.Array,
  queries: jax.Array,
  values: jax.Array,
  edges: Edges,
  slope: float,
  block: int = 0,
) -> jax.Array:
  """The same as `plain.slope_sums`, for prepared edges: [N, K, F]."""
  num_features = queries.shape[2]
  queries, values = _filled_up(queries, values)

  def message(weights, others, nodes):
    pairs = queries[nodes] + values[others]
    weights = weights[:, :, None]
    return jnp.where(pairs >= 0, weights, slope * weights)

  zeros = jnp.zeros(queries.shape, weights.dtype)
  sums = _sum_messages(zeros, weights, edges, message, block)
  return sums[:, :, :num_features]


def _sum_messages(sums, weights, edges, message, block):
  """Adds the messages of every group to the sums of its node: [N, K, F].

  A message is made of weights [T, K] and of the ids of both ends, [T].
  """
  groups = edges.incoming
  num_groups, size = groups.edges.shape
  if not num_groups:
    return sums
  weights = weights[groups.edges]  # [T, C, K]
  weights = jnp.where(groups.is_edge[:, :, None], weights, 0)
  at_once = max(1, (block or _block_for(sums)) // size)
  blocks = (
    _in_blocks(weights, at_once),
    _in_blocks(groups.others, at_once),
    _in_blocks(groups.nodes, at_once, padding=edges.num_receivers),
  )
  at_once = blocks[0].shape[1]

  def add_block(index, sums):
    weights, others, nodes = [x[index] for x in blocks]
    messages = [
      message(weights[:, i], others[:, i], nodes) for i in range(size)
    ]  # [at_once, K, F] each
    return sums.at[nodes].add(
      sum(messages), indices_are_sorted=True, mode='drop'
    )

  num_blocks = -(-groups.num_groups // at_once)  # without fillers
  return jax.lax.fori_loop(0, num_blocks, add_block, sums)


def _sums_per_edge(edges, product, shape, dtype, block):
  """Sums of products [block, ...] over features, of every edge: [E, K].

  A product is made of the ids of both ends and of the columns that are wanted,
  so that some of [K, F] can be made and added at a time. Columns are cut before
  rows are taken, which XLA on a CPU makes one loop of.
  """
  num_heads, num_features = shape
  if not edges.senders.shape[0]:
    return jnp.zeros((0, num_heads), dtype)
  is_foldable = num_features > 0 and num_features % _VECTOR == 0
  is_foldable &= num_heads * num_features <= _MOST_FOLDED
  lanes = _VECTOR if is_foldable else num_features
  ones = jnp.ones((num_heads, lanes, 1), dtype)
  block = block or _LEAST

  def folded(senders, receivers):
    """[block, K, lanes]."""
    heads = []
    for head in range(num_heads):
      sums = jnp.zeros((), dtype)
      for first in range(0, num_features, _VECTOR):
        columns = head, slice(first, first + _VECTOR)
        sums = sums + product(senders, receivers, columns)
      heads.append(sums)
    return jnp.stack(heads, axis=1)

  def sum_block(_, ends):
    products = folded(*ends) if is_foldable else product(*ends, (slice(None),))
    return None, dot_per_head(products, ones)[:, :, 0]

  ends = _in_blocks(edges.senders, block), _in_blocks(edges.receivers, block)
  _, sums = jax.lax.scan(sum_block, None, ends)
  return sums.reshape(-1, num_heads)[: len(edges.senders)]


def _block_for(sums):
  """Edges at a time for sums [N, K, F]."""
  return min(
    max(_LEAST, _BLOCK_NUMBERS // max(1, math.prod(sums.shape[1:]))), _MOST
  )


def _filled_up(*arrays):
  """Adds columns of zeros up to a multiple of what a core takes at a time."""
  num_features = arrays[0].shape[-1]
  filler = -num_features % _VECTOR if num_features > 4 * _VECTOR else 0
  if not filler:  # of narrow rows it would cost more than it saves
    return arrays
  return tuple(
    jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, filler)]) for x in arrays
  )


def _in_blocks(x, block, padding=0):
  """[E, ...] -> [blocks, min(block, E), ...], filled up at the end."""
  size = max(1, min(block, len(x)))
  num_blocks = -(-len(x) // size)
  filler = [(0, num_blocks * size - len(x))] + [(0, 0)] * (x.ndim - 1)
  x = jnp.pad(x, filler, constant_values=padding)
  return x.reshape(num_blocks, size, *x.shape[1:])
