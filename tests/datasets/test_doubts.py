"""What a card warns of, and what it does not."""

import io

import numpy as np
import pytest
import rich.console
import scipy.sparse
from small_npz import good
from small_npz import load
from small_planetoid import parse
from small_planetoid import small_release

from experiments import progress
from gat_jax import datasets


def faultless():
  """Six nodes; each split has both classes; node 5 has no neighbour."""
  return good() | {
    'labels': np.array([0, 1, 0, 1, 0, 1]),
    'test_mask': np.array([0, 0, 0, 0, 1, 1], bool),
  }


def warnings(tmp_path, **changes):
  return load(tmp_path, faultless() | changes).card['warnings']


def csr(features):
  """What to change for sparse features instead of dense ones."""
  matrix = scipy.sparse.csr_matrix(features)
  content = {k: v for k, v in faultless().items() if k != 'features'}
  for part in ('data', 'indices', 'indptr', 'shape'):
    content[f'features_{part}'] = np.array(getattr(matrix, part))
  return content


def test_nothing_is_said_of_good_data(tmp_path):
  assert warnings(tmp_path) == []
  assert load(tmp_path, csr(good()['features'])).card['warnings'] == []
  assert datasets.load('csbm').card['warnings'] == []


def test_a_class_that_a_split_lacks_is_named(tmp_path):
  features = np.arange(27).reshape(9, 3)
  masks = np.zeros((3, 9), bool)
  masks[0, [0, 1]] = masks[1, [2, 3, 4, 5, 6, 7]] = masks[2, 8] = True
  content = {
    'features': features,
    'labels': np.arange(9) // 2,
    **dict(zip(('train_mask', 'val_mask', 'test_mask'), masks, strict=True)),
  }
  assert warnings(tmp_path, **content) == [
    'no training node has classes 1, 2, 3, 4, which cannot be learned',
    'no validation node has classes 0, 4, which early stopping does not see',
    'no test node has classes 0, 1, 2, 3, of which the test score says nothing',
  ]
  labels = np.zeros((9, 9), int)
  labels[:, :2] = 1
  labels[0] = labels[8, 3:] = 1
  assert warnings(tmp_path, **content | {'labels': labels}) == [
    'no validation node has labels 2, 3, 4, 5, 6 and 2 more, which early'
    ' stopping does not see',
    'no test node has label 2, of which the test score says nothing',
  ]


@pytest.mark.parametrize(
  ('labels', 'classes'),
  [
    ([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], 'labels.argmax(1)'),
    (
      [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]],
      'numpy.where(labels.any(1), labels.argmax(1), -1)',
    ),
    ([[1], [0], [1], [0], [1], [0]], 'labels[:, 0]'),
  ],
)
def test_one_hot_labels_are_told_and_how_to_learn_classes(
  tmp_path, labels, classes
):
  content = faultless() | {
    'labels': np.array(labels),
    'test_mask': good()['test_mask'],
  }
  dataset = load(tmp_path, content)
  assert dataset.metric == 'micro_f1'
  told = [w for w in dataset.card['warnings'] if w.startswith('labels are')]
  assert told
  assert told[0].endswith(f'(accuracy), save labels={classes}')
  assert '\n' not in told[0]
  names = {'numpy': np, 'labels': content['labels']}
  content['labels'] = eval(classes, names)  # noqa: S307, of the table above
  dataset = load(tmp_path, content)
  assert dataset.metric == 'accuracy'
  assert dataset.num_classes == max(2, len(labels[0]))


def test_labels_that_are_not_one_hot_are_no_matter(tmp_path):
  several = np.array([[1, 1], [0, 1], [1, 0], [0, 1], [1, 0], [1, 1]])
  assert warnings(tmp_path, labels=several) == []
  none = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 0]])
  assert not any('one-hot' in w for w in warnings(tmp_path, labels=none))


def test_features_that_tell_nothing_apart(tmp_path):
  start = 'all nodes have the same features'
  for features in (np.zeros((6, 3)), np.ones((6, 3)), [[0, 2.5, 1]] * 6):
    features = np.array(features)
    zeros = '' if features.any() else ', all 0'
    for content in (faultless() | {'features': features}, csr(features)):
      (found,) = load(tmp_path, content).card['warnings']
      assert found.startswith(f'{start}{zeros}: ')


def test_nodes_without_features(tmp_path):
  features = good()['features']
  features[[2, 5]] = 0
  said = (
    'nodes with features that are all 0: 2 (the first is node 2), of which 2'
    ' are in a split and 1 have no neighbours'
  )
  assert warnings(tmp_path, features=features) == [said]
  assert load(tmp_path, csr(features)).card['warnings'] == [said]
  # Node 5 without a split, too: nothing depends on it.
  features = good()['features']
  features[5] = 0
  masks = {'test_mask': np.array([0, 1, 0, 0, 1, 0], bool)}
  masks['train_mask'] = np.array([1, 0, 0, 0, 0, 0], bool)
  found = warnings(tmp_path, features=features, **masks)
  assert not any('all 0' in warning for warning in found)


def test_a_missing_id_of_planetoid_is_no_matter_without_neighbours():
  dataset = parse(small_release())
  graph, card = dataset.train[0].graph, dataset.card
  empty = np.bincount(graph.nodes.rows, minlength=514) == 0
  assert empty[511]  # the one that is missing
  (said,) = (w for w in card['warnings'] if 'all 0' in w)
  assert f'are all 0: {empty.sum() - 1} (' in said


def test_whole_numbers_that_float32_rounds(tmp_path):
  features = good()['features'].astype(np.int64)
  features[2] = [2**24, -(2**24) - 2, 2**24 + 2]
  said = (
    'whole numbers beyond 16777216, which float32 rounds; the first is'
    ' -16777218'
  )
  assert warnings(tmp_path, features=features) == [f'features has {said}']
  found = load(tmp_path, csr(features)).card['warnings']
  assert found == [f'features_data has {said}']
  assert warnings(tmp_path, features=features.astype(float)) == []


def test_the_card_in_the_terminal_has_a_row_for_each(tmp_path):
  labels = np.array([[1], [0], [1], [0], [1], [0]])
  card = load(tmp_path, faultless() | {'labels': labels}).card
  console = rich.console.Console(width=200, file=io.StringIO())
  console.print(progress.card_table(card))
  shown = console.file.getvalue()
  assert card['warnings']
  for warning in card['warnings']:  # as it stands, brackets too
    assert warning in shown
  card.pop('warnings')  # as of an earlier version
  progress.card_table(card)


def test_names_stand_in_the_place_of_numbers(tmp_path):
  features = good()['features']
  features[[2, 5]] = 0
  content = {
    'features': features,
    'node_ids': np.array([*'abcdef']),
    'class_names': np.array(['no', 'yes']),
    'labels': np.array([0, 1, 0, 1, 0, 0]),
  }
  said = warnings(tmp_path, **content)
  assert said[0].startswith('no test node has class yes, ')
  assert '2 (the first is node c), ' in said[1]


def test_edges_that_may_be_meant_one_way(tmp_path):
  pairs = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 0], [2, 2]])
  (said,) = warnings(tmp_path, edges=pairs)
  assert said.startswith(
    'edges were taken both ways; the file has 1 of 5 pairs'
  )
  for harmless in (
    pairs[:5],  # each once
    np.concatenate([pairs, pairs[:, ::-1]]),  # all both ways
    np.concatenate([pairs[:5], pairs[:5]]),  # the same way twice
  ):
    assert warnings(tmp_path, edges=harmless) == []
  options = {'directed': True}
  assert (
    load(tmp_path, faultless() | {'edges': pairs}, **options).card['warnings']
    == []
  )


def test_features_on_very_different_scales(tmp_path):
  features = good()['features']
  features[:, 1] *= 1000
  (said,) = warnings(tmp_path, features=features)
  assert said.startswith(
    'features are not scaled: the standard deviation of feature 1 is 5.12e+03,'
    ' that of feature 0 5.12'
  )
  for harmless in (
    features * 1e-3,  # none is large
    features * [0, 1, 0],  # one alone, as the others are the same everywhere
    features * [1000, 1, 1000],  # all alike
  ):
    assert warnings(tmp_path, features=harmless) == []
