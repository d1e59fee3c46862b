"""What a model makes of a graph of any size."""

from collections.abc import Sequence
import functools
import logging
from typing import Any

from flax import nnx
import jax
from jax import numpy as jnp
import jraph
import numpy as np

from gat_jax import nn
from gat_jax.datasets import Example
from gat_jax.training import compiling
from gat_jax.training import memory
from gat_jax.training import metrics
from gat_jax.training.sampling.csr import Csr
from gat_jax.training.sampling.layerwise import Layerwise


def apply_model(
  model: nn.Model,
  graph: jraph.GraphsTuple,
  attention: bool = False,
  hidden: bool = False,
  *,
  is_sampled: bool = False,
) -> tuple[list[jax.Array | np.ndarray], list[nn.Attention]]:
  """Applies a model without dropout.

  A graph that is too large for the device is computed layer by layer.

  Args:
    model: with its parameters.
    graph: as `graphs.prepare` makes it.
    attention: whether alpha is wanted.
    hidden: whether the nodes after the hidden layers are wanted.
    is_sampled: whether the graph is known to be too large.

  Returns:
    The nodes after every layer, or after the last alone, and alpha of every
    layer, or nothing.
  """
  if is_sampled:
    return _layerwise(model, graph, attention, hidden)

  def apply(graph):
    nodes = model.activations(graph) if hidden else [model.forward(graph)]
    return nodes, model.attention(graph) if attention else []

  jitted = compiling.jit(apply)
  if compiling.is_off():
    return jitted(graph)
  compiled = jitted.lower(graph).compile()
  needed = memory.needed(compiled)
  if memory.fits(needed, jax.local_devices()[0]):
    return compiled(graph)
  logging.warning(
    'a graph of %d nodes needs %.1f GB at once: it is computed layer by layer',
    graph.nodes.shape[0],
    needed / 1e9,
  )
  return _layerwise(model, graph, attention, hidden)


def _layerwise(model, graph, attention, hidden):
  graphdef, params = nnx.split(model)
  own = Layerwise(graphdef, graph)
  nodes = list(own.activations(params, last=not hidden))
  return nodes, own.attention(params) if attention else []


class SplitCounter:
  """Loss and score of splits, as `Program.count`, on graphs of any size."""

  def __init__(self, graphdef: nnx.GraphDef, metric: str):
    """Compiles nothing yet.

    Args:
      graphdef: of a `nn.Model`.
      metric: what scores are; see `metrics.count`.
    """
    self._graphdef = graphdef
    self._known: dict[int, tuple[Any, Layerwise]] = {}
    self._count = jax.jit(functools.partial(metrics.count, metric=metric))

  def count(
    self, params: nnx.State, examples: Sequence[Example]
  ) -> metrics.Counts:
    """Counts of the masked nodes of some examples, added up."""
    counts = []
    for example in examples:
      nodes = np.flatnonzero(example.mask)
      logits = self._layerwise(example.graph).logits(params, nodes)
      labels, mask = example.labels[nodes], np.ones(len(nodes), bool)
      counts.append(self._count(jnp.asarray(logits), labels, mask))
    return jax.tree.map(lambda *terms: sum(terms), *counts)

  def num_bytes(self, params: nnx.State, examples: Sequence[Example]) -> int:
    """What `count` holds at most beside the graphs.

    Args:
      params: of the model, or their shapes.
      examples: of all splits that are counted.
    """
    return max(
      self._layerwise(one.graph).num_bytes(params, np.flatnonzero(one.mask))
      for one in examples
    )

  def _layerwise(self, graph: jraph.GraphsTuple) -> Layerwise:
    """Splits may share a graph."""
    if id(graph) not in self._known:
      self._known[id(graph)] = graph, Layerwise(self._graphdef, graph)
    return self._known[id(graph)][1]


def data_bytes(examples: Sequence[Example]) -> int:
  """Of edges, features and labels, those in files included."""
  own = {}
  for example in examples:
    graph, csr = example.graph, Csr.of(example.graph)
    arrays = csr.indptr, csr.indices, csr.receivers, example.labels
    for leaf in jax.tree.leaves((graph.nodes, graph.edges, *arrays)):
      own[id(leaf)] = leaf.nbytes
  return sum(own.values())
