"""A small release: parsed, malformed, and found where it lies."""

import collections
import hashlib
import pickle

import numpy as np
import pytest
from small_planetoid import array
from small_planetoid import csr
from small_planetoid import parse
from small_planetoid import small_nodes
from small_planetoid import small_release

from gat_jax import datasets
from gat_jax import graphs
from gat_jax.datasets import files
from gat_jax.datasets import pickles
from gat_jax.datasets import planetoid
from gat_jax.errors import DataError


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


def test_the_digest_follows_the_options():
  digests = {
    parse(small_release(), flag).card['digest'] for flag in (True, False, True)
  }
  assert len(digests) == 2


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
