"""The road for a CPU: blocks of edges that stay in its cache.

Messages are made and added some hundred edges at a time, those of eight edges
of a node in one loop. No array of all messages ever exists.

Shapes: E edges, M senders, N receivers, K heads, F features a head, T groups,
C edges a group.
"""

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.nn.products import dot_per_head

# Edges at a time, so that a block stays in the cache.
_BLOCK = 512
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
  groups = edges.by_receiver
  if groups is None:
    raise InputError(
      'edges',
      "they are not prepared, as the road 'blocks' needs them",
      'make the graph with `graphs.prepare`, or leave the choice to the layer',
    )
  num_groups, size = groups.edges.shape
  num_features = values.shape[2]
  if not num_groups:
    return initial
  filler = -num_features % _VECTOR if num_features > 4 * _VECTOR else 0
  if filler:  # of narrow rows it would cost more than it saves
    rows = (0, 0), (0, 0), (0, filler)
    initial, values = jnp.pad(initial, rows), jnp.pad(values, rows)
  weights = jnp.asarray(weights, dtype)[groups.edges]  # [T, C, K]
  weights = jnp.where(groups.is_edge[:, :, None], weights, 0)
  values = jnp.asarray(values, dtype)
  at_once = max(1, (block or _BLOCK) // size)
  blocks = (
    _in_blocks(weights, at_once),
    _in_blocks(groups.others, at_once),
    _in_blocks(groups.nodes, at_once, padding=edges.num_receivers),
  )
  at_once = blocks[0].shape[1]

  def add_block(index, sums):
    weights, others, nodes = [x[index] for x in blocks]
    messages = [
      (weights[:, i, :, None] * values[others[:, i]]).astype(sums.dtype)
      for i in range(size)
    ]  # [at_once, K, F] each
    return sums.at[nodes].add(
      sum(messages), indices_are_sorted=True, mode='drop'
    )

  num_blocks = -(-groups.num_groups // at_once)  # without fillers
  sums = jax.lax.fori_loop(0, num_blocks, add_block, initial)
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
  num_heads, num_features = sent.shape[1:]
  if num_features > 4 * _VECTOR and num_features % _VECTOR:
    rows = (0, 0), (0, 0), (0, -num_features % _VECTOR)
    sent, received = jnp.pad(sent, rows), jnp.pad(received, rows)
    num_features = sent.shape[2]
  is_foldable = num_features % _VECTOR == 0
  is_foldable &= num_heads * num_features <= _MOST_FOLDED
  multiply = _folded_products if is_foldable else _all_products
  lanes = _VECTOR if is_foldable else num_features
  ones = jnp.ones((num_heads, lanes, 1), received.dtype)
  block = block or _BLOCK
  sent, received = jnp.asarray(sent, dtype), jnp.asarray(received, dtype)

  def multiply_block(_, ends):
    senders, receivers = ends
    products = multiply(sent, received, senders, receivers, ones.dtype)
    return None, dot_per_head(products, ones)[:, :, 0]

  ends = _in_blocks(edges.senders, block), _in_blocks(edges.receivers, block)
  _, products = jax.lax.scan(multiply_block, None, ends)
  return products.reshape(-1, num_heads)[: len(edges.senders)]


def _all_products(sent, received, senders, receivers, dtype):
  """sent[senders] * received[receivers], [block, K, F]."""
  return (sent[senders] * received[receivers]).astype(dtype)


def _folded_products(sent, received, senders, receivers, dtype):
  """The same, added up to [block, K, _VECTOR].

  Columns are cut before rows are taken, which XLA on a CPU makes one loop of.
  """
  _, num_heads, num_features = sent.shape
  heads = []
  for head in range(num_heads):
    sums = jnp.zeros((), dtype)
    for first in range(0, num_features, _VECTOR):
      columns = head, slice(first, first + _VECTOR)
      products = sent[:, *columns][senders] * received[:, *columns][receivers]
      sums = sums + products.astype(dtype)
    heads.append(sums)
  return jnp.stack(heads, axis=1)


def _in_blocks(x, block, padding=0):
  """[E, ...] -> [blocks, min(block, E), ...], filled up at the end."""
  size = max(1, min(block, len(x)))
  num_blocks = -(-len(x) // size)
  filler = [(0, num_blocks * size - len(x))] + [(0, 0)] * (x.ndim - 1)
  x = jnp.pad(x, filler, constant_values=padding)
  return x.reshape(num_blocks, size, *x.shape[1:])
