"""The operation with its gradient, for one seed or many.

Shapes: E edges, M senders, N receivers, K heads, F features a head.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.graphs import Items
from gat_jax.nn.roads import choice
from gat_jax.nn.roads.fused.platform import load

# The widest heads that were compared with float64 on a GPU.
_MOST_FEATURES = 256
# Programs along the second axis of a grid have at least one head.
_MOST_HEADS = 2**16 - 1


def attention(
  values: jax.Array,
  queries: jax.Array,
  edges: Edges,
  *,
  keys: jax.Array | None = None,
  vector: jax.Array | None = None,
  scales: jax.Array | None = None,
  slope: float,
) -> jax.Array:
  """sum_j alpha_ij d_ij v_j over the incoming edges of every receiver i.

  alpha is the softmax over them of LeakyReLU(q_i + k_j), or with a vector of
  a . LeakyReLU(q_i + v_j). It keeps a running maximum and a running sum as
  FlashAttention does (Dao et al., NeurIPS 2022, algorithm 1). The maximum
  starts at -1e30, and a lower score, as -inf, masks its edge. Where a receiver
  has edges and all of them are masked, its sums are NaN.

  Args:
    values: v, [M, K, F], float32 as all others.
    queries: q, [N, K], or with a vector [N, K, F].
    edges: E, with items: see `graphs.with_items`.
    keys: k, [M, K]; None with a vector.
    vector: a, [K, F].
    scales: d, [E, K], constants; None for ones.
    slope: of LeakyReLU below 0.

  Returns:
    [N, K, F]; 0 where nothing comes in. It has derivatives of reverse mode and
    first order.

  Raises:
    InputError: if there is no jax-triton, the edges have no items, or a dtype
      or a size is none that the kernels take. So does lowering for anything but
      CUDA, any other derivative, and one by `scales`.
  """
  load()
  if edges.items is None:
    raise InputError(
      'edges',
      "they have no items, which 'fused' needs",
      'give the graph to `graphs.with_items` when it is ready: prepared, joined'
      ' and padded',
    )
  arrays = [queries, keys, values, vector, scales]
  for array in arrays:
    if array is not None and array.dtype != jnp.float32:
      raise InputError(
        'implementation',
        f"'fused' takes float32 and was given {array.dtype}",
        'choose None for other dtypes',
      )
  shape = edges.num_receivers, *values.shape[1:]
  if not edges.senders.shape[0] or not values.size:
    return jnp.zeros(shape, jnp.float32)
  if scales is not None:
    arrays[-1] = _constant(scales)
  has_edges = edges.degrees() > 0
  structure = edges.senders, edges.items
  sums, _ = _attention(slope, *arrays, has_edges, structure)
  return sums


def _check_sizes(queries: jax.Array, values: jax.Array, items: Items) -> None:
  """Refuses what the kernels were not made for or cannot count."""
  heads, features = values.shape[1:]
  if features > _MOST_FEATURES or heads > _MOST_HEADS:
    raise InputError(
      'implementation',
      f"'fused' was given {heads} heads of {features} features",
      f'it takes {_MOST_HEADS} of {_MOST_FEATURES}; choose None for others',
    )
  sides = items.by_receiver, items.by_sender
  longest = max(
    items.order.shape[0] * heads,
    max(queries.shape[0], values.shape[0]) * heads,
    max(side.num_parts for side in sides) * heads * features,
    4 * max(side.items.shape[0] for side in sides),
  )
  if longest >= 2**31:
    raise InputError(
      'implementation',
      f"'fused' counts entries in 32 bits, and here are {longest}",
      'choose None for as many edges and heads (of all seeds)',
    )


@jax.custom_jvp
def _constant(scales):
  return scales


@_constant.defjvp
def _constant_jvp(primals, tangents):
  raise InputError(
    'dropout.rate',
    "it has no derivative on the road 'fused'",
    'choose None',
  )


# What logsumexp is above, unless all edges of a receiver are masked.
_MASKED = -1e29


# Seeds trained at once by `vmap` are more heads: one launch for all of them.


def _with_vmap(function: Callable, nodes_first: Sequence[bool]) -> Callable:
  """Under `vmap`, folds the new axis into that of heads.

  Args:
    function: takes arrays, or None, and last a structure; returns arrays whose
      axis 0 is of nodes.
    nodes_first: of each array, whether axis 0 is of nodes or edges, so that
      heads are axis 1.
  """
  custom = jax.custom_batching.custom_vmap(function)

  @custom.def_vmap
  def rule(size, are_batched, *args):
    *arrays, structure = args
    *batched, of_structure = are_batched
    if any(jax.tree.leaves(of_structure)):
      raise InputError(
        'edges',
        "'fused' takes one graph for all that `jax.vmap` maps over",
        'choose None',
      )

    def fold(x, is_batched, first):
      if x is None:
        return None
      if not is_batched:
        x = jnp.broadcast_to(x, (size, *x.shape))
      if first:
        x = jnp.moveaxis(x, 0, 1)  # [n, B, K, ...]
        return x.reshape(x.shape[0], -1, *x.shape[3:])
      return x.reshape(-1, *x.shape[2:])

    def unfold(x):
      x = x.reshape(x.shape[0], size, -1, *x.shape[2:])
      return jnp.moveaxis(x, 1, 0)

    folded = map(fold, arrays, batched, nodes_first)
    results = tuple(unfold(x) for x in custom(*folded, structure))
    return results, (True,) * len(results)

  return custom


@functools.cache
def _forward(slope: float) -> Callable:
  from gat_jax.nn.roads.fused import launching

  def run(q, k, v, a, d, structure):
    _check_sizes(q, v, structure[1])
    return launching.forward(q, k, v, a, d, *structure, slope=slope)

  return _with_vmap(run, (True, True, True, False, True))


@functools.cache
def _backward(slope: float) -> Callable:
  from gat_jax.nn.roads.fused import launching

  def run(q, k, v, a, d, lse, big_d, g, structure):
    args = q, k, v, a, d, lse, big_d, g, *structure
    return launching.backward(*args, slope=slope)

  first = (True, True, True, False, True, True, True, True)
  return _with_vmap(run, first)


def _attention_backward(slope, residuals, cotangents):
  q, k, v, a, d, _, structure, (out, lse) = residuals
  g, _ = cotangents
  gradients = _gradients(slope, q, k, v, a, d, out, lse, g, structure)
  return *gradients, None, None, None


def _attention_forward(slope, q, k, v, a, d, has_edges, structure):
  out, lse = _forward(slope)(q, k, v, a, d, structure)
  is_masked = has_edges[:, None] & (lse < _MASKED)  # [N, K]
  return jnp.where(is_masked[:, :, None], jnp.nan, out), lse


_attention = choice.with_gradient(
  _attention_forward,
  _attention_backward,
  static=0,
  keeps_result=True,
)


def _gradients_forward(slope, q, k, v, a, d, out, lse, g, structure):
  """Of queries, keys, values and the vector."""
  big_d = (g * out).sum(-1)
  dv, ds, dr = _backward(slope)(q, k, v, a, d, lse, big_d, g, structure)
  if a is None:
    return dr, ds, dv, None
  # As in `gat_jax.nn.pairs`.
  da = (dr * q).sum(0) + (ds * v).sum(0)
  return a * dr, None, dv + a * ds, da


def _refuse(unused_slope: Any, unused_residuals: Any, unused_cotangents: Any):
  raise InputError(
    'implementation',
    "'fused' has no second derivatives",
    "choose implementation='plain'",
  )


_gradients = choice.with_gradient(_gradients_forward, _refuse, static=0)
