"""What is kept of an archive's JSON, and when it is believed."""

import hashlib
import os

import numpy as np
import pytest
from small_archives import dgl
from small_archives import graph
from small_archives import packed

from gat_jax import datasets
from gat_jax.datasets import ppi


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
