"""Malformed .npz files: one clear error each."""

import io
import zipfile

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import scipy.sparse
from small_archives import giant
from small_npz import change
from small_npz import good
from small_npz import indexed
from small_npz import load
from small_npz import packed
from small_npz import sparse

from gat_jax import datasets
from gat_jax.datasets import arrays
from gat_jax.errors import DataError

objects = np.array([{'a': 1}] * 6, dtype=object)
nan = np.where(np.arange(18).reshape(6, 3) == 7, np.nan, 1)
# name: (file, change, key in the message, more words of it)
MALFORMED = {
  'no edges key': (good, change(edges=None), 'edges', 'missing'),
  'no features': (good, change(features=None), 'features', 'missing'),
  'no labels': (good, change(labels=None), 'labels', 'missing'),
  'no mask': (good, change(val_mask=None), 'val_mask', 'val_index instead'),
  'misspelt key': (
    good,
    change(edge=good()['edges'], edges=None),
    'edge',
    'did you mean edges',
  ),
  'key in capitals': (
    good,
    change(LABELS=good()['labels'], labels=None),
    'LABELS',
    'did you mean labels',
  ),
  'class without a node': (
    good,
    change(labels=np.array([0, 2, 0, 2, 0, -1])),
    'labels',
    'number the classes from 0 without a gap',
  ),
  'a name for some nodes': (
    good,
    change(node_ids=np.array(['a', 'b'])),
    'node_ids',
    'has 2 names, there are 6 nodes; give one each, or leave node_ids out',
  ),
  'a name twice': (
    good,
    change(node_ids=np.array([1, 2, 3, 4, 3, 5])),
    'node_ids',
    r"has '3' at \[2\] and at \[4\]; names must be different",
  ),
  'an empty name': (
    good,
    change(class_names=np.array(['a', ' '])),
    'class_names',
    r'has an empty name at \[1\]',
  ),
  'names of too many classes': (
    good,
    change(class_names=np.array(['a', 'b', 'c'])),
    'class_names',
    'has 3 names, there are 2 classes',
  ),
  'numbers as names of classes': (
    good,
    change(class_names=np.array([1, 2])),
    'class_names',
    r'int64; it must be strings \[classes\]',
  ),
  'names as objects': (
    good,
    change(node_ids=np.array([*'abcdef'], object)),
    'node_ids',
    r'objects, .*; of text, array\.astype\(str\)',
  ),
  'self-loops alone': (
    good,
    change(edges=np.array([[1, 1], [4, 4]])),
    'edges',
    'has self-loops alone',
  ),
  'float edges': (
    good,
    change(edges=np.ones((2, 2))),
    'edges',
    r'float64; .*save edges=edges\.astype\(int\)',
  ),
  'half an edge': (
    good,
    change(edges=np.array([[0, 1], [2, 1.5]])),
    'edges',
    r'has 1\.5 at \[1, 1\]; it must be integers',
  ),
  'edge to NaN': (
    good,
    change(edges=np.array([[0, np.nan]])),
    'edges',
    r'has nan at \[0, 1\]',
  ),
  'edge beyond int32': (
    good,
    change(edges=np.array([[0, 1], [2**32 + 1, 2]])),
    'edges',
    r'has 4294967297 at \[1, 0\]',
  ),
  'edge beyond int64': (
    good,
    change(edges=np.array([[0, 1], [2, 2**64 - 1]], np.uint64)),
    'edges',
    r'has 18446744073709551615 at \[1, 1\]',
  ),
  'edges from 1': (
    good,
    change(edges=good()['edges'] + [[1, 1], [1, 1], [1, 1], [1, 1], [2, 2]]),
    'edges',
    r'has 6 at \[4, 0\]; .* seems to count from 1: save edges=edges - 1',
  ),
  'edges with weights': (
    good,
    change(edges=np.ones((4, 3), int)),
    'edges',
    r'have no weights here: save edges=edges\[:, :2\]',
  ),
  'edges transposed': (
    good,
    change(edges=good()['edges'].T),
    'edges',
    r'save edges=edges\.T',
  ),
  'edges flat': (good, change(edges=np.arange(4)), 'edges', 'shape'),
  'no edges at all': (
    good,
    change(edges=np.zeros((0, 2), int)),
    'edges',
    'empty',
  ),
  'edge too far': (
    good,
    change(edges=np.array([[0, 1], [2, 6]])),
    'edges',
    r'has 6 at \[1, 1\]; it must stay in 0\.\.5$',
  ),
  'edge negative': (
    good,
    change(edges=np.array([[0, -1]])),
    'edges',
    r'has -1 at \[0, 1\]; it must stay in 0\.\.5$',
  ),
  'NaN': (good, change(features=nan), 'features', r'has nan at \[2, 1\]'),
  'too large for float32': (
    good,
    change(features=np.full((6, 3), 1e300)),
    'features',
    'too large',
  ),
  'complex features': (
    good,
    change(features=np.full((6, 3), 1j)),
    'features',
    'complex128; it must be real numbers',
  ),
  'no nodes': (good, change(features=np.ones((0, 3))), 'features', 'shape'),
  'one node': (
    good,
    change(features=np.ones((1, 3)), labels=np.zeros(1, int)),
    'labels',
    'two classes',
  ),
  'words as features': (
    good,
    change(features=np.full((6, 3), 'a')),
    'features',
    'dtype',
  ),
  'flat features': (good, change(features=np.ones(6)), 'features', 'shape'),
  'no columns': (good, change(features=np.ones((6, 0))), 'features', 'shape'),
  'pickled features': (good, change(features=objects), 'features', 'pickled'),
  'pickled labels': (good, change(labels=objects), 'labels', 'pickled'),
  'a scipy.sparse matrix': (
    good,
    change(features=np.array(scipy.sparse.eye_array(6), object)),
    'features',
    'of a SciPy matrix, the arrays of its CSR form',
  ),
  'float labels': (
    good,
    change(labels=np.ones(6)),
    'labels',
    r'float64; .*save labels=labels\.astype\(int\)',
  ),
  'no label as NaN': (
    good,
    change(labels=np.array([0, 1, 0, 1, 0, np.nan])),
    'labels',
    r'has nan at \[5\]; .*-1 for none',
  ),
  'labels from 1': (
    good,
    change(labels=np.array([1, 2, 1, 2, 1, -1])),
    'labels',
    r'no node has class 0; .*save labels=numpy\.where\(',
  ),
  'a column of classes': (
    good,
    change(labels=np.array([[0, 1, 2, 0, 1, 0]]).T),
    'labels',
    r'has 2 at \[2, 0\]; .* save labels=labels\[:, 0\]',
  ),
  'label too low': (
    good,
    change(labels=np.array([0, 1, -2, 0, 1, 0])),
    'labels',
    r'has -2 at \[2\]',
  ),
  'label too high': (
    good,
    change(labels=np.array([0, 1, 10**9, 0, 1, 0])),
    'labels',
    r'has 1000000000 at \[2\]',
  ),
  'one class': (good, change(labels=np.zeros(6, int)), 'labels', 'two classes'),
  'labels too short': (
    good,
    change(labels=np.array([0, 1])),
    'labels',
    'has 2 rows',
  ),
  'multi-hot of 2': (
    good,
    change(labels=np.full((6, 2), 2)),
    'labels',
    '0 or 1',
  ),
  'unlabelled in split': (
    good,
    change(test_mask=np.array([0, 0, 0, 0, 0, 1], bool)),
    'test_mask',
    'node 5, which has no label',
  ),
  'overlapping masks': (
    good,
    change(test_mask=np.array([0, 1, 0, 0, 1, 0], bool)),
    'test_mask',
    'shares node 1 with the train',
  ),
  'empty split': (
    good,
    change(val_mask=np.zeros(6, bool)),
    'val_mask',
    'is empty',
  ),
  'integer mask': (
    good,
    change(val_mask=np.array([0, 0, 1, 1, 0, 0])),
    'val_mask',
    r'int64; .* save val_mask=val_mask\.astype\(bool\)',
  ),
  'a mask of ids': (good, change(val_mask=np.array([2])), 'val_mask', 'int64'),
  'masks of several splits': (
    good,
    change(val_mask=np.ones((6, 10), bool)),
    'val_mask',
    r'take one column: save val_mask=val_mask\[:, 0\]',
  ),
  'mask too long': (
    good,
    change(val_mask=np.ones(7, bool)),
    'val_mask',
    'has 7 entries',
  ),
  'mask and index': (
    good,
    change(val_index=np.array([2])),
    'val_mask',
    'beside val_index',
  ),
  'index too far': (
    indexed,
    change(val_index=np.array([6])),
    'val_index',
    r'0\.\.5',
  ),
  'index twice': (
    indexed,
    change(val_index=np.array([2, 2])),
    'val_index',
    'names node 2 twice',
  ),
  'index from 1': (
    indexed,
    change(test_index=np.array([6])),
    'test_index',
    'save test_index=test_index - 1',
  ),
  'empty index': (
    indexed,
    change(val_index=np.zeros(0, int)),
    'val_index',
    'is empty',
  ),
  'float index': (
    indexed,
    change(val_index=np.array([2.0])),
    'val_index',
    'float64',
  ),
  'dense and sparse': (
    sparse,
    change(features=np.ones((6, 3))),
    'features',
    'beside features_data',
  ),
  'no indptr': (
    sparse,
    change(features_indptr=None),
    'features_indptr',
    'missing',
  ),
  'indptr falls': (
    sparse,
    change(features_indptr=np.array([0, 9, 3, 4, 5, 6, 17])),
    'features_indptr',
    'does not rise',
  ),
  'unsigned indptr falls': (
    sparse,
    change(features_indptr=np.array([0, 9, 3, 4, 5, 6, 17], np.uint64)),
    'features_indptr',
    'does not rise',
  ),
  'indptr too short': (
    sparse,
    change(features_indptr=np.array([0, 17])),
    'features_indptr',
    'has 2 entries',
  ),
  'column too far': (
    sparse,
    change(features_indices=np.full(17, 3)),
    'features_indices',
    r'has 3 at \[0\]',
  ),
  'too few columns': (
    sparse,
    change(features_indices=np.zeros(3, int)),
    'features_indices',
    'has 3 entries',
  ),
  'infinite sparse': (
    sparse,
    change(features_data=np.full(17, np.inf)),
    'features_data',
    'infinity',
  ),
  'large twice': (
    sparse,
    change(features_data=np.full(17, 3e38), features_indices=np.zeros(17, int)),
    'features_data',
    'too large where entries are there twice',
  ),
  'huge shape': (
    sparse,
    change(features_shape=np.array([6, 2**40])),
    'features_shape',
    'nodes, features',
  ),
}


@pytest.mark.parametrize('case', MALFORMED)
def test_malformed_file_names_itself_the_key_and_the_mend(tmp_path, case):
  make, spoil, key, words = MALFORMED[case]
  with pytest.raises(DataError, match=words) as error:
    load(tmp_path, spoil(make()))
  assert error.value.field == f'{tmp_path}/graph.npz, key {key!r}'
  assert error.value.remedy
  assert '\n' not in str(error.value)


def test_a_zip_bomb_is_refused_unopened(tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, 'MAX_BYTES', 1000)
  with pytest.raises(DataError, match='unpacks to more than'):
    load(tmp_path, good() | {'features': np.zeros((6, 1000))})


def unclosed():
  header = b"{'descr': '<f8', 'fortran_order': False, 'shape': ((2, 3), }\n"
  return b'\x93NUMPY\x01\x00' + bytes([len(header), 0]) + header


@pytest.mark.parametrize(
  ('features', 'words'), [(giant(), 'truncated'), (unclosed(), 'damaged')]
)
def test_what_a_header_declares_is_not_believed(tmp_path, features, words):
  path = tmp_path / 'graph.npz'
  path.write_bytes(packed(change(features=None)(good())))
  with zipfile.ZipFile(path, 'a') as archive:
    archive.writestr('features.npy', features)
  with pytest.raises(DataError, match=f"'features': is {words}"):
    datasets.load(str(path))


def test_damage_in_any_compression_is_one_error(tmp_path):
  path = tmp_path / 'graph.npz'
  for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
    with zipfile.ZipFile(path, 'w', method) as archive:
      for key, array in good().items():
        member = io.BytesIO()
        np.save(member, array)
        archive.writestr(f'{key}.npy', member.getvalue())
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)  # within the first member
    path.write_bytes(content)
    with pytest.raises(DataError, match=r'graph\.npz'):
      datasets.load(str(path))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_one_clear_error_or_a_graph(tmp_path_factory, data):
  content = bytearray(packed(good()))
  for _ in range(data.draw(st.integers(1, 4))):
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
  length = data.draw(st.integers(len(content) // 2, len(content)))
  path = tmp_path_factory.mktemp('damaged') / 'graph.npz'
  path.write_bytes(content[:length] if data.draw(st.booleans()) else content)
  try:
    dataset = datasets.load(str(path))
  except DataError as error:
    assert str(path) in error.field
  else:
    assert dataset.card['nodes'] == 6
