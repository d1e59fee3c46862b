"""What training takes by shapes alone: nothing of it is compiled.

Memory is what one trial needs: its data, its state before and after, and what a
step works on,

    4 bytes x [15 (E + Z) + 4 Z K + sum over layers of 3.5 (N F + E) K + 1.5 M]

with 2 N F for N F in GATv2, which projects twice, and M = N D K inputs that are
dense and that each head drops for itself. Time is that of products, messages
and masks, each at the speed of one core of a certain machine, times how much
longer this one takes for a short calculation. The numbers were fitted to the
programs of the sweeps in `configs/`, on a CPU: there memory was 0.7 to 1.5
times what XLA says. An accelerator takes more memory and another time.

Shapes: N nodes, E edges, Z stored non-zeros of sparse features, K heads, D
input features, F output features a head.
"""

from collections.abc import Sequence
import time
from typing import Any, NamedTuple

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax import datasets
from gat_jax import graphs
from gat_jax import training

# Seconds on one core of the machine of the fit: of a multiplication with its
# addition, of a feature of a message, of a weight of an edge, of what belongs
# to an edge or a non-zero but no head, of an entry of a mask, and of an epoch.
_PRODUCT, _MESSAGE, _WEIGHT, _EDGE = 1.3e-11, 4e-10, 1e-8, 1.7e-8
_MASK, _STEP = 4e-9, 5e-4
_CALCULATION = 6.5e-3  # of `_calculate`


class Estimate(NamedTuple):
  """What one trial of a program takes.

  Attributes:
    num_bytes: that a process needs to train it.
    work: of an epoch, in seconds of the machine of the fit.
  """

  num_bytes: int
  work: float


class _Layer(NamedTuple):
  """D, K and F of a layer."""

  inputs: int
  heads: int
  features: int


class _Size(NamedTuple):
  """N, E and Z of examples, and the bytes of all their arrays."""

  nodes: float
  edges: float
  non_zeros: float
  num_bytes: float


def estimate(config: Any, dataset: datasets.Dataset) -> Estimate:
  """What a trial of a config on those data will take."""
  model, layers = config.model, _layers(config.model, dataset)
  train, val = _size(dataset.train), _size(dataset.val)
  batch, of_epoch = train, train
  if config.sampler.fan_outs:
    masks = [example.mask for example in dataset.train]
    num_seeds = sum(int(mask.sum()) for mask in masks)
    batch = _neighbourhood(config, train, num_seeds)
    num_steps = -(-num_seeds // config.sampler.batch_size)
    of_epoch = _Size(*(num_steps * part for part in batch))
  elif config.batch_size and config.batch_size < len(dataset.train):
    batches = training.Batches.plan(
      dataset.train, config.batch_size, config.batch_shapes
    )
    share = max(shape.n_edge for shape in batches.shapes) / train.edges
    batch = _Size(*(share * part for part in train))
  program = training.Program.from_config(config, dataset)
  states = 2 * _num_bytes(jax.eval_shape(program.init, 0))
  at_once = batch.num_bytes + val.num_bytes + states
  if config.sampler.fan_outs:  # the graph is there once; batches are made ahead
    at_once += config.sampler.workers * batch.num_bytes
  at_once += 4 * _working_set(model, layers, batch)
  # Both directions of the training step, and one for the validation.
  work = 3 * _work(model, layers, of_epoch) + _work(model, layers, val)
  work += _STEP + _MASK * sum(_masks(model, layers, of_epoch))
  return Estimate(int(at_once), work)


@jax.disable_jit(False)  # also where JAX is told not to compile
def slowness() -> float:
  """How much longer this device takes than the machine of the fit, now."""
  rng = np.random.default_rng(0)
  num_nodes, num_edges, width = 2000, 20_000, 64
  features = rng.normal(size=(num_nodes, width)).astype(np.float32)
  kernel = np.eye(width, dtype=np.float32)
  edges = rng.integers(num_nodes, size=(2, num_edges), dtype=np.int32)
  arguments = features, kernel, edges[0], np.sort(edges[1])
  calculate = jax.jit(_calculate).lower(*arguments).compile()
  seconds = []
  for _ in range(5):
    start = time.perf_counter()
    calculate(*arguments).block_until_ready()
    seconds.append(time.perf_counter() - start)
  return min(seconds) / _CALCULATION


def _calculate(features, kernel, senders, receivers) -> jax.Array:
  """Ten layers without attention."""

  def layer(_, features):
    messages = (features @ kernel)[senders]
    sums = jax.ops.segment_sum(
      messages, receivers, len(features), indices_are_sorted=True
    )
    return sums / 10

  return jax.lax.fori_loop(0, 10, layer, jnp.asarray(features))


def _layers(model: Any, dataset: datasets.Dataset) -> list[_Layer]:
  width, found = dataset.num_features, []
  for _ in range(model.num_layers - 1):
    found.append(_Layer(width, model.num_heads, model.hidden_dim))
    width = model.num_heads * model.hidden_dim
  last = _Layer(width, model.num_output_heads, dataset.num_classes)
  return [*found, last]


def _size(examples: Sequence[datasets.Example]) -> _Size:
  non_zeros = [
    len(example.graph.nodes.values)
    for example in examples
    if isinstance(example.graph.nodes, graphs.SparseFeatures)
  ]
  return _Size(
    nodes=sum(len(example.mask) for example in examples),
    edges=sum(len(example.graph.senders) for example in examples),
    non_zeros=sum(non_zeros),
    num_bytes=sum(map(_num_bytes, examples)),
  )


def _neighbourhood(config: Any, train: _Size, num_seeds: int) -> _Size:
  """What a batch of sampled neighbourhoods has at most."""
  nodes = min(num_seeds, config.sampler.batch_size)
  edges = 0.0
  for fan_out in reversed(config.sampler.fan_outs):
    edges += min(train.edges, nodes * (fan_out + 1))
    nodes = min(train.nodes, nodes * (fan_out + 1))
  share = nodes / train.nodes
  return _Size(nodes, edges, 0, share * train.num_bytes + 30 * edges)


def _num_bytes(tree: Any) -> int:
  shapes = jax.tree.leaves(jax.eval_shape(lambda tree: tree, tree))
  return sum(leaf.size * leaf.dtype.itemsize for leaf in shapes)


def _edges(model: Any, size: _Size) -> float:
  return 0 if model.name == 'mlp' else size.edges


def _working_set(model: Any, layers: Sequence[_Layer], size: _Size) -> float:
  """Numbers of four bytes that a step has besides data and states."""
  edges = _edges(model, size)
  count = 15 * (edges + size.non_zeros)
  for layer in layers:
    projections = 2 if model.name == 'gatv2' else 1
    count += 3.5 * projections * size.nodes * layer.heads * layer.features
    count += 3.5 * edges * layer.heads
  if size.non_zeros:
    count += 4 * size.non_zeros * layers[0].heads
  return count + 1.5 * sum(_masks(model, layers, size))


def _masks(model: Any, layers: Sequence[_Layer], size: _Size) -> list[float]:
  """How many dense inputs of each layer are dropped or not."""
  if not model.dropout_rate:
    return []
  return [
    size.nodes * inputs * (1 if model.shared_input_dropout else heads)
    for inputs, heads, _ in layers[1 if size.non_zeros else 0 :]
  ]


def _work(model: Any, layers: Sequence[_Layer], size: _Size) -> float:
  """Seconds of one direction through all layers."""
  edges = _edges(model, size)
  seconds = _EDGE * (edges + size.non_zeros)
  projections = 2 if model.name == 'gatv2' else 1
  for index, (inputs, heads, features) in enumerate(layers):
    width = heads * features
    if size.non_zeros and index == 0:
      seconds += projections * _MESSAGE * size.non_zeros * width
    else:
      seconds += projections * _PRODUCT * size.nodes * inputs * width
    seconds += projections * _MESSAGE * edges * width  # of scores, of sums
    seconds += _WEIGHT * edges * heads
  return seconds
