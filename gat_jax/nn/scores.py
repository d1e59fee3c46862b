"""Scores of edges: what two ends make of them, and their softmax.

Shapes: E edges, M senders, N receivers, K heads.
"""

import functools

import jax

from gat_jax.graphs import Edges
from gat_jax.nn.dtypes import sum_dtype
from gat_jax.nn.operations import segment_softmax
from gat_jax.nn.operations import softmax_where_finite
from gat_jax.nn.roads import choice
from gat_jax.nn.roads.road import Road


def end_scores(
  of_receivers: jax.Array,
  of_senders: jax.Array,
  edges: Edges,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """r_i + s_j of every edge from j to i.

  Args:
    of_receivers: r, [N, K].
    of_senders: s, [M, K].
    edges: E, from M senders to N receivers.
    implementation: see `gat_jax.nn.aggregate`.

  Returns:
    [E, K], in the dtype of both; gradients are as exact as float32.
  """
  road = choice.resolve(implementation, 0, edges)
  edges = edges.checked()
  if road == 'plain':
    return edges.of_receivers(of_receivers) + edges.of_senders(of_senders)
  return _of_receivers(Road(road), of_receivers, edges) + _of_receivers(
    Road(road), of_senders, edges.reversed
  )


def softmax(
  logits: jax.Array,
  edges: Edges,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """`gat_jax.nn.segment_softmax` over the incoming edges of each receiver.

  Args:
    logits: e, [E, K].
    edges: E.
    implementation: see `gat_jax.nn.aggregate`.

  Returns:
    alpha, [E, K].
  """
  implementation = choice.resolve(implementation, 0, edges)
  edges = edges.checked()
  if implementation == 'plain':
    return segment_softmax(
      logits,
      edges.receivers,
      edges.num_receivers,
      indices_are_sorted=edges.receivers_are_sorted,
    )
  road = Road(implementation)
  return softmax_where_finite(lambda e: _softmax(road, e, edges), logits)


def sum_weights(
  weights: jax.Array,
  edges: Edges,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """Adds the weights of the incoming edges of each receiver.

  Args:
    weights: [E, K].
    edges: E.
    implementation: see `gat_jax.nn.aggregate`.

  Returns:
    [N, K]; 0 where nothing comes in.
  """
  implementation = choice.resolve(implementation, 0, edges)
  edges = edges.checked()
  exact = weights.astype(sum_dtype(weights.dtype))
  road = Road(implementation)
  run = functools.partial(road.run, 'edge_sums')
  if implementation != 'plain':
    run = functools.partial(_edge_sums, road)
  return run(exact, edges).astype(weights.dtype)


# The sum over edges and what it is the gradient of, each the other's gradient.


def _edge_sums_backward(road, residuals, cotangent):
  _, edges = residuals
  return _of_receivers(road, cotangent, edges), None


_edge_sums = choice.with_gradient(
  lambda road, *args: road.run('edge_sums', *args),
  _edge_sums_backward,
  static=0,
)


def _of_receivers_backward(road, residuals, cotangent):
  of_nodes, edges = residuals
  exact = cotangent.astype(sum_dtype(cotangent.dtype))
  return _edge_sums(road, exact, edges).astype(of_nodes.dtype), None


_of_receivers = choice.with_gradient(
  lambda road, *args: road.run('of_receivers', *args),
  _of_receivers_backward,
  static=0,
)


def _softmax_backward(road, residuals, cotangent):
  _, edges, weights = residuals
  change = weights * cotangent
  sums = _edge_sums(road, change, edges)
  return change - weights * _of_receivers(road, sums, edges), None


_softmax = choice.with_gradient(
  lambda road, *args: road.run('softmax', *args),
  _softmax_backward,
  static=0,
  keeps_result=True,
)
