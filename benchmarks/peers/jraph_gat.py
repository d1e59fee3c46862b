"""The plain formula in JAX, with `jraph.segment_softmax`: see `common`.

What somebody writes in an afternoon, compiled: dense features, edges gathered
and added up as they come.
"""

import functools

import common
import jax
from jax import numpy as jnp
import jraph
import optax


def init(layers, seed):
  """Glorot-uniform kernels and vectors, biases of zero."""
  glorot = jax.nn.initializers.glorot_uniform()
  params = []
  for layer, key in zip(
    layers, jax.random.split(jax.random.key(seed), len(layers)), strict=True
  ):
    keys = jax.random.split(key, 4)
    width = layer.features * layer.heads
    vectors = layer.heads, layer.features
    made = {
      'kernel': glorot(keys[0], (layer.inputs, width)),
      'sends': glorot(keys[1], vectors),
      'receives': glorot(keys[2], vectors),
      'bias': jnp.zeros(layer.features if layer.is_last else width),
    }
    if layer.has_skip:
      made['skip'] = glorot(keys[3], (layer.inputs, width))
    params.append(made)
  return params


def drop(x, rate, key):
  """Dropout; no key, no dropout."""
  if key is None or not rate:
    return x
  kept = jax.random.bernoulli(key, 1 - rate, x.shape)
  return jnp.where(kept, x / (1 - rate), 0)


def logits_of(params, layers, rate, x, senders, receivers, key=None):
  """Logits of a graph."""
  for index, (layer, own) in enumerate(zip(layers, params, strict=True)):
    keys = (None, None)
    if key is not None:
      keys = jax.random.split(jax.random.fold_in(key, index))
    x = drop(x, rate, keys[0])
    z = (x @ own['kernel']).reshape(-1, layer.heads, layer.features)
    sent, received = (z * own['sends']).sum(-1), (z * own['receives']).sum(-1)
    scores = jax.nn.leaky_relu(sent[senders] + received[receivers], 0.2)
    alpha = jraph.segment_softmax(scores, receivers, len(x))
    alpha = drop(alpha, rate, keys[1])
    messages = alpha[..., None] * z[senders]
    out = jax.ops.segment_sum(messages, receivers, len(x))
    out = out.mean(1) if layer.is_last else out.reshape(len(x), -1)
    if layer.has_skip:
      out = out + x @ own['skip']
    x = out + own['bias']
    if not layer.is_last:
      x = jax.nn.elu(x)
  return x


class Peer:
  """See `common.main`."""

  is_eager = False

  def __init__(self, spec, graphs):
    """Takes the arrays over."""
    self.num_graphs = len(graphs)
    self.layers = common.layers(spec, graphs[0].x.shape[1])
    self.graphs = [jax.tree.map(jnp.asarray, tuple(graph)) for graph in graphs]
    self.rule = optax.chain(
      optax.add_decayed_weights(spec['weight_decay']),
      optax.adam(spec['learning_rate']),
    )
    forward = functools.partial(logits_of, layers=self.layers)

    def loss(params, key, x, labels, senders, receivers, train):
      logits = forward(
        params,
        rate=spec['dropout'],
        x=x,
        senders=senders,
        receivers=receivers,
        key=key,
      )
      if spec['is_multilabel']:
        return optax.sigmoid_binary_cross_entropy(logits, labels).mean()
      return optax.softmax_cross_entropy_with_integer_labels(
        logits[train], labels[train]
      ).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, moments, key, graph):
      gradient = jax.grad(loss)(params, key, *graph)
      updates, moments = self.rule.update(gradient, moments, params)
      return optax.apply_updates(params, updates), moments

    @jax.jit
    def predict(params, graph):
      x, _, senders, receivers, _ = graph
      return forward(
        params, rate=0.0, x=x, senders=senders, receivers=receivers
      )

    self._step, self._predict = step, predict

  def start(self, seed):
    """New parameters."""
    self.key, self.count = jax.random.key(seed), 0
    self.params = init(self.layers, seed)
    self.moments = self.rule.init(self.params)

  def step(self, index):
    """Trains on a graph."""
    self.count += 1
    key = jax.random.fold_in(self.key, self.count)
    state = self._step(self.params, self.moments, key, self.graphs[index])
    self.params, self.moments = jax.block_until_ready(state)

  def predict(self, index):
    """Logits of a graph."""
    return jax.block_until_ready(self._predict(self.params, self.graphs[index]))


if __name__ == '__main__':
  common.main(Peer, f'jax {jax.__version__}')
