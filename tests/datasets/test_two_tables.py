"""A graph of the user's own in two tables."""

import io
import sys

import numpy as np
import polars
import pytest
from small_archives import edges_of
import small_npz
from small_tables import EDGES
from small_tables import IDS
from small_tables import NODES
from small_tables import load
from small_tables import named_npz
from small_tables import write

from gat_jax import datasets
from gat_jax.errors import DataError


def same(mine, theirs):
  """Whether two data sets are one, whatever they were read from."""
  assert mine.class_names == theirs.class_names
  assert mine.node_ids.tolist() == theirs.node_ids.tolist()
  assert mine.num_classes == theirs.num_classes
  assert mine.card['warnings'] == theirs.card['warnings']
  for split in datasets.SPLITS:
    (a,), (b,) = getattr(mine, split), getattr(theirs, split)
    np.testing.assert_array_equal(a.graph.nodes, b.graph.nodes)
    np.testing.assert_array_equal(a.graph.edges, b.graph.edges)
    np.testing.assert_array_equal(a.graph.senders, b.graph.senders)
    np.testing.assert_array_equal(a.graph.receivers, b.graph.receivers)
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.mask, b.mask)
    assert a.graph.nodes.dtype == b.graph.nodes.dtype
    assert a.labels.dtype == b.labels.dtype


def test_tables_are_the_same_graph_as_the_npz(tmp_path):
  same(load(tmp_path), small_npz.load(tmp_path, named_npz()))


@pytest.mark.parametrize('kind', ['csv', 'tsv', 'parquet'])
def test_a_larger_graph_in_every_kind_of_file(tmp_path, kind):
  """Numbers of all sizes, names that need quotes, labels that are missing."""
  rng = np.random.default_rng(0)
  n, d = 300, 40
  features = (rng.normal(size=(n, d)) * 10.0 ** rng.integers(-30, 30, d)) * (
    rng.random((n, d)) < 0.1
  )
  ids = [f'"{i}", of Łódź;\n{i}\t' for i in rng.permutation(n)]
  labels = rng.integers(-1, 12, n)
  splits = np.where(labels < 0, '', rng.choice([*datasets.SPLITS, ''], n))
  senders, receivers = rng.integers(0, n, (2, 900))
  kept = np.unique(senders * n + receivers, return_index=True)[1]
  senders, receivers = senders[kept], receivers[kept]
  weights = rng.normal(size=(len(senders), 2))
  nodes = polars.DataFrame(
    {
      'label': polars.Series(labels).set(polars.Series(labels < 0), None),
      'split': splits,
      'node': ids,
      **{f'f{i}': column for i, column in enumerate(features.T)},
    }
  )
  edges = polars.DataFrame(
    {
      'weight': weights[:, 0],
      'Target': [ids[i] for i in receivers],
      'Source': [ids[i] for i in senders],
      'length': weights[:, 1],
    }
  )
  files = {}
  for name, frame in (('nodes', nodes), ('edges', edges)):
    files[name] = str(tmp_path / f'{name}.{kind}')
    if kind == 'parquet':
      frame.write_parquet(files[name])
    else:
      frame.write_csv(files[name], separator='\t' if kind == 'tsv' else ',')
  content = {
    'edges': np.stack([senders, receivers], axis=1),
    'features': features,
    'labels': labels,
    'edge_features': weights,
    'node_ids': np.array([i.strip() for i in ids]),
    'class_names': np.array([str(c) for c in range(12)]),
    **{f'{s}_mask': splits == s for s in datasets.SPLITS},
  }
  for directed in (False, True):
    options = {'directed': directed, 'loop_features': '0.5'}
    read = datasets.load('tables', **files, **options)
    theirs = small_npz.load(tmp_path, content, **options)
    assert len(read.card['warnings']) == len(theirs.card['warnings'])
    read.card['warnings'] = theirs.card['warnings']  # without names there
    same(read, theirs)


def test_the_card_says_what_was_taken(tmp_path):
  nodes = NODES.replace('age', 'zip').replace('split', 'fold')
  edges = EDGES.replace('\n', ',1,x\n').replace('target,1,x', 'target,far,kind')
  card = load(
    tmp_path, nodes, edges, leave_out='zip, far', split_column='fold'
  ).card
  assert card['feature_columns'] == 'height, mark'
  assert card['left_out'] == 'zip, far'
  assert card['edge_columns'] == 'source -> target'
  assert (card['id_column'], card['label_column']) == ('id', 'label')
  assert card['splits'] == 'column fold'
  assert card['class_names'] == ['no', 'yes']
  assert 'edge_feature_columns' not in card
  assert (
    'left out of edges.csv, as no number is in it: kind' in card['warnings']
  )
  assert list(card['sha256']) == ['nodes: nodes.csv', 'edges: edges.csv']
  card = load(tmp_path, edges=edges).card
  assert card['edge_feature_columns'] == 'far'


def test_ids_are_text_or_numbers_and_classes_count_in_their_order(tmp_path):
  numbers = {name: str(10 - i) for i, name in enumerate(IDS)}
  nodes, edges = NODES, EDGES
  for name, number in numbers.items():
    nodes, edges = nodes.replace(name, number), edges.replace(name, number)
  nodes = nodes.replace('no', '10').replace('yes', '9')
  dataset = load(tmp_path, nodes.replace('10de', 'node'), edges)
  assert dataset.class_names == ('9', '10')
  assert dataset.node_ids.tolist() == [*numbers.values()]
  assert dataset.train[0].labels.tolist() == [1, 0, 1, 0, 1, -1]
  # Parquet of pandas: whole numbers with gaps are floats there.
  files = write(tmp_path, nodes, edges)
  for field, path in files.items():
    frame = polars.read_csv(path)
    files[field] = path.replace('.csv', '.parquet')
    wanted = [c for c in ('id', 'label', 'source') if c in frame.columns]
    frame = frame.with_columns(polars.col(c).cast(float) for c in wanted)
    frame.write_parquet(files[field])
  same(datasets.load('tables', **files), dataset)


def test_nodes_may_be_named_as_columns_are(tmp_path):
  nodes, edges = (
    text.replace('ann', 'source').replace('bob', 'target')
    for text in (NODES, EDGES)
  )
  assert load(tmp_path, nodes, edges).card['edges_raw'] == 5


def test_several_labels_a_node(tmp_path):
  nodes = NODES.replace(',no,', ',no; old,').replace(',yes,', ',yes;,')
  dataset = load(tmp_path, nodes)
  assert dataset.metric == 'micro_f1'
  assert dataset.class_names == ('no', 'old', 'yes')
  assert dataset.train[0].labels.tolist() == (
    [[1, 1, 0], [0, 0, 1]] * 2 + [[1, 1, 0], [0, 0, 0]]
  )


def many(tmp_path, counts, **options):
  """A graph of classes of so many nodes, without splits; 5 have no label."""
  labels = [c for c, count in counts.items() for _ in range(count)] + [''] * 5
  nodes = 'id,x,label\n' + ''.join(
    f'n{i},{i % 7},{label}\n' for i, label in enumerate(labels)
  )
  edges = 'a,b\n' + ''.join(f'n{i},n{i + 1}\n' for i in range(len(labels) - 1))
  return load(tmp_path, nodes, edges, **options), np.array(labels)


def test_drawn_splits_take_the_same_of_every_class(tmp_path):
  dataset, labels = many(tmp_path, {'a': 10, 'b': 100, 'c': 1000})
  masks = [getattr(dataset, split)[0].mask for split in datasets.SPLITS]
  np.testing.assert_array_equal(np.sum(masks, axis=0), labels != '')
  for label, count in (('a', 10), ('b', 100), ('c', 1000)):
    shares = [int((labels[mask] == label).sum()) for mask in masks]
    assert shares == [0.6 * count, 0.2 * count, 0.2 * count]
  assert dataset.card['splits'].startswith('drawn class by class, 0.6 train')
  again, _ = many(tmp_path, {'a': 10, 'b': 100, 'c': 1000})
  assert again.card == dataset.card
  other, _ = many(tmp_path, {'a': 10, 'b': 100, 'c': 1000}, split_seed=1)
  assert (other.train[0].mask != masks[0]).any()
  assert other.card['digest'] != dataset.card['digest']
  with pytest.raises(DataError, match='leave no val node of 4') as error:
    many(tmp_path, {'a': 2, 'b': 2}, val_fraction=0.01)
  assert error.value.field == 'config.dataset.train_fraction'


def test_a_column_of_splits_goes_before_and_can_be_put_off(tmp_path):
  with pytest.raises(DataError, match='7 changes nothing') as error:
    load(tmp_path, split_seed=7)
  assert error.value.field == 'config.dataset.split_seed'
  nodes = NODES + 'gus,1,1,1,no,\nhal,1,1,1,yes,\nida,1,1,1,yes,\n'
  drawn = load(tmp_path, nodes, split_seed=7, split_column='')
  assert drawn.card['splits'].endswith('seed 7')


def test_scaled_columns(tmp_path):
  nodes = NODES.replace('mark', 'one')
  for i, number in enumerate(['2', '5', '8', '11', '14', '17']):
    nodes = nodes.replace(f',{number},{"no" if i % 2 == 0 else "yes"}', ',4,no')
  nodes = nodes.replace('ann,0,1,4,no', 'ann,0,1,4,yes').replace(',17,', ',4,')
  edges = EDGES.replace('\n', ',far\n', 1).replace('b\n', 'b,1\n')
  edges = edges.replace('t\n', 't,3\n').replace('n\n', 'n,5\n')
  edges = edges.replace('e\n', 'e,7\n')
  dataset = load(tmp_path, nodes, edges, scale_columns=True, directed=True)
  graph = dataset.train[0].graph
  np.testing.assert_allclose(graph.nodes[:, :2].mean(axis=0), 0, atol=1e-6)
  np.testing.assert_allclose(graph.nodes[:, :2].std(axis=0), 1, rtol=1e-6)
  assert (graph.nodes[:, 2] == 0).all()
  with pytest.raises(DataError, match='rows cannot be scaled'):
    load(tmp_path, scale_columns=True, normalize_features=True)


def test_true_and_false_are_numbers_and_words_are_left_out(tmp_path):
  nodes = NODES.replace('age,', 'known,name,', 1)
  for i, number in enumerate(['0', '3', '6', '9', '12', '15']):
    word = ('True', 'FALSE')[i % 2]
    nodes = nodes.replace(f',{number},', f',{word},A. {number} B,', 1)
  dataset = load(tmp_path, nodes)
  np.testing.assert_array_equal(
    dataset.train[0].graph.nodes[:, 0], [1, 0, 1, 0, 1, 0]
  )
  assert dataset.card['feature_columns'] == 'known, height, mark'
  assert dataset.card['warnings'][0] == (
    'left out of nodes.csv, as no number is in it: name'
  )


@pytest.mark.parametrize(
  'disguise',
  [
    lambda text: b'\xef\xbb\xbf' + text.encode(),
    lambda text: text.replace('\n', '\r\n'),
    lambda text: text.replace('\n', '\n\n , \n'),
    lambda text: text.replace(',', ' , '),
    lambda text: text.rstrip('\n'),
    lambda text: '\n'.join(
      ','.join(f'"{cell}"' for cell in line.split(','))
      for line in text.splitlines()
    ),
  ],
  ids=['bom', 'crlf', 'empty lines', 'spaces', 'no last newline', 'quotes'],
)
def test_what_programs_make_of_a_csv(tmp_path, disguise):
  plain = load(tmp_path)
  same(load(tmp_path, disguise(NODES), disguise(EDGES)), plain)


def test_data_dir_holds_moved_files_and_the_home_folder(tmp_path, monkeypatch):
  files = write(tmp_path)
  card = datasets.load('tables', **files).card
  moved = {name: f'elsewhere/{name}.csv' for name in files}
  assert datasets.load('tables', str(tmp_path), **moved).card == card
  monkeypatch.setenv('HOME', str(tmp_path))
  home = {name: f'~/{name}.csv' for name in files}
  assert datasets.load('tables', **home).card == card


def test_advice_where_it_is_due(tmp_path):
  columns = list(range(0, 18, 3))
  nodes = NODES
  for number in columns:
    nodes = nodes.replace(f',{number},', f',{number}000,', 1)
  edges = EDGES + 'bob,ann\nann,cat\nbob,dan\n'
  warnings = load(tmp_path, nodes, edges).card['warnings']
  assert (
    "features are not scaled: the standard deviation of feature 'age' is"
    " 5.12e+03, that of feature 'height' 5.12; bring them to mean 0 and"
    ' deviation 1'
  ) in warnings
  (said,) = (w for w in warnings if 'both ways' in w)
  assert 'has 1 of 6 pairs' in said
  assert not any(
    'both ways' in w or 'scaled' in w
    for options in ({'directed': True}, {})
    for text in (edges if options else EDGES, EDGES + 'cat,bob\nbob,ann\n')
    for w in load(tmp_path, edges=text, **options).card['warnings']
  )
  unsure = NODES.replace('yes', 'NA')
  assert any("named 'NA'" in w for w in load(tmp_path, unsure).card['warnings'])


def test_polars_is_asked_for_in_one_error(tmp_path, monkeypatch):
  files = write(tmp_path)
  monkeypatch.setitem(sys.modules, 'polars', None)
  with pytest.raises(DataError, match='tables are read with polars') as error:
    datasets.load('tables', **files)
  assert error.value.field == 'config.dataset.nodes'
  assert "`pip install 'polars>=2.0,<3'`" in error.value.remedy
  small_npz.load(tmp_path, small_npz.good())


def test_parquet_of_pandas_has_an_index_and_other_types(tmp_path):
  files = write(tmp_path)
  frame = polars.read_csv(files['nodes'])
  frame = frame.with_columns(
    polars.col('label').cast(polars.Categorical),
    polars.col('age').cast(polars.Decimal(10, 2)),
    polars.Series('__index_level_0__', range(6)),
    polars.Series('born', ['2000-01-01'] * 6).str.to_date(),
  )
  files['nodes'] = str(tmp_path / 'nodes.parquet')
  frame.write_parquet(files['nodes'])
  dataset = datasets.load('tables', **files)
  assert dataset.card['feature_columns'] == 'age, height, mark'
  assert 'no number is in it: born' in dataset.card['warnings'][0]
  lists = frame.with_columns(polars.Series('vector', [[1.0, 2.0]] * 6))
  lists.write_parquet(files['nodes'])
  with pytest.raises(DataError, match="'vector' is of type List"):
    datasets.load('tables', **files)
  stream = io.BytesIO()
  frame.with_columns(polars.lit(None).alias('empty')).write_parquet(stream)
  (tmp_path / 'nodes.parquet').write_bytes(stream.getvalue())
  warnings = datasets.load('tables', **files).card['warnings']
  assert 'no number is in them: born, empty' in warnings[0]
  assert edges_of(dataset.train[0])
