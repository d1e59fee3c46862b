"""The archive of GraphSAGE, with the preprocessing of the authors of GAT."""

import numpy as np
import pytest
from small_archives import SPLITS
from small_archives import check_example
from small_archives import check_one_error
from small_archives import edges_of
from small_archives import links
from small_archives import sage

from gat_jax.datasets.ppi import graphsage


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
