"""A GAT of jraphx under `nnx.jit`: see `common`."""

import importlib.metadata

import common
from flax import nnx
import jax
from jax import numpy as jnp
from jraphx.nn.conv import GATConv
import optax


class Model(nnx.Module):
  """The stack of layers."""

  def __init__(self, layers, dropout, rngs):
    """Creates the parameters."""
    self.layers = nnx.List(
      GATConv(
        layer.inputs,
        layer.features,
        heads=layer.heads,
        concat=not layer.is_last,
        dropout=dropout,
        add_self_loops=False,
        rngs=rngs,
      )
      for layer in layers
    )
    self.skips = nnx.List(
      nnx.Linear(layer.inputs, layer.features * layer.heads, rngs=rngs)
      if layer.has_skip
      else None
      for layer in layers
    )
    self.dropout = nnx.Dropout(dropout, rngs=rngs)

  def __call__(self, x, edges):
    """Logits."""
    for layer, skip in zip(self.layers[:-1], self.skips, strict=False):
      x = self.dropout(x)
      out = layer(x, edges)
      x = jax.nn.elu(out if skip is None else out + skip(x))
    return self.layers[-1](self.dropout(x), edges)


class Peer:
  """See `common.main`."""

  is_eager = False

  def __init__(self, spec, graphs):
    """Takes the arrays over."""
    self.spec, self.num_graphs = spec, len(graphs)
    self.layers = common.layers(spec, graphs[0].x.shape[1])
    self.graphs = [
      (
        jnp.asarray(graph.x),
        jnp.asarray(graph.labels),
        jnp.asarray(graph.train),
        jnp.asarray([graph.senders, graph.receivers]),
      )
      for graph in graphs
    ]

    @nnx.jit
    def step(model, adam, x, labels, train, edges):
      model.train()

      def loss(model):
        logits = model(x, edges)
        if spec['is_multilabel']:
          return optax.sigmoid_binary_cross_entropy(logits, labels).mean()
        return optax.softmax_cross_entropy_with_integer_labels(
          logits[train], labels[train]
        ).mean()

      value, gradient = nnx.value_and_grad(loss)(model)
      adam.update(model, gradient)
      return value

    @nnx.jit
    def predict(model, x, edges):
      model.eval()
      return model(x, edges)

    self._step, self._predict = step, predict

  def start(self, seed):
    """New parameters."""
    spec = self.spec
    self.model = Model(self.layers, spec['dropout'], nnx.Rngs(seed))
    rule = optax.chain(
      optax.add_decayed_weights(spec['weight_decay']),
      optax.adam(spec['learning_rate']),
    )
    self.adam = nnx.Optimizer(self.model, rule, wrt=nnx.Param)

  def step(self, index):
    """Trains on a graph."""
    arrays = self.graphs[index]
    jax.block_until_ready(self._step(self.model, self.adam, *arrays))

  def predict(self, index):
    """Logits of a graph."""
    x, _, _, edges = self.graphs[index]
    return jax.block_until_ready(self._predict(self.model, x, edges))


if __name__ == '__main__':
  jraphx = importlib.metadata.version('jraphx')
  common.main(Peer, f'jraphx {jraphx}, jax {jax.__version__}')
