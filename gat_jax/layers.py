"""Graph attention layers: one equation each.

A layer is called with a GraphsTuple whose edges are sorted by receiver and
hold one self-loop a node, and returns it with new node features.

Shapes: N nodes, E edges, K heads, D input features, F output features a head.
"""

from collections.abc import Callable

from flax import nnx
import jax
from jax import numpy as jnp
import jraph

from gat_jax import graphs
from gat_jax import ops
from gat_jax.dropout import Dropout
from gat_jax.dropout import drop_features

NEGATIVE_SLOPE = 0.2  # of LeakyReLU, in both papers

# What each of the three dropout masks of a layer folds into its key.
_INPUT, _WEIGHTS, _VALUES = range(3)


class AttentionLayer(nnx.Module):
  """What all attention layers share: everything but scores and values.

      alpha_ij = softmax over the incoming edges of i of e_ij
      h'_i     = act(sum_j alpha_ij v_j + b + skip(h_i))

  (Velickovic et al., ICLR 2018, equations 3 to 6, and the authors' code.) Each
  head is its own layer with its own masks. While training, the inputs h are
  dropped before anything else, alpha after the softmax without renormalising,
  and v after the scores were computed. The skip connection reads the dropped
  inputs; it is the identity where they are as wide as one head's output, else
  a learned linear map with bias for each head.

  A subclass holds the equation: `values_and_scores(graph, inputs)`.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    average_heads: bool = False,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.elu,
    residual: bool = False,
    shared_input_dropout: bool = False,
    value_dropout: bool = True,
    fused_fan: bool = False,
    rngs: nnx.Rngs,
  ):
    """Creates the parameters that all attention layers have.

    Args:
      in_features: D.
      out_features: F, for each head.
      num_heads: K.
      average_heads: average the heads instead of joining them.
      activation: act.
      residual: add the skip connection.
      shared_input_dropout: drop the same inputs for all heads. The paper: no.
      value_dropout: drop v as well. The paper: yes.
      fused_fan: initialise all heads as one matrix with fan (D, K F). The
        paper: no, each head has fan (D, F).
      rngs: the source of the initial parameters.
    """
    self.num_heads = num_heads
    self.average_heads = average_heads
    self.activation = activation
    self.residual = residual
    self.shared_input_dropout = shared_input_dropout
    self.value_dropout = value_dropout
    self.fused_fan = fused_fan
    self.kernel_shape = (in_features, num_heads, out_features)
    self.bias = nnx.Param(jnp.zeros((num_heads, out_features)))
    if residual and in_features != out_features:
      self.skip_kernel = self._new_kernel(rngs)
      self.skip_bias = nnx.Param(jnp.zeros((num_heads, out_features)))

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v, [N, K, F], and e before the softmax, [E, K]."""
    raise NotImplementedError

  def attention(self, graph: jraph.GraphsTuple) -> jax.Array:
    """Returns alpha without dropout, [E, K], in the order of the edges."""
    _, scores = self.values_and_scores(graph, graph.nodes)
    return ops.segment_softmax(scores, graph.receivers, graph.nodes.shape[0])

  def __call__(
    self, graph: jraph.GraphsTuple, dropout: Dropout | None = None
  ) -> jraph.GraphsTuple:
    """Applies the layer.

    Args:
      graph: nodes are [N, D], dense or sparse; edges sorted by receiver.
      dropout: key and rate while training, None otherwise.

    Returns:
      The graph with nodes [N, K F], or [N, F] if the heads are averaged.
    """
    inputs = graph.nodes
    if dropout is not None:
      inputs = drop_features(
        dropout.fold_in(_INPUT),
        inputs,
        self.num_heads,
        self.shared_input_dropout,
      )
    values, scores = self.values_and_scores(graph, inputs)
    weights = ops.segment_softmax(scores, graph.receivers, values.shape[0])
    if dropout is not None:
      weights *= dropout.fold_in(_WEIGHTS).scales(weights.shape)
      if self.value_dropout:
        values *= dropout.fold_in(_VALUES).scales(values.shape)
    outputs = ops.aggregate(
      weights, values, graph.senders, graph.receivers, values.shape[0]
    )
    outputs += self.bias[...]  # [N, K, F]
    if self.residual:
      outputs += self._skip(inputs)
    outputs = self.activation(outputs)
    if self.average_heads:
      return graph._replace(nodes=outputs.mean(axis=1))
    return graph._replace(nodes=outputs.reshape(outputs.shape[0], -1))

  def _skip(self, inputs: graphs.Features) -> jax.Array:
    if not hasattr(self, 'skip_kernel'):
      return ops.densify(inputs, self.num_heads)
    return ops.project(inputs, self.skip_kernel[...]) + self.skip_bias[...]

  def _new_kernel(self, rngs: nnx.Rngs) -> nnx.Param:
    """Glorot-uniform [D, K, F]."""
    in_features, num_heads, out_features = self.kernel_shape
    fan_out = num_heads * out_features if self.fused_fan else out_features
    return _glorot(rngs, self.kernel_shape, in_features + fan_out)

  def _new_vector(self, rngs: nnx.Rngs) -> nnx.Param:
    """Glorot-uniform [K, F] with fan (F, 1) for each head."""
    _, num_heads, out_features = self.kernel_shape
    return _glorot(rngs, (num_heads, out_features), out_features + 1)


class GATLayer(AttentionLayer):
  """Graph attention (Velickovic et al., ICLR 2018, equations 1 to 6).

      z_j  = W h_j
      e_ij = LeakyReLU(a_r . z_i + b_r + a_s . z_j + b_s),  v_j = z_j

  The scalars b_r and b_s stand in the authors' code, not in the paper.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    score_bias: bool = True,
    rngs: nnx.Rngs,
    **shared,
  ):
    """See `AttentionLayer`; `score_bias=False` leaves out b_r and b_s."""
    super().__init__(in_features, out_features, num_heads, rngs=rngs, **shared)
    self.kernel = self._new_kernel(rngs)
    self.receiver_vector = self._new_vector(rngs)
    self.sender_vector = self._new_vector(rngs)
    self.score_bias = score_bias
    if score_bias:
      self.receiver_bias = nnx.Param(jnp.zeros(num_heads))
      self.sender_bias = nnx.Param(jnp.zeros(num_heads))

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns z, [N, K, F], and e, [E, K]."""
    z = ops.project(inputs, self.kernel[...])  # [N, K, F]
    receiver_scores = ops.dot_per_head(z, self.receiver_vector[...])  # [N, K]
    sender_scores = ops.dot_per_head(z, self.sender_vector[...])  # [N, K]
    if self.score_bias:
      receiver_scores += self.receiver_bias[...]
      sender_scores += self.sender_bias[...]
    scores = receiver_scores[graph.receivers] + sender_scores[graph.senders]
    return z, jax.nn.leaky_relu(scores, NEGATIVE_SLOPE)


class GATv2Layer(AttentionLayer):
  """Dynamic graph attention (Brody, Alon, Yahav, ICLR 2022, equation 7).

  e_ij = a . LeakyReLU(W_s h_j + W_r h_i),  v_j = W_s h_j
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    rngs: nnx.Rngs,
    **shared,
  ):
    """See `AttentionLayer`."""
    super().__init__(in_features, out_features, num_heads, rngs=rngs, **shared)
    self.sender_kernel = self._new_kernel(rngs)
    self.receiver_kernel = self._new_kernel(rngs)
    self.vector = self._new_vector(rngs)

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns W_s h, [N, K, F], and e, [E, K]."""
    values = ops.project(inputs, self.sender_kernel[...])  # [N, K, F]
    queries = ops.project(inputs, self.receiver_kernel[...])  # [N, K, F]
    pairs = queries[graph.receivers] + values[graph.senders]  # [E, K, F]
    pairs = jax.nn.leaky_relu(pairs, NEGATIVE_SLOPE)
    return values, ops.dot_per_head(pairs, self.vector[...])


def _glorot(rngs: nnx.Rngs, shape: tuple[int, ...], fans: int) -> nnx.Param:
  """Uniform in +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010)."""
  limit = (6 / fans) ** 0.5
  return nnx.Param(
    jax.random.uniform(rngs.params(), shape, minval=-limit, maxval=limit)
  )
