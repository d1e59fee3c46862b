"""Pure functions on jraph.GraphsTuple: edges, self-loops, batches, padding.

Everything here runs on the host, in NumPy, before anything is compiled.

Shapes: G graphs, N nodes, E directed edges, D features, Z stored non-zeros.
"""

from collections.abc import Sequence
import dataclasses
import functools

import jax
import jraph
import numpy as np

from gat_jax.errors import InputError

Array = jax.Array | np.ndarray


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('values', 'rows', 'columns'),
  meta_fields=('shape',),
)
@dataclasses.dataclass(frozen=True)
class SparseFeatures:
  """A feature matrix given by its non-zeros, in row-major order.

  Attributes:
    values: [Z], the non-zeros; [Z, K] once each of K heads has dropped its own.
    rows: [Z] int32, the node of each non-zero, never decreasing.
    columns: [Z] int32, the feature of each non-zero.
    shape: (N, D), static under `jax.jit`.
  """

  values: Array
  rows: Array
  columns: Array
  shape: tuple[int, int]

  @classmethod
  def from_csr(cls, matrix) -> 'SparseFeatures':
    """Takes over a `scipy.sparse` matrix [N, D], as float32."""
    matrix = matrix.tocsr().sorted_indices()
    matrix.eliminate_zeros()
    n_node, n_feature = matrix.shape
    rows = np.repeat(np.arange(n_node, dtype=np.int32), np.diff(matrix.indptr))
    return cls(
      values=matrix.data.astype(np.float32),
      rows=rows,
      columns=matrix.indices.astype(np.int32),
      shape=(int(n_node), int(n_feature)),
    )


Features = jax.Array | np.ndarray | SparseFeatures


def num_features(features: Features) -> int:
  """D of a feature matrix [N, D], dense or sparse."""
  return features.shape[1]


def from_edges(
  features: Features, senders: np.ndarray, receivers: np.ndarray
) -> jraph.GraphsTuple:
  """Makes one graph, with no more edges than are given.

  Args:
    features: [N, D], dense or sparse.
    senders: [E], the node where each directed edge starts, in [0, N).
    receivers: [E], the node where it ends.

  Returns:
    The graph, its edges in the order given.
  """
  return jraph.GraphsTuple(
    nodes=features,
    edges=None,
    senders=np.asarray(senders, np.int32),
    receivers=np.asarray(receivers, np.int32),
    n_node=np.array([features.shape[0]], np.int32),
    n_edge=np.array([len(senders)], np.int32),
    globals=None,
  )


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


def sort_by_receiver(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
  """Orders the edges of a single graph by receiver, then by sender.

  Layers and `gat_jax.nn.aggregate` need them so.

  Raises:
    InputError: if it is a batch, or its edges have features.
  """
  order = np.lexsort((graph.senders, graph.receivers))
  pairs = np.stack([graph.senders[order], graph.receivers[order]])
  return _with_edges(graph, pairs)


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


def batch(graphs: Sequence[jraph.GraphsTuple]) -> jraph.GraphsTuple:
  """Joins graphs into one tuple of G graphs.

  Args:
    graphs: at least one, with the same D and all dense or all sparse. Their
      edges are sorted by receiver, and so are those of the result.
  """
  structure = jraph.batch_np([g._replace(nodes=None) for g in graphs])
  features = [g.nodes for g in graphs]
  if not isinstance(features[0], SparseFeatures):
    return structure._replace(nodes=np.concatenate(features))
  first_rows = np.cumsum([0] + [f.shape[0] for f in features])
  joined = SparseFeatures(
    values=np.concatenate([f.values for f in features]),
    rows=np.concatenate(
      [
        f.rows + first
        for f, first in zip(features, first_rows[:-1], strict=True)
      ]
    ).astype(np.int32),
    columns=np.concatenate([f.columns for f in features]),
    shape=(int(first_rows[-1]), features[0].shape[1]),
  )
  return structure._replace(nodes=joined)


def pad(
  graph: jraph.GraphsTuple,
  n_node: int,
  n_edge: int,
  n_nonzero: int = 0,
  n_graph: int = 0,
) -> jraph.GraphsTuple:
  """Pads to N = `n_node` nodes and E = `n_edge` edges with a graph of its own.

  The padding comes last and keeps the edges sorted by receiver. Its edges join
  the first padding node to itself, so it changes nothing at a real node.

  Args:
    graph: one graph or a batch.
    n_node: nodes after padding, at least one more than before.
    n_edge: edges after padding.
    n_nonzero: stored non-zeros after padding, for sparse features only.
    n_graph: graphs after padding, empty ones included; 0 adds just one.

  Returns:
    The graphs and one padding graph, then empty ones.

  Raises:
    InputError: if the graph does not fit.
  """
  old_node, old_edge = int(graph.n_node.sum()), int(graph.n_edge.sum())
  if old_node >= n_node or old_edge > n_edge:
    raise InputError(
      'graph',
      f'{old_node} nodes and {old_edge} edges do not fit into {n_node} and'
      f' {n_edge}',
      'leave at least one node for the padding',
    )
  structure = jraph.pad_with_graphs(
    graph._replace(nodes=None),
    n_node,
    n_edge,
    n_graph or len(graph.n_node) + 1,
  )
  features = graph.nodes
  if not isinstance(features, SparseFeatures):
    rows = np.zeros((n_node - old_node, features.shape[1]), features.dtype)
    return structure._replace(nodes=np.concatenate([features, rows]))
  extra = n_nonzero - len(features.values)
  if extra < 0:
    raise InputError(
      'graph', f'{len(features.values)} non-zeros do not fit into {n_nonzero}'
    )
  padded = SparseFeatures(
    values=np.pad(features.values, (0, extra)),
    rows=np.pad(features.rows, (0, extra), constant_values=old_node),
    columns=np.pad(features.columns, (0, extra)),
    shape=(n_node, features.shape[1]),
  )
  return structure._replace(nodes=padded)
