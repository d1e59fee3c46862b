"""What layers share: heads, bias, skip connection, dropout, aggregation.

Shapes: N nodes, E edges, K heads, D input features, F output features a head.
"""

from collections.abc import Callable
from typing import ClassVar

from flax import nnx
import jax
from jax import numpy as jnp
import jraph

from gat_jax import graphs
from gat_jax.nn import operations
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.dropout import drop_features

# What each of the three dropout masks of a layer folds into its key.
_INPUT, _WEIGHTS, _VALUES = range(3)


class HeadsLayer(nnx.Module):
  """What all layers share: K heads, each a layer of its own.

      h'_i = act(mix_i + b + skip(h_i))

  where mix_i is a subclass's equation. Its method `mix` is given b + skip(h_i)
  as `initial` and returns the sum of both, so that sums over edges can start
  from it. While training, the inputs h are dropped before anything else, for
  each head its own (Velickovic et al., ICLR 2018, the authors' code). The skip
  connection reads the dropped inputs; it is the identity where they are as wide
  as one head's output, else a learned linear map with bias for each head. The
  heads are joined (equation 5) or averaged (equation 6).
  """

  OPTIONS: ClassVar[tuple[str, ...]] = (
    'shared_input_dropout',
    'fused_fan',
    'edge_block',
    'compute_dtype',
  )

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    average_heads: bool = False,
    activation: Callable[[jax.Array], jax.Array] = operations.elu,
    residual: bool = False,
    shared_input_dropout: bool = False,
    fused_fan: bool = False,
    edge_block: int = 0,
    compute_dtype: str = 'float32',
    rngs: nnx.Rngs,
  ):
    """Creates the parameters that all layers have.

    Args:
      in_features: D.
      out_features: F, for each head.
      num_heads: K.
      average_heads: average the heads instead of joining them.
      activation: act.
      residual: add the skip connection.
      shared_input_dropout: drop the same inputs for all heads. The paper: no.
      fused_fan: initialise all heads as one matrix with fan (D, K F). The
        authors' code: no, each head has fan (D, F).
      edge_block: edges that are aggregated at a time; 0 chooses.
      compute_dtype: of the factors of products; sums are always float32.
      rngs: the source of the initial parameters.
    """
    self.num_heads = num_heads
    self.average_heads = average_heads
    self.activation = activation
    self.residual = residual
    self.shared_input_dropout = shared_input_dropout
    self.fused_fan = fused_fan
    self.edge_block = edge_block
    self.compute_dtype = compute_dtype
    self.kernel_shape = (in_features, num_heads, out_features)
    self.bias = nnx.Param(jnp.zeros((num_heads, out_features)))
    if residual and in_features != out_features:
      self.skip_kernel = self._new_kernel(rngs)
      self.skip_bias = nnx.Param(jnp.zeros((num_heads, out_features)))

  def mix(
    self,
    graph: jraph.GraphsTuple,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns `initial` plus what each head makes of the (dropped) inputs.

    Args:
      graph: as the layer was called with.
      inputs: its nodes, dropped while training: see `operations.project`.
      initial: [N, K, F], or [K, F] without a skip connection.
      dropout: as the layer was called with.

    Returns:
      [N, K, F].
    """
    raise NotImplementedError

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
    initial = self.bias[...]  # [K, F]
    if self.residual:
      initial += self._skip(inputs)  # [N, K, F]
    outputs = self.activation(self.mix(graph, inputs, initial, dropout))
    if self.average_heads:
      return graph._replace(nodes=outputs.mean(axis=1))
    return graph._replace(nodes=outputs.reshape(outputs.shape[0], -1))

  def project(self, inputs: graphs.Features, kernel: nnx.Param) -> jax.Array:
    """Returns W h for every head: [N, K, F]."""
    return operations.project(
      inputs, kernel[...], self.edge_block, self._narrow_dtype()
    )

  def aggregate(
    self,
    graph: jraph.GraphsTuple,
    weights: jax.Array,
    values: jax.Array,
    initial: jax.typing.ArrayLike = 0.0,
  ) -> jax.Array:
    """`initial` plus the weighted sum over incoming edges: see `operations.aggregate`.

    Weights are [E, K], values and the result [N, K, F].
    """
    return operations.aggregate(
      weights,
      values,
      graph.senders,
      graph.receivers,
      values.shape[0],
      self.edge_block,
      self._narrow_dtype(),
      initial,
    )

  def _narrow_dtype(self) -> jnp.dtype | None:
    """None where the parameters' own precision is wanted."""
    if self.compute_dtype == 'float32':
      return None
    return jnp.dtype(self.compute_dtype)

  def _skip(self, inputs: graphs.Features) -> jax.Array:
    if not hasattr(self, 'skip_kernel'):
      return operations.densify(inputs, self.num_heads)
    return self.project(inputs, self.skip_kernel) + self.skip_bias[...]

  def _new_kernel(self, rngs: nnx.Rngs) -> nnx.Param:
    """Glorot-uniform [D, K, F]."""
    in_features, num_heads, out_features = self.kernel_shape
    fan_out = num_heads * out_features if self.fused_fan else out_features
    return _glorot(rngs, self.kernel_shape, in_features + fan_out)

  def _new_vector(self, rngs: nnx.Rngs) -> nnx.Param:
    """Glorot-uniform [K, F] with fan (F, 1) for each head."""
    _, num_heads, out_features = self.kernel_shape
    return _glorot(rngs, (num_heads, out_features), out_features + 1)


class AttentionLayer(HeadsLayer):
  """What all attention layers share: everything but scores and values.

      alpha_ij = softmax over the incoming edges of i of e_ij
      mix_i    = sum_j alpha_ij v_j

  (Velickovic et al., equations 3 and 4.) While training, alpha is dropped
  after the softmax without renormalising, and v after the scores were computed.

  A subclass holds the equation, `values_and_scores(graph, inputs)`, and W as
  `kernel`, where v_j = W h_j. Where v is not dropped and wider than h, the sum
  is made as W sum_j alpha_ij h_j, which aggregates fewer entries.
  """

  OPTIONS = (*HeadsLayer.OPTIONS, 'value_dropout')

  kernel: nnx.Param

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    value_dropout: bool = True,
    rngs: nnx.Rngs,
    **shared,
  ):
    """See `HeadsLayer`; `value_dropout=False` does not drop v."""
    super().__init__(in_features, out_features, num_heads, rngs=rngs, **shared)
    self.value_dropout = value_dropout

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v, [N, K, F], and e before the softmax, [E, K]."""
    raise NotImplementedError

  def attention(self, graph: jraph.GraphsTuple) -> jax.Array:
    """Returns alpha without dropout, [E, K], in the order of the edges."""
    _, scores = self.values_and_scores(graph, graph.nodes)
    return operations.segment_softmax(
      scores, graph.receivers, graph.nodes.shape[0]
    )

  def mix(
    self,
    graph: jraph.GraphsTuple,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + sum_j alpha_ij v_j, [N, K, F]."""
    values, scores = self.values_and_scores(graph, inputs)
    weights = operations.segment_softmax(
      scores, graph.receivers, values.shape[0]
    )
    if dropout is not None:
      weights *= dropout.fold_in(_WEIGHTS).scales(weights.shape)
      if self.value_dropout:
        values *= dropout.fold_in(_VALUES).scales(values.shape)
        return self.aggregate(graph, weights, values, initial)
    if self._is_widening(inputs):
      inputs = operations.densify(inputs, self.num_heads)  # [N, K, D]
      sums = self.aggregate(graph, weights, inputs)
      return self.project(sums, self.kernel) + initial
    return self.aggregate(graph, weights, values, initial)

  def _is_widening(self, inputs: graphs.Features) -> bool:
    """Whether sum_j alpha_ij h_j has fewer entries than the same sum of v_j."""
    in_features, _, out_features = self.kernel_shape
    is_dense = not isinstance(inputs, graphs.SparseFeatures)
    return is_dense and in_features < out_features


def _glorot(rngs: nnx.Rngs, shape: tuple[int, ...], fans: int) -> nnx.Param:
  """Uniform in +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010)."""
  limit = (6 / fans) ** 0.5
  return nnx.Param(
    jax.random.uniform(rngs.params(), shape, minval=-limit, maxval=limit)
  )
