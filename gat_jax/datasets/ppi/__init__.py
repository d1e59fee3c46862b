"""Protein-protein interactions in 24 human tissues: PPI, a graph a tissue.

Three archives of the name `ppi.zip` are read: that of DGL, which is downloaded
where none is found; a rebuild of it ("PPI, rebuilt" wherever its figures are
quoted); and that of GraphSAGE's authors (Hamilton, Ying, Leskovec, NIPS 2017),
https://snap.stanford.edu/graphsage/ppi.zip.

Shapes: N nodes of a split or of all, E directed edges, D features, L labels.
"""

import numpy as np

from gat_jax import graphs
from gat_jax.datasets import archives
from gat_jax.datasets import files
from gat_jax.datasets import structures
from gat_jax.datasets.ppi import graphsage
from gat_jax.datasets.ppi import parsed
from gat_jax.errors import DataError

FILE = 'ppi.zip'
URL = 'https://data.dgl.ai/dataset/ppi.zip'
# Which archive has which sum; the first is the one that is downloaded.
SHA256 = {
  'published': (
    '1f5b2b09ac0f897fa6aa1338c64ab75a5473674cbba89380120bede8cddb2a6a'
  ),
  'rebuilt': 'f8043156ed34f122e9165142e0d8e8ba7f82dbd70c49c685deddf1055227069c',
  'graphsage': (
    '53aeb76e54fd41b645e7edb48b62929240b89839495396b048086fd212503fbd'
  ),
}
_PREFIXES = {'train': 'train', 'val': 'valid', 'test': 'test'}  # DGL's names


def data_file() -> files.DataFile:
  """The one file."""
  return files.DataFile(FILE, tuple(SHA256.values()), (URL,))


def load(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  num_graphs: int = 0,
) -> structures.Dataset:
  """Loads the 20 graphs for training, 2 for validation and 2 for the test.

  Every edge goes both ways and is there once; every node has one self-loop.
  What the JSON in the archive says is kept in an .npz for the next time; see
  `parsed.keep`.

  Args:
    name: of the data set.
    data_dir: see `files.read`.
    progress: see `files.read`.
    num_graphs: keep only the first so many graphs of each split, for a short
      run; 0 keeps all.

  Raises:
    DataError: if the archive is missing, malformed or none of the three, or
      has fewer graphs for training.
  """
  contents = files.read('ppi', [data_file()], data_dir, progress)
  data, sha256 = contents.data[FILE], contents.sums[FILE]
  which = next(key for key, pinned in SHA256.items() if pinned == sha256)
  archive = archives.Archive(f'{contents.folder}/{FILE}', data, folder='ppi')
  if graphsage.MEMBERS[0] in archive.names:
    parse, assemble = graphsage.parse, graphsage.assemble
  else:
    parse, assemble = _parse_dgl, _assemble_dgl
  kept = parsed.keep(contents.folder, FILE, sha256, lambda: parse(archive))
  splits = {
    split: _examples(nodes, num_graphs)
    for split, nodes in assemble(archive, kept).items()
  }
  if not 0 <= num_graphs <= len(splits['train']):
    raise DataError(
      'config.dataset.num_graphs',
      f'{num_graphs} is not possible, {name} has {len(splits["train"])} graphs'
      ' for training',
      'give so many, fewer, or 0 for all',
    )
  return structures.from_graphs(
    name,
    'PPI, rebuilt' if which == 'rebuilt' else 'PPI',
    splits,
    facts={'archive': which, 'num_graphs': num_graphs},
    sums=contents.sums,
  )


def _examples(
  nodes: archives.Nodes, num_graphs: int
) -> list[structures.Example]:
  """One example a graph, the first few if `num_graphs` is positive."""
  ids, graph_of = np.unique(nodes.graph_ids, return_inverse=True)
  if num_graphs > 0:
    ids = ids[:num_graphs]
  place = np.empty(len(graph_of), np.int32)  # of each node in its own graph
  graph_of_edge = graph_of[nodes.edges[:, 0]]
  examples = []
  for i in range(len(ids)):
    own = np.flatnonzero(graph_of == i)
    place[own] = np.arange(len(own))
    edges = place[nodes.edges[graph_of_edge == i]]
    graph = graphs.prepare(
      nodes.features[own], *edges.T, reverse=True, duplicates='merge'
    )
    examples.append(
      structures.Example(graph, nodes.labels[own], np.ones(len(own), bool))
    )
  return examples


def _parse_dgl(archive: archives.Archive) -> dict[str, np.ndarray]:
  """What the JSON of DGL's archive holds: edges and how many nodes."""
  kept = {}
  for split in _PREFIXES.values():
    nodes, edges = archives.read_links(archive, f'{split}_graph.json')
    kept[f'{split}_edges'] = edges
    kept[f'{split}_num_nodes'] = np.array([len(nodes)])
  return kept


def _assemble_dgl(
  archive: archives.Archive, kept: dict[str, np.ndarray]
) -> dict[str, archives.Nodes]:
  """Reads DGL's archive; every split has four members of its own."""
  splits: dict[str, archives.Nodes] = {}
  for split, prefix in _PREFIXES.items():
    feats = f'{prefix}_feats.npy'
    features = archives.read_features(archive, feats)
    n_node = len(features)
    labels = archives.check_labels(
      archive,
      f'{prefix}_labels.npy',
      archive.array(
        f'{prefix}_labels.npy', 2, 'biu', 'integers [nodes, labels]'
      ),
    )
    ids = archive.array(f'{prefix}_graph_id.npy', 1, 'iu', 'integers [nodes]')
    rows = {
      f'{prefix}_labels.npy': len(labels),
      f'{prefix}_graph_id.npy': len(ids),
      f'{prefix}_graph.json': int(kept[f'{prefix}_num_nodes'][0]),
    }
    for member, count in rows.items():
      if count != n_node:
        archive.fail(member, f'has {count} nodes, but {feats} has {n_node}')
    for other, nodes in splits.items():
      _check_widths(archive, prefix, features, labels, nodes)
      shared = np.intersect1d(ids, nodes.graph_ids)
      if len(shared):
        archive.fail(
          f'{prefix}_graph_id.npy',
          f'shares graph {shared[0]} with {_PREFIXES[other]}_graph_id.npy',
        )
    edges = kept[f'{prefix}_edges']
    across = np.flatnonzero(ids[edges[:, 0]] != ids[edges[:, 1]])
    if len(across):
      a, b = edges[across[0]]
      archive.fail(
        f'{prefix}_graph.json',
        f'links node {a} of graph {ids[a]} to node {b} of graph {ids[b]}',
      )
    splits[split] = archives.Nodes(features, labels, ids, edges)
  return splits


def _check_widths(
  archive: archives.Archive,
  prefix: str,
  features: np.ndarray,
  labels: np.ndarray,
  nodes: archives.Nodes,
) -> None:
  """Every split has the features and the labels of the first."""
  for member, found, wanted in (
    (f'{prefix}_feats.npy', features, nodes.features),
    (f'{prefix}_labels.npy', labels, nodes.labels),
  ):
    if found.shape[1] != wanted.shape[1]:
      archive.fail(
        member,
        f'has {found.shape[1]} columns, that of another split'
        f' {wanted.shape[1]}',
      )
