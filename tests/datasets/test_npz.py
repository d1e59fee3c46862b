"""A graph of the user's own in an .npz file."""

import numpy as np
import pytest
from small_archives import edges_of
from small_npz import good
from small_npz import indexed
from small_npz import load
from small_npz import sparse

from gat_jax import datasets
from gat_jax.errors import DataError


def test_good_file(tmp_path):
  dataset = load(tmp_path, good())
  assert dataset.name == 'graph'
  assert dataset.metric == 'accuracy'
  assert dataset.num_classes == 2
  assert dataset.card['edges_raw'] == 5
  assert dataset.card['edges_unique'] == 4
  assert dataset.card['self_loops_in_file'] == 1
  assert dataset.card['isolated_nodes'] == 1
  path = [(i, i + 1) for i in range(4)]
  everything = path + [(b, a) for a, b in path] + [(i, i) for i in range(6)]
  assert sorted(edges_of(dataset.train[0])) == sorted(everything)


def test_directed_edges_stay_one_way(tmp_path):
  edges = edges_of(load(tmp_path, good(), directed=True).train[0])
  assert (0, 1) in edges
  assert (1, 0) not in edges


def test_index_arrays_equal_masks(tmp_path):
  by_mask, by_index = load(tmp_path, good()), load(tmp_path, indexed())
  for split in ('train', 'val', 'test'):
    np.testing.assert_array_equal(
      getattr(by_mask, split)[0].mask, getattr(by_index, split)[0].mask
    )


@pytest.mark.parametrize('normalize', [False, True])
def test_sparse_features_equal_dense_ones(tmp_path, normalize):
  options = {'normalize_features': normalize}
  dense = load(tmp_path, good(), **options).train[0].graph.nodes
  nodes = load(tmp_path, sparse(), **options).train[0].graph.nodes
  restored = np.zeros(nodes.shape, np.float32)
  restored[nodes.rows, nodes.columns] = nodes.values
  np.testing.assert_allclose(restored, dense, rtol=1e-6)
  if normalize:
    np.testing.assert_allclose(dense.sum(axis=1), 1, rtol=1e-6)


def test_multi_hot_labels_are_multilabel(tmp_path):
  labels = np.array([[1, 0, 1]] * 6)
  dataset = load(tmp_path, good() | {'labels': labels})
  assert dataset.metric == 'micro_f1'
  assert dataset.num_classes == 3


def test_negative_features_cannot_be_normalized(tmp_path):
  content = good() | {'features': -good()['features']}
  with pytest.raises(DataError, match='normalize_features` to False'):
    load(tmp_path, content, normalize_features=True)


def test_sums_of_large_features_do_not_overflow(tmp_path):
  content = good() | {'features': np.full((6, 3), 3e38)}
  nodes = load(tmp_path, content, normalize_features=True).train[0].graph.nodes
  np.testing.assert_allclose(nodes, 1 / 3, rtol=1e-6)


def test_an_edge_that_is_there_twice_counts_once(tmp_path):
  edges = np.array([[0, 1], [1, 0], [0, 1], [2, 2], [2, 2], [4, 3]])
  repeated, once = (
    {
      directed: load(tmp_path, good() | {'edges': e}, directed=directed)
      for directed in (False, True)
    }
    for e in (edges, np.unique(edges, axis=0))
  )
  for directed in (False, True):
    examples = repeated[directed].train[0], once[directed].train[0]
    assert edges_of(examples[0]) == edges_of(examples[1])
  card = repeated[True].card
  assert (card['edges_raw'], card['edges_repeated']) == (6, 2)
  assert card['edges_with_loops'] == 3 + 6
  # Where nothing has changed, a run of an earlier version has the same data.
  assert 'edges_repeated' not in repeated[False].card | once[True].card


@pytest.mark.parametrize('directed', [False, True])
def test_unique_edges_are_pairs_of_different_nodes(tmp_path, directed):
  edges = np.array([[0, 1], [1, 0], [0, 1], [2, 2], [4, 3]])
  card = load(tmp_path, good() | {'edges': edges}, directed=directed).card
  assert (card['edges_raw'], card['edges_unique']) == (5, 2)


def test_suffix_in_capitals_and_home_folder(tmp_path, monkeypatch):
  np.savez(tmp_path / 'graph.npz', **good())
  (tmp_path / 'graph.npz').rename(tmp_path / 'graph.NPZ')
  monkeypatch.setenv('HOME', str(tmp_path))
  assert datasets.load('~/graph.NPZ').name == 'graph'
  with pytest.raises(DataError, match='there is no file'):
    datasets.load('~nobody-of-this-name/graph.npz')


def test_missing_file_and_no_npz(tmp_path):
  with pytest.raises(DataError, match='there is no file') as error:
    datasets.load(str(tmp_path / 'graph.npz'))
  assert error.value.field == 'config.dataset.name'
  assert '`config.data_dir`' in error.value.remedy
  (tmp_path / 'graph.npz').write_bytes(b'hello')
  with pytest.raises(DataError, match=r'is no \.npz file'):
    datasets.load(str(tmp_path / 'graph.npz'))
  (tmp_path / 'folder.npz').mkdir()
  with pytest.raises(DataError, match='cannot be read'):
    datasets.load(str(tmp_path / 'folder.npz'))


def test_data_dir_is_where_a_moved_file_is_found(tmp_path):
  np.savez(tmp_path / 'graph.npz', **good())
  moved = datasets.load('elsewhere/graph.npz', str(tmp_path))
  assert moved.card == datasets.load(str(tmp_path / 'graph.npz')).card
