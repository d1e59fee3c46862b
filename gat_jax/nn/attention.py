"""What attention layers share: softmax over edges, weighted sum, dropout.

Shapes: N nodes, E edges, K heads, D input features, F output features a head.
"""

import jax
import jraph

from gat_jax import graphs
from gat_jax.nn import operations
from gat_jax.nn.dropout import VALUES
from gat_jax.nn.dropout import WEIGHTS
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.heads import HeadsLayer


class AttentionLayer(HeadsLayer):
  """What all attention layers share: everything but scores and values.

      alpha_ij = softmax over the incoming edges of i of e_ij
      mix_i    = sum_j alpha_ij v_j

  (Velickovic et al., equations 3 and 4.) Dropout on alpha comes after the
  softmax and does not renormalise it. Dropout on v comes after the scores were
  computed from all of it.

  A subclass holds the equation, `values_and_scores(graph, inputs)`, and W as
  `kernel`, where v_j = W h_j. Where v is not dropped and wider than h, the sum
  is made as W sum_j alpha_ij h_j, which aggregates fewer entries.
  """

  OPTIONS = (*HeadsLayer.OPTIONS, 'value_dropout')

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    value_dropout: bool = True,
    **shared,
  ):
    """See `HeadsLayer`; `value_dropout=False` does not drop v."""
    super().__init__(in_features, out_features, num_heads, **shared)
    self.value_dropout = value_dropout

  def values_and_scores(
    self, graph: jraph.GraphsTuple, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v, [N, K, F], and e, [E, K], for the inputs of `mix`."""
    raise NotImplementedError

  def attention(self, graph: jraph.GraphsTuple) -> jax.Array:
    """Returns alpha without dropout, [E, K], in the order of the edges.

    Args:
      graph: as in `forward`.

    Raises:
      InputError: if the graph and the layer differ in D.
    """
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
      weights *= dropout.fold_in(WEIGHTS).scales(weights.shape)
      if self.value_dropout:
        values *= dropout.fold_in(VALUES).scales(values.shape)
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
