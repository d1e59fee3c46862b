"""Small files in the format of OGB's node-property sets."""

import gzip
import zipfile

import numpy as np

TITLES = {
  'ogbn-arxiv': 'arxiv',
  'ogbn-products': 'products',
  'ogbn-proteins': 'proteins',
  'ogbn-papers100M': 'papers100M-bin',
}
SPLITS = {
  'ogbn-arxiv': 'time',
  'ogbn-products': 'sales_ranking',
  'ogbn-proteins': 'species',
  'ogbn-papers100M': 'time',
}
CLASSES = {
  'ogbn-arxiv': 40,
  'ogbn-products': 47,
  'ogbn-proteins': 112,
  'ogbn-papers100M': 172,
}


def drawn(name, n_node=40, n_edge=90, seed=0):
  """What a data set's files hold, by the name of the file without suffix."""
  rng = np.random.default_rng(seed)
  pairs = [(i, j) for i in range(n_node) for j in range(n_node) if i <= j]
  edges = np.array(pairs)[rng.permutation(len(pairs))[:n_edge]]
  edges[0] = 3, 3
  edges = edges[np.sort(np.unique(edges, axis=0, return_index=True)[1])]
  if name in ('ogbn-arxiv', 'ogbn-papers100M'):
    edges = np.where(rng.random((n_edge, 1)) < 0.5, edges, edges[:, ::-1])
  held = {'edge': edges}
  if name == 'ogbn-proteins':
    held['edge-feat'] = rng.integers(0, 1000, (n_edge, 8)) / 1000
    held['node_species'] = rng.choice([3702, 9606], (n_node, 1))
    held['node-label'] = rng.integers(0, 2, (n_node, 112))
  else:
    width = 100 if name == 'ogbn-products' else 128
    held['node-feat'] = rng.normal(size=(n_node, width)).round(6)
    held['node-label'] = rng.integers(0, CLASSES[name], (n_node, 1))
  order = rng.permutation(n_node)
  held['train'], held['valid'], held['test'] = np.split(order, [20, 30])
  return held


def table(numbers):
  """The bytes of a csv.gz."""
  rows = np.asarray(numbers)
  rows = rows[:, None] if rows.ndim == 1 else rows
  text = ''.join(','.join(map(repr, row)) + '\n' for row in rows.tolist())
  return gzip.compress(text.encode(), mtime=0)


def members(name, held=None):
  """The bytes of all files, by their path in the folder of the data set."""
  held = drawn(name) if held is None else held
  found = {'RELEASE_v1.txt': b'', 'mapping/README.md': b'of no concern\n'}
  for part in ('train', 'valid', 'test'):
    found[f'split/{SPLITS[name]}/{part}.csv.gz'] = table(held[part])
  for part in ('edge', 'edge-feat', 'node-feat', 'node-label', 'node_species'):
    if part in held:
      found[f'raw/{part}.csv.gz'] = table(held[part])
  n_node, n_edge = len(held['node-label']), len(held['edge'])
  found['raw/num-node-list.csv.gz'] = table([n_node])
  found['raw/num-edge-list.csv.gz'] = table([n_edge])
  return found


def write_folder(folder, name, found):
  """Writes members as the folder that an archive is unpacked to."""
  for path, data in found.items():
    whole = folder / TITLES[name] / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(data)
  return folder / TITLES[name]


def write_archive(folder, name, found):
  """Writes members as OGB's archive."""
  path = folder / f'{TITLES[name]}.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    for member, data in found.items():
      archive.writestr(f'{TITLES[name]}/{member}', data)
  return path


def write_papers(folder, held, save=np.savez):
  """Writes the two .npz files of ogbn-papers100M, and its splits."""
  name = 'ogbn-papers100M'
  found = {
    path: data
    for path, data in members(name, held).items()
    if not path.startswith('raw/')
  }
  home = write_folder(folder, name, found)
  (home / 'raw').mkdir(exist_ok=True)
  labels = held['node-label'].astype(np.float32)
  labels[held.get('unlabelled', [])] = np.nan
  save(
    home / 'raw/data.npz',
    edge_index=np.ascontiguousarray(held['edge'].T),
    node_feat=held['node-feat'].astype(np.float32),
    node_year=np.zeros((len(labels), 1), np.int64),
    num_nodes_list=np.array([len(labels)]),
    num_edges_list=np.array([len(held['edge'])]),
  )
  save(home / 'raw/node-label.npz', node_label=labels)
  return home
