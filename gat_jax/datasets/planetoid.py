"""Cora, Citeseer and Pubmed in the Planetoid release (Yang et al., ICML 2016).

Shapes: N nodes, D features, C classes.
"""

import numpy as np
import scipy.sparse

from gat_jax import graphs
from gat_jax.datasets import files
from gat_jax.datasets import pickles
from gat_jax.datasets import structures

_PARTS = ('x', 'tx', 'allx', 'y', 'ty', 'ally', 'graph', 'test.index')
_NUM_VALIDATION = 500

# Of the release, in the order of _PARTS. Pubmed's are the Git LFS pointers of
# D61-IA/FisherGCN, whose pointers for Citeseer are the sums below.
_SHA256 = {
  'cora': (
    '23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab',
    'b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a',
    '9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543',
    '94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1',
    '41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad',
    '2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71',
    '58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d',
    '297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875',
  ),
  'citeseer': (
    'd20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6',
    '539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21',
    '2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668',
    '8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924',
    '55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce',
    'f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95',
    'd79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7',
    '2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4',
  ),
  'pubmed': (
    'fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33',
    '4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d',
    '508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e',
    'e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3',
    'ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd',
    '0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e',
    '5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9',
    'b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5',
  ),
}
_MIRRORS = (
  'https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/',
  'https://github.com/kimiyoung/planetoid/raw/master/data/',
  'https://raw.githubusercontent.com/tkipf/gcn/master/gcn/data/',
)

NAMES = tuple(_SHA256)


def data_files(name: str) -> list[files.DataFile]:
  """The eight files of a data set."""
  return [
    files.DataFile(
      name=f'ind.{name}.{part}',
      sha256=(sha256,),
      urls=tuple(f'{mirror}ind.{name}.{part}' for mirror in _MIRRORS),
    )
    for part, sha256 in zip(_PARTS, _SHA256[name], strict=True)
  ]


def load(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  normalize_features: bool = True,
) -> structures.Dataset:
  """Loads one of `NAMES` with the one split that the paper uses.

  Training nodes are the first len(y), validation nodes the next 500, test nodes
  those of test.index. Every edge goes both ways and is there once; every node
  has one self-loop. A test id that is missing from the file becomes a node
  with neither features nor label, in no split.

  Args:
    name: one of `NAMES`.
    data_dir: see `files.read`.
    progress: see `files.read`.
    normalize_features: scale the rows of features to sum 1; empty ones stay.

  Raises:
    DataError: if a file is missing or is not the published one.
  """
  contents = files.read('planetoid', data_files(name), data_dir, progress)
  return parse(name, contents, normalize_features)


def parse(
  name: str, contents: files.Contents, normalize_features: bool = True
) -> structures.Dataset:
  """Makes the data set from the bytes of its files.

  Args:
    name: as in `load`.
    contents: its eight files.
    normalize_features: as in `load`.

  Raises:
    DataError: if a file is malformed or does not fit the others.
  """
  part = {p: contents.data[f'ind.{name}.{p}'] for p in _PARTS}
  where = {p: f'{contents.folder}/ind.{name}.{p}' for p in _PARTS}
  x, tx, allx = (read_matrix(part[p], where[p]) for p in ('x', 'tx', 'allx'))
  y, ty, ally = (read_one_hot(part[p], where[p]) for p in ('y', 'ty', 'ally'))
  test = _read_index(part['test.index'], where['test.index'])
  for matrix, labels, p in ((x, y, 'x'), (tx, ty, 'tx'), (allx, ally, 'allx')):
    if matrix.shape[0] != len(labels) or matrix.shape[1] != x.shape[1]:
      pickles.malformed(
        where[p], 'its shape does not fit those of the other files'
      )
  if len(test) != len(ty) or len(set(test)) != len(test):
    pickles.malformed(
      where['test.index'], f'it does not hold {len(ty)} different ids'
    )
  first = allx.shape[0]
  if test.min() != first or len(y) + _NUM_VALIDATION > first:
    pickles.malformed(where['test.index'], f'its smallest id is not {first}')

  n_node = int(test.max()) + 1
  if n_node > 10 * (first + len(test)):
    pickles.malformed(where['test.index'], f'it has the id {n_node - 1}')
  place = scipy.sparse.csr_matrix(
    (np.ones(len(test)), (test - first, np.arange(len(test)))),
    shape=(n_node - first, len(test)),
  )
  features = scipy.sparse.vstack([allx, place @ tx]).tocsr()
  if normalize_features:
    features = structures.scale_rows(features)
  labels = np.full(n_node, -1, np.int32)
  labels[:first] = _class_ids(ally)
  labels[test] = _class_ids(ty)

  entries = read_adjacency(part['graph'], where['graph'], n_node)
  loops = np.unique(entries[entries[:, 0] == entries[:, 1], 0])
  graph = graphs.prepare(features, *entries.T, reverse=True, duplicates='merge')
  masks = {split: np.zeros(n_node, bool) for split in structures.SPLITS}
  masks['train'][: len(y)] = True
  masks['val'][len(y) : len(y) + _NUM_VALIDATION] = True
  masks['test'][test] = True
  return structures.from_one_graph(
    name,
    graph,
    labels,
    masks,
    facts={
      'edges_raw': len(entries),
      'self_loops_in_file': len(loops),
      'edges_unique': (len(graph.senders) - n_node) // 2,
      'missing_ids': n_node - first - len(test),
      'normalize_features': normalize_features,
    },
    sums=contents.sums,
  )


def read_matrix(data: bytes, where: str) -> scipy.sparse.csr_matrix:
  """Reads a pickled csr_matrix [N, D] as float32.

  Raises:
    DataError: if it holds anything else.
  """
  pickled = pickles.unpickle(data, where)
  if not isinstance(pickled, scipy.sparse.csr_matrix):
    pickles.malformed(where, 'it holds no csr_matrix')
  # An old SciPy wrote its attributes; this one makes a matrix of its own.
  matrix = scipy.sparse.csr_matrix(
    (
      pickled.data.astype(np.float32),
      pickled.indices.astype(np.int32),
      pickled.indptr.astype(np.int32),
    ),
    shape=pickled.shape,
  )
  if not np.isfinite(matrix.data).all():
    pickles.malformed(where, 'it holds NaN or infinity')
  return matrix


def read_one_hot(data: bytes, where: str) -> np.ndarray:
  """Reads a pickled array [N, C] of 0 and 1 as int32.

  Raises:
    DataError: if it holds anything else.
  """
  labels = pickles.unpickle(data, where)
  if np.ndim(labels) != 2 or not np.isin(labels, (0, 1)).all():
    pickles.malformed(where, 'it holds no matrix of 0 and 1')
  return labels.astype(np.int32)


def read_adjacency(data: bytes, where: str, n_node: int) -> np.ndarray:
  """Reads a pickled dictionary node -> neighbours as entries [E, 2] int32.

  Raises:
    DataError: if it holds anything else, or a node that is not in 0..N - 1.
  """
  adjacency = pickles.unpickle(data, where)
  if not isinstance(adjacency, dict):
    pickles.malformed(where, 'it holds no dictionary')
  entries = np.array(
    [(i, j) for i, neighbours in adjacency.items() for j in neighbours]
  ).reshape(-1, 2)
  if entries.dtype.kind != 'i' and len(entries):
    pickles.malformed(where, 'it holds something else than node ids')
  if len(entries) and not 0 <= entries.min() <= entries.max() < n_node:
    pickles.malformed(
      where, f'it has an edge to a node that is not in 0..{n_node - 1}'
    )
  return entries.astype(np.int32)


def _read_index(data: bytes, where: str) -> np.ndarray:
  try:
    index = np.array([int(line) for line in data.split()], np.int64)
  except (ValueError, OverflowError) as error:
    pickles.malformed(where, 'it must hold one node id a line', error)
  if not len(index) or not 0 <= np.min(index) <= np.max(index) < 2**31:
    pickles.malformed(where, 'it must hold one node id a line')
  return index


def _class_ids(one_hot: np.ndarray) -> np.ndarray:
  """[N, C] -> [N]; -1 where a row has no class."""
  return np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)
