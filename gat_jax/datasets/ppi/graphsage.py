"""PPI as the authors of GraphSAGE publish it: one graph of all tissues.

Shapes: N nodes of all splits, E directed edges, D features, L labels.
"""

import numpy as np
import scipy.sparse

from gat_jax.datasets import archives
from gat_jax.datasets import structures

MEMBERS = ('ppi-G.json', 'ppi-id_map.json', 'ppi-class_map.json')
_FEATURES = 'ppi-feats.npy'
_MIN_COMPONENT = 3  # nodes; the authors of GAT merge what has fewer


def parse(archive: archives.Archive) -> dict[str, np.ndarray]:
  """Reads the JSON of GraphSAGE's archive.

  Returns:
    edges [E, 2]; splits [N], an index into `structures.SPLITS`; rows [N], where
    the features of each node are; labels [N, L].

  Raises:
    DataError: names the member that is missing or malformed.
  """
  member, id_map, class_map = MEMBERS
  nodes, edges = archives.read_links(archive, member)
  flags = [(node.get('val'), node.get('test')) for node in nodes]
  codes: dict[tuple, int] = {
    (False, False): 0,
    (True, False): 1,
    (False, True): 2,
  }
  for i, pair in enumerate(flags):
    if set(map(type, pair)) != {bool} or pair not in codes:
      archive.fail(member, f'says val={pair[0]}, test={pair[1]} of node {i}')
  names = [str(i) for i in range(len(nodes))]
  rows = archive.json(id_map)
  classes = archive.json(class_map)
  for other, mapping in ((id_map, rows), (class_map, classes)):
    if not isinstance(mapping, dict) or set(mapping) != set(names):
      archive.fail(other, f'does not map the {len(nodes)} nodes of {member}')
  row_of = [rows[name] for name in names]
  if set(map(type, row_of)) != {int} or sorted(row_of) != [*range(len(nodes))]:
    archive.fail(id_map, 'does not give every node a row of its own')
  try:
    labels = np.array([classes[name] for name in names])
  except (ValueError, OverflowError) as error:
    archive.fail(class_map, f'holds lists of several lengths ({error})')
  return {
    'edges': edges,
    'splits': np.array([codes[pair] for pair in flags]),
    'rows': np.array(row_of),
    'labels': archives.check_labels(archive, class_map, labels),
  }


def assemble(
  archive: archives.Archive, kept: dict[str, np.ndarray]
) -> dict[str, archives.Nodes]:
  """Makes graphs of GraphSAGE's archive, as the authors of GAT do.

  Each connected component is a graph, except that components of one or two
  nodes are merged into the first graph of their split. Features are
  standardised with the mean and deviation of the training nodes, where they
  vary at all.

  Args:
    archive: which holds the features.
    kept: what `parse` returned.

  Returns:
    The nodes of each split, by its name.

  Raises:
    DataError: if the features do not fit, an edge joins two splits, or a split
      has no graph.
  """
  graph, _, _ = MEMBERS
  features = archives.read_features(archive, _FEATURES)
  splits, edges = kept['splits'], kept['edges']
  if len(features) != len(splits):
    archive.fail(
      _FEATURES, f'has {len(features)} nodes, but {graph} has {len(splits)}'
    )
  across = np.flatnonzero(splits[edges[:, 0]] != splits[edges[:, 1]])
  if len(across):
    a, b = edges[across[0]]
    archive.fail(graph, f'links nodes {a} and {b} of different splits')
  features = features[kept['rows']].astype(np.float64)
  training = features[splits == 0]
  graph_ids = _merged_components(archive, splits, edges)
  varies = np.ptp(training, axis=0) > 0  # std of equal numbers may not be 0
  features -= training.mean(axis=0)
  features /= np.where(varies, training.std(axis=0), 1)
  place = np.empty(len(splits), np.int32)  # of each node in its own split
  nodes = {}
  for code, split in enumerate(structures.SPLITS):
    own = np.flatnonzero(splits == code)
    place[own] = np.arange(len(own))
    nodes[split] = archives.Nodes(
      features[own].astype(np.float32),
      kept['labels'][own],
      graph_ids[own],
      place[edges[splits[edges[:, 0]] == code]],
    )
  return nodes


def _merged_components(
  archive: archives.Archive, splits: np.ndarray, edges: np.ndarray
) -> np.ndarray:
  """[N]: the first node of each node's graph."""
  from scipy.sparse import csgraph  # slow to import

  n_node = len(splits)
  adjacency = scipy.sparse.coo_matrix(
    (np.ones(len(edges), bool), edges.T), shape=(n_node, n_node)
  )
  _, components = csgraph.connected_components(adjacency, directed=False)
  _, first, component, sizes = np.unique(
    components, return_index=True, return_inverse=True, return_counts=True
  )
  graph_ids, tiny = first[component], sizes[component] < _MIN_COMPONENT
  for code, split in enumerate(structures.SPLITS):
    large = graph_ids[(splits == code) & ~tiny]
    if not len(large):
      archive.fail(
        MEMBERS[0],
        f'has no graph of {_MIN_COMPONENT} or more nodes for {split}',
      )
    graph_ids[(splits == code) & tiny] = large.min()
  return graph_ids
