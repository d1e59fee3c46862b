"""What attention layers share: softmax over edges, weighted sum, dropout.

Shapes: N nodes, E edges, K heads, D input features, F output features a head.
"""

from typing import ClassVar

import jax
import jraph

from gat_jax import graphs
from gat_jax.nn import operations
from gat_jax.nn.dropout import VALUES
from gat_jax.nn.dropout import WEIGHTS
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.dtypes import broadcast
from gat_jax.nn.heads import HeadsLayer
from gat_jax.nn.scores import softmax


class AttentionLayer(HeadsLayer):
  """What all attention layers share: everything but scores and values.

      alpha_ij = softmax over the incoming edges of i of e_ij
      mix_i    = sum_j alpha_ij v_j

  (Velickovic et al., equations 3 and 4.) Dropout on alpha comes after the
  softmax and does not renormalise it. Dropout on v comes after the scores were
  computed from all of it.

  A subclass holds the equation, `values_and_scores(edges, inputs)`.

  Attributes:
    VALUES_ARE_PROJECTED: whether v_j = W h_j, W being `kernel`. Then, where v
      is not dropped and wider than h, the sum is made as W sum_j alpha_ij h_j,
      which aggregates fewer entries.
  """

  VALUES_ARE_PROJECTED: ClassVar[bool] = False

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
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v, [N, K, F], and e, [E, K], for the inputs of `mix`."""
    raise NotImplementedError

  def attention(self, graph: jraph.GraphsTuple) -> jax.Array:
    """Returns alpha without dropout, [E, K], in the order of `graph.senders`.

    `PreparedGraph.in_given_order` puts it in the order of the edges that
    `graphs.prepare` was given.

    Args:
      graph: as in `forward`.

    Raises:
      InputError: as `forward`.
    """
    edges, inputs = self.read(graph)
    _, scores = self.values_and_scores(edges, inputs)
    return softmax(scores, edges, self.implementation)

  def mix(
    self,
    edges: graphs.Edges,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + sum_j alpha_ij v_j, [N, K, F]."""
    values, scores = self.values_and_scores(edges, inputs)
    weights = softmax(scores, edges, self.implementation)
    if dropout is not None:
      weights *= dropout.fold_in(WEIGHTS).scales(weights.shape, weights.dtype)
      if self.value_dropout:
        values *= dropout.fold_in(VALUES).scales(values.shape, values.dtype)
        return self.aggregate(edges, weights, values, initial)
    if self._is_widening(inputs):
      inputs = operations.densify(inputs, self.num_heads, values.dtype)
      sums = self.aggregate(edges, weights, inputs)  # [N, K, D]
      mixed = self.project(sums, self.kernel)
      return mixed + broadcast(initial, mixed.shape)
    return self.aggregate(edges, weights, values, initial)

  def _is_widening(self, inputs: graphs.Features) -> bool:
    """Whether sum_j alpha_ij h_j has fewer entries than the same sum of v_j."""
    in_features, _, out_features = self.kernel_shape
    is_dense = not isinstance(inputs, graphs.SparseFeatures)
    is_widening = is_dense and in_features < out_features
    return self.VALUES_ARE_PROJECTED and is_widening
