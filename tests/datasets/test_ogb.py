import json
import os

import numpy as np
import pytest
import sklearn.metrics
import small_ogb

from configs import base
from gat_jax import datasets
from gat_jax import graphs
from gat_jax import runs
from gat_jax.datasets import files
from gat_jax.datasets.ogb import sorting
from gat_jax.datasets.ogb.source import Source
from gat_jax.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv(files.VARIABLE, raising=False)
  return tmp_path / 'cache/gat_jax/data/ogb'


def reference(name, held, both_ways):
  """The graph, by `graphs.prepare`, from what is in the files."""
  of_edges = held.get('edge-feat')
  features = np.zeros((len(held['node-label']), 1), np.float32)
  return graphs.prepare(
    held.get('node-feat', features).astype(np.float32),
    *held['edge'].T,
    reverse=both_ways,
    duplicates='merge',
    edge_features=None if of_edges is None else of_edges.astype(np.float32),
  )


def check(name, dataset, held, both_ways, of_nodes='sum'):
  example = dataset.train[0]
  graph, wanted = example.graph, reference(name, held, both_ways)
  np.testing.assert_array_equal(graph.senders, wanted.senders)
  np.testing.assert_array_equal(graph.receivers, wanted.receivers)
  if name == 'ogbn-proteins':
    np.testing.assert_array_equal(graph.edges, wanted.edges)
    edges = [*map(tuple, held['edge'])]
    incoming = [[] for _ in held['node-label']]
    for (one, two), own in zip(edges, held['edge-feat'], strict=True):
      incoming[two].append(own)
      if one != two:
        incoming[one].append(own)
    of = {'sum': np.sum, 'mean': np.mean}[of_nodes]
    for node, own in enumerate(incoming):
      made = of(own, axis=0) if own else np.zeros(8)
      np.testing.assert_allclose(graph.nodes[node], made, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(example.labels, held['node-label'])
  else:
    np.testing.assert_array_equal(
      graph.nodes, held['node-feat'].astype(np.float32)
    )
    labels = held['node-label'][:, 0].copy()
    labels[held.get('unlabelled', [])] = -1
    np.testing.assert_array_equal(example.labels, labels)
  for part, own in (
    ('train', dataset.train),
    ('valid', dataset.val),
    ('test', dataset.test),
  ):
    assert set(np.flatnonzero(own[0].mask)) == set(held[part])
  assert dataset.num_classes == small_ogb.CLASSES[name]
  # Grouped when a layer asks, as what `prepare` makes.
  structure = graph.structure.incoming
  np.testing.assert_array_equal(
    structure.others, wanted.structure.incoming.others
  )


@pytest.mark.parametrize(
  'form', ['archive', pytest.param('folder', marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
  ('name', 'options', 'both_ways'),
  [
    ('ogbn-arxiv', {}, False),
    ('ogbn-arxiv', {'directed': False}, True),
    ('ogbn-products', {}, True),
    ('ogbn-proteins', {}, True),
    ('ogbn-proteins', {'node_features': 'mean'}, True),
  ],
)
def test_tables_become_the_graph_that_they_describe(
  tmp_path, form, name, options, both_ways
):
  held = small_ogb.drawn(name)
  write = getattr(small_ogb, f'write_{form}')
  path = write(tmp_path, name, small_ogb.members(name, held))
  dataset = datasets.load(name, str(tmp_path), **options)
  check(name, dataset, held, both_ways, options.get('node_features', 'sum'))
  card = dataset.card
  assert card['directed'] == (not both_ways)
  assert card['edges_raw'] == len(held['edge'])
  assert card['sums_are_pinned'] is False
  if form == 'archive':
    assert [*card['sha256']] == [path.name]
  else:
    assert 'raw/edge.csv.gz' in card['sha256']
  json.dumps(card)
  # A second time nothing is parsed, and nothing is different.
  again = datasets.load(name, str(tmp_path), **options)
  assert again.card == card
  assert isinstance(again.train[0].graph.nodes, np.memmap)
  assert isinstance(again.train[0].graph.senders, np.memmap)
  check(name, again, held, both_ways, options.get('node_features', 'sum'))


@pytest.mark.slow
def test_metric_is_what_ogb_scores_by(tmp_path):
  metrics = {
    'ogbn-arxiv': 'accuracy',
    'ogbn-products': 'accuracy',
    'ogbn-proteins': 'roc_auc',
  }
  for name, metric in metrics.items():
    small_ogb.write_archive(tmp_path, name, small_ogb.members(name))
    assert datasets.load(name, str(tmp_path)).metric == metric


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_papers_are_mapped_where_they_are_or_unpacked_once(tmp_path, save):
  name = 'ogbn-papers100M'
  held = small_ogb.drawn(name) | {'unlabelled': [0, 7]}
  held['train'] = np.setdiff1d(held['train'], [0, 7])
  held['valid'] = np.setdiff1d(held['valid'], [0, 7])
  held['test'] = np.setdiff1d(held['test'], [0, 7])
  held['edge'][1] = held['edge'][5] = 4, 5
  home = small_ogb.write_papers(tmp_path, held, save)
  place = home / 'raw/data.npz'
  if save is np.savez_compressed:
    place = tmp_path / 'papers100M-bin.parsed/node_feat.npy'
  for _ in range(2):
    dataset = datasets.load(name, str(tmp_path))
    features = dataset.train[0].graph.nodes
    assert isinstance(features, np.memmap)
    assert features.filename == place
    check(name, dataset, held, both_ways=False)
    rows = len(np.unique(held['edge'], axis=0))
    assert dataset.card['edges_repeated'] == 90 - rows > 0
  kept = {path.stem for path in (tmp_path / 'papers100M-bin.parsed').iterdir()}
  assert not kept & {'edge_index', 'node_label', 'num_nodes_list'}


@pytest.mark.parametrize('most', [1, 7, 50, 10**6])
@pytest.mark.parametrize('both_ways', [False, True])
def test_edges_sorted_in_parts_are_those_sorted_at_once(
  tmp_path, monkeypatch, most, both_ways
):
  monkeypatch.setattr(sorting, '_CHUNK', 13)
  rng = np.random.default_rng(most)
  edges = rng.integers(0, 23, (2, 120))  # some twice, some self-loops
  of_edges = np.stack([edges.sum(0), abs(edges[0] - edges[1])], 1)
  of_edges = of_edges.astype(np.float32)

  def fail(problem):
    raise AssertionError(problem)

  sums, counts = sorting.sort_edges(
    edges,
    25,
    tmp_path,
    fail,
    both_ways=both_ways,
    features=of_edges,
    most=most,
  )
  wanted = graphs.prepare(
    np.zeros((25, 1), np.float32),
    *edges,
    reverse=both_ways,
    duplicates='merge',
    edge_features=of_edges,
  )
  found = {p.stem: np.load(p) for p in tmp_path.iterdir()}
  assert [*sorted(found)] == ['edge_features', 'receivers', 'senders']
  np.testing.assert_array_equal(found['senders'], wanted.senders)
  np.testing.assert_array_equal(found['receivers'], wanted.receivers)
  np.testing.assert_allclose(found['edge_features'], wanted.edges, rtol=1e-6)
  added = np.setdiff1d(np.arange(25), edges[0, edges[0] == edges[1]])
  is_loop = wanted.senders == wanted.receivers
  is_own = ~(is_loop & np.isin(wanted.receivers, added))
  made = np.zeros((25, 2))
  np.add.at(made, wanted.receivers[is_own], wanted.edges[is_own])
  np.testing.assert_allclose(sums, made)
  np.testing.assert_array_equal(
    counts, np.bincount(wanted.receivers[is_own], minlength=25)
  )


def test_edges_with_other_features_are_not_merged(tmp_path):
  edges = np.array([[0, 1, 0], [1, 2, 1]])

  def fail(problem):
    raise AssertionError(problem)

  with pytest.raises(AssertionError, match='lines 1 and 3'):
    sorting.sort_edges(
      edges,
      3,
      tmp_path,
      fail,
      both_ways=True,
      features=np.arange(3, dtype=np.float32)[:, None],
    )


def test_a_changed_file_is_parsed_again(tmp_path, monkeypatch):
  name = 'ogbn-arxiv'
  held = small_ogb.drawn(name)
  small_ogb.write_archive(tmp_path, name, small_ogb.members(name, held))
  first = datasets.load(name, str(tmp_path))
  held = small_ogb.drawn(name, seed=1)
  path = small_ogb.write_archive(tmp_path, name, small_ogb.members(name, held))
  second = datasets.load(name, str(tmp_path))
  check(name, second, held, both_ways=False)
  assert second.card['digest'] != first.card['digest']
  os.utime(path, (1, 1))  # a copy of the same bytes
  assert datasets.load(name, str(tmp_path)).card == second.card
  monkeypatch.delattr(Source, 'sums')  # of a copy that is known
  assert datasets.load(name, str(tmp_path)).card == second.card


@pytest.mark.parametrize(
  'damage',
  [
    lambda folder: (folder / 'kept.json').write_text('{'),
    lambda folder: (folder / 'senders.npy').write_bytes(b'short'),
    lambda folder: (folder / 'labels.npy').unlink(),
  ],
)
def test_damage_to_what_is_kept_is_mended(tmp_path, damage):
  name = 'ogbn-arxiv'
  held = small_ogb.drawn(name)
  small_ogb.write_folder(tmp_path, name, small_ogb.members(name, held))
  datasets.load(name, str(tmp_path))
  damage(tmp_path / 'arxiv.parsed')
  check(name, datasets.load(name, str(tmp_path)), held, both_ways=False)


def test_what_is_parsed_goes_into_the_cache_if_it_must(tmp_path, cache):
  name = 'ogbn-arxiv'
  held = small_ogb.drawn(name)
  folder = tmp_path / 'mine'
  small_ogb.write_folder(folder, name, small_ogb.members(name, held))
  folder.chmod(0o500)
  try:
    for _ in range(2):
      check(name, datasets.load(name, str(folder)), held, both_ways=False)
  finally:
    folder.chmod(0o700)
  assert [p.name for p in folder.iterdir()] == ['arxiv']
  assert (cache / 'arxiv.parsed/kept.json').is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
  'place', ['arxiv', 'ogbn_arxiv', 'ogb/arxiv', 'ogbn-arxiv/ogbn_arxiv', '.']
)
def test_folders_that_packages_make_are_found(tmp_path, monkeypatch, place):
  home = small_ogb.write_folder(
    tmp_path / 'made', 'ogbn-arxiv', small_ogb.members('ogbn-arxiv')
  )
  target = tmp_path / 'mine' / place
  target.parent.mkdir(parents=True, exist_ok=True)
  home.rename(target)
  monkeypatch.setenv(files.VARIABLE, str(tmp_path / 'mine'))
  assert datasets.load('ogbn-arxiv').card['nodes'] == 40


@pytest.mark.parametrize('name', small_ogb.TITLES)
def test_a_missing_data_set_says_where_to_get_it(tmp_path, name):
  with pytest.raises(DataError, match=r'snap\.stanford\.edu') as error:
    datasets.load(name, str(tmp_path))
  assert error.value.field == 'config.data_dir'
  assert small_ogb.TITLES[name] in error.value.problem


@pytest.mark.slow
@pytest.mark.parametrize('fan_outs', [(), (3, 3)])
def test_proteins_are_trained_stopped_and_scored_by_roc_auc(tmp_path, fan_outs):
  """Scores are those of scikit-learn on what `predict` says."""
  name = 'ogbn-proteins'
  held = small_ogb.drawn(name, 120, 900)
  held['node-label'] = (
    np.arange(120)[:, None] < np.linspace(10, 110, 112)
  ).astype(int)
  held['edge-feat'] = held['edge'].min(1, keepdims=True) * np.ones(8) / 120
  order = np.random.default_rng(0).permutation(120)
  held['train'], held['valid'], held['test'] = np.split(order, [60, 90])
  small_ogb.write_archive(tmp_path, name, small_ogb.members(name, held))
  config = base.get_config(name)
  config.data_dir = str(tmp_path)
  config.dataset.node_features = 'mean'
  config.model.edge_features = False
  config.model.name = 'gcn' if fan_outs else 'mlp'
  config.model.dropout_rate = 0.0
  config.max_epochs, config.patience = 8, 8
  config.stop_rule = 'accuracy'
  config.learning_rate = 0.05
  config.sampler.fan_outs = fan_outs
  config.sampler.batch_size = 20
  result = runs.train_and_evaluate(config, tmp_path / 'run')
  assert result.metric == 'roc_auc'
  _, (found,) = runs.predict(tmp_path / 'run')
  for part, score in (
    ('valid', result.seeds[0].val),
    ('test', result.seeds[0].test),
  ):
    own = held[part]
    areas = [
      sklearn.metrics.roc_auc_score(y, p)
      for y, p in zip(
        held['node-label'][own].T, found.probabilities[own].T, strict=True
      )
      if 0 < y.sum() < len(y)
    ]
    # Of two probabilities, the last bits may be equal where logits differ.
    assert score == pytest.approx(np.mean(areas), abs=3e-4)
  assert result.seeds[0].test > 0.5
  best = [
    json.loads(line)
    for line in (tmp_path / 'run/metrics.jsonl').read_text().splitlines()
  ]
  assert result.seeds[0].val >= max(line['val_score'] for line in best) - 1e-6
