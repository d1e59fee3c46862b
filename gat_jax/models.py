"""Models: stacks of layers built from `config.model`."""

from typing import Any, NamedTuple

from flax import nnx
import jax
import jraph
import numpy as np

from gat_jax import layers
from gat_jax.dropout import Dropout

LAYERS = {'gat': layers.GATLayer, 'gatv2': layers.GATv2Layer}


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


class AttentionModel(nnx.Module):
  """Attention layers: hidden ones join their heads, the last averages them."""

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
    shared = dict(
      shared_input_dropout=config.shared_input_dropout,
      value_dropout=config.value_dropout,
      fused_fan=config.fused_fan,
      rngs=rngs,
    )
    if layer is layers.GATLayer:
      shared['score_bias'] = config.score_bias
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
    for index, layer in enumerate(self.layers):
      graph = layer(graph, dropout and dropout.fold_in(index))
    return graph.nodes

  def attention(self, graph: jraph.GraphsTuple) -> list[Attention]:
    """Returns senders, receivers and alpha of every layer, without dropout."""
    attentions = []
    for layer in self.layers:
      alpha = layer.attention(graph)
      attentions.append(Attention(graph.senders, graph.receivers, alpha))
      graph = layer(graph)
    return attentions


def build(
  config: Any, num_features: int, num_classes: int, rngs: nnx.Rngs
) -> AttentionModel:
  """The model that `config.model` describes.

  Raises:
    ValueError: if there is no model of that name or a size is not positive.
  """
  if config.name not in LAYERS:
    raise ValueError(
      f'model.name: there is no {config.name!r}; choose one of'
      f' {", ".join(LAYERS)}'
    )
  return AttentionModel(config, num_features, num_classes, rngs)


def num_parameters(model: nnx.Module) -> int:
  """Counts the entries of all parameters."""
  return sum(x.size for x in jax.tree.leaves(nnx.state(model, nnx.Param)))


def _identity(x: jax.Array) -> jax.Array:
  return x
