"""Several graphs as one, and padding, on the host.

Shapes: G graphs, N nodes, E edges, D features.
"""

from collections.abc import Sequence

import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.edge_features import check_same_kind
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.features import Features
from gat_jax.graphs.features import SparseFeatures
from gat_jax.graphs.groups import fill_groups
from gat_jax.graphs.groups import join_groups
from gat_jax.graphs.groups import shifted
from gat_jax.graphs.inputs import edges_of as edges_in_range
from gat_jax.graphs.prepared import PreparedGraph
from gat_jax.graphs.prepared import structure_of


def batch(graphs: Sequence[jraph.GraphsTuple]) -> jraph.GraphsTuple:
  """Joins graphs into one tuple of G graphs; a prepared one if all are.

  Args:
    graphs: at least one, with the same D and all dense or all sparse.

  Raises:
    InputError: if they do not have that, or their sizes or ids do not fit.
  """
  for graph in graphs:
    _check_sizes(graph)
  kinds = {
    (isinstance(g.nodes, SparseFeatures), g.nodes.shape[1]) for g in graphs
  }
  if len(kinds) != 1:
    raise InputError(
      'graphs',
      'none' if not kinds else 'their features differ in width or in kind',
      'give at least one, all dense or all sparse and of the same width',
    )
  check_same_kind([graph.edges for graph in graphs])
  joined = jraph.batch_np([_plain(graph, nodes=None) for graph in graphs])
  joined = joined._replace(nodes=_join_features([g.nodes for g in graphs]))
  structures = [structure_of(graph) for graph in graphs]
  prepared = [structure for structure in structures if structure is not None]
  if len(prepared) < len(structures):
    return joined
  return PreparedGraph.of(joined, join_edges(prepared))


def pad(
  graph: jraph.GraphsTuple,
  n_node: int,
  n_edge: int,
  n_nonzero: int = 0,
  n_graph: int = 0,
) -> jraph.GraphsTuple:
  """Pads to N = `n_node` nodes and E = `n_edge` edges with a graph of its own.

  The padding comes last. Its edges join the first padding node to itself, so it
  changes nothing at a real node. A prepared graph stays one; all that are
  padded to the same sizes have the same shapes.

  Args:
    graph: one graph or a batch.
    n_node: nodes after padding, at least one more than before.
    n_edge: edges after padding.
    n_nonzero: stored non-zeros after padding, for sparse features only.
    n_graph: graphs after padding, empty ones included; 0 adds just one.

  Returns:
    The graphs and one padding graph, then empty ones.

  Raises:
    InputError: if the graph does not fit, or its sizes or ids do not.
  """
  _check_sizes(graph)
  old_node, old_edge = int(graph.n_node.sum()), int(graph.n_edge.sum())
  if old_node >= n_node or old_edge > n_edge:
    raise InputError(
      'graph',
      f'{old_node} nodes and {old_edge} edges do not fit into {n_node} and'
      f' {n_edge}',
      'leave at least one node for the padding',
    )
  n_graph = n_graph or len(graph.n_node) + 1
  if n_graph <= len(graph.n_node):
    raise InputError(
      'n_graph',
      f'{n_graph} graphs have no room for {len(graph.n_node)} and the padding',
    )
  padded = jraph.pad_with_graphs(
    _plain(graph, nodes=None), n_node, n_edge, n_graph
  )
  padded = padded._replace(nodes=_pad_features(graph.nodes, n_node, n_nonzero))
  own = structure_of(graph)
  if own is None:
    return padded
  to_itself = np.zeros(n_edge - old_edge, np.int32)
  extra = n_node - old_node
  padding = Edges(to_itself, to_itself, extra, extra).prepared()
  structure = fill(join_edges([own, padding]))
  return PreparedGraph.of(padded, structure)


def _check_sizes(graph: jraph.GraphsTuple) -> None:
  """An id that is no node would become one of the next graph."""
  n_node, n_edge = graph.nodes.shape[0], len(graph.senders)
  if graph.n_node.sum() != n_node or graph.n_edge.sum() != n_edge:
    raise InputError(
      'graph',
      f'`n_node` {graph.n_node} and `n_edge` {graph.n_edge} for {n_node} nodes'
      f' and {n_edge} edges',
      'they must add up to them',
    )
  if structure_of(graph) is None:
    edges_in_range(graph.senders, graph.receivers, n_node)


def _plain(graph: jraph.GraphsTuple, **fields) -> jraph.GraphsTuple:
  return jraph.GraphsTuple(*graph)._replace(**fields)


def _join_features(features: Sequence[Features]) -> Features:
  sparse = [f for f in features if isinstance(f, SparseFeatures)]
  if not sparse:
    return np.concatenate([np.asarray(dense) for dense in features])
  first_rows = np.cumsum([0, *(f.shape[0] for f in sparse)])
  rows = [f.rows + first for f, first in zip(sparse, first_rows, strict=False)]
  return _by_row(
    np.concatenate([f.values for f in sparse]),
    np.concatenate([f.columns for f in sparse]),
    np.concatenate(rows),
    (int(first_rows[-1]), sparse[0].shape[1]),
  )


def _by_row(values, columns, rows, shape) -> SparseFeatures:
  order = np.argsort(rows, kind='stable')
  edges = Edges(columns[order], rows[order], shape[1], shape[0])
  return SparseFeatures(values[order], edges.prepared())


def _pad_features(features: Features, n_node: int, n_nonzero: int) -> Features:
  old_node, n_feature = features.shape
  if not isinstance(features, SparseFeatures):
    rows = np.zeros((n_node - old_node, n_feature), features.dtype)
    return np.concatenate([features, rows])
  extra = n_nonzero - len(features.values)
  if extra < 0:
    raise InputError(
      'graph', f'{len(features.values)} non-zeros do not fit into {n_nonzero}'
    )
  padded = _by_row(
    np.pad(features.values, (0, extra)),
    np.pad(features.columns, (0, extra)),
    np.pad(features.rows, (0, extra), constant_values=old_node),
    (n_node, n_feature),
  )
  return SparseFeatures(padded.values, fill(padded.edges))


def join_edges(several: Sequence[Edges]) -> Edges:
  """The edges of several graphs as those of one, nodes renumbered.

  Args:
    several: at least one. Fillers are left out; `fill` makes new ones.

  Raises:
    InputError: if one is a part of a graph.
  """
  if any(edges.part is not None for edges in several):
    raise InputError(
      'graphs', 'parts of a graph cannot be joined or padded', 'join the whole'
    )
  first_sender = _starts([edges.num_senders for edges in several])
  first_receiver = _starts([edges.num_receivers for edges in several])
  starts = _starts([len(edges.senders) for edges in several])

  def groups(of, own, other):
    return join_groups([of(edges) for edges in several], starts, own, other)

  joined = Edges(
    shifted([edges.senders for edges in several], first_sender),
    shifted([edges.receivers for edges in several], first_receiver),
    int(first_sender[-1]),
    int(first_receiver[-1]),
  )
  if not all(edges.is_prepared for edges in several):
    return joined
  return joined._with(
    by_receiver=groups(lambda e: e.by_receiver, first_receiver, first_sender),
    by_sender=groups(lambda e: e.by_sender, first_sender, first_receiver),
  )


def fill(edges: Edges) -> Edges:
  """Adds fillers: as many groups as so many edges and nodes can ever have."""
  if edges.by_receiver is None or edges.by_sender is None:
    return edges
  return edges._with(
    by_receiver=fill_groups(edges.by_receiver, len(edges.receivers)),
    by_sender=fill_groups(edges.by_sender, len(edges.senders)),
  )


def _starts(lengths: Sequence[int]) -> np.ndarray:
  return np.cumsum([0, *lengths])
