import collections
import hashlib
import os
import pathlib
import pickle
import struct
import warnings

import numpy as np
import pytest
import realdata
import scipy.sparse

from gat_jax import datasets
from gat_jax import graphs
from gat_jax.datasets import files
from gat_jax.datasets import pickles
from gat_jax.datasets import planetoid
from gat_jax.errors import DataError

# From the description of the files; edges_unique without self-loops.
CARDS = {
  'cora': {
    'nodes': 2708,
    'features': 1433,
    'classes': 7,
    'edges_raw': 10858,
    'edges_unique': 5278,
    'edges_with_loops': 13264,
    'nonzeros': 49216,
    'max_degree': 168,
    'self_loops_in_file': 0,
    'isolated_nodes': 0,
    'missing_ids': 0,
    'train': 140,
    'val': 500,
    'test': 1000,
  },
  'citeseer': {
    'nodes': 3327,
    'features': 3703,
    'classes': 6,
    'edges_unique': 4552,
    'self_loops_in_file': 124,
    'isolated_nodes': 48,
    'isolated_test_nodes': 12,
    'missing_ids': 15,
    'train': 120,
    'val': 500,
    'test': 1000,
  },
  'pubmed': {
    'nodes': 19717,
    'features': 500,
    'classes': 3,
    'edges_raw': 88676,
    'edges_unique': 44324,
    'edges_with_loops': 108365,
    'nonzeros': 988031,
    'max_degree': 171,
    'self_loops_in_file': 3,
    'isolated_nodes': 0,
    'train': 60,
    'val': 500,
    'test': 1000,
  },
}


def load(name, **options):
  """From the published files; a test that finds none is skipped."""
  needed = [file.name for file in planetoid.data_files(name)]
  folder = realdata.folder('planetoid', *needed)
  return datasets.load(name, str(folder), **options)


def read(name, part):
  """The published file, by Python's own unpickler: for comparison only."""
  file = f'ind.{name}.{part}'
  path = realdata.folder('planetoid', file) / file
  if part == 'test.index':
    return np.loadtxt(path, dtype=int)
  with warnings.catch_warnings(action='ignore'):  # of names that moved
    return pickle.loads(path.read_bytes(), encoding='latin1')


@pytest.mark.slow
@pytest.mark.parametrize('name', CARDS)
def test_card(name):
  card = load(name).card
  assert {key: card[key] for key in CARDS[name]} == CARDS[name]
  assert len(card['sha256']) == 8


@pytest.mark.slow
@pytest.mark.parametrize('name', CARDS)
def test_splits_and_rows_are_those_of_the_files(name):
  dataset = load(name, normalize_features=False)
  graph = dataset.train[0].graph
  labels = dataset.train[0].labels
  y, ty, ally = (read(name, part) for part in ('y', 'ty', 'ally'))
  tx, allx = (read(name, part).toarray() for part in ('tx', 'allx'))
  test = read(name, 'test.index')
  np.testing.assert_array_equal(
    np.flatnonzero(dataset.train[0].mask), np.arange(len(y))
  )
  np.testing.assert_array_equal(
    np.flatnonzero(dataset.val[0].mask), len(y) + np.arange(500)
  )
  np.testing.assert_array_equal(
    np.flatnonzero(dataset.test[0].mask), np.sort(test)
  )
  np.testing.assert_array_equal(labels[test], ty.argmax(axis=1))
  np.testing.assert_array_equal(labels[: len(ally)], ally.argmax(axis=1))
  features = np.zeros(graph.nodes.shape, np.float32)
  features[graph.nodes.rows, graph.nodes.columns] = graph.nodes.values
  np.testing.assert_array_equal(features[: len(allx)], allx)
  np.testing.assert_array_equal(features[test], tx)


@pytest.mark.slow
@pytest.mark.parametrize('name', CARDS)
def test_edges_are_those_of_the_file_both_ways_with_loops(name):
  graph = load(name).train[0].graph
  n_node = graph.nodes.shape[0]
  adjacency = scipy.sparse.lil_matrix((n_node, n_node), dtype=bool)
  for node, neighbours in read(name, 'graph').items():
    adjacency[node, neighbours] = True
  adjacency.setdiag(True)
  expected = ((adjacency + adjacency.T) > 0).tocoo()
  order = np.lexsort((expected.col, expected.row))
  np.testing.assert_array_equal(graph.receivers, expected.row[order])
  np.testing.assert_array_equal(graph.senders, expected.col[order])


@pytest.mark.slow
def test_missing_ids_have_no_feature_no_label_no_split():
  dataset = load('citeseer')
  test = read('citeseer', 'test.index')
  missing = sorted(set(range(test.min(), test.max())) - set(test))
  assert len(missing) == 15
  example = dataset.test[0]
  assert not np.isin(example.graph.nodes.rows, missing).any()
  assert (example.labels[missing] == -1).all()
  for split in (dataset.train, dataset.val, dataset.test):
    assert not split[0].mask[missing].any()


@pytest.mark.slow
def test_rows_are_scaled_to_sum_one_and_empty_rows_stay():
  nodes = load('citeseer').train[0].graph.nodes
  sums = np.bincount(nodes.rows, nodes.values, minlength=nodes.shape[0])
  assert np.isclose(sums, 1, atol=1e-5).sum() + (sums == 0).sum() == len(sums)
  assert (sums == 0).sum() >= 15


@pytest.mark.slow
def test_the_digest_follows_the_options():
  digests = {
    load('cora', normalize_features=flag).card['digest']
    for flag in (True, False, True)
  }
  assert len(digests) == 2


# A small release of our own, in the same format.


def integer(n):
  return b'J' + struct.pack('<i', n)


def array(values, kind):
  """A numpy array as Python 2 pickled it: data as a byte string."""
  values = np.ascontiguousarray(values, kind)
  data = values.tobytes()
  head = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n'
  shape = b''.join(map(integer, values.shape))
  dtype = kind.encode()
  return b''.join(
    (
      head + b'K\x00\x85U\x01btR',
      b'(K\x01(' + shape + b't',
      b'cnumpy\ndtype\n(U' + bytes([len(dtype)]) + dtype + b'K\x00K\x01tR',
      b'(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb',
      b'\x89T' + struct.pack('<i', len(data)) + data + b'tb',
    )
  )


def csr(matrix):
  matrix = scipy.sparse.csr_matrix(matrix)
  parts = b''.join(
    (
      b'U\x06_shape(' + b''.join(map(integer, matrix.shape)) + b't',
      b'U\x04data' + array(matrix.data, 'f4'),
      b'U\x07indices' + array(matrix.indices, 'i4'),
      b'U\x06indptr' + array(matrix.indptr, 'i4'),
    )
  )
  head = b'\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81}('
  return head + parts + b'ub.'


def small_nodes():
  """Features and one-hot labels, in the order of the files."""
  rng = np.random.default_rng(0)
  features = (rng.random((513, 6)) < 0.5).astype(np.float32)
  return features, np.eye(2)[rng.integers(0, 2, 513)]


def small_release():
  """510 + 4 nodes: 2 for training, 500 for validation, ids 513, 510, 512."""
  features, labels = small_nodes()
  neighbours = collections.defaultdict(list)
  neighbours.update({0: [1, 1, 513], 513: [0], 7: [7]})
  return {
    'ind.cora.x': csr(features[:2]),
    'ind.cora.tx': csr(features[510:]),
    'ind.cora.allx': csr(features[:510]),
    'ind.cora.y': b'\x80\x02' + array(labels[:2], 'i4') + b'.',
    'ind.cora.ty': b'\x80\x02' + array(labels[510:], 'i4') + b'.',
    'ind.cora.ally': b'\x80\x02' + array(labels[:510], 'i4') + b'.',
    'ind.cora.graph': pickle.dumps(neighbours, protocol=2, fix_imports=True),
    'ind.cora.test.index': b'513\n510\n512\n',
  }


def parse(release, normalize_features=False):
  contents = files.Contents('folder', release, {})
  return planetoid.parse('cora', contents, normalize_features)


@pytest.mark.parametrize('normalize_features', [False, True])
def test_small_release(normalize_features):
  features, labels = small_nodes()
  dataset = parse(small_release(), normalize_features)
  card = dataset.card
  assert card['nodes'] == 514
  assert card['missing_ids'] == 1
  assert card['edges_raw'] == 5
  assert card['edges_unique'] == 2
  assert card['self_loops_in_file'] == 1
  masks = [s[0].mask for s in (dataset.train, dataset.val, dataset.test)]
  assert [np.flatnonzero(mask).tolist() for mask in masks] == [
    [0, 1],
    [*range(2, 502)],
    [510, 512, 513],
  ]
  order = [*range(510), 511, -1, 512, 510]  # rows in the files, by node
  classes = labels[order].argmax(axis=1)
  classes[511] = -1
  np.testing.assert_array_equal(dataset.train[0].labels, classes)
  expected = features[order]
  expected[511] = 0
  if normalize_features:
    expected /= np.maximum(expected.sum(axis=1, keepdims=True), 1)
  graph = dataset.train[0].graph
  found = np.zeros(graph.nodes.shape, np.float32)
  found[graph.nodes.rows, graph.nodes.columns] = graph.nodes.values
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  pairs = zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
  others = {(0, 1), (1, 0), (0, 513), (513, 0)}
  assert set(pairs) == others | {(i, i) for i in range(514)}


DAMAGES = {
  'no pickle': ('ind.cora.x', b'hello', 'ind.cora.x: is malformed'),
  'empty': ('ind.cora.y', b'', 'ind.cora.y: is malformed'),
  'another thing': ('ind.cora.x', b'\x80\x02}.', 'holds no csr_matrix'),
  'labels instead': (
    'ind.cora.x',
    b'\x80\x02' + array(np.eye(2), 'i4') + b'.',
    'holds no csr_matrix',
  ),
  'not one-hot': (
    'ind.cora.y',
    b'\x80\x02' + array(np.full((2, 2), 7), 'i4') + b'.',
    'no matrix of 0 and 1',
  ),
  'other length': ('ind.cora.x', csr(np.ones((3, 6))), 'its shape'),
  'other width': ('ind.cora.tx', csr(np.ones((3, 2))), 'ind.cora.tx'),
  'NaN': ('ind.cora.x', csr(np.full((2, 6), np.nan)), 'NaN'),
  'too few ids': ('ind.cora.test.index', b'513\n', 'test.index'),
  'same id twice': ('ind.cora.test.index', b'510\n510\n511\n', 'different'),
  'no ids': ('ind.cora.test.index', b'', 'one node id a line'),
  'words': ('ind.cora.test.index', b'a b c', 'one node id a line'),
  'ids too low': ('ind.cora.test.index', b'1\n2\n3\n', 'smallest id'),
  'a far id': ('ind.cora.test.index', b'510\n511\n2000000000\n', 'has the id'),
  'an edge to nowhere': (
    'ind.cora.graph',
    pickle.dumps(collections.defaultdict(list, {0: [514]}), protocol=2),
    'not in 0..513',
  ),
  'edges of words': (
    'ind.cora.graph',
    b'\x80\x02}U\x01a]U\x01bas.',
    'something else than node ids',
  ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_malformed_file_is_named(damage):
  name, content, message = DAMAGES[damage]
  with pytest.raises(DataError, match=message) as error:
    parse(small_release() | {name: content})
  assert name in str(error.value)


def test_any_truncation_is_one_clear_error():
  release = small_release()
  for name in ('ind.cora.x', 'ind.cora.graph', 'ind.cora.ally'):
    content = release[name]
    for length in range(0, len(content), max(1, len(content) // 20)):
      with pytest.raises(DataError, match=name):
        parse(release | {name: content[:length]})


class Payload:
  def __init__(self, function, *args):
    self._call = function, args

  def __reduce__(self):
    return self._call


def ran(path):
  return [
    Payload(os.system, f'touch {path}'),
    Payload(eval, f'open({str(path)!r}, "w")'),
    Payload(exec, f'open({str(path)!r}, "w")'),
    Payload(pathlib.Path.touch, path),
    Payload(getattr, 'text', 'upper'),
    [1, {'deep': Payload(os.system, f'touch {path}')}],
  ]


@pytest.mark.parametrize('protocol', range(6))
def test_crafted_pickle_runs_nothing(protocol, tmp_path):
  path = tmp_path / 'it-ran'
  for payload in ran(path):
    data = pickle.dumps(payload, protocol=protocol)
    with pytest.raises(DataError, match='which no Planetoid file needs'):
      pickles.unpickle(data, 'ind.cora.x')
    assert not path.exists()


def test_refusal_names_what_was_asked_for():
  data = b'\x80\x02cposix\nsystem\nU\x02lsR.'
  with pytest.raises(DataError, match=r'posix\.system') as error:
    pickles.unpickle(data, 'ind.cora.x')
  assert error.value.field == 'ind.cora.x'


# Finding, verifying, downloading.


@pytest.fixture
def release(monkeypatch):
  """Makes `cora` the small release, whose sums are pinned instead."""
  content = small_release()
  sums = {k: hashlib.sha256(v).hexdigest() for k, v in content.items()}

  def data_files(name):
    return [
      files.DataFile(key, (sums[key],), ()) for key in sums if name in key
    ]

  monkeypatch.setattr(planetoid, 'data_files', data_files)
  monkeypatch.delenv(files.VARIABLE, raising=False)
  return content


def write(folder, content):
  folder.mkdir(parents=True)
  for name, data in content.items():
    (folder / name).write_bytes(data)


@pytest.mark.parametrize('subfolder', ['', 'planetoid'])
def test_data_dir_is_the_folder_or_has_it(release, tmp_path, subfolder):
  write(tmp_path / 'mine' / subfolder, release)
  assert datasets.load('cora', str(tmp_path / 'mine')).card['nodes'] == 514


def test_order_of_the_folders(release, tmp_path, monkeypatch):
  """data_dir, then the variable, then data/, then ../shared/data/."""
  here = tmp_path / 'project'
  here.mkdir()
  monkeypatch.chdir(here)
  places = {
    'shared': tmp_path / 'shared/data/planetoid',
    'data': here / 'data',
    'variable': tmp_path / 'variable',
    'argument': tmp_path / 'argument',
  }
  damaged = {name: b'' for name in release}
  for place, folder in places.items():
    if place == 'variable':
      monkeypatch.setenv(files.VARIABLE, str(folder))
    argument = str(folder) if place == 'argument' else None
    write(folder, damaged)
    with pytest.raises(DataError, match='SHA-256') as error:
      datasets.load('cora', argument)
    assert folder.name in str(error.value)


def test_a_flipped_bit_is_noticed_before_parsing(
  release, tmp_path, monkeypatch
):
  data = bytearray(release['ind.cora.graph'])
  data[len(data) // 2] ^= 1
  write(tmp_path / 'mine', release | {'ind.cora.graph': bytes(data)})
  monkeypatch.setattr(pickles, 'unpickle', pytest.fail)
  with pytest.raises(DataError, match=r'cora\.graph: is not the published'):
    datasets.load('cora', str(tmp_path / 'mine'))


def test_missing_file_in_a_chosen_folder_is_named(release, tmp_path):
  del release['ind.cora.tx']
  write(tmp_path / 'mine', release)
  with pytest.raises(DataError, match=r'lacks ind\.cora\.tx'):
    datasets.load('cora', str(tmp_path / 'mine'))
  with pytest.raises(DataError, match='is not a folder'):
    datasets.load('cora', str(tmp_path / 'nowhere'))


def test_all_three_are_known_and_pinned():
  for name in ('cora', 'citeseer', 'pubmed'):
    needed = planetoid.data_files(name)
    assert len(needed) == 8
    for file in needed:
      assert len(file.sha256[0]) == 64
      assert len(file.urls) >= 2


def test_graph_features_are_sparse():
  nodes = parse(small_release()).train[0].graph.nodes
  assert isinstance(nodes, graphs.SparseFeatures)
