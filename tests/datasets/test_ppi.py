import hashlib
import io
import json
import os
import zipfile

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import realdata

from gat_jax import datasets
from gat_jax import graphs
from gat_jax.datasets import archives
from gat_jax.datasets import files
from gat_jax.datasets import graphsage
from gat_jax.datasets import ppi
from gat_jax.errors import DataError

SPLITS = ('train', 'val', 'test')


# The rebuilt archive.


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Has the archive by a link, so that what is kept lies in this folder."""
  real = realdata.folder('ppi', 'ppi.zip')
  folder = tmp_path_factory.mktemp('ppi')
  (folder / 'ppi.zip').symlink_to(real / 'ppi.zip')
  return folder


@pytest.fixture(scope='module')
def real(folder):
  return datasets.load('ppi', str(folder))


def test_published_numbers(real):
  card = real.card
  rebuilt = card['archive'] == 'rebuilt'
  assert card['name'] == ('PPI, rebuilt' if rebuilt else 'PPI')
  assert (real.name, real.metric) == ('ppi', 'micro_f1')
  assert (real.num_features, real.num_classes) == (50, 121)
  assert [card[f'{s}_graphs'] for s in SPLITS] == [20, 2, 2]
  assert [card[s] for s in SPLITS] == [44_906, 6_514, 5_524]
  edges = [card[f'{s}_edges_with_loops'] for s in SPLITS]
  assert edges == [1_271_274, 205_434, 167_500]
  assert card['test_labels_per_node'] == pytest.approx(35.2, abs=0.05)
  assert list(card['sha256']) == ['ppi.zip']
  json.dumps(card)


def test_training_features_are_standardised(real):
  features = np.concatenate([e.graph.nodes for e in real.train])
  np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
  deviation = features.std(axis=0, dtype=np.float64)
  varies = np.ptp(features, axis=0) > 0
  assert varies.sum() >= 40
  np.testing.assert_allclose(deviation[varies], 1, atol=1e-5)


def test_every_graph_is_as_promised(real):
  for split in SPLITS:
    for example in getattr(real, split):
      check_example(example, 50, 121)


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


def test_edges_are_those_that_the_graph_functions_make(real):
  graph = real.train[8].graph  # the smallest
  half = graph.senders < graph.receivers
  raw = graphs.from_edges(
    graph.nodes, graph.senders[half], graph.receivers[half]
  )
  made = graphs.add_self_loops(graphs.symmetrize(raw))
  made = graphs.sort_by_receiver(made)
  np.testing.assert_array_equal(made.senders, graph.senders)
  np.testing.assert_array_equal(made.receivers, graph.receivers)


def test_few_graphs_are_the_first_ones(real, folder, monkeypatch):
  monkeypatch.setattr(ppi, '_parse_dgl', pytest.fail)  # kept by then
  few = datasets.load('ppi', str(folder), num_graphs=1)
  assert [few.card[f'{s}_graphs'] for s in SPLITS] == [1, 1, 1]
  for split in SPLITS:
    kept, first = getattr(few, split)[0], getattr(real, split)[0]
    np.testing.assert_array_equal(kept.graph.nodes, first.graph.nodes)
    np.testing.assert_array_equal(kept.graph.senders, first.graph.senders)
  assert few.card['digest'] != real.card['digest']


# Small archives of our own.


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


def encoded(value):
  if isinstance(value, bytes):
    return value
  if isinstance(value, np.ndarray):
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()
  return json.dumps(value).encode()


def packed(members, method=zipfile.ZIP_DEFLATED):
  file = io.BytesIO()
  with zipfile.ZipFile(file, 'w', method) as archive:
    for name, value in members.items():
      archive.writestr(zipfile.ZipInfo(name), encoded(value), method)
  return file.getvalue()


@pytest.fixture
def load(tmp_path, monkeypatch):
  """Loads any bytes as the archive: their sum is pinned instead."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv(files.VARIABLE, raising=False)
  (tmp_path / 'mine').mkdir()

  def load(data, which='published', **options):
    data = packed(data) if isinstance(data, dict) else data
    monkeypatch.setattr(
      ppi, 'SHA256', {which: hashlib.sha256(data).hexdigest()}
    )
    (tmp_path / 'mine/ppi.zip').write_bytes(data)
    return datasets.load('ppi', str(tmp_path / 'mine'), **options)

  return load


def edges_of(example):
  graph = example.graph
  return list(
    zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
  )


def test_small_archive(load):
  content = dgl()
  dataset = load(content)
  assert dataset.card['archive'] == 'published'
  assert dataset.card['name'] == 'PPI'
  for split in SPLITS:
    for example in getattr(dataset, split):
      check_example(example, 3, 2)
  first, second = dataset.train
  assert sorted(edges_of(first)) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]
  assert sorted(edges_of(second)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
  np.testing.assert_array_equal(
    first.labels, content['train_labels.npy'][[0, 2, 4]]
  )
  np.testing.assert_allclose(
    second.graph.nodes, content['train_feats.npy'][[1, 3]], rtol=1e-6
  )
  assert edges_of(dataset.test[0]) == [(0, 0)]


def test_members_may_lie_in_a_folder(load):
  assert (
    load({f'ppi/{name}': v for name, v in dgl().items()}).card['nodes'] == 8
  )


@pytest.mark.parametrize('number', [-1, 3])
def test_so_many_graphs_there_are_not(load, number):
  with pytest.raises(DataError, match=f'num_graphs={number}.* 2 graphs'):
    load(dgl(), num_graphs=number)


def graph(pairs=(), number=2, **changes):
  nodes = [{'id': i} for i in range(number)]
  return {'nodes': nodes, 'links': links(*pairs)} | changes


def changed(member, place, value):
  array = dgl()[member].copy()
  array[place] = value
  return array


# what: (member, what it becomes or None, words of the message)
DAMAGES = {
  'missing': ('test_feats.npy', None, 'is missing'),
  'no graph': ('valid_graph.json', None, 'is missing'),
  'no array': ('train_feats.npy', b'hello', 'is damaged'),
  'pickled': (
    'train_labels.npy',
    np.array([[{}, 1]] * 5, object),
    'pickled Python objects',
  ),
  'NaN': ('train_feats.npy', changed('train_feats.npy', (1, 1), np.nan), 'NaN'),
  'too large': ('test_feats.npy', np.full((1, 3), 1e300), 'too large'),
  'integer features': ('test_feats.npy', np.ones((1, 3), int), 'dtype int64'),
  'flat features': ('test_feats.npy', np.ones(3), r'shape \[3\]'),
  'label 2': ('valid_labels.npy', np.full((2, 2), 2), 'from 2 to 2'),
  'label -1': ('valid_labels.npy', np.full((2, 2), -1), 'from -1'),
  'real labels': ('valid_labels.npy', np.ones((2, 2)), 'dtype float64'),
  'real ids': ('valid_graph_id.npy', np.ones(2), 'dtype float64'),
  'fewer labels': ('train_labels.npy', np.ones((4, 2), int), '4 nodes.* 5'),
  'fewer ids': ('train_graph_id.npy', np.ones(4, int), '4 nodes.* 5'),
  'fewer nodes': ('valid_graph.json', graph(number=1), '1 nodes.* 2'),
  'other width': ('valid_feats.npy', np.ones((2, 4)), '4 columns.* 3'),
  'other labels': ('test_labels.npy', np.ones((1, 1), int), '1 columns.* 2'),
  'shared graph': ('valid_graph_id.npy', np.array([7, 8]), 'graph 7 .*train'),
  'edge across': (
    'train_graph.json',
    graph([(0, 2), (0, 1)], 5),
    'node 0 of graph 5 to node 1 of graph 7',
  ),
  'edge to nowhere': ('valid_graph.json', graph([(0, 2)]), r'node 2.* 0\.\.1'),
  'edge from below': ('valid_graph.json', graph([(-1, 0)]), 'node -1'),
  'huge end': ('valid_graph.json', graph([(0, 10**30)]), 'node 1000'),
  'real end': ('valid_graph.json', graph([(0, 1.0)]), 'no whole number'),
  'end of truth': ('valid_graph.json', graph([(0, True)]), 'no whole number'),
  'end of words': ('valid_graph.json', graph([(0, 'b')]), 'no whole number'),
  'no JSON': ('valid_graph.json', b'{"nodes": [', 'is no JSON'),
  'no text': ('valid_graph.json', b'\xff\xfe\xfa', 'is no JSON'),
  'deep JSON': ('valid_graph.json', b'[' * 10**6, 'is no JSON'),
  'a list': ('valid_graph.json', [], 'no graph of nodes'),
  'a number': ('valid_graph.json', 1, 'no graph of nodes'),
  'no links': ('valid_graph.json', {'nodes': [{'id': 0}]}, 'no graph of nodes'),
  'bare nodes': ('valid_graph.json', graph(nodes=[0, 1]), 'no graph of nodes'),
  'bare links': (
    'valid_graph.json',
    graph(links=[[0, 1]]),
    'no graph of nodes',
  ),
  'null links': ('valid_graph.json', graph(links=None), 'no graph of nodes'),
  'no node': ('valid_graph.json', graph(number=0), 'has no nodes'),
  'ids mixed': (
    'valid_graph.json',
    graph(nodes=[{'id': 1}, {'id': 0}]),
    'does not number',
  ),
}


def check_one_error(load, content, member, words):
  with pytest.raises(DataError, match=words) as error:
    load(content)
  message = str(error.value)
  assert 'mine/ppi.zip' in message
  assert repr(member) in message
  assert '; ' in message  # the mend
  assert '\n' not in message


@pytest.mark.parametrize('damage', DAMAGES)
def test_malformed_archive_names_itself_and_the_member(load, damage):
  member, value, words = DAMAGES[damage]
  content = dgl() | {member: value}
  content = {k: v for k, v in content.items() if v is not None}
  check_one_error(load, content, member, words)


@pytest.mark.parametrize(
  'name',
  ['/etc/passwd', '../up.npy', 'a/../../up', '..\\up', 'C:\\up', '\\\\a\\b\\c'],
)
def test_a_member_that_leaves_the_folder_is_refused(load, name):
  check_one_error(load, dgl() | {name: b''}, name, 'leaves the folder')


def test_a_member_that_is_there_twice_is_refused(load):
  content = dgl() | {'ppi/test_feats.npy': np.ones((1, 3))}
  check_one_error(load, content, 'ppi/test_feats.npy', 'twice')


@pytest.mark.parametrize('method', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_bounded_compression_is_read(load, method):
  data = packed(dgl(), method)
  check_one_error(load, data, 'train_graph.json', 'compressed by method')


def test_a_zip_bomb_is_refused_unopened(load, monkeypatch):
  monkeypatch.setattr(archives, 'MAX_BYTES', 10_000)
  with pytest.raises(DataError, match=r'mine/ppi\.zip unpacks to more than'):
    load(dgl() | {'zeros': bytes(20_000)})


@pytest.mark.parametrize('member', ['train_graph.json', 'train_feats.npy'])
def test_a_member_larger_than_it_says_is_damage(load, member):
  content = {k: encoded(v) for k, v in dgl().items()}
  size = len(content[member])
  content[member] += b' ' * 50_000_000
  data = packed(content)
  told = len(content[member]).to_bytes(4, 'little')
  assert told in data
  data = data.replace(told, size.to_bytes(4, 'little'))
  check_one_error(load, data, member, 'is damaged')


def test_a_declared_giant_is_refused_before_it_is_made(load):
  header = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    header, {'descr': '<f8', 'fortran_order': False, 'shape': (10**6, 10**6)}
  )
  content = dgl() | {'train_feats.npy': header.getvalue() + bytes(100)}
  check_one_error(load, content, 'train_feats.npy', 'is truncated')


def test_any_truncation_is_one_clear_error(load):
  data = packed(dgl())
  for length in range(0, len(data), len(data) // 60):
    with pytest.raises(DataError, match=r'mine/ppi\.zip is no zip archive'):
      load(data[:length])


def test_other_bytes_are_not_parsed(load, tmp_path, monkeypatch):
  load(dgl())
  (tmp_path / 'mine/ppi.zip').write_bytes(packed(dgl() | {'more': b''}))
  monkeypatch.setattr(archives, 'Archive', pytest.fail)
  with pytest.raises(DataError, match='SHA-256'):
    datasets.load('ppi', str(tmp_path / 'mine'))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_one_clear_error_or_the_data(tmp_path_factory, data):
  method = data.draw(
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
  )
  content = bytearray(
    packed(data.draw(st.sampled_from([dgl(), sage()])), method)
  )
  for _ in range(data.draw(st.integers(1, 4))):
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
  folder = tmp_path_factory.mktemp('damaged')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
    sha256 = hashlib.sha256(content).hexdigest()
    patch.setattr(ppi, 'SHA256', {'published': sha256})
    (folder / 'ppi.zip').write_bytes(content)
    try:
      dataset = datasets.load('ppi', str(folder))
    except DataError as error:
      assert str(folder / 'ppi.zip') in str(error)
    else:
      assert dataset.card['nodes'] in (8, 17)


# What is kept of the JSON.


def kept(tmp_path):
  return sorted(tmp_path.rglob('*.npz'))


@pytest.fixture
def parses(monkeypatch):
  """Counts how often the JSON is parsed."""
  counted = []
  parse = ppi._parse_dgl
  monkeypatch.setattr(
    ppi, '_parse_dgl', lambda archive: counted.append(1) or parse(archive)
  )
  return counted


def test_json_is_parsed_once(load, parses, tmp_path):
  before = os.umask(0o027)
  try:
    first = load(dgl())
  finally:
    os.umask(before)
  second = load(dgl())
  assert len(parses) == 1
  (path,) = kept(tmp_path)
  assert path.parent == tmp_path / 'mine'
  assert ppi.SHA256['published'][:16] in path.name
  assert path.stat().st_mode & 0o777 == 0o640
  assert len(list(path.parent.iterdir())) == 2  # nothing temporary
  with np.load(path, allow_pickle=False) as arrays:
    assert all(arrays[key].dtype.kind in 'iu' for key in arrays)
  for a, b in zip(first.train, second.train, strict=True):
    np.testing.assert_array_equal(a.graph.senders, b.graph.senders)
    np.testing.assert_array_equal(a.graph.receivers, b.graph.receivers)
  assert first.card == second.card


def spoilt(path, how):
  data = bytearray(path.read_bytes())
  if how == 'flipped':
    data[len(data) // 3] ^= 1
  elif how == 'short':
    del data[len(data) // 2 :]
  elif how == 'empty':
    data.clear()
  path.write_bytes(data)
  if how == 'other arrays':
    with np.load(path) as arrays:
      content = dict(arrays)
    content['train_edges'] = content['train_edges'][:0]
    np.savez(path, **content)
  elif how == 'foreign':
    np.savez(path, edges=np.ones(3))
  elif how == 'pickled':
    np.savez(path, digest=np.array([{}], object))
  elif how == 'folder':
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
  'how',
  ['flipped', 'short', 'empty', 'other arrays', 'foreign', 'pickled', 'folder'],
)
def test_what_cannot_be_believed_is_made_anew(load, parses, tmp_path, how):
  load(dgl())
  (path,) = kept(tmp_path)
  spoilt(path, how)
  assert load(dgl()).card['edges_with_loops'] == 14
  assert len(parses) == 2
  load(dgl())
  assert len(parses) == 2


def test_another_archive_is_not_served_by_it(load, parses, tmp_path):
  load(dgl())
  (path,) = kept(tmp_path)
  other = dgl() | {'valid_graph.json': graph()}
  data = packed(other)
  path.rename(
    path.with_name(f'ppi.zip.{hashlib.sha256(data).hexdigest()[:16]}.npz')
  )
  assert load(data).card['edges_with_loops'] == 12
  assert len(parses) == 2


def test_folder_that_is_not_to_be_written(load, parses, tmp_path):
  load(dgl())
  kept(tmp_path)[0].unlink()
  (tmp_path / 'mine').chmod(0o555)
  for _ in range(2):
    datasets.load('ppi', str(tmp_path / 'mine'))
  (tmp_path / 'mine').chmod(0o755)
  (path,) = kept(tmp_path)
  assert path.is_relative_to(tmp_path / 'cache')
  assert len(parses) == 2


def test_nowhere_to_write_is_no_reason_to_fail(load, tmp_path, monkeypatch):
  def refuse(*args, **kwargs):
    raise OSError('read-only')

  monkeypatch.setattr(os, 'replace', refuse)
  assert load(dgl()).card['nodes'] == 8
  assert not kept(tmp_path)
  assert [p.name for p in (tmp_path / 'mine').iterdir()] == ['ppi.zip']


# GraphSAGE's archive.


def test_graphsage_archive(load):
  content = sage()
  dataset = load(content, 'graphsage')
  assert dataset.card['archive'] == 'graphsage'
  sizes = {
    split: [len(e.mask) for e in getattr(dataset, split)] for split in SPLITS
  }
  assert sizes == {'train': [6, 4], 'val': [4], 'test': [3]}
  for split in SPLITS:
    for example in getattr(dataset, split):
      check_example(example, 3, 2)
  # Nodes 0 to 5 are 012 and the tiny components 3 and 45.
  others = [(a, b) for a, b in edges_of(dataset.train[0]) if a < b]
  assert others == [(0, 1), (1, 2), (4, 5)]
  raw = content['ppi/ppi-feats.npy'][::-1]  # by the id map
  training = raw[:10]
  expected = (raw - training.mean(axis=0)) / [*training.std(axis=0)[:2], 1]
  np.testing.assert_allclose(
    dataset.test[0].graph.nodes, expected[14:], rtol=1e-5, atol=1e-6
  )
  features = np.concatenate([e.graph.nodes for e in dataset.train])
  np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-6)
  np.testing.assert_allclose(features.std(axis=0), [1, 1, 0], atol=1e-6)
  classes = content['ppi/ppi-class_map.json']
  np.testing.assert_array_equal(
    dataset.val[0].labels, [classes[str(i)] for i in range(10, 14)]
  )


def test_graphsage_json_is_parsed_once(load, monkeypatch):
  first = load(sage(), 'graphsage')
  monkeypatch.setattr(graphsage, 'parse', pytest.fail)
  second = load(sage(), 'graphsage')
  assert first.card == second.card
  np.testing.assert_array_equal(first.val[0].labels, second.val[0].labels)


def sage_graph(change):
  document = sage()['ppi/ppi-G.json']
  change(document)
  return document


def maps(name, **changes):
  return sage()[f'ppi/ppi-{name}.json'] | changes


SAGE_DAMAGES = {
  'no id map': ('id_map.json', None, 'is missing'),
  'no features': ('feats.npy', None, 'is missing'),
  'edge across': (
    'G.json',
    sage_graph(lambda g: g['links'].extend(links((0, 10)))),
    'nodes 0 and 10 of different splits',
  ),
  'two splits': (
    'G.json',
    sage_graph(lambda g: g['nodes'][3].update(val=True, test=True)),
    'of node 3',
  ),
  'no flag': (
    'G.json',
    sage_graph(lambda g: g['nodes'][3].pop('val')),
    'val=None',
  ),
  'no bool': (
    'G.json',
    sage_graph(lambda g: g['nodes'][3].update(val=[])),
    'of node 3',
  ),
  'only tiny ones': (
    'G.json',
    sage_graph(lambda g: g.update(links=[])),
    'no graph of 3 or more nodes for train',
  ),
  'fewer rows': ('feats.npy', np.ones((3, 3)), '3 nodes.* 17'),
  'NaN': ('feats.npy', np.full((17, 3), np.nan), 'NaN'),
  'id twice': ('id_map.json', maps('id_map', **{'0': 3}), 'row of its own'),
  'id of words': ('id_map.json', maps('id_map', **{'0': 'a'}), 'of its own'),
  'more ids': ('id_map.json', maps('id_map', **{'99': 1}), 'does not map'),
  'a list': ('id_map.json', [1, 2], 'does not map'),
  'few labels': ('class_map.json', {'0': [1, 0]}, 'does not map'),
  'ragged': ('class_map.json', maps('class_map', **{'3': [1]}), 'lengths'),
  'label 7': ('class_map.json', maps('class_map', **{'3': [1, 7]}), 'to 7'),
  'words': ('class_map.json', maps('class_map', **{'3': ['a', 1]}), 'dtype'),
}


@pytest.mark.parametrize('damage', SAGE_DAMAGES)
def test_malformed_graphsage_archive_is_named(load, damage):
  name, value, words = SAGE_DAMAGES[damage]
  content = sage() | {f'ppi/ppi-{name}': value}
  content = {k: v for k, v in content.items() if v is not None}
  check_one_error(load, content, f'ppi-{name}', words)


def test_the_three_sums_are_pinned():
  file = ppi.data_file()
  assert list(ppi.SHA256) == ['published', 'rebuilt', 'graphsage']
  assert [len(sha256) for sha256 in file.sha256] == [64] * 3
  assert file.urls == ('https://data.dgl.ai/dataset/ppi.zip',)
