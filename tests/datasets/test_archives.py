"""Malformed archives: one clear error each."""

import hashlib
import zipfile

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from small_archives import check_one_error
from small_archives import dgl
from small_archives import encoded
from small_archives import giant
from small_archives import graph
from small_archives import packed
from small_archives import sage

from gat_jax import datasets
from gat_jax.datasets import archives
from gat_jax.datasets import ppi
from gat_jax.errors import DataError


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
  with pytest.raises(DataError, match=r'mine/ppi\.zip: unpacks to more than'):
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
  content = dgl() | {'train_feats.npy': giant()}
  check_one_error(load, content, 'train_feats.npy', 'is truncated')


def test_any_truncation_is_one_clear_error(load):
  data = packed(dgl())
  for length in range(0, len(data), len(data) // 60):
    with pytest.raises(DataError, match=r'mine/ppi\.zip: is no zip archive'):
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
      assert str(folder / 'ppi.zip') in error.field
    else:
      assert dataset.card['nodes'] in (8, 17)
