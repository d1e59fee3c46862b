"""Files with the names of other libraries, and remedies that are Python."""

import re

import numpy as np
import pytest
import scipy.sparse
from small_archives import edges_of
from small_npz import change
from small_npz import good
from small_npz import indexed
from small_npz import load
from small_npz import sparse

from gat_jax.errors import DataError

GOOD = good()
SENDERS, RECEIVERS = GOOD['edges'].T
MASKS = {key: GOOD[key] for key in GOOD if key.endswith('mask')}
X = {'x': GOOD['features'], 'y': GOOD['labels'], **MASKS}
DENSE = np.zeros((6, 6))
DENSE[SENDERS, RECEIVERS] = 1


def five():
  """Without the unlabelled node."""
  rows = {k: v[:5] for k, v in good().items() if k != 'edges'}
  return rows | {'edges': good()['edges'][:4]}


def csr(prefix, matrix):
  matrix = scipy.sparse.csr_matrix(matrix)
  parts = ('data', 'indices', 'indptr', 'shape')
  return {f'{prefix}_{part}': np.array(getattr(matrix, part)) for part in parts}


ELSEWHERE = {
  'PyTorch Geometric': {
    **{'edge_index': GOOD['edges'].T, 'edge_attr': np.ones((5, 2))},
    **X,
  },
  'DGL': {
    **{'src': SENDERS, 'dst': RECEIVERS, 'feat': X['x'], 'label': X['y']},
    **MASKS,
  },
  'Spektral': {'x': X['x'], 'a': DENSE, 'e': np.ones(5), 'y': X['y'], **MASKS},
  'OGB': {
    **{'edge_index': GOOD['edges'].T, 'node_feat': X['x'], 'labels': X['y']},
    **{
      'train': [0, 1],
      'valid': [2, 3],
      'test': [4],
      'edge_feat': np.ones((5, 3)),
    },
    'num_nodes': 6,
  },
  'jraph': {
    **{'senders': SENDERS, 'receivers': RECEIVERS, 'nodes': X['x']},
    **{'n_node': [6], 'n_edge': [5], 'labels': X['y']},
    **MASKS,
  },
  'Shchur': {
    **csr('adj', DENSE),
    **csr('attr', X['x']),
    **{'labels': X['y'], 'node_names': [*'abcdef'], **MASKS},
  },
  'Platonov': {
    **{'edges': GOOD['edges'], 'node_features': X['x'], 'node_labels': X['y']},
    **{f'{key}s': np.stack([mask] * 10) for key, mask in MASKS.items()},
  },
}


def mended(content, remedy):
  """The file again, after what a remedy says: to save some, leave some out."""
  save, _, left_out = remedy.partition(', and leave out ')
  code = re.search(r'save (\w+=.*)$', save).group(1)
  names = {'numpy': np, 'scipy': scipy, **content}
  made = eval(f'dict({code})', names)  # noqa: S307, of the project's own words
  used = {key for key in content if re.search(rf'\b{key}\b', code)}
  out = {key for key in content if re.search(rf'\b{key}\b', left_out)}
  return {k: v for k, v in content.items() if k not in used | out} | made


@pytest.mark.parametrize('library', ELSEWHERE)
def test_names_of_other_libraries_are_told_in_code_that_works(
  tmp_path, library
):
  content = {key: np.array(v) for key, v in ELSEWHERE[library].items()}
  with pytest.raises(DataError) as error:
    load(tmp_path, content)
  dataset = load(tmp_path, mended(content, error.value.remedy))
  wanted = load(tmp_path, good())
  assert edges_of(dataset.train[0]) == edges_of(wanted.train[0])
  for split in ('train', 'val', 'test'):
    mine, theirs = getattr(dataset, split)[0], getattr(wanted, split)[0]
    np.testing.assert_array_equal(mine.labels, theirs.labels)
    np.testing.assert_array_equal(mine.mask, theirs.mask)


def test_what_cannot_be_used_is_told(tmp_path):
  with pytest.raises(DataError) as error:
    load(tmp_path, good() | {'edge_weight': np.ones(5), 'pos': np.ones(6)})
  assert error.value.field.endswith("key 'edge_weight'")
  assert error.value.remedy == (
    'save edge_features=edge_weight, and leave out pos (not used)'
  )
  with pytest.raises(DataError, match=r'numpy\.savez\(path, edges='):
    load(tmp_path, {'arr_0': np.ones(5), 'arr_1': np.ones(6)})


@pytest.mark.parametrize(
  ('make', 'spoil'),
  [
    (good, change(edges=good()['edges'].T)),
    (good, change(edges=good()['edges'].astype(float))),
    (good, change(edges=np.c_[good()['edges'], np.ones(5, int)])),
    (five, change(edges=five()['edges'] + 1)),
    (good, change(labels=good()['labels'].astype(np.float16))),
    (good, change(labels=np.array([1, 2, 1, 2, 1, -1]))),
    (good, change(labels=np.array([0, 4, 0, 4, 0, 4]))),
    (good, change(labels=np.array([[1, 2, 1, 2, 1, 0]]).T)),
    (good, change(val_mask=np.array([0, 0, 1, 1, 0, 0]))),
    (good, change(val_mask=np.stack([good()['val_mask']] * 3, axis=1))),
    (indexed, change(val_index=np.array([3.0, 2.0]))),
    (sparse, change(features_indices=sparse()['features_indices'] + 1)),
  ],
)
def test_a_remedy_in_code_mends_the_file(tmp_path, make, spoil):
  content = spoil(make())
  with pytest.raises(DataError) as error:
    load(tmp_path, content)
  dataset = load(tmp_path, mended(content, error.value.remedy))
  assert (dataset.metric, dataset.card['edges_unique']) == ('accuracy', 4)
