"""What attention layers share: softmax over edges, weighted sum, dropout.

Shapes: N nodes, E edges, K heads, D input features, F output features a head,
D_e features of an edge.
"""

from typing import ClassVar, NamedTuple

from flax import nnx
import jax
from jax import numpy as jnp
import jraph
import numpy as np

from gat_jax import graphs
from gat_jax.errors import InputError
from gat_jax.nn import operations
from gat_jax.nn.dropout import VALUES
from gat_jax.nn.dropout import WEIGHTS
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.dtypes import broadcast
from gat_jax.nn.heads import HeadsLayer
from gat_jax.nn.roads import fused
from gat_jax.nn.scores import softmax
from gat_jax.nn.scores import sum_weights


class FusedTerms(NamedTuple):
  """What the road 'fused' makes of nodes alone; see `fused.attention`.

  Attributes:
    values: v, [N, K, F].
    queries: q, [N, K], or with a vector [N, K, F].
    slope: of LeakyReLU below 0.
    keys: k, [N, K]; e_ij = LeakyReLU(q_i + k_j).
    vector: a, [K, F]; e_ij = a . LeakyReLU(q_i + v_j), and there are no keys.
  """

  values: jax.Array
  queries: jax.Array
  slope: float
  keys: jax.Array | None = None
  vector: jax.Array | None = None


class AttentionLayer(HeadsLayer):
  """What all attention layers share: everything but scores and values.

      alpha_ij = softmax over the incoming edges of i of e_ij
      mix_i    = sum_j alpha_ij v_j

  (Velickovic et al., equations 3 and 4.) Dropout on alpha comes after the
  softmax and does not renormalise it. Dropout on v comes after the scores were
  computed from all of it.

  A subclass holds the equation, `values_and_scores(edges, inputs)`.

  Edges may have features f, [E, D_e], in `graph.edges`. What they add to the
  scores is that of PyTorch Geometric's layers with `edge_dim`: a_e . (W_e f_ij)
  inside the LeakyReLU, for GATv2 W_e f_ij inside it. Dropout leaves them as
  they are.

  With `implementation='fused'` scores, softmax, dropout on alpha and the sum
  are one operation, for NVIDIA GPUs, jax-triton and graphs from
  `graphs.with_items`; anything else is an InputError. GAT and GATv2 have it.
  Const-GAT and `attention` go the way of None.

  Attributes:
    VALUES_ARE_PROJECTED: whether v_j = W h_j + `value_bias`, W being `kernel`.
      Then, where v is not dropped and wider than h, the sum is made as W sum_j
      alpha_ij h_j, which aggregates fewer entries.
    EDGE_VECTORS: parameters [K, F] that it has if edges have features.
  """

  VALUES_ARE_PROJECTED: ClassVar[bool] = False
  EDGE_VECTORS: ClassVar[tuple[str, ...]] = ('edge_vector',)

  edge_kernel: nnx.Param
  edge_vector: nnx.Param

  OPTIONS = (*HeadsLayer.OPTIONS, 'value_dropout')

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    value_dropout: bool = True,
    edge_features: int = 0,
    rngs: nnx.Rngs,
    **shared,
  ):
    """Creates the parameters.

    Args:
      in_features: D.
      out_features: F, for each head.
      num_heads: K.
      value_dropout: False does not drop v.
      edge_features: D_e; 0 for graphs whose edges have none.
      rngs: see `HeadsLayer`.
      **shared: as well.

    Raises:
      InputError: if there cannot be so many features of an edge, or as
        `HeadsLayer`.
    """
    is_number = isinstance(edge_features, int | np.integer)
    if not is_number or isinstance(edge_features, bool) or edge_features < 0:
      raise InputError(
        'edge_features', f'{edge_features!r} is no number of features'
      )
    self.edge_features = int(edge_features)
    self.value_dropout = value_dropout
    super().__init__(in_features, out_features, num_heads, rngs=rngs, **shared)

  def draw_others(self, rngs: nnx.Rngs) -> None:
    """Draws what features of edges need."""
    if not self.edge_features:
      return
    shape = (self.edge_features, *self.kernel_shape[1:])
    self.edge_kernel = self._new_kernel(rngs, shape)
    for name in self.EDGE_VECTORS:
      setattr(self, name, self._new_vector(rngs))

  def values_and_scores(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> tuple[jax.Array, jax.Array]:
    """Returns v, [M, K, F], and e, [E, K], for the inputs of `mix`."""
    raise NotImplementedError

  @property
  def sent_features(self) -> int:
    """Those of v, K F; see `HeadsLayer`."""
    _, num_heads, out_features = self.kernel_shape
    return num_heads * out_features

  @property
  def value_bias(self) -> jax.Array | None:
    """What v_j has besides W h_j, [K, F]; None for nothing."""
    return None

  def edge_scores(self, edges: graphs.Edges) -> jax.Array | float:
    """Returns a_e . (W_e f_ij), [E, K], without making W_e f_ij; 0 for none."""
    if edges.features is None:
      return 0.0
    folded = jnp.einsum(
      'dkf,kf->dk',
      self.edge_kernel[...],
      self.edge_vector[...],
      precision='highest',
    )
    features = jnp.asarray(edges.features, folded.dtype)
    return jnp.matmul(features, folded, precision='highest')

  def fused_terms(
    self, edges: graphs.Edges, inputs: graphs.Features
  ) -> FusedTerms | None:
    """Returns what the road 'fused' takes; None if the layer has no such."""
    del edges, inputs
    return None

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
    return softmax(scores, edges, self.road)

  def mix(
    self,
    edges: graphs.Edges,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns initial + sum_j alpha_ij v_j, [N, K, F]."""
    if self.implementation == 'fused':
      terms = self.fused_terms(edges, inputs)
      if terms is not None:
        if edges.part is not None:
          raise InputError(
            'implementation',
            "'fused' takes no part of a graph",
            'choose another, or None',
          )
        mixed = self._fused(edges, terms, dropout)
        return mixed + broadcast(initial, mixed.shape)
    values, scores = self.values_and_scores(edges, inputs)
    weights = softmax(scores, edges, self.road)
    if dropout is not None:
      weights *= dropout.fold_in(WEIGHTS).scales(
        weights.shape, weights.dtype, edges.ids('edges')
      )
      if self.value_dropout:
        values *= dropout.fold_in(VALUES).scales(
          values.shape, values.dtype, edges.ids('senders')
        )
        return self.aggregate(edges, weights, values, initial)
    if self._is_widening(edges, inputs):
      inputs = operations.densify(inputs, self.num_heads, values.dtype)
      sums = self.aggregate(edges, weights, inputs)  # [N, K, D]
      mixed = self.project(sums, self.kernel)
      if self.value_bias is not None:  # as often as weights add up to
        totals = sum_weights(weights, edges, self.road)
        mixed += totals[:, :, None] * self.value_bias[None]
      return mixed + broadcast(initial, mixed.shape)
    return self.aggregate(edges, weights, values, initial)

  def _fused(
    self, edges: graphs.Edges, terms: FusedTerms, dropout: Dropout | None
  ) -> jax.Array:
    """Returns sum_j alpha_ij v_j, [N, K, F], as one operation."""
    values, queries, slope, keys, vector = terms
    if edges.features is not None:
      raise InputError(
        'implementation',
        "'fused' takes no features of edges",
        'choose another, or None',
      )
    if self.compute_dtype != 'float32':
      raise InputError(
        'compute_dtype',
        f"'fused' has no {self.compute_dtype}",
        "choose 'float32', or another implementation",
      )
    scales = None
    if dropout is not None:
      shape = edges.senders.shape[0], self.num_heads
      scales = dropout.fold_in(WEIGHTS).scales(shape, values.dtype)
      if self.value_dropout and vector is not None:
        raise InputError(
          'value_dropout',
          "'fused' has one v for scores and sums, and cannot drop it in one",
          'choose False, or another implementation',
        )
      if self.value_dropout:
        values *= dropout.fold_in(VALUES).scales(values.shape, values.dtype)
    return fused.attention(
      values,
      queries,
      edges,
      keys=keys,
      vector=vector,
      scales=scales,
      slope=slope,
    )

  def _is_widening(self, edges: graphs.Edges, inputs: graphs.Features) -> bool:
    """Whether sum_j alpha_ij h_j has fewer entries than the same sum of v_j.

    Where v was fetched from other devices, h is not there.
    """
    if edges.num_inputs != edges.num_senders:
      return False
    in_features, _, out_features = self.kernel_shape
    is_dense = not isinstance(inputs, graphs.SparseFeatures)
    is_widening = is_dense and in_features < out_features
    return self.VALUES_ARE_PROJECTED and is_widening
