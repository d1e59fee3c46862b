"""Weighted sums over edges, without an array of all messages.

Shapes: N nodes, E edges, K heads, F features a head, M rows of values.
"""

import functools

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Array
from gat_jax.nn.groups import group
from gat_jax.nn.products import dot_per_head

# Edges that `aggregate` takes at a time on a CPU, where a block must stay in
# the cache, and the size of [block, K, F] on an accelerator, in entries.
_CPU_BLOCK = 512
_ACCELERATOR_BLOCK_ENTRIES = 2**26
# Edges of a node whose messages are added in one loop, before its sum is
# touched. Nodes with fewer edges waste what is left.
_GROUP = 8
# Entries that a core takes at a time: rows that are no multiple of it, as PPI's
# 121 labels, take twice as long to add.
_CPU_VECTOR = 16
# Entries K F up to which a product per edge is written out vector by vector:
# compiling takes three seconds for so many, and grows with them.
_MOST_FOLDED = 4096


def aggregate(
  weights: jax.Array,
  values: jax.Array,
  senders: Array,
  receivers: Array,
  num_receivers: int,
  block: int = 0,
  dtype: jnp.dtype | None = None,
  initial: jax.typing.ArrayLike = 0.0,
) -> jax.Array:
  """Sums alpha_ij v_j over the incoming edges of every receiver i.

  This is the sum of equation 4 of Velickovic et al. (ICLR 2018). Messages are
  made and added `block` edges at a time, so the array of all of them,
  [E, K, F], never exists, neither here nor in the gradient.

  The product of sparse features and a kernel is the same sum: non-zeros of a
  matrix are edges from its columns to its rows.

  It has gradients, also of gradients, but no forward-mode one (`jax.jvp`).

  Args:
    weights: alpha, [E, K].
    values: v, [M, K, F].
    senders: [E], rows of `values`, in [0, M).
    receivers: [E], in [0, N), never decreasing. If they are out of order
      or range, sums are wrong and there is no error.
    num_receivers: N.
    block: how many edges at a time, for sums at least 8; 0 chooses by the sizes
      and the backend.
    dtype: of the factors, if not their own. Sums keep the dtype of the values.
    initial: what the sums start from, broadcast to [N, K, F] in the dtype of
      the values. It saves an array where something is added to them anyway.

  Returns:
    [N, K, F]; `initial` where nothing comes in.

  Raises:
    InputError: if the shapes of weights, values, senders and receivers do not
      fit.
  """
  wanted = (*jnp.shape(receivers), *values.shape[1:2])
  fits = weights.shape == wanted and values.ndim == 3
  if not fits or jnp.shape(senders) != jnp.shape(receivers):
    raise InputError(
      'weights',
      f'{weights.shape} for {jnp.shape(senders)} senders,'
      f' {jnp.shape(receivers)} receivers and values {values.shape}',
      'shapes must be [E, K], [E], [E] and [M, K, F]',
    )
  if not block and _is_on_cpu():
    block = _CPU_BLOCK
  elif not block:
    entries_per_edge = max(1, values.shape[1] * values.shape[2])
    block = max(1, _ACCELERATOR_BLOCK_ENTRIES // entries_per_edge)
  shape = (num_receivers, *values.shape[1:])
  initial = jnp.broadcast_to(jnp.asarray(initial, values.dtype), shape)
  num_features = values.shape[2]
  if num_features > 4 * _CPU_VECTOR:  # else the filler costs more than it saves
    filler = (0, 0), (0, 0), (0, -num_features % _CPU_VECTOR)
    initial, values = jnp.pad(initial, filler), jnp.pad(values, filler)
  edges = senders, receivers
  sums = _weighted_sums(initial, weights, values, *edges, block, dtype, True)
  return sums[:, :, :num_features]


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def _weighted_sums(
  sums, weights, values, senders, receivers, block, dtype, is_sorted
):
  """Adds weights [E, K] times values[senders] to each receiver's sums."""
  if not len(receivers):
    return sums
  groups = group(receivers, len(sums), _GROUP, is_sorted)
  weights = jnp.asarray(weights, dtype)[groups.edges]  # [T, C, K]
  weights = jnp.where(groups.is_edge[:, :, None], weights, 0)
  values = jnp.asarray(values, dtype)
  at_once = max(1, block // _GROUP)
  blocks = (
    _in_blocks(weights, at_once),
    _in_blocks(jnp.asarray(senders)[groups.edges], at_once),
    _in_blocks(groups.nodes, at_once, padding=len(sums)),
  )
  num_blocks, at_once = blocks[0].shape[:2]
  if _is_on_cpu():  # an accelerator would wait for the host in every block
    num_blocks = -(-groups.num_groups // at_once)

  def add_block(index, sums):
    weights, senders, nodes = [x[index] for x in blocks]
    messages = [
      (weights[:, i, :, None] * values[senders[:, i]]).astype(sums.dtype)
      for i in range(_GROUP)
    ]  # [at_once, K, F] each
    return sums.at[nodes].add(
      sum(messages), indices_are_sorted=True, mode='drop'
    )

  return jax.lax.fori_loop(0, num_blocks, add_block, sums)


def _weighted_sums_forward(
  initial, weights, values, senders, receivers, *static
):
  sums = _weighted_sums(initial, weights, values, senders, receivers, *static)
  return sums, (weights, values, senders, receivers)


def _weighted_sums_backward(block, dtype, is_sorted, residuals, cotangent):
  weights, values, senders, receivers = residuals
  d_weights = _edge_products(
    values, cotangent, senders, receivers, block, dtype
  )
  d_values = _weighted_sums(
    jnp.zeros_like(values),
    weights,
    cotangent,
    receivers,
    senders,
    block,
    dtype,
    not is_sorted,
  )
  return cotangent, d_weights, d_values, None, None


_weighted_sums.defvjp(_weighted_sums_forward, _weighted_sums_backward)


def _edge_products(sent, received, senders, receivers, block, dtype):
  """sent[senders] . received[receivers], per edge and head: [E, K]."""
  num_heads, num_features = sent.shape[1:]
  multiply, lanes = _all_products, num_features
  is_foldable = (
    num_features % _CPU_VECTOR == 0 and num_heads * num_features <= _MOST_FOLDED
  )
  if _is_on_cpu() and is_foldable:
    multiply, lanes = _folded_products, _CPU_VECTOR
  ones = jnp.ones((num_heads, lanes, 1), sent.dtype)

  def multiply_block(_, edges):
    senders, receivers = edges
    products = multiply(sent, received, senders, receivers, ones.dtype)
    return None, dot_per_head(products, ones)[:, :, 0]

  sent, received = jnp.asarray(sent, dtype), jnp.asarray(received, dtype)
  edges = _in_blocks(senders, block), _in_blocks(receivers, block)
  _, products = jax.lax.scan(multiply_block, None, edges)
  return products.reshape(-1, num_heads)[: len(senders)]


def _all_products(sent, received, senders, receivers, dtype):
  """sent[senders] * received[receivers], [block, K, F]."""
  return (sent[senders] * received[receivers]).astype(dtype)


def _folded_products(sent, received, senders, receivers, dtype):
  """The same, added up to [block, K, _CPU_VECTOR].

  Columns are cut before rows are taken, which XLA on a CPU makes one loop of.
  """
  _, num_heads, num_features = sent.shape
  heads = []
  for head in range(num_heads):
    sums = jnp.zeros((), dtype)
    for first in range(0, num_features, _CPU_VECTOR):
      columns = head, slice(first, first + _CPU_VECTOR)
      products = sent[:, *columns][senders] * received[:, *columns][receivers]
      sums += products.astype(dtype)
    heads.append(sums)
  return jnp.stack(heads, axis=1)


def _is_on_cpu() -> bool:
  return jax.default_backend() == 'cpu'


def _in_blocks(x, block, padding=0):
  """[E, ...] -> [blocks, min(block, E), ...], filled up at the end."""
  size = max(1, min(block, len(x)))
  num_blocks = -(-len(x) // size)
  filler = [(0, num_blocks * size - len(x))] + [(0, 0)] * (x.ndim - 1)
  x = jnp.pad(x, filler, constant_values=padding)
  return x.reshape(num_blocks, size, *x.shape[1:])
