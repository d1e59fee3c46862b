"""The operations and layers in float64 NumPy, with gradients by hand.

A sum over the edges of a node is a product with the sparse matrix that says
which edges those are: as exact as any order, and quick enough for PPI.

Shapes: N nodes, E edges, K heads, F features a head.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

SLOPE = 0.2
Arrays = dict[str, np.ndarray]


class Ends(NamedTuple):
  """Edges that all join nodes: senders and receivers [E], and N."""

  senders: np.ndarray
  receivers: np.ndarray
  count: int

  @property
  def reversed(self) -> 'Ends':
    """The other direction."""
    return Ends(self.receivers, self.senders, self.count)

  def into(self, messages: np.ndarray) -> np.ndarray:
    """Sums [E, ...] over the incoming edges: [N, ...]."""
    num_edges = len(self.receivers)
    ones = np.ones(num_edges)
    places = self.receivers, np.arange(num_edges)
    incoming = scipy.sparse.csr_array(
      (ones, places), shape=(self.count, num_edges)
    )
    sums = incoming @ messages.reshape(num_edges, -1)
    return sums.reshape(self.count, *messages.shape[1:])


def sums(weights: np.ndarray, values: np.ndarray, ends: Ends) -> np.ndarray:
  """alpha_ij v_j over the incoming edges: [N, K, F]."""
  heads = []
  places = ends.receivers, ends.senders
  for k in range(weights.shape[1]):
    matrix = scipy.sparse.csr_array(
      (weights[:, k], places), shape=(ends.count, ends.count)
    )
    heads.append(matrix @ values[:, k])
  return np.stack(heads, axis=1)


def products(sent: np.ndarray, received: np.ndarray, ends: Ends) -> np.ndarray:
  """x_j . y_i of every edge: [E, K]."""
  return np.stack(
    [
      np.einsum('ef,ef->e', sent[ends.senders, k], received[ends.receivers, k])
      for k in range(sent.shape[1])
    ],
    axis=1,
  )


def aggregate(args: list[np.ndarray], cotangent: np.ndarray, ends: Ends):
  """Sums started from an initial [K, F], and three gradients."""
  weights, values, initial = args
  return (
    initial + sums(weights, values, ends),
    products(values, cotangent, ends),
    sums(weights, cotangent, ends.reversed),
    cotangent.sum(axis=0),
  )


def pair_scores(args: list[np.ndarray], cotangent: np.ndarray, ends: Ends):
  """A . LeakyReLU(q_i + v_j), [E, K], and three gradients."""
  queries, values, vectors = args
  found: list[list[np.ndarray]] = []
  for k in range(queries.shape[1]):  # one head after the other saves memory
    pairs = queries[ends.receivers, k] + values[ends.senders, k]  # [E, F]
    slopes = np.where(pairs > 0, 1, SLOPE)
    activated = slopes * pairs
    d_pairs = cotangent[:, k, None] * slopes * vectors[k]
    found.append(
      [
        activated @ vectors[k],
        ends.into(d_pairs),
        ends.reversed.into(d_pairs),
        cotangent[:, k] @ activated,
      ]
    )
  scores, d_q, d_v, d_a = zip(*found, strict=True)
  return (
    np.stack(scores, axis=1),
    np.stack(d_q, axis=1),
    np.stack(d_v, axis=1),
    np.stack(d_a),
  )


def softmax(args: list[np.ndarray], cotangent: np.ndarray, ends: Ends):
  """Over the incoming edges of each receiver, [E, K], and its gradient."""
  (scores,) = args
  most = np.full((ends.count, scores.shape[1]), -np.inf)
  np.maximum.at(most, ends.receivers, scores)
  weights = np.exp(scores - most[ends.receivers])
  weights /= ends.into(weights)[ends.receivers]
  change = weights * cotangent
  return weights, change - weights * ends.into(change)[ends.receivers]


def layer(
  kind: str, p: Arrays, nodes: np.ndarray, cotangent: np.ndarray, ends: Ends
) -> Arrays:
  """A layer without dropout, its gradients by the name of what they are of.

  Args:
    kind: 'gat', 'gatv2', 'const_gat' or 'gcn'; see `gat_jax.nn.layers`.
    p: parameters by name.
    nodes: h, [N, D].
    cotangent: of the outputs, [N, K, F].
    ends: of the edges.

  Returns:
    `outputs`, [N, K, F], the gradient of `nodes` and of every parameter.
  """
  into, out_of = ends.into, ends.reversed.into
  z = np.einsum('nd,dkf->nkf', nodes, p['kernel'])
  found: Arrays = {'bias': cotangent.sum(axis=0)}
  if kind == 'gcn':
    scales = 1 / np.sqrt(np.maximum(into(np.ones(len(ends.senders))), 1))
    weights = scales[ends.senders] * scales[ends.receivers]
    weights = np.repeat(weights[:, None], z.shape[1], axis=1)
  else:
    scores, backward = _scores(kind, p, nodes, z, ends)
    weights, _ = softmax([scores], np.zeros_like(scores), ends)
  found['outputs'] = p['bias'] + sums(weights, z, ends)
  d_z = sums(weights, cotangent, ends.reversed)
  d_nodes = 0
  if kind != 'gcn':
    d_weights = products(z, cotangent, ends)
    _, d_scores = softmax([scores], d_weights, ends)
    more_z, d_nodes, more = backward(d_scores, into, out_of)
    d_z, found = d_z + more_z, found | more
  found['kernel'] = np.einsum('nd,nkf->dkf', nodes, d_z)
  found['nodes'] = d_nodes + np.einsum('nkf,dkf->nd', d_z, p['kernel'])
  return found


def _scores(kind, p, nodes, z, ends):
  """Scores [E, K]; from their gradient those of z, nodes and parameters."""
  if kind == 'const_gat':
    zeros = np.zeros((len(ends.senders), z.shape[1]))
    return zeros, lambda *unused: (0, 0, {})
  if kind == 'gatv2':
    queries = np.einsum('nd,dkf->nkf', nodes, p['receiver_kernel'])
    args = [queries, z, p['vector']]

    def backward_v2(d_scores, *unused):
      _, d_q, d_v, d_a = pair_scores(args, d_scores, ends)
      d_kernel = np.einsum('nd,nkf->dkf', nodes, d_q)
      d_nodes = np.einsum('nkf,dkf->nd', d_q, p['receiver_kernel'])
      return d_v, d_nodes, {'receiver_kernel': d_kernel, 'vector': d_a}

    zeros = np.zeros((len(ends.senders), z.shape[1]))
    return pair_scores(args, zeros, ends)[0], backward_v2
  to = (z * p['receiver_vector']).sum(-1) + p['receiver_bias']  # [N, K]
  of = (z * p['sender_vector']).sum(-1) + p['sender_bias']
  raw = to[ends.receivers] + of[ends.senders]
  slopes = np.where(raw > 0, 1, SLOPE)

  def backward(d_scores, into, out_of):
    d_raw = slopes * d_scores
    d_to, d_of = into(d_raw), out_of(d_raw)
    d_z = d_to[..., None] * p['receiver_vector']
    d_z = d_z + d_of[..., None] * p['sender_vector']
    return (
      d_z,
      0,
      {
        'receiver_vector': np.einsum('nk,nkf->kf', d_to, z),
        'sender_vector': np.einsum('nk,nkf->kf', d_of, z),
        'receiver_bias': d_to.sum(axis=0),
        'sender_bias': d_of.sum(axis=0),
      },
    )

  return slopes * raw, backward
