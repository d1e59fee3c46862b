"""Applies a model to graphs that no device holds: exactly, layer by layer.

Every layer is computed for all nodes that are wanted of it before the next one
begins, some thousand nodes at a time. What it makes of them stays on the host.

Shapes: N nodes, E edges, D features, K heads, F features a head; of a block n
nodes that are computed, m that are read, e edges.
"""

from collections.abc import Iterator
import itertools
from typing import NamedTuple

from flax import nnx
import jax
from jax import numpy as jnp
import jraph
import numpy as np

from gat_jax import graphs
from gat_jax import nn
from gat_jax.training.sampling.csr import Csr

# Entries of all messages of a block: edges times features.
_MOST_ENTRIES = 2**24
# Sizes of what a block reads, as parts of its edges; each is compiled.
_SIZES = 4


class _Block(NamedTuple):
  """Some nodes that are computed at once.

  Attributes:
    nodes: [n], ids, in order.
    reads: [m], ids; the nodes themselves come first.
    edges: slice or [e], places among the edges of the graph.
    senders: [e], places in `reads`.
    receivers: [e], places in `nodes`.
  """

  nodes: np.ndarray
  reads: np.ndarray
  edges: np.ndarray
  senders: np.ndarray
  receivers: np.ndarray


class Layerwise:
  """A model on one graph, whose features and activations are on the host."""

  def __init__(self, graphdef: nnx.GraphDef, graph: jraph.GraphsTuple):
    """Compiles nothing yet.

    Args:
      graphdef: of a `nn.Model`.
      graph: as `graphs.prepare` makes it; arrays may be mapped from files.

    Raises:
      DataError: if its edges are not sorted.
    """
    self._graphdef, self._graph = graphdef, graph
    self._csr = Csr.of(graph)

    def apply(index, params, block):
      return nnx.merge(graphdef, params).layers[index].forward(block).nodes

    def attend(index, params, block):
      return nnx.merge(graphdef, params).layers[index].attention(block)

    self._apply = jax.jit(apply, static_argnums=0)
    self._attend = jax.jit(attend, static_argnums=0)

  def logits(
    self, params: nnx.State, nodes: np.ndarray | None = None
  ) -> np.ndarray:
    """The logits of some nodes, in order of their ids; None for all: [n, C]."""
    return next(iter(self.activations(params, nodes, last=True)))

  def activations(
    self,
    params: nnx.State,
    nodes: np.ndarray | None = None,
    *,
    last: bool = False,
  ) -> Iterator[np.ndarray]:
    """What the layers make of nodes, one layer after the other: [n, K F].

    Args:
      params: of the model.
      nodes: ids in order, whose logits are wanted; None for all. Of layers
        before, what comes are the nodes that these need.
      last: whether only the logits are wanted.

    Yields:
      What each layer makes of nodes.
    """
    model = nnx.merge(self._graphdef, params)
    wanted = self._wanted(nodes, len(model.layers))
    found: graphs.Features = self._graph.nodes
    known = np.arange(self._csr.num_nodes)
    for index, layer in enumerate(model.layers):
      found = self._layer(index, layer, params, found, known, wanted[index])
      known = wanted[index]
      if not last or index + 1 == len(model.layers):
        yield found

  def num_bytes(
    self, params: nnx.State, nodes: np.ndarray | None = None
  ) -> int:
    """What `logits` holds at most beside the graph: activations and ids.

    Args:
      params: of the model, or their shapes.
      nodes: see `logits`.
    """
    layers = nnx.merge(self._graphdef, params).layers
    wanted = self._wanted(nodes, len(layers))
    own = [
      4 * len(ids) * _width(layer)
      for layer, ids in zip(layers, wanted, strict=True)
    ]
    most = max(read + made for read, made in itertools.pairwise([0, *own]))
    return most + sum(ids.nbytes for ids in wanted)

  def attention(self, params: nnx.State) -> list[nn.Attention]:
    """Alpha of every layer and edge, in the order of the graph's edges.

    Raises:
      InputError: if the model has none.
    """
    model, everyone = (
      nnx.merge(self._graphdef, params),
      np.arange(self._csr.num_nodes),
    )
    nodes: graphs.Features = self._graph.nodes
    found = []
    for index, layer in enumerate(model.layers):
      own = index, layer, params, nodes, everyone, everyone
      alpha = self._layer(*own, attends=True)
      ends = self._graph.senders, self._graph.receivers
      found.append(nn.Attention(*ends, jnp.asarray(alpha)))
      if index + 1 < len(model.layers):
        nodes = self._layer(*own)
    return found

  def _wanted(
    self, nodes: np.ndarray | None, num_layers: int
  ) -> list[np.ndarray]:
    """Of each layer the nodes that it must compute, in order."""
    count = self._csr.num_nodes
    own = np.arange(count) if nodes is None else nodes
    wanted = [own]
    for _ in range(num_layers - 1):
      if len(own) < count:
        is_read = np.zeros(count, bool)
        is_read[own] = True
        for edges in _in_turn(self._csr, own):
          is_read[self._csr.indices[edges]] = True
        own = np.flatnonzero(is_read)
      wanted.insert(0, own)
    return wanted

  def _layer(
    self,
    index: int,
    layer: nn.HeadsLayer,
    params: nnx.State,
    found: graphs.Features,
    known: np.ndarray,
    wanted: np.ndarray,
    *,
    attends: bool = False,
  ) -> np.ndarray:
    """What a layer makes of some nodes, or alpha of all their edges.

    Args:
      index: which layer.
      layer: itself.
      params: of the model.
      found: what it reads: rows of the nodes that are known.
      known: ids of these, in order.
      wanted: ids of what it computes, in order.
      attends: whether alpha is wanted.
    """
    apply = self._attend if attends else self._apply
    width = max(found.shape[1], _width(layer))
    groups = list(_cut(self._csr, wanted, max(1, _MOST_ENTRIES // width)))
    degrees = self._csr.degrees
    sizes = [int(degrees[nodes].sum()) for nodes in groups]
    n_most, e_most = max(map(len, groups), default=0), max(sizes, default=0)
    outputs, first = None, 0
    for nodes in groups:
      block = _block(self._csr, nodes)
      step = max(1, -(-e_most // _SIZES))
      others = -(-(len(block.reads) - len(nodes)) // step) * step
      graph = self._padded(block, found, known, n_most, n_most + others, e_most)
      rows = np.asarray(apply(index, params, graph))
      count = len(block.edges) if attends else len(nodes)
      if outputs is None:
        total = sum(sizes) if attends else len(wanted)
        outputs = np.empty((total, *rows.shape[1:]), rows.dtype)
      outputs[first : first + count] = rows[:count]
      first += count
    if outputs is None:
      return np.zeros((0, _width(layer)), np.float32)
    return outputs

  def _padded(
    self,
    block: _Block,
    found: graphs.Features,
    known: np.ndarray,
    num_receivers: int,
    num_senders: int,
    num_edges: int,
  ) -> graphs.PreparedGraph:
    n, m, e = len(block.nodes), len(block.reads), len(block.edges)
    # Readers that are not computed come after the padding.
    senders = np.full(num_edges, num_senders, np.int32)
    senders[:e] = block.senders
    senders[:e] += np.where(block.senders >= n, num_receivers - n, 0)
    receivers = np.full(num_edges, num_receivers, np.int32)
    receivers[:e] = block.receivers
    reads = block.reads
    places = (
      reads
      if len(known) == self._csr.num_nodes
      else (np.searchsorted(known, reads))
    )
    if isinstance(found, graphs.SparseFeatures):
      rows = graphs.dense_rows(found, places)
    else:
      rows = np.asarray(found[places])
    nodes = np.zeros((num_senders, rows.shape[1]), rows.dtype)
    nodes[:n] = rows[:n]
    nodes[num_receivers : num_receivers + m - n] = rows[n:]
    degrees = np.zeros(num_senders, np.int32)
    own = self._csr.indptr[reads + 1] - self._csr.indptr[reads]
    degrees[:n] = own[:n]
    degrees[num_receivers : num_receivers + m - n] = own[n:]
    edges = graphs.Edges(senders, receivers, num_senders, num_receivers)
    edges = edges.as_part(graphs.Part(sender_degrees=degrees))
    features = self._graph.edges
    if features is not None:
      own_features = np.asarray(features[block.edges])
      features = np.zeros((num_edges, features.shape[1]), own_features.dtype)
      features[:e] = own_features
    graph = jraph.GraphsTuple(
      nodes=nodes,
      edges=features,
      senders=senders,
      receivers=receivers,
      n_node=np.array([num_senders], np.int32),
      n_edge=np.array([num_edges], np.int32),
      globals=None,
    )
    return graphs.PreparedGraph.of(graph, edges)


def _width(layer: nn.HeadsLayer) -> int:
  """Numbers of a node after a layer, before heads are averaged: K F."""
  return layer.num_heads * layer.kernel_shape[2]


def _places(csr: Csr, nodes: np.ndarray) -> np.ndarray:
  """Where the edges that come in at some nodes are, node by node."""
  firsts = csr.indptr[nodes]
  counts = csr.indptr[nodes + 1] - firsts
  starts = np.repeat(firsts - (counts.cumsum() - counts), counts)
  return starts + np.arange(len(starts))


def _in_turn(csr: Csr, nodes: np.ndarray) -> Iterator[np.ndarray]:
  """Places of edges of nodes, not too many at a time."""
  for own in _cut(csr, nodes, _MOST_ENTRIES):
    yield _places(csr, own)


def _cut(csr: Csr, nodes: np.ndarray, most: int) -> Iterator[np.ndarray]:
  """Cuts nodes into pieces of at most so many edges, or of a single node."""
  weights = np.maximum(csr.indptr[nodes + 1] - csr.indptr[nodes], 1).cumsum()
  first = 0
  while first < len(nodes):
    before = weights[first - 1] if first else 0
    end = int(np.searchsorted(weights, before + most, side='right'))
    end = max(end, first + 1)
    yield nodes[first:end]
    first = end


def _block(csr: Csr, nodes: np.ndarray) -> _Block:
  edges = _places(csr, nodes)
  found, place = np.unique(csr.indices[edges], return_inverse=True)
  # The nodes themselves come first.
  at = np.minimum(np.searchsorted(nodes, found), len(nodes) - 1)
  is_own = nodes[at] == found
  others = found[~is_own]
  order = np.where(is_own, at, len(nodes) + np.cumsum(~is_own) - 1)
  counts = csr.indptr[nodes + 1] - csr.indptr[nodes]
  return _Block(
    nodes=nodes,
    reads=np.concatenate([nodes, others]).astype(np.int64),
    edges=edges,
    senders=order[place].astype(np.int32),
    receivers=np.repeat(np.arange(len(nodes)), counts).astype(np.int32),
  )
