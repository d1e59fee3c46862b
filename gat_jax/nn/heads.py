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
from gat_jax.errors import InputError
from gat_jax.nn import aggregation
from gat_jax.nn import operations
from gat_jax.nn.dropout import INPUT
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.dropout import DropoutModule
from gat_jax.nn.dropout import check_dropout
from gat_jax.nn.dropout import drop_features
from gat_jax.nn.dtypes import as_dtype
from gat_jax.nn.dtypes import broadcast
from gat_jax.nn.parameters import glorot
from gat_jax.nn.parameters import zeros
from gat_jax.nn.roads import choice
from gat_jax.nn.roads.choice import Implementation
from gat_jax.nn.roads.choice import LayerImplementation

_COMPUTE_DTYPES = ('float32', 'bfloat16', 'float16')


class HeadsLayer(DropoutModule):
  """What all layers share: K heads, each a layer of its own.

      h'_i = act(mix_i + b + skip(h_i))

  where mix_i is a subclass's equation. Its method `mix` is given b + skip(h_i)
  as `initial` and returns the sum of both, so that sums over edges can start
  from it. The heads are joined (Velickovic et al., ICLR 2018, equation 5) or
  averaged (equation 6).

  Dropout begins with the inputs h, for each head its own, as in the authors'
  code. The skip connection reads the dropped inputs. It is the identity where
  they are as wide as one head's output, else a learned linear map with bias for
  each head.

  Attributes:
    OPTIONS: the fields of `config.model` that are arguments of every layer of
      a model.
    KERNELS: parameters [D, K, F] that a subclass has, in the order in which
      their initial values are drawn.
    VECTORS: parameters [K, F] that it has, drawn after the kernels.
    edge_features: D_e that the edges of its graphs must have.
  """

  OPTIONS: ClassVar[tuple[str, ...]] = (
    'shared_input_dropout',
    'fused_fan',
    'edge_block',
    'compute_dtype',
  )
  KERNELS: ClassVar[tuple[str, ...]] = ('kernel',)
  VECTORS: ClassVar[tuple[str, ...]] = ()

  kernel: nnx.Param
  edge_features: int = 0

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_heads: int,
    *,
    average_heads: bool = False,
    activation: Callable[[jax.Array], jax.Array] | None = operations.elu,
    residual: bool = False,
    dropout_rate: float = 0.0,
    deterministic: bool = False,
    shared_input_dropout: bool = False,
    fused_fan: bool = False,
    edge_block: int = 0,
    compute_dtype: str = 'float32',
    implementation: LayerImplementation = None,
    rngs: nnx.Rngs,
  ):
    """Creates the parameters.

    Args:
      in_features: D.
      out_features: F, for each head.
      num_heads: K.
      average_heads: average the heads instead of joining them.
      activation: act; None for none.
      residual: add the skip connection.
      dropout_rate: the probability that an entry is dropped.
      deterministic: True drops nothing, as after `eval()`.
      shared_input_dropout: drop the same inputs for all heads. The paper: no.
      fused_fan: initialise all heads as one matrix, fan (D, K F), and not each
        by itself, fan (D, F), as the authors' code does.
      edge_block: edges that are aggregated at a time; 0 chooses.
      compute_dtype: of the factors of products, float32, bfloat16 or float16;
        sums are float32 at least.
      implementation: 'plain' has derivatives of both modes, as `jax.hessian`
        needs. None chooses what is fast for prepared graphs: 'blocks' on a CPU,
        'rows' on an NVIDIA GPU, 'lanes' on a TPU; see `gat_jax.nn.aggregate`.
        'fused' is never chosen; see `AttentionLayer`. Other layers go the way
        of None.
      rngs: `params` is the source of the initial parameters, `dropout` that of
        the masks; `default` stands in for either. See `DropoutModule`.

    Raises:
      InputError: if a rate, a dtype or an implementation is none.
    """
    choice.check(implementation, edge_block, of_layer=True)
    if compute_dtype not in _COMPUTE_DTYPES:
      raise InputError(
        'compute_dtype',
        f'there is no {compute_dtype!r}',
        f'choose one of {", ".join(_COMPUTE_DTYPES)}',
      )
    self.implementation = implementation
    self.num_heads = num_heads
    self.average_heads = average_heads
    self.activation = activation
    self.residual = residual
    self.shared_input_dropout = shared_input_dropout
    self.fused_fan = fused_fan
    self.edge_block = edge_block
    self.compute_dtype = compute_dtype
    self.kernel_shape = (in_features, num_heads, out_features)
    self.bias = zeros(num_heads, out_features)
    if residual and in_features != out_features:
      self.skip_kernel = self._new_kernel(rngs)
      self.skip_bias = zeros(num_heads, out_features)
    for name in self._kernel_names():
      setattr(self, name, self._new_kernel(rngs))
    for name in self.VECTORS:
      setattr(self, name, self._new_vector(rngs))
    self.draw_others(rngs)
    super().__init__(dropout_rate, deterministic, rngs)

  def draw_others(self, rngs: nnx.Rngs) -> None:
    """Draws parameters that a subclass has besides, after all others."""

  def mix(
    self,
    edges: graphs.Edges,
    inputs: graphs.Features,
    initial: jax.Array,
    dropout: Dropout | None,
  ) -> jax.Array:
    """Returns `initial` plus what each head makes of the inputs, [N, K, F].

    Args:
      edges: of the graph; see `graphs.edges_of`.
      inputs: `edges.num_inputs`, after dropout; see `operations.project`.
      initial: [N, K, F], or [K, F] without a skip connection.
      dropout: as in `forward`.
    """
    raise NotImplementedError

  def __call__(
    self,
    graph: jraph.GraphsTuple,
    *,
    deterministic: bool | None = None,
    rngs: nnx.Rngs | nnx.RngStream | jax.Array | None = None,
  ) -> jraph.GraphsTuple:
    """Applies the layer, with new dropout masks in every call.

    Args:
      graph: nodes are [N, D], dense or sparse. Edges may be in any order; the
        layer is faster on what `graphs.prepare` makes. An edge with an end
        outside [0, N) is as if it were not there.
      deterministic: True drops nothing; None does as the attribute says.
      rngs: keys for this call, instead of those of the stored stream.

    Returns:
      The graph with nodes [N, K F], or [N, F] if the heads are averaged.

    Raises:
      InputError: if there is something to drop and no stream of keys, or as
        `forward`.
    """
    return self.forward(graph, self.draw(deterministic, rngs))

  def forward(
    self, graph: jraph.GraphsTuple, dropout: Dropout | None = None
  ) -> jraph.GraphsTuple:
    """Applies the layer, as a call, with one explicit key or without dropout.

    It is a pure function of its arguments and the parameters, whatever
    `deterministic` and `rngs` say.

    Args:
      graph: as in a call.
      dropout: key and rate; None drops nothing.

    Raises:
      InputError: if the graph and the layer differ in D or in features of
        edges, or graph or dropout are not what they must be.
    """
    check_dropout(dropout)
    edges, inputs = self.read(graph)
    if dropout is not None:
      own = dropout.fold_in(INPUT), inputs, self.num_heads
      rows = edges.ids('inputs')
      inputs = drop_features(*own, self.shared_input_dropout, rows)
    initial = self.bias[...]  # [K, F]
    if self.residual:
      skip = edges.received(self._skip(inputs))  # [N, K, F]
      initial = broadcast(initial, skip.shape) + skip
    outputs = self.mix(edges, inputs, initial, dropout)
    if self.activation is not None:
      outputs = self.activation(outputs)
    if self.average_heads:
      return graph._replace(nodes=outputs.mean(axis=1))
    n_node, num_heads, num_features = outputs.shape
    outputs = outputs.reshape(n_node, num_heads * num_features)
    return graph._replace(nodes=outputs)

  def read(
    self, graph: jraph.GraphsTuple
  ) -> tuple[graphs.Edges, graphs.Features]:
    """The edges and the nodes of a graph, [N, D] in the layer's own dtype.

    Raises InputError as `forward`.
    """
    nodes, width = graphs.nodes_of(graph), self.kernel_shape[0]
    if len(nodes.shape) != 2 or nodes.shape[1] != width:
      raise InputError(
        'graph',
        f'its nodes are {nodes.shape} and the layer takes {width} features',
        f'they must be [N, {width}]',
      )
    edges = graphs.edges_of(graph, self.edge_features)
    return edges, as_dtype(nodes, self.bias[...].dtype)

  def project(self, inputs: graphs.Features, kernel: nnx.Param) -> jax.Array:
    """Returns W h for every head: [N, K, F]."""
    return operations.project(
      inputs,
      kernel[...],
      dtype=self._narrow_dtype(),
      block=self.edge_block,
      implementation=self.road,
    )

  def aggregate(
    self,
    edges: graphs.Edges,
    weights: jax.Array,
    values: jax.Array,
    initial: jax.typing.ArrayLike = 0.0,
  ) -> jax.Array:
    """Returns `initial` plus the weighted sum over incoming edges.

    See `gat_jax.nn.aggregate`. Weights are [E, K], values and the result
    [N, K, F].
    """
    return aggregation.aggregate(
      weights,
      values,
      edges,
      initial=initial,
      dtype=self._narrow_dtype(),
      block=self.edge_block,
      implementation=self.road,
    )

  @property
  def sent_features(self) -> int:
    """Numbers of a node that an exchange sends to its neighbours."""
    return 0

  @property
  def road(self) -> Implementation:
    """What operations take; 'fused' is none of theirs."""
    return None if self.implementation == 'fused' else self.implementation

  def _kernel_names(self) -> tuple[str, ...]:
    return self.KERNELS  # a subclass may leave some out

  def _narrow_dtype(self) -> jnp.dtype | None:
    """None where the parameters' own precision is wanted."""
    if self.compute_dtype == 'float32':
      return None
    return jnp.dtype(self.compute_dtype)

  def _skip(self, inputs: graphs.Features) -> jax.Array:
    if not hasattr(self, 'skip_kernel'):
      return operations.densify(inputs, self.num_heads, self.bias[...].dtype)
    skip = self.project(inputs, self.skip_kernel)
    return skip + broadcast(self.skip_bias[...], skip.shape)

  def _new_kernel(
    self, rngs: nnx.Rngs, shape: tuple[int, int, int] | None = None
  ) -> nnx.Param:
    """Glorot-uniform [D, K, F]."""
    shape = shape or self.kernel_shape
    in_features, num_heads, out_features = shape
    fan_out = num_heads * out_features if self.fused_fan else out_features
    return glorot(rngs, shape, in_features + fan_out)

  def _new_vector(self, rngs: nnx.Rngs) -> nnx.Param:
    """Glorot-uniform [K, F] with fan (F, 1) for each head."""
    _, num_heads, out_features = self.kernel_shape
    return glorot(rngs, (num_heads, out_features), out_features + 1)
