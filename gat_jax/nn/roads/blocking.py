"""Loops over blocks of edges that stay in a CPU's cache.

Shapes: E edges, N nodes, K heads, F features a head, T groups, C edges a group.
"""

import math

import jax
from jax import numpy as jnp

from gat_jax.nn.products import dot_per_head

# Edges at a time, so that a block stays in the cache: some numbers, but neither
# so few edges that starting a block takes longer, nor so many as to leave it.
_BLOCK_NUMBERS = 2**18
LEAST, _MOST = 512, 4096
# Entries that a core takes at a time: rows that are no multiple of it, as PPI's
# 121 labels, take twice as long to add.
_VECTOR = 16
# Entries K F up to which a product per edge is written out vector by vector:
# compiling takes three seconds for so many, and grows with them.
_MOST_FOLDED = 4096


def sum_messages(sums, weights, edges, message, block):
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


def sums_per_edge(ends, product, shape, dtype, block):
  """Sums of products [block, ...] over features, of every edge: [E, K].

  A product is made of the columns that are wanted and of what edges have, as
  the ids of both ends, so that some of [K, F] can be made and added at a time.
  Columns are cut before rows are taken, which XLA on a CPU makes one loop of.
  """
  num_heads, num_features = shape
  num_edges = len(ends[0])
  if not num_edges:
    return jnp.zeros((0, num_heads), dtype)
  is_foldable = num_features > 0 and num_features % _VECTOR == 0
  is_foldable &= num_heads * num_features <= _MOST_FOLDED
  lanes = _VECTOR if is_foldable else num_features
  ones = jnp.ones((num_heads, lanes, 1), dtype)
  block = block or LEAST

  def folded(*ends):
    """[block, K, lanes]."""
    heads = []
    for head in range(num_heads):
      sums = jnp.zeros((), dtype)
      for first in range(0, num_features, _VECTOR):
        columns = head, slice(first, first + _VECTOR)
        sums = sums + product(columns, *ends)
      heads.append(sums)
    return jnp.stack(heads, axis=1)

  def sum_block(_, ends):
    products = folded(*ends) if is_foldable else product((slice(None),), *ends)
    return None, dot_per_head(products, ones)[:, :, 0]

  _, sums = jax.lax.scan(sum_block, None, all_in_blocks(ends, block))
  return sums.reshape(-1, num_heads)[:num_edges]


def _block_for(sums):
  """Edges at a time for sums [N, K, F]."""
  return min(
    max(LEAST, _BLOCK_NUMBERS // max(1, math.prod(sums.shape[1:]))), _MOST
  )


def filled_up(*arrays):
  """Adds columns of zeros up to a multiple of what a core takes at a time."""
  num_features = arrays[0].shape[-1]
  filler = -num_features % _VECTOR if num_features > 4 * _VECTOR else 0
  if not filler:  # of narrow rows it would cost more than it saves
    return arrays
  return tuple(
    jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, filler)]) for x in arrays
  )


def all_in_blocks(arrays, block):
  """Arrays [E, ...] as [blocks, min(block, E), ...], filled up with zeros."""
  return jax.tree.map(lambda x: _in_blocks(x, block), arrays)


def _in_blocks(x, block, padding=0):
  """[E, ...] -> [blocks, min(block, E), ...], filled up at the end."""
  size = max(1, min(block, len(x)))
  num_blocks = -(-len(x) // size)
  filler = [(0, num_blocks * size - len(x))] + [(0, 0)] * (x.ndim - 1)
  x = jnp.pad(x, filler, constant_values=padding)
  return x.reshape(num_blocks, size, *x.shape[1:])
