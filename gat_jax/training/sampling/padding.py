"""Sampled neighbourhoods as padded graphs, one for each layer.

Shapes: N nodes, E edges of the graph, S seeds, L layers, M senders of a layer.
"""

from collections.abc import Sequence
from typing import Any

import jraph
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import Example
from gat_jax.training.sampling import filling
from gat_jax.training.sampling.csr import Csr
from gat_jax.training.sampling.shapes import Shape
from gat_jax.training.sampling.walking import Walk


class Padder:
  """Gathers what layers need of some nodes, in arrays of a few sizes."""

  def __init__(
    self,
    example: Example,
    csr: Csr,
    fan_outs: Sequence[int],
    widths: Sequence[tuple[int, int]],
    *,
    ids: bool,
    degrees: bool,
    trees: bool,
  ):
    """Reads nothing yet.

    Args:
      example: the graph and its labels; arrays may be mapped from files.
      csr: its edges.
      fan_outs: [L], from the first layer to the last.
      widths: [L], see `shapes.widths`.
      ids: see `Neighbours`.
      degrees: as well.
      trees: as well.
    """
    self._graph, self._labels, self._csr = example.graph, example.labels, csr
    self._fan_outs, self._widths = fan_outs, widths
    self._ids, self._degrees, self._trees = ids, degrees, trees

  def pad(self, seeds: np.ndarray, own: Walk, shape: Shape) -> Example:
    """A graph for each layer, labels and mask of the seeds, padded.

    Args:
      seeds: [S], ids.
      own: their neighbourhood.
      shape: that holds it.
    """
    counts = shape.counts
    firsts = (0, *counts[:-1])
    news = np.diff(own.counts, prepend=0)
    places = np.concatenate(
      [
        np.arange(first, first + new, dtype=np.int32)
        for first, new in zip(firsts, news, strict=True)
      ]
    )
    ends = np.cumsum(own.num_edges), np.cumsum(own.counts[:-1])
    blocks = []
    for step, num_edges in enumerate(shape.num_edges):
      fan_out = self._fan_outs[-1 - step]
      of_edges = slice(ends[0][step] - own.num_edges[step], ends[0][step])
      of_nodes = slice(ends[1][step] - own.counts[step], ends[1][step])
      edges = filling.edges_of_layer(
        own.senders[of_edges],
        own.degrees[of_nodes],
        places,
        num_edges,
        counts[step],
        counts[step + 1],
        self._widths[step],
        fan_out + 1,
        trees=self._trees,
      )
      here = own.nodes[: own.counts[step + 1]], places
      part = self._part(edges, *here, own.edges[of_edges], fan_out)
      if part is not None:
        edges = edges.as_part(part)
      features = self._graph.edges
      if features is not None:
        features = _rows(features, own.edges[of_edges], num_edges)
      blocks.append(_block(edges, features))
    features = self._features(own.nodes, firsts, news, counts[-1])
    blocks[-1] = blocks[-1]._replace(nodes=features)
    labels = _rows(self._labels, seeds, counts[0])
    mask = np.arange(counts[0]) < len(seeds)
    return Example(tuple(reversed(blocks)), labels, mask)

  def _part(
    self,
    edges: graphs.Edges,
    nodes: np.ndarray,
    places: np.ndarray,
    edge_ids: np.ndarray,
    fan_out: int,
  ) -> graphs.Part | None:
    if not self._ids and not self._degrees:
      return None
    own: dict[str, Any] = {}
    places = places[: len(nodes)]
    if self._ids:
      own['sender_ids'] = np.zeros(edges.num_senders, np.uint32)
      own['sender_ids'][places] = nodes
      own['edge_ids'] = _rows(
        edge_ids.astype(np.uint32), slice(None), len(edges.senders)
      )
    if self._degrees:
      indptr = self._csr.indptr
      degrees = indptr[nodes + 1] - indptr[nodes]
      own['sender_degrees'] = np.zeros(edges.num_senders, np.int32)
      own['sender_degrees'][places] = np.minimum(degrees, fan_out + 1)
    return graphs.Part(**own)

  def _features(
    self,
    nodes: np.ndarray,
    firsts: Sequence[int],
    news: np.ndarray,
    count: int,
  ) -> np.ndarray:
    features = self._graph.nodes
    is_sparse = isinstance(features, graphs.SparseFeatures)
    dtype = features.values.dtype if is_sparse else features.dtype
    found = filling.aligned((count, features.shape[1]), dtype)
    ends, start = (*firsts[1:], count), 0
    for first, new, end in zip(firsts, news.tolist(), ends, strict=True):
      rows = found[first : first + new]
      own = nodes[start : start + new]
      if is_sparse:
        rows[:] = graphs.dense_rows(features, own)
      else:
        _take(np.asarray(features), own, rows)
      found[first + new : end] = 0
      start += new
    return found


def _block(
  edges: graphs.Edges, features: np.ndarray | None
) -> graphs.PreparedGraph:
  graph = jraph.GraphsTuple(
    nodes=None,
    edges=features,
    senders=edges.senders,
    receivers=edges.receivers,
    n_node=np.array([edges.num_senders], np.int32),
    n_edge=np.array([len(edges.senders)], np.int32),
    globals=None,
  )
  return graphs.PreparedGraph.of(graph, edges)


def _rows(array: np.ndarray, ids: Any, count: int) -> np.ndarray:
  """Some rows, filled up with zeros."""
  own = array[ids]
  found = np.zeros((count, *own.shape[1:]), own.dtype)
  found[: len(own)] = own
  return found


def _take(features: np.ndarray, ids: np.ndarray, rows: np.ndarray) -> None:
  """Writes some rows of an array that may be larger than the memory.

  `numpy.take` is fast, but first it copies the whole of an array that is not
  aligned, as a file's may be, or not in order of its rows. Bytes always are.
  """
  if features.flags.c_contiguous:
    own, to = features.view(np.uint8), rows.view(np.uint8)
    np.take(own, ids, axis=0, out=to, mode='clip')
  else:
    rows[:] = features[ids]
