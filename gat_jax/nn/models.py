"""Models: stacks of layers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import nnx
import jax
import jraph
import numpy as np

from gat_jax import graphs
from gat_jax.errors import InputError
from gat_jax.errors import did_you_mean
from gat_jax.nn import layers
from gat_jax.nn.attention import AttentionLayer
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.dropout import DropoutModule
from gat_jax.nn.dropout import check_dropout
from gat_jax.nn.heads import HeadsLayer
from gat_jax.nn.operations import elu

LAYERS: dict[str, type[HeadsLayer]] = {
  'gat': layers.GATLayer,
  'gatv2': layers.GATv2Layer,
  'const_gat': layers.ConstGATLayer,
  'gcn': layers.GCNLayer,
  'mlp': layers.MLPLayer,
}
# The arguments of `Model` that are fields of `config.model`.
_FIELDS = (
  'num_layers',
  'num_heads',
  'hidden_dim',
  'num_output_heads',
  'residual',
  'dropout_rate',
)


class Attention(NamedTuple):
  """Attention of one layer; entry e of all three belongs to the same edge.

  Attributes:
    senders: [E] int32.
    receivers: [E] int32.
    alpha: [E, K]; over the edges of a receiver every head's sum to 1.
  """

  senders: jax.Array | np.ndarray
  receivers: jax.Array | np.ndarray
  alpha: jax.Array


class Model(DropoutModule):
  """A stack of layers: hidden ones join their heads, the last averages them.

  The defaults are those of the paper on citation networks (Velickovic et al.,
  ICLR 2018, section 3.3). The model draws one key a call and hands it on: its
  layers, called on their own, drop nothing.
  """

  def __init__(
    self,
    num_features: int,
    num_classes: int,
    *,
    layer: str | type[HeadsLayer] = 'gat',
    num_layers: int = 2,
    num_heads: int = 8,
    hidden_dim: int = 8,
    num_output_heads: int = 1,
    activation: Callable[[jax.Array], jax.Array] | None = elu,
    residual: bool = False,
    dropout_rate: float = 0.6,
    deterministic: bool = False,
    rngs: nnx.Rngs,
    **options: Any,
  ):
    """Builds the stack.

    Args:
      num_features: D of the graph's nodes.
      num_classes: classes, or labels if a node may have several.
      layer: a key of `LAYERS`, or a class of layers.
      num_layers: with the output layer.
      num_heads: K of the hidden layers.
      hidden_dim: F of each head of the hidden layers.
      num_output_heads: K of the output layer.
      activation: of the hidden layers. The output layer has none.
      residual: a skip connection in every hidden layer but the first.
      dropout_rate: the probability that an entry is dropped.
      deterministic: True drops nothing, as after `eval()`.
      rngs: `params` is the source of the initial parameters, `dropout` that of
        the masks; `default` stands in for either. See `DropoutModule`.
      **options: arguments of all layers, as `score_bias=False`.

    Raises:
      InputError: if there is no layer of that name, `num_layers` is below 1,
        the dropout rate is out of range, or as the layer.
      TypeError: if the layer has no such option.
    """
    layer_type = _find(layer)
    if num_layers < 1:
      raise InputError(
        'num_layers', f'there is no model of {num_layers} layers'
      )
    stack, width = [], num_features
    for index in range(num_layers - 1):
      stack.append(
        layer_type(
          width,
          hidden_dim,
          num_heads,
          activation=activation,
          residual=residual and index > 0,
          rngs=rngs,
          **options,
        )
      )
      width = hidden_dim * num_heads
    stack.append(
      layer_type(
        width,
        num_classes,
        num_output_heads,
        average_heads=True,
        activation=None,
        rngs=rngs,
        **options,
      )
    )
    self.layers = nnx.List(stack)
    super().__init__(dropout_rate, deterministic, rngs)

  @classmethod
  def from_config(
    cls,
    config: Any,
    num_features: int,
    num_classes: int,
    rngs: nnx.Rngs,
    num_edge_features: int = 0,
  ) -> 'Model':
    """The model that a config describes.

    Args:
      config: `config.model` with all fields of `gat_jax/runs/fields.py`.
      num_features: D of the graph's nodes.
      num_classes: classes, or labels if a node may have several.
      rngs: see the class. With a stream `params` alone, none is stored for
        dropout.
      num_edge_features: D_e of the graph's edges.

    Raises:
      InputError: if the model does not use features of edges, or as the class.
      KeyError: if the config lacks a field.
    """
    layer_type = _find(config['name'], 'config.model.name')
    fields = (*_FIELDS, *layer_type.OPTIONS)
    options = {field: config[field] for field in fields}
    if num_edge_features:
      if not issubclass(layer_type, AttentionLayer):
        raise InputError(
          'config.model.name',
          f'{config["name"]} does not use the features that edges have here',
          'set `config.model.edge_features` to False, which leaves them out',
        )
      options['edge_features'] = num_edge_features
    return cls(
      num_features, num_classes, layer=layer_type, rngs=rngs, **options
    )

  def __call__(
    self,
    graph: jraph.GraphsTuple,
    *,
    deterministic: bool | None = None,
    rngs: nnx.Rngs | nnx.RngStream | jax.Array | None = None,
  ) -> jax.Array:
    """Returns logits [N, classes], with new dropout masks in every call.

    Args:
      graph: nodes are [N, D], dense or sparse, edges in any order; see
        `HeadsLayer`.
      deterministic: True drops nothing; None does as the attribute says.
      rngs: keys for this call, instead of those of the stored stream.

    Raises:
      InputError: if there is something to drop and no stream of keys, or if
        the graph and the model differ in D.
    """
    return self.forward(graph, self.draw(deterministic, rngs))

  def forward(
    self,
    graph: jraph.GraphsTuple | Sequence[jraph.GraphsTuple],
    dropout: Dropout | None = None,
  ) -> jax.Array:
    """Returns logits [N, classes] with one explicit key, or without dropout.

    Args:
      graph: as in a call. Or one for each layer, whose receivers are the inputs
        of the next; nodes are taken from the first alone. So layers compute
        only what the last one needs for some nodes: see `graphs.Part`.
      dropout: as in `HeadsLayer.forward`.

    Raises:
      InputError: if graphs are not as many as layers, or as
        `HeadsLayer.forward`.
    """
    return self.activations(graph, dropout)[-1]

  def activations(
    self,
    graph: jraph.GraphsTuple | Sequence[jraph.GraphsTuple],
    dropout: Dropout | None = None,
  ) -> list[jax.Array]:
    """Returns the nodes after every layer, [N, K F]; the last are the logits.

    See `forward`.
    """
    check_dropout(dropout)
    blocks: list[Any] = [graph] * len(self.layers)
    if isinstance(graph, list | tuple) and not hasattr(graph, 'n_node'):
      blocks = list(graph)
    if len(blocks) != len(self.layers):
      raise InputError(
        'graph', f'{len(blocks)} graphs for {len(self.layers)} layers'
      )
    nodes, found = graphs.nodes_of(blocks[0]), []
    for index, (layer, block) in enumerate(
      zip(self.layers, blocks, strict=True)
    ):
      block = block._replace(nodes=nodes)
      nodes = layer.forward(block, dropout and dropout.fold_in(index)).nodes
      found.append(nodes)
    return found

  def attention(self, graph: jraph.GraphsTuple) -> list[Attention]:
    """Returns senders, receivers and alpha of every layer, without dropout.

    Args:
      graph: as in a call.

    Raises:
      InputError: if the model has none (`gcn`, `mlp`), or the graph and the
        model differ in D.
    """
    attentions = []
    for layer in self.layers:
      if not isinstance(layer, AttentionLayer):
        names = (name for name in LAYERS if has_attention(name))
        raise InputError(
          'attention',
          f'a model of {type(layer).__name__} has no attention',
          f'choose one of {", ".join(names)}',
        )
      alpha = layer.attention(graph)
      attentions.append(Attention(graph.senders, graph.receivers, alpha))
      graph = layer.forward(graph)
    return attentions


def _find(
  layer: str | type[HeadsLayer], field: str = 'layer'
) -> type[HeadsLayer]:
  if not isinstance(layer, str):
    return layer
  if layer not in LAYERS:
    choice = f'choose one of {", ".join(LAYERS)}'
    raise InputError(
      field, f'there is no {layer!r}', did_you_mean(layer, LAYERS, choice)
    )
  return LAYERS[layer]


def has_attention(name: str) -> bool:
  """Whether models of that `config.model.name` have attention to show."""
  return issubclass(LAYERS[name], AttentionLayer)


def num_parameters(params: Any) -> int:
  """Counts the entries of a model's parameters (a module or its state)."""
  if isinstance(params, nnx.Module):
    params = nnx.state(params, nnx.Param)
  return sum(x.size for x in jax.tree.leaves(params))
