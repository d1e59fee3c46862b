"""Layers: one equation each.

A layer is called with a GraphsTuple and returns it with new node features.
Edges may be in any order; no layer adds self-loops, `graphs.prepare` does. The
arguments that all layers share are those of `HeadsLayer`.

Shapes: N nodes, E edges, K heads, D input features, F output features a head.
"""

from flax import nnx
import jax
from jax import numpy as jnp

from gat_jax import graphs
from gat_jax.nn import operations
from gat_jax.nn import products
from gat_jax.nn.attention import AttentionLayer
from gat_jax.nn.attention import FusedTerms
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.dtypes import broadcast
from gat_jax.nn.dtypes import sum_dtype
from gat_jax.nn.heads import HeadsLayer
from gat_jax.nn.pairs import pair_scores
from gat_jax.nn.parameters import zeros
from gat_jax.nn.scores import end_scores

NEGATIVE_SLOPE = 0.2  # of LeakyReLU, in both papers


class GATLayer(AttentionLayer):
  """Graph attention (Velickovic et al., ICLR 2018, equations 1 to 6).

      z_j  = W h_j
      e_ij = LeakyReLU(a_r . z_i + b_r + a_s . z_j + b_s),  v_j = z_j

  The scalars b_r and b_s stand in the authors' code, not in the paper. Features
  of edges add a_e . (W_e f_ij) inside the LeakyReLU.
  """

  OPTIONS = (*AttentionLayer.OPTIONS, 'score_bias')
  VALUES_ARE_PROJECTED = True
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
      self.receiver_bias = zeros(num_heads)
      self.sender_bias = zeros(num_heads)

  def values_and_scores(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns z, [M, K, F], and e, [E, K]."""
    z, of_receivers, of_senders = self._ends(edges, inputs)
    z, of_senders = edges.sent(z, of_senders)
    scores = end_scores(of_receivers, of_senders, edges, self.road)
    scores += self.edge_scores(edges)
    return z, jax.nn.leaky_relu(scores, NEGATIVE_SLOPE)

  @property
  def sent_features(self) -> int:
    """Those of v and a_s . z + b_s, K (F + 1)."""
    return super().sent_features + self.num_heads

  def fused_terms(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> FusedTerms:
    """Returns v = z, q = a_r . z + b_r, k = a_s . z + b_s."""
    z, of_receivers, of_senders = self._ends(edges, inputs)
    return FusedTerms(z, of_receivers, NEGATIVE_SLOPE, keys=of_senders)

  def _ends(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns z of the inputs, [inputs, K, F], and what ends add to scores.

    The receivers add [N, K]; the inputs, as senders, [inputs, K].
    """
    z = self.project(inputs, self.kernel)
    is_sparse = isinstance(inputs, graphs.SparseFeatures)
    if is_sparse or edges.num_inputs == edges.num_receivers:
      by_role = self._in_roles(inputs, z, 'receiver', 'sender')
      return z, edges.received(by_role[:, :, 0]), by_role[:, :, 1]
    # Most inputs are senders alone.
    received = edges.received(jnp.asarray(inputs)), edges.received(z)
    of_receivers = self._in_roles(*received, 'receiver')
    of_senders = self._in_roles(inputs, z, 'sender')
    return z, of_receivers[:, :, 0], of_senders[:, :, 0]

  def _in_roles(
    self, inputs: graphs.Features, z: jax.Array, *roles: str
  ) -> jax.Array:
    """Returns a . z_j + b for the a and b of some roles: [..., K, roles].

    As (W^T a) . h_j where that is cheap, since it leaves z and its gradient,
    [inputs, K, F] each, alone.
    """
    vectors = jnp.stack([getattr(self, f'{r}_vector')[...] for r in roles], -1)
    if isinstance(inputs, graphs.SparseFeatures):
      dots = products.dot_per_head(z, vectors)
    else:
      folded = jnp.einsum('dkf,kfv->dkv', self.kernel[...], vectors)
      dots = operations.project(inputs, folded, implementation=self.road)
    if self.score_bias:
      biases = jnp.stack([getattr(self, f'{r}_bias')[...] for r in roles], -1)
      dots += broadcast(biases, dots.shape)
    return dots


class GATv2Layer(AttentionLayer):
  """Dynamic graph attention (Brody, Alon, Yahav, ICLR 2022, equation 7).

      v_j  = W_s h_j + b_s
      e_ij = a . LeakyReLU(v_j + W_r h_i + b_r)

  W_s is `kernel`. The biases b_s and b_r, [K, F] each, stand in the authors'
  code, not in the paper; so does the option to share W and b between both
  roles. Features of edges add W_e f_ij inside the LeakyReLU.
  """

  OPTIONS = (*AttentionLayer.OPTIONS, 'projection_bias', 'share_weights')
  KERNELS = ('kernel', 'receiver_kernel')
  VALUES_ARE_PROJECTED = True
  VECTORS = ('vector',)
  EDGE_VECTORS = ()

  receiver_kernel: nnx.Param
  vector: nnx.Param

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    projection_bias: bool = True,
    share_weights: bool = False,
    **shared,
  ):
    """Creates the parameters.

    Args:
      in_features: D.
      out_features: F, for each head.
      num_heads: K.
      projection_bias: False leaves out b_s and b_r.
      share_weights: W_r = W_s and b_r = b_s.
      **shared: see `AttentionLayer`.

    Raises:
      InputError: see `AttentionLayer`.
    """
    self.share_weights = share_weights
    super().__init__(in_features, out_features, num_heads, **shared)
    self.projection_bias = projection_bias
    if projection_bias:
      self.sender_bias = zeros(num_heads, out_features)
      if not share_weights:
        self.receiver_bias = zeros(num_heads, out_features)

  @property
  def value_bias(self) -> jax.Array | None:
    """b_s."""
    return self.sender_bias[...] if self.projection_bias else None

  def values_and_scores(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v, [M, K, F], and e, [E, K]."""
    values, queries = self._ends(edges, inputs)
    (values,) = edges.sent(values)
    features, kernel = edges.features, None
    if features is not None:
      kernel = self.edge_kernel[...]
      features = jnp.asarray(features, kernel.dtype)
    return values, pair_scores(
      queries,
      values,
      self.vector[...],
      edges,
      slope=NEGATIVE_SLOPE,
      block=self.edge_block,
      implementation=self.road,
      edge_features=features,
      edge_kernel=kernel,
    )

  def fused_terms(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> FusedTerms:
    """Returns v, q = W_r h + b_r, and a."""
    values, queries = self._ends(edges, inputs)
    return FusedTerms(values, queries, NEGATIVE_SLOPE, vector=self.vector[...])

  def _ends(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v of the inputs and q of the receivers, [N, K, F]."""
    values = self.project(inputs, self.kernel)  # [N, K, F]
    if self.projection_bias:
      values += broadcast(self.sender_bias[...], values.shape)
    if self.share_weights:
      return values, edges.received(values)
    if not isinstance(inputs, graphs.SparseFeatures):
      inputs = edges.received(jnp.asarray(inputs))
    queries = edges.received(self.project(inputs, self.receiver_kernel))
    if self.projection_bias:
      queries += broadcast(self.receiver_bias[...], queries.shape)
    return values, queries

  def _kernel_names(self) -> tuple[str, ...]:
    return self.KERNELS[:1] if self.share_weights else self.KERNELS


class ConstGATLayer(AttentionLayer):
  """Const-GAT: attention fixed to a uniform average (Velickovic et al., 3.3).

      e_ij = 0,  v_j = W h_j

  Features of edges make it e_ij = a_e . (W_e f_ij), whatever the nodes are.
  """

  VALUES_ARE_PROJECTED = True

  def values_and_scores(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns W h, [M, K, F], and e, [E, K]."""
    (values,) = edges.sent(self.project(inputs, self.kernel))
    shape = (edges.senders.shape[0], self.num_heads)
    return values, jnp.zeros(shape, values.dtype) + self.edge_scores(edges)


class MLPLayer(HeadsLayer):
  """A layer that does not look at the edges: mix_i = W h_i."""

  def mix(
    self,
    edges: graphs.Edges,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + W h, [N, K, F]."""
    del dropout
    mixed = edges.received(self.project(inputs, self.kernel))
    return mixed + broadcast(initial, mixed.shape)


class GCNLayer(MLPLayer):
  """Graph convolution (Kipf and Welling, ICLR 2017, equation 2).

      mix_i = sum_j W h_j / sqrt(d_i d_j)

  over the incoming edges, self-loop included; d counts them, and is 1 for a
  node that has none. One head of F
  features is the paper's layer; K heads are one of K F features.
  """

  @property
  def sent_features(self) -> int:
    """Those of W h, K F."""
    _, num_heads, out_features = self.kernel_shape
    return num_heads * out_features

  def mix(
    self,
    edges: graphs.Edges,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + the normalised sum of W h, [N, K, F]."""
    del dropout
    (values,) = edges.sent(self.project(inputs, self.kernel))
    degrees = edges.sender_degrees().astype(sum_dtype(values.dtype))
    scales = jax.lax.rsqrt(jnp.maximum(degrees, 1))  # [M]
    weights = edges.of_senders(scales)  # [E]
    weights *= edges.of_receivers(scales[: edges.num_receivers])
    weights = weights.astype(values.dtype)
    weights = jnp.broadcast_to(
      weights[:, None], (weights.shape[0], self.num_heads)
    )
    return self.aggregate(edges, weights, values, initial)
