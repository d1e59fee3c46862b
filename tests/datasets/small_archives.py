"""Small archives of PPI of our own, and what to hold a loaded one against."""

import io
import json
import zipfile

import numpy as np
import pytest

from gat_jax.errors import DataError

SPLITS = ('train', 'val', 'test')


def links(*pairs):
  return [{'source': a, 'target': b} for a, b in pairs]


def part(ids, pairs, seed):
  rng = np.random.default_rng(seed)
  nodes = [{'id': i} for i in range(len(ids))]
  return {
    'graph.json': {'directed': True, 'nodes': nodes, 'links': links(*pairs)},
    'feats.npy': rng.normal(size=(len(ids), 3)),
    'labels.npy': rng.integers(0, 2, (len(ids), 2)),
    'graph_id.npy': np.array(ids),
  }


def dgl():
  """Graphs of 3 and 2 nodes for training; rows of the first are apart."""
  parts = {
    'train': part([5, 7, 5, 7, 5], [(0, 0), (0, 2), (2, 0), (0, 2), (3, 1)], 0),
    'valid': part([8, 8], [(0, 1)], 1),
    'test': part([9], [], 2),
  }
  return {f'{s}_{name}': v for s, p in parts.items() for name, v in p.items()}


def sage():
  """Components 012, 3, 45 | 6789 for training; 10-12, 13; 14-16."""
  splits = ['train'] * 10 + ['val'] * 4 + ['test'] * 3
  nodes = [
    {'id': i, 'val': split == 'val', 'test': split == 'test'}
    for i, split in enumerate(splits)
  ]
  pairs = [(0, 1), (1, 2), (5, 4), (6, 7), (7, 8), (8, 9)]
  pairs += [(10, 11), (11, 12), (14, 15), (15, 16)]
  rng = np.random.default_rng(0)
  features = rng.normal(5, 3, (17, 3))
  features[:, 2] = 0.1
  labels = rng.integers(0, 2, (17, 2))
  return {
    'ppi/ppi-G.json': {
      'directed': False,
      'nodes': nodes,
      'links': links(*pairs),
    },
    'ppi/ppi-feats.npy': features,
    'ppi/ppi-id_map.json': {str(i): 16 - i for i in range(17)},
    'ppi/ppi-class_map.json': {
      str(i): row for i, row in enumerate(labels.tolist())
    },
    'ppi/ppi-walks.txt': b'0\t1\n',
  }


def graph(pairs=(), number=2, **changes):
  nodes = [{'id': i} for i in range(number)]
  return {'nodes': nodes, 'links': links(*pairs)} | changes


def encoded(value):
  if isinstance(value, bytes):
    return value
  if isinstance(value, np.ndarray):
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()
  return json.dumps(value).encode()


def giant():
  """100 bytes that declare an array of 8 TB."""
  header = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    header, {'descr': '<f8', 'fortran_order': False, 'shape': (10**6, 10**6)}
  )
  return header.getvalue() + bytes(100)


def packed(members, method=zipfile.ZIP_DEFLATED):
  file = io.BytesIO()
  with zipfile.ZipFile(file, 'w', method) as archive:
    for name, value in members.items():
      archive.writestr(zipfile.ZipInfo(name), encoded(value), method)
  return file.getvalue()


def check_example(example, num_features, num_labels):
  graph, n_node = example.graph, len(example.mask)
  assert graph.nodes.shape == (n_node, num_features)
  assert graph.nodes.dtype == np.float32
  assert example.labels.shape == (n_node, num_labels)
  assert example.labels.dtype == graph.senders.dtype == np.int32
  assert graph.receivers.dtype == np.int32
  assert example.mask.dtype == bool
  assert example.mask.all()
  keys = graph.receivers.astype(np.int64) * n_node + graph.senders
  assert (np.diff(keys) > 0).all()  # unique, sorted by receiver
  back = graph.senders.astype(np.int64) * n_node + graph.receivers
  np.testing.assert_array_equal(np.sort(back), keys)
  assert (graph.senders == graph.receivers).sum() == n_node


def edges_of(example):
  graph = example.graph
  return list(
    zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
  )


def check_one_error(load, content, member, words):
  with pytest.raises(DataError, match=words) as error:
    load(content)
  assert 'mine/ppi.zip' in error.value.field
  assert repr(member) in error.value.field
  assert error.value.remedy
  assert '\n' not in str(error.value)
