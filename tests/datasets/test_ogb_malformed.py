"""Every damaged file gives one error that says which, what and how to mend."""

import gzip
import io
import zipfile

import numpy as np
import pytest
import small_ogb

from gat_jax import datasets
from gat_jax.datasets import files
from gat_jax.errors import DataError

NAME = 'ogbn-arxiv'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv(files.VARIABLE, raising=False)


def text(change):
  """Changes the lines of a csv.gz."""

  def damage(data):
    lines = gzip.decompress(data).decode().splitlines()
    return gzip.compress(('\n'.join(change(lines)) + '\n').encode())

  return damage


def line(index, new):
  return text(lambda lines: [*lines[:index], new, *lines[index + 1 :]])


EDGES, FEATURES = 'raw/edge.csv.gz', 'raw/node-feat.csv.gz'
LABELS, TRAIN = 'raw/node-label.csv.gz', 'split/time/train.csv.gz'
# The member, what is done to it (None: it is not there), what is said.
DAMAGE = {
  'no edges': (EDGES, None, 'is missing'),
  'no release': ('RELEASE_v1.txt', None, 'another release'),
  'truncated': (EDGES, lambda data: data[:-20], 'is damaged'),
  'no gzip': (EDGES, lambda _: b'1,2\n', 'is damaged'),
  'a bit': (
    FEATURES,
    lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    'damaged|numbers a line',
  ),
  'empty': (EDGES, lambda _: gzip.compress(b''), 'has 0 rows, not 90'),
  'one less': (EDGES, text(lambda lines: lines[1:]), 'has 89 rows, not 90'),
  'one more': (EDGES, text(lambda lines: [*lines, '1,2']), 'more than 90 rows'),
  'a word': (EDGES, line(7, '1,two'), '2 whole numbers a line'),
  'a fraction': (EDGES, line(7, '1,2.5'), '2 whole numbers a line'),
  'a gap': (EDGES, line(7, '1,'), 'line 8'),
  'one column': (EDGES, line(7, '1'), 'line 8'),
  'three columns': (EDGES, line(7, '1,2,3'), '2 whole numbers a line'),
  'no node': (EDGES, line(7, '1,40'), r'not in 0\.\.39: line 8'),
  'below 0': (EDGES, line(7, '-1,4'), r'not in 0\.\.39: line 8'),
  'beyond int64': (EDGES, line(7, f'1,{2**70}'), '2 whole numbers a line'),
  'a NaN': (
    FEATURES,
    line(3, ','.join(['nan'] * 128)),
    'NaN, infinity .*: line 4',
  ),
  'too large': (FEATURES, line(3, ','.join(['1e40'] * 128)), 'line 4'),
  'no class': (LABELS, line(3, '40'), r'not in 0\.\.39: line 4'),
  'no count': (
    'raw/num-node-list.csv.gz',
    lambda _: small_ogb.table([0]),
    'out of range|has a number',
  ),
  'two graphs': (
    'raw/num-node-list.csv.gz',
    lambda _: small_ogb.table([20, 20]),
    'more than 1 rows',
  ),
  'another count': (
    'raw/num-edge-list.csv.gz',
    lambda _: small_ogb.table([91]),
    'has 90 rows, not 91',
  ),
  'twice': (
    TRAIN,
    text(lambda lines: [*lines, lines[0]]),
    'names a node twice',
  ),
  'none': (TRAIN, lambda _: gzip.compress(b''), 'is empty'),
  'in two': (
    'split/time/valid.csv.gz',
    lambda _: small_ogb.table(range(40)),
    'in another split',
  ),
  'no split': (TRAIN, None, 'is missing'),
}


@pytest.mark.parametrize(
  'form', ['archive', pytest.param('folder', marks=pytest.mark.slow)]
)
@pytest.mark.parametrize('case', DAMAGE)
def test_a_damaged_table_is_named(tmp_path, case, form):
  member, damage, said = DAMAGE[case]
  held = small_ogb.drawn(NAME)
  held['edge'] = np.array([(i, j) for i in range(10) for j in range(11, 20)])
  found = small_ogb.members(NAME, held)
  if damage is None:
    del found[member]
  else:
    found[member] = damage(found[member])
  getattr(small_ogb, f'write_{form}')(tmp_path, NAME, found)
  with pytest.raises(DataError, match=said) as error:
    datasets.load(NAME, str(tmp_path))
  if case == 'another count':
    member = EDGES
  assert member.split('/')[-1] in error.value.field
  assert error.value.remedy
  # Nothing half written is left.
  left = [p.name for p in tmp_path.iterdir()]
  assert not [name for name in left if name.endswith('.parsed')]


@pytest.mark.parametrize(
  'data', [b'', b'PK', b'<html>404</html>', 'truncated'], ids=str
)
def test_an_archive_that_is_none(tmp_path, data):
  path = small_ogb.write_archive(tmp_path, NAME, small_ogb.members(NAME))
  if data == 'truncated':
    data = path.read_bytes()[:-100]
  path.write_bytes(data)
  with pytest.raises(DataError, match='no zip archive'):
    datasets.load(NAME, str(tmp_path))


def npz(save=np.savez, **arrays):
  buffer = io.BytesIO()
  save(buffer, **arrays)
  return buffer.getvalue()


def damaged(data):
  """With a bit of its largest array, the second, turned."""
  place = data.index(b'node_feat.npy') + 2000
  return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


PAPERS = {
  'no file': ('data.npz', lambda _: None, 'is missing|cannot be read'),
  'no npz': ('data.npz', lambda _: b'1', 'is damaged'),
  'packed, and damaged': (
    'data.npz',
    lambda held: damaged(npz(np.savez_compressed, **held)),
    'is damaged',
  ),
  'packed objects': (
    'data.npz',
    lambda held: npz(
      np.savez_compressed, **held | {'node_feat': np.array([[None]])}
    ),
    'node_feat that can be mapped',
  ),
  'no edges': (
    'data.npz',
    lambda held: npz(**{k: v for k, v in held.items() if k != 'edge_index'}),
    'no array edge_index',
  ),
  'no node': (
    'data.npz',
    lambda held: npz(**held | {'edge_index': held['edge_index'] + 1}),
    'not in 0',
  ),
  'other edges': (
    'data.npz',
    lambda held: npz(**held | {'edge_index': held['edge_index'].T}),
    'has edge_index',
  ),
  'half features': (
    'data.npz',
    lambda held: npz(
      **held | {'node_feat': held['node_feat'].astype(np.float16)}
    ),
    'float16',
  ),
  'a NaN': (
    'data.npz',
    lambda held: npz(**held | {'node_feat': held['node_feat'] * np.nan}),
    'NaN or infinity in node_feat, at node 0',
  ),
  'two graphs': (
    'data.npz',
    lambda held: npz(**held | {'num_nodes_list': np.array([20, 20])}),
    'not one number',
  ),
  'objects': (
    'data.npz',
    lambda held: npz(**held | {'node_feat': np.array([[None]])}),
    'damaged|another array',
  ),
  'no class': (
    'node-label.npz',
    lambda _: npz(node_label=np.full((40, 1), 172.0)),
    'none of 172 classes',
  ),
  'half a class': (
    'node-label.npz',
    lambda _: npz(node_label=np.full((40, 1), 0.5)),
    'the label 0.5 at node 0',
  ),
  'few labels': (
    'node-label.npz',
    lambda _: npz(node_label=np.zeros((39, 1))),
    'not a number for each',
  ),
}


@pytest.mark.parametrize('case', PAPERS)
def test_damaged_arrays_of_papers_are_named(tmp_path, case):
  file, damage, said = PAPERS[case]
  name = 'ogbn-papers100M'
  held = small_ogb.drawn(name)
  held['edge'][0] = 39, 39
  home = small_ogb.write_papers(tmp_path, held)
  with np.load(home / 'raw/data.npz') as arrays:
    data = damage(dict(arrays))
  (home / 'raw' / file).unlink()
  if data is not None:
    (home / 'raw' / file).write_bytes(data)
  with pytest.raises(DataError, match=said) as error:
    datasets.load(name, str(tmp_path))
  assert file in error.value.field


def test_the_archive_of_papers_must_be_unpacked(tmp_path):
  path = tmp_path / 'papers100M-bin.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('papers100M-bin/RELEASE_v1.txt', '')
  with pytest.raises(DataError, match=r'unzip papers100M-bin\.zip'):
    datasets.load('ogbn-papers100M', str(tmp_path))


def test_an_unlabelled_node_in_a_split_is_named(tmp_path):
  name = 'ogbn-papers100M'
  held = small_ogb.drawn(name)
  held['unlabelled'] = [int(held['valid'][3])]
  small_ogb.write_papers(tmp_path, held)
  with pytest.raises(DataError, match='no label'):
    datasets.load(name, str(tmp_path))
