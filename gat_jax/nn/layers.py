"""Layers: one equation each.

A layer is called with a GraphsTuple whose edges are sorted by receiver and
hold one self-loop a node, and returns it with new node features. The arguments
that all layers share are those of `HeadsLayer`.

Shapes: N nodes, E edges, K heads, D input features, F output features a head.
"""

from flax import nnx
import jax
from jax import numpy as jnp
import jraph

from gat_jax import graphs
from gat_jax.nn import operations
from gat_jax.nn import products
from gat_jax.nn.attention import AttentionLayer
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.heads import HeadsLayer

NEGATIVE_SLOPE = 0.2  # of LeakyReLU, in both papers


class GATLayer(AttentionLayer):
  """Graph attention (Velickovic et al., ICLR 2018, equations 1 to 6).

      z_j  = W h_j
      e_ij = LeakyReLU(a_r . z_i + b_r + a_s . z_j + b_s),  v_j = z_j

  The scalars b_r and b_s stand in the authors' code, not in the paper.
  """

  OPTIONS = (*AttentionLayer.OPTIONS, 'score_bias')
  VECTORS = ('receiver_vector', 'sender_vector')

  receiver_vector: nnx.Param
  sender_vector: nnx.Param

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    score_bias: bool = True,
    **shared,
  ):
    """See `AttentionLayer`; `score_bias=False` leaves out b_r and b_s."""
    super().__init__(in_features, out_features, num_heads, **shared)
    self.score_bias = score_bias
    if score_bias:
      self.receiver_bias = nnx.Param(jnp.zeros(num_heads))
      self.sender_bias = nnx.Param(jnp.zeros(num_heads))

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns z, [N, K, F], and e, [E, K]."""
    z = self.project(inputs, self.kernel)  # [N, K, F]
    vectors = (self.receiver_vector[...], self.sender_vector[...])
    by_role = self._dot(inputs, z, jnp.stack(vectors, -1))  # [N, K, 2]
    if self.score_bias:
      biases = (self.receiver_bias[...], self.sender_bias[...])
      by_role += jnp.stack(biases, -1)
    scores = by_role[graph.receivers, :, 0] + by_role[graph.senders, :, 1]
    return z, jax.nn.leaky_relu(scores, NEGATIVE_SLOPE)

  def _dot(
    self, inputs: graphs.Features, z: jax.Array, vectors: jax.Array
  ) -> jax.Array:
    """Returns a . z_j for vectors a of [K, F, V]: [N, K, V].

    As (W^T a) . h_j where that is cheap, since it leaves z and its gradient,
    [N, K, F] each, alone.
    """
    if isinstance(inputs, graphs.SparseFeatures):
      return products.dot_per_head(z, vectors)
    folded = jnp.einsum('dkf,kfv->dkv', self.kernel[...], vectors)
    return operations.project(inputs, folded)


class GATv2Layer(AttentionLayer):
  """Dynamic graph attention (Brody, Alon, Yahav, ICLR 2022, equation 7).

      e_ij = a . LeakyReLU(W_s h_j + W_r h_i),  v_j = W_s h_j

  W_s is `kernel`.
  """

  KERNELS = ('kernel', 'receiver_kernel')
  VECTORS = ('vector',)

  receiver_kernel: nnx.Param
  vector: nnx.Param

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns W_s h, [N, K, F], and e, [E, K]."""
    values = self.project(inputs, self.kernel)  # [N, K, F]
    queries = self.project(inputs, self.receiver_kernel)  # [N, K, F]
    pairs = queries[graph.receivers] + values[graph.senders]  # [E, K, F]
    pairs = jax.nn.leaky_relu(pairs, NEGATIVE_SLOPE)
    return values, products.dot_per_head(pairs, self.vector[..., None])[:, :, 0]


class ConstGATLayer(AttentionLayer):
  """Const-GAT: attention fixed to a uniform average (Velickovic et al., 3.3).

  e_ij = 0,  v_j = W h_j
  """

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns W h, [N, K, F], and zeros, [E, K]."""
    scores = jnp.zeros((len(graph.senders), self.num_heads))
    return self.project(inputs, self.kernel), scores


class MLPLayer(HeadsLayer):
  """A layer that does not look at the edges: mix_i = W h_i."""

  def mix(
    self,
    graph: jraph.GraphsTuple,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + W h, [N, K, F]."""
    del graph, dropout
    return self.project(inputs, self.kernel) + initial


class GCNLayer(MLPLayer):
  """Graph convolution (Kipf and Welling, ICLR 2017, equation 2).

      mix_i = sum_j W h_j / sqrt(d_i d_j)

  over the incoming edges, self-loop included; d counts them. One head of F
  features is the paper's layer; K heads are one of K F features.
  """

  def mix(
    self,
    graph: jraph.GraphsTuple,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + the normalised sum of W h, [N, K, F]."""
    del dropout
    values = self.project(inputs, self.kernel)
    degrees = jax.ops.segment_sum(
      jnp.ones(len(graph.receivers)),
      graph.receivers,
      values.shape[0],
      indices_are_sorted=True,
    )
    scales = jax.lax.rsqrt(jnp.maximum(degrees, 1))  # [N]
    weights = scales[graph.senders] * scales[graph.receivers]  # [E]
    weights = jnp.broadcast_to(weights[:, None], (len(weights), self.num_heads))
    return self.aggregate(graph, weights, values, initial)
