"""Models: stacks of layers built from `config.model`."""

from typing import Any, NamedTuple

from flax import nnx
import jax
import jraph
import numpy as np

from gat_jax.errors import ConfigError
from gat_jax.nn import layers
from gat_jax.nn.dropout import Dropout
from gat_jax.nn.heads import AttentionLayer
from gat_jax.nn.heads import HeadsLayer

LAYERS: dict[str, type[HeadsLayer]] = {
  'gat': layers.GATLayer,
  'gatv2': layers.GATv2Layer,
  'const_gat': layers.ConstGATLayer,
  'gcn': layers.GCNLayer,
  'mlp': layers.MLPLayer,
}


class Attention(NamedTuple):
  """Attention of one layer; entry e of all three belongs to the same edge.

  Attributes:
    senders: [E] int32.
    receivers: [E] int32, sorted.
    alpha: [E, K]; over the edges of a receiver every head's sum to 1.
  """

  senders: jax.Array | np.ndarray
  receivers: jax.Array | np.ndarray
  alpha: jax.Array


class Model(nnx.Module):
  """A stack of layers: hidden ones join their heads, the last averages them."""

  def __init__(
    self, config: Any, num_features: int, num_classes: int, rngs: nnx.Rngs
  ):
    """Builds the stack.

    Args:
      config: `config.model`, see `configs/base.py`.
      num_features: D of the graph's nodes.
      num_classes: classes, or labels of a multi-label data set.
      rngs: the source of the initial parameters.
    """
    layer = LAYERS[config.name]
    shared = {option: config[option] for option in layer.OPTIONS}
    shared['rngs'] = rngs
    stack, width = [], num_features
    for index in range(config.num_layers - 1):
      residual = config.residual and index > 0
      stack.append(
        layer(
          width,
          config.hidden_dim,
          config.num_heads,
          residual=residual,
          **shared,
        )
      )
      width = config.hidden_dim * config.num_heads
    stack.append(
      layer(
        width,
        num_classes,
        config.num_output_heads,
        average_heads=True,
        activation=_identity,
        **shared,
      )
    )
    self.layers = nnx.List(stack)

  def __call__(
    self, graph: jraph.GraphsTuple, dropout: Dropout | None = None
  ) -> jax.Array:
    """Returns logits [N, classes]; `dropout` is None but while training."""
    return self.activations(graph, dropout)[-1]

  def activations(
    self, graph: jraph.GraphsTuple, dropout: Dropout | None = None
  ) -> list[jax.Array]:
    """Returns the nodes after every layer; the last ones are the logits."""
    found = []
    for index, layer in enumerate(self.layers):
      graph = layer(graph, dropout and dropout.fold_in(index))
      found.append(graph.nodes)
    return found

  def attention(self, graph: jraph.GraphsTuple) -> list[Attention]:
    """Returns senders, receivers and alpha of every layer, without dropout.

    Raises:
      ConfigError: if the model has none (`gcn`, `mlp`).
    """
    attentions = []
    for layer in self.layers:
      if not isinstance(layer, AttentionLayer):
        raise ConfigError(
          f'a model of {type(layer).__name__} has no attention; choose one of'
          ' gat, gatv2, const_gat'
        )
      alpha = layer.attention(graph)
      attentions.append(Attention(graph.senders, graph.receivers, alpha))
      graph = layer(graph)
    return attentions


def build(
  config: Any, num_features: int, num_classes: int, rngs: nnx.Rngs
) -> Model:
  """The model that `config.model` describes.

  Raises:
    ConfigError: if there is no model of that name.
  """
  if config.name not in LAYERS:
    raise ConfigError(
      f'config.model.name: there is no {config.name!r}; choose one of'
      f' {", ".join(LAYERS)}'
    )
  return Model(config, num_features, num_classes, rngs)


def has_attention(name: str) -> bool:
  """Whether models of that `config.model.name` have attention to show."""
  return issubclass(LAYERS[name], AttentionLayer)


def num_parameters(params: Any) -> int:
  """Counts the entries of a model's parameters (a module or its state)."""
  if isinstance(params, nnx.Module):
    params = nnx.state(params, nnx.Param)
  return sum(x.size for x in jax.tree.leaves(params))


def _identity(x: jax.Array) -> jax.Array:
  return x
