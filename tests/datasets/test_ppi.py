"""PPI: the rebuilt archive, and a small one of the same format."""

import json

import numpy as np
import pytest
import realdata
from small_archives import SPLITS
from small_archives import check_example
from small_archives import dgl
from small_archives import edges_of

from gat_jax import datasets
from gat_jax import graphs
from gat_jax.datasets import ppi
from gat_jax.errors import DataError


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


@pytest.mark.slow
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
  assert card['warnings'] == []
  json.dumps(card)


@pytest.mark.slow
def test_training_features_are_standardised(real):
  features = np.concatenate([e.graph.nodes for e in real.train])
  np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
  deviation = features.std(axis=0, dtype=np.float64)
  varies = np.ptp(features, axis=0) > 0
  assert varies.sum() >= 40
  np.testing.assert_allclose(deviation[varies], 1, atol=1e-5)


@pytest.mark.slow
def test_every_graph_is_as_promised(real):
  for split in SPLITS:
    for example in getattr(real, split):
      check_example(example, 50, 121)


@pytest.mark.slow
def test_edges_are_those_that_the_graph_functions_make(real):
  graph = real.train[8].graph  # the smallest
  half = graph.senders < graph.receivers
  made = graphs.prepare(
    graph.nodes, graph.senders[half], graph.receivers[half], reverse=True
  )
  np.testing.assert_array_equal(made.senders, graph.senders)
  np.testing.assert_array_equal(made.receivers, graph.receivers)


@pytest.mark.slow
def test_few_graphs_are_the_first_ones(real, folder, monkeypatch):
  monkeypatch.setattr(ppi, '_parse_dgl', pytest.fail)  # kept by then
  few = datasets.load('ppi', str(folder), num_graphs=1)
  assert [few.card[f'{s}_graphs'] for s in SPLITS] == [1, 1, 1]
  for split in SPLITS:
    kept, first = getattr(few, split)[0], getattr(real, split)[0]
    np.testing.assert_array_equal(kept.graph.nodes, first.graph.nodes)
    np.testing.assert_array_equal(kept.graph.senders, first.graph.senders)
  assert few.card['digest'] != real.card['digest']


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
  with pytest.raises(DataError, match=f'num_graphs: {number} .* 2 graphs'):
    load(dgl(), num_graphs=number)


def test_the_three_sums_are_pinned():
  file = ppi.data_file()
  assert list(ppi.SHA256) == ['published', 'rebuilt', 'graphsage']
  assert [len(sha256) for sha256 in file.sha256] == [64] * 3
  assert file.urls == ('https://data.dgl.ai/dataset/ppi.zip',)
