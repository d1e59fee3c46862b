"""Scores of pairs of nodes, as GATv2 has them.

Shapes: E edges, M senders, N receivers, K heads, F features a head, D features
of an edge.
"""

import functools

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Edges
from gat_jax.nn.dtypes import as_floats
from gat_jax.nn.dtypes import sum_dtype
from gat_jax.nn.roads import choice
from gat_jax.nn.roads import plain
from gat_jax.nn.roads.plain import EdgeTerms
from gat_jax.nn.roads.road import Road


def pair_scores(
  queries: jax.Array,
  values: jax.Array,
  vectors: jax.Array,
  edges: Edges,
  *,
  slope: float,
  edge_features: jax.Array | None = None,
  edge_kernel: jax.Array | None = None,
  block: int = 0,
  implementation: choice.Implementation = None,
) -> jax.Array:
  """Scores a . LeakyReLU(q_i + v_j + W f_ij) of every edge, for every head.

  Without W f_ij this is e of equation 7 of Brody, Alon and Yahav (ICLR 2022).
  On a CPU and prepared edges no array [E, K, F] ever exists, neither here nor
  in the gradient, which makes its entries again. Its second derivative makes
  it.

  Args:
    queries: q, [N, K, F].
    values: v, [M, K, F].
    vectors: a, [K, F].
    edges: E, from M senders to N receivers.
    slope: of LeakyReLU below 0.
    edge_features: f, [E, D]; None, as the kernel, for none.
    edge_kernel: W, [D, K, F].
    block: see `gat_jax.nn.aggregate`.
    implementation: see `gat_jax.nn.aggregate`.

  Returns:
    [E, K], in the dtype of the queries, as exact as float32.

  Raises:
    InputError: if the shapes do not fit the edges, there is no such
      implementation, or the edges are not prepared for it.
  """
  queries, values, vectors = map(as_floats, (queries, values, vectors))
  shape = vectors.shape
  wanted = (edges.num_receivers, *shape), (edges.num_senders, *shape)
  if len(shape) != 2 or (queries.shape, values.shape) != wanted:
    raise InputError(
      'queries',
      f'queries {queries.shape}, values {values.shape} and vectors {shape} for'
      f' edges from {edges.num_senders} to {edges.num_receivers} nodes',
      'shapes must be [N, K, F], [M, K, F] and [K, F]',
    )
  num_edges = jnp.shape(edges.receivers)[0]
  terms = _terms(edge_features, edge_kernel, num_edges, shape)
  implementation = choice.resolve(implementation, block, edges)
  edges = edges.checked()
  dtype = sum_dtype(queries.dtype)
  pairs = jnp.asarray(queries, dtype), jnp.asarray(values, dtype)
  vectors = jnp.asarray(vectors, dtype)
  terms = jax.tree.map(lambda x: jnp.asarray(x, dtype), terms)
  road = Road(implementation, block, (('slope', slope),))
  if implementation == 'plain':
    scores = road.run('pair_scores', *pairs, vectors, edges, terms)
  else:
    scores = _scores(road, *pairs, vectors, edges, terms)
  return scores.astype(queries.dtype)


def _terms(
  features: jax.Array | None,
  kernel: jax.Array | None,
  num_edges: int,
  shape: tuple[int, ...],
) -> EdgeTerms | None:
  """What edges add to their pairs, checked; None for nothing.

  Args:
    features: f, [E, D].
    kernel: W, [D, K, F].
    num_edges: E.
    shape: (K, F).
  """
  if features is None and kernel is None:
    return None
  sizes = tuple(getattr(x, 'shape', ()) for x in (features, kernel))
  wanted = (num_edges, *sizes[1][:1]), (*sizes[1][:1], *shape)
  if features is None or kernel is None or sizes != wanted:
    raise InputError(
      'edge_features',
      f'{sizes[0]} and a kernel {sizes[1]} for {num_edges} edges and vectors'
      f' {shape}',
      'shapes must be [E, D] and [D, K, F]; leave out both or none',
    )
  return EdgeTerms(as_floats(features), as_floats(kernel))


# With s = LeakyReLU'(q_i + v_j + W f_ij) an edge scores a . s (q_i + v_j +
# W f_ij). Its gradients are made of the sums of w s over the edges of a node at
# either end, and of those of f w s over all edges, w being the scores' own: a
# times that for q, v and W, and q, v and W times that for a.


def _scores_backward(road, residuals, cotangent):
  queries, values, vectors, edges, terms = residuals
  pairs = queries, values, edges, terms
  of_receivers = _slope_sums(road, cotangent, *pairs)
  of_senders = _slope_sums(
    road, cotangent, values, queries, edges.reversed, terms
  )
  d_vectors = (of_receivers * queries).sum(0) + (of_senders * values).sum(0)
  d_terms = None
  if terms is not None:
    moments = _slope_moments(road, cotangent, *pairs)  # [D, K, F]
    d_vectors += (moments * terms.kernel).sum(0)
    d_features = _slope_features(road, cotangent, vectors, *pairs)
    d_terms = EdgeTerms(d_features, vectors[None] * moments)
  vectors = vectors[None]
  return (
    vectors * of_receivers,
    vectors * of_senders,
    d_vectors,
    None,
    d_terms,
  )


def _slopes_backward(operation, road, residuals, cotangent):
  """That of the plain road, which makes all pairs.

  Queries and values have none: where LeakyReLU' has a derivative, it is 0.
  """
  *before, edges, terms = residuals
  function = functools.partial(getattr(plain, operation), **dict(road.options))

  def of_arrays(*arrays):
    return function(*arrays[:-1], edges, arrays[-1])

  *d_before, d_terms = jax.vjp(of_arrays, *before, terms)[1](cotangent)
  return *d_before, None, d_terms


def _with_gradient(operation, backward):
  return choice.with_gradient(
    lambda road, *args: road.run(operation, *args), backward, static=0
  )


_scores = _with_gradient('pair_scores', _scores_backward)
_slope_sums, _slope_moments, _slope_features = (
  _with_gradient(name, functools.partial(_slopes_backward, name))
  for name in ('slope_sums', 'slope_moments', 'slope_features')
)
