"""The fewest bytes and operations that a program can do with.

Counted from shapes, with every array read once where it is needed and written
once where it is made; what one kernel could keep to itself counts not at all.
So an aggregation reads weights, values and ids and writes sums, and no messages
of edges: gathered rows are read from a cache, or again from memory, which a
real program pays on top. All numbers are float32, ids int32.

  forward    a layer reads h and W and writes z; reads z and writes the scores
             of nodes; reads ids and scores and writes alpha; reads alpha, z and
             ids and writes its outputs
  backward   the cotangent is read twice (for alpha and for z), alpha, z, h and
             W once; the gradients of alpha, z, W and, but in the first layer,
             h are written, that of z is read twice again
  Adam       parameters, two moments and the gradient are read, the first three
             written
  dropout    masks are made where they are used

Products count twice for their gradients, and so do sums over edges.
"""

from typing import Any, NamedTuple

from gat_jax import graphs

_NUMBER = 4  # bytes


class Least(NamedTuple):
  """Bytes moved and operations done."""

  bytes: int
  flops: int

  def __add__(self, other: Any) -> 'Least':
    """Both."""
    return Least(self.bytes + other.bytes, self.flops + other.flops)


def aggregation(nodes: int, edges: int, heads: int, features: int) -> Least:
  """A sum over edges with the gradients of weights and values."""
  weights, values = edges * heads, nodes * heads * features
  # forward: weights, values, ids, sums; backward: cotangent, weights, values,
  # ids, and both gradients
  moved = 3 * weights + 5 * values + 4 * edges
  return Least(_NUMBER * moved, 3 * 2 * edges * heads * features)


def epoch(built: Any) -> Least:
  """A step and the validation of a program on one graph."""
  (example,), (val,) = built.train, built.val
  trained = step(built, example)
  sparse = _model(built, val.graph, with_gradient=False)
  return trained + sparse


def step(built: Any, example: Any | None = None) -> Least:
  """A step of a program on one example."""
  import jax

  example = example or built.train[0]
  num_parameters = sum(x.size for x in jax.tree.leaves(built.state.params))
  adam = Least(_NUMBER * 7 * num_parameters, 12 * num_parameters)
  return adam + _model(built, example.graph, with_gradient=True)


def _model(built: Any, graph: Any, with_gradient: bool) -> Least:
  from flax import nnx

  model = nnx.merge(built.program.graphdef, built.state.params)
  total = Least(0, 0)
  features = graph.nodes
  num_stored = _stored(features)
  for index, layer in enumerate(model.layers):
    total += _layer(layer, graph, num_stored, index, with_gradient)
    _, heads, width = layer.kernel_shape
    num_stored = graph.nodes.shape[0] * heads * width
  return total


def _stored(features: Any) -> int:
  """Numbers of the inputs; of sparse ones a value and its column count."""
  if isinstance(features, graphs.SparseFeatures):
    return len(features.values)
  return features.shape[0] * features.shape[1]


def _layer(layer, graph, num_inputs, index, with_gradient):
  n_node, n_edge = graph.nodes.shape[0], len(graph.senders)
  in_features, heads, width = layer.kernel_shape
  is_sparse = index == 0 and isinstance(graph.nodes, graphs.SparseFeatures)
  kernels = sum(hasattr(layer, name) for name in ('kernel', 'receiver_kernel'))
  products = kernels + hasattr(layer, 'skip_kernel')
  z = n_node * heads * width
  alpha = n_edge * heads
  kernel = in_features * heads * width
  inputs = num_inputs * (2 if is_sparse else 1)  # with ids
  moved = products * (kernel + z) + inputs  # z is written
  moved += kernels * z + 4 * n_node * heads + 2 * n_edge + alpha  # scores
  moved += z + alpha + 2 * n_edge + z  # sums
  flops = products * 2 * num_inputs * heads * width
  flops += 2 * n_edge * heads * width * kernels + 2 * 2 * z
  if with_gradient:
    of_inputs = 0 if index == 0 else num_inputs
    moved += 2 * z + 2 * alpha + z + inputs + products * 2 * kernel
    moved += products * 3 * z + 4 * n_edge + of_inputs
    both = 1 if index == 0 else 2  # nothing asks for the inputs' gradient
    flops += products * both * 2 * num_inputs * heads * width
    flops += 2 * 2 * n_edge * heads * width * kernels + 2 * 2 * 2 * z
  return Least(_NUMBER * moved, flops)
