"""Edges added and sorted one step at a time."""

import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.prepared import PreparedGraph
from gat_jax.graphs.prepared import from_edges
from gat_jax.graphs.prepared import prepare


def symmetrize(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
  """Adds the reverse of every edge of a single graph; no edge twice.

  Raises:
    InputError: if it is a batch, or its edges have features.
  """
  pairs = np.stack(
    [
      np.concatenate([graph.senders, graph.receivers]),
      np.concatenate([graph.receivers, graph.senders]),
    ]
  )
  return _with_edges(graph, np.unique(pairs, axis=1))


def add_self_loops(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
  """Gives every node of a single graph exactly one edge to itself.

  Raises:
    InputError: if it is a batch, or its edges have features.
  """
  others = graph.senders != graph.receivers
  loops = np.arange(graph.n_node.sum(), dtype=np.int32)
  pairs = np.stack(
    [
      np.concatenate([graph.senders[others], loops]),
      np.concatenate([graph.receivers[others], loops]),
    ]
  )
  return _with_edges(graph, pairs)


def sort_by_receiver(graph: jraph.GraphsTuple) -> PreparedGraph:
  """Orders the edges of a single graph by receiver, then by sender.

  Layers and `gat_jax.nn.aggregate` need them so.

  Raises:
    InputError: if it is a batch, or its edges have features.
  """
  graph = _with_edges(graph, np.stack([graph.senders, graph.receivers]))
  return prepare(
    graph.nodes,
    graph.senders,
    graph.receivers,
    self_loops=False,
    duplicates='keep',
  )


def _with_edges(
  graph: jraph.GraphsTuple, pairs: np.ndarray
) -> jraph.GraphsTuple:
  if len(graph.n_node) != 1:
    raise InputError(
      'graph', f'it is a batch of {len(graph.n_node)}, not a single graph'
    )
  if graph.edges is not None:
    raise InputError(
      'graph', 'its edges have features, which are not supported'
    )
  return from_edges(graph.nodes, pairs[0], pairs[1])
