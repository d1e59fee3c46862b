"""Malformed tables: one clear error each, with file, line and remedy."""

import re

import numpy as np
import polars
import pytest
from small_tables import EDGES
from small_tables import NODES
from small_tables import load
from small_tables import write

from gat_jax import datasets
from gat_jax.errors import DataError


def nodes(old, new, count=1):
  assert old in NODES
  return {'nodes': NODES.replace(old, new, count)}


def edges(old, new, count=1):
  assert old in EDGES
  return {'edges': EDGES.replace(old, new, count)}


# name: (what is changed, where the error is, what it says)
MALFORMED = {
  'an unknown id': (
    edges('cat,dan', 'cat,don'),
    'edges.csv, line 4',
    "column 'target' holds 'don', which is no node of .*nodes.csv; give it a"
    ' row in .*nodes.csv, or take the edge out',
  ),
  'ids that became decimals': (
    {
      'nodes': NODES.replace('ann', '1').replace('bob', '2'),
      'edges': EDGES.replace('ann', '1.0').replace('bob', '2.0'),
    },
    'edges.csv, line 2',
    r"'1\.0', which is no node .* write ids alike in both files: .* has '1'",
  ),
  'an end that is empty': (
    edges('cat,dan', 'cat,'),
    'edges.csv, line 4',
    "column 'target' is empty",
  ),
  'no header of edges': (
    edges('source,target\n', ''),
    'edges.csv',
    'has no header: its first line holds the ids ann and bob; put a line',
  ),
  'one column of edges': (
    {'edges': 'source\nann\n'},
    'edges.csv',
    'has one column, source; give the ids of both ends',
  ),
  'no edges': ({'edges': 'source,target\n'}, 'edges.csv', 'has no rows'),
  'self-loops alone': (
    {'edges': 'source,target\nann,ann\n'},
    'edges.csv',
    'has self-loops alone',
  ),
  'an edge twice that differs': (
    {'edges': 'a,b,w\nann,bob,1\nbob,cat,2\nann,bob,3\n'},
    'edges.csv, line 4',
    'second time, after line 2, with other features; keep one of them',
  ),
  'a feature of an edge in words': (
    {'edges': 'a,b,w\nann,bob,1\nbob,cat,far\n'},
    'edges.csv, line 3',
    "column 'w' holds 'far', no number",
  ),
  'a node twice': (
    nodes('cat,', 'ann,'),
    'nodes.csv, line 4',
    "node 'ann' is there for the second time, after line 2",
  ),
  'a node without an id': (
    nodes('cat,', ','),
    'nodes.csv, line 4',
    "column 'id' is empty",
  ),
  'a feature in words': (
    nodes('7,8', '7,eight'),
    'nodes.csv, line 4',
    "column 'mark' holds 'eight', no number; mend it, or, if the column is no"
    ' feature, leave it out: `config.dataset.leave_out`=mark',
  ),
  'a feature that is empty': (
    nodes('7,8', '7,'),
    'nodes.csv, line 4',
    "column 'mark' is empty; fill it, or",
  ),
  'a feature that is NaN': (
    nodes('7,8', '7,nan'),
    'nodes.csv, line 4',
    "column 'mark' holds 'nan', no number",
  ),
  'a feature too large': (
    nodes('7,8', '7,1e39'),
    'nodes.csv, line 4',
    "column 'mark' holds '1e39', too large for float32",
  ),
  'a decimal comma': (
    nodes('7,8', '7,"8,5"'),
    'nodes.csv, line 4',
    r"holds '8,5', no number \(decimals have a point\)",
  ),
  'decimal commas alone': (
    {'nodes': re.sub(r',(\d+),(no|yes|),', r',"0,\1",\2,', NODES)},
    'nodes.csv, line 2',
    r"column 'mark' holds '0,2', no number \(decimals have a point\)",
  ),
  'true among numbers': (
    nodes('7,8', '7,true'),
    'nodes.csv, line 4',
    "column 'mark' holds 'true', no number",
  ),
  'an unknown split': (
    nodes('val', 'vali'),
    'nodes.csv, line 4',
    "column 'split' holds 'vali', which is no split; write train, val or test,"
    ' or nothing; did you mean val',
  ),
  'a split without a node': (
    nodes('test', ''),
    'nodes.csv',
    "column 'split' has no test node; every split needs a node",
  ),
  'no label in a split': (
    nodes('no,test', ',test'),
    'nodes.csv, line 6',
    'the node is in the split test and has no label; label it',
  ),
  'no column of labels': (
    nodes('label', 'team'),
    'nodes.csv',
    "has no column 'label', the labels; it has id, age, height, mark, team,"
    ' split; name it in `config.dataset.label_column`',
  ),
  'one class': (
    nodes('yes', 'no', 9),
    'nodes.csv',
    "column 'label' has one class alone, 'no'; give nodes of two classes",
  ),
  'a label that is measured': (
    {'label_column': 'height'},
    'nodes.csv',
    "column 'height' has a class of its own for each of 6 nodes; name a column",
  ),
  'no labels at all': (
    {'nodes': NODES.replace('yes', '').replace('no', '')},
    'nodes.csv',
    "column 'label' has no label",
  ),
  'no features': (
    {'leave_out': 'age,height,mark'},
    'nodes.csv',
    'has no column of numbers for features',
  ),
  'a line too short': (
    nodes(',7,8,no,val', ',7,8'),
    'nodes.csv, line 4',
    'has 4 cells, its header has 6; give every line as many',
  ),
  'a line too short, hidden by an empty one': (
    nodes('cat,6,7,8,no,val', ',\ncat,6,7,8,no'),
    'nodes.csv, line 5',
    'has 5 cells, its header has 6',
  ),
  'a line too long': (
    nodes(',7,8', ',7,8,9'),
    'nodes.csv, line 4',
    'has 7 cells, its header has 6',
  ),
  'a line too long, after a cell of several': (
    nodes('ann,0,1,2,no,train\nbob,3', '"a\nnn",0,1,2,no,train\nbob,2,3'),
    'nodes.csv, line 4',
    'has 7 cells',
  ),
  'a word after a cell of several': (
    {
      'nodes': NODES.replace('ann', '"a\nnn"').replace('7,8', '7,x'),
      'edges': EDGES.replace('ann', '"a\nnn"'),
    },
    'nodes.csv, line 5',
    "holds 'x'",
  ),
  'a quotation mark that stays open': (
    nodes('cat', '"cat'),
    'nodes.csv, line 4',
    'cannot be read .*put "" around text',
  ),
  'two columns of one name': (
    nodes('height', 'age'),
    'nodes.csv, line 1',
    "columns 2 and 3 are both named 'age'; rename one",
  ),
  'a column without a name': (
    nodes('id,', ','),
    'nodes.csv, line 1',
    'column 1 has no name; .*`index=False`',
  ),
  'semicolons': (
    {'nodes': NODES.replace(',', ';')},
    'nodes.csv, line 1',
    "has one column, 'id;age;.*save it with commas between",
  ),
  'another encoding': (
    {'nodes': NODES.replace('bob', 'bøb').encode('latin-1')},
    'nodes.csv, line 3',
    'is no text in UTF-8 .*save it again as CSV in UTF-8',
  ),
  'UTF-16': ({'nodes': NODES.encode('utf-16')}, 'nodes.csv, line 1', 'UTF-8'),
  'lines of an old Macintosh': (
    {'nodes': NODES.replace('\n', '\r')},
    'nodes.csv',
    'ends its lines by CR alone',
  ),
  'an empty file': ({'nodes': ''}, 'nodes.csv', 'is empty'),
  'empty lines alone': ({'nodes': '\n\n,,\n'}, 'nodes.csv', 'is empty'),
  'an unknown column to leave out': (
    {'leave_out': 'age,wieght'},
    'config.dataset.leave_out',
    "no file has a column 'wieght'; did you mean height",
  ),
  'an unknown column of ids': (
    {'id_column': 'name'},
    'nodes.csv',
    "no column 'name', the ids; .*`config.dataset.id_column`",
  ),
  'an unknown column of splits': (
    {'split_column': 'splt'},
    'nodes.csv',
    "no column 'splt', the splits; .*did you mean split",
  ),
  'a fraction of nothing': (
    {'train_fraction': 0.0},
    'config.dataset.train_fraction',
    '0.0 is not between 0 and 1',
  ),
  'fractions of more than all': (
    {'val_fraction': 0.5},
    'config.dataset.val_fraction',
    '0.5 and 0.6 for training leave no test node',
  ),
  'a seed below 0': ({'split_seed': -1}, 'config.dataset.split_seed', 'below'),
  'features of self-loops without any of edges': (
    {'loop_features': '1'},
    'config.dataset.loop_features',
    "'1' changes nothing: edges have no features",
  ),
  'negative features to normalize': (
    nodes('7,8', '7,-8') | {'normalize_features': True},
    'nodes.csv',
    'features: has negative entries',
  ),
}


@pytest.mark.parametrize('case', MALFORMED)
def test_malformed_tables_are_one_clear_error(tmp_path, case):
  changes, where, words = MALFORMED[case]
  with pytest.raises(DataError) as error:
    load(tmp_path, **changes)
  folder = '' if where.startswith('config') else f'{tmp_path}/'
  assert error.value.field == folder + where
  assert re.search(words, str(error.value)), str(error.value)
  assert '\n' not in str(error.value)


def test_files_that_are_not_there_or_no_tables(tmp_path):
  files = write(tmp_path)
  for field in files:
    for given, words in (
      ('', 'is not set; name the tables'),
      ('nowhere.csv', 'there is no file nowhere.csv; check the path'),
      (__file__, 'ends in neither .csv, .tsv nor .parquet'),
    ):
      with pytest.raises(DataError, match=re.escape(words)) as error:
        datasets.load('tables', **files | {field: given})
      assert error.value.field == f'config.dataset.{field}'
  (tmp_path / 'nodes.parquet').write_bytes(b'PAR1 and nothing else')
  files['nodes'] = str(tmp_path / 'nodes.parquet')
  with pytest.raises(DataError, match='is no Parquet file, or damaged'):
    datasets.load('tables', **files)


def test_rows_of_parquet_count_from_one(tmp_path):
  files = write(tmp_path)
  frame = polars.read_csv(files['nodes'])
  files['nodes'] = str(tmp_path / 'nodes.parquet')
  marks = frame['mark'].to_list()
  for marks[2], words in (
    (None, "column 'mark' is empty"),
    (float('nan'), "column 'mark' holds 'nan', no number"),
    (1e300, "column 'mark' holds '1e+300', too large"),
  ):
    spoilt = frame.with_columns(polars.Series('mark', marks, strict=False))
    spoilt.write_parquet(files['nodes'])
    with pytest.raises(DataError, match=re.escape(words)) as error:
      datasets.load('tables', **files)
    assert error.value.field == f'{files["nodes"]}, row 3'


def test_every_error_mends_the_table_by_what_it_says(tmp_path):
  """Columns that the remedy names are left out, and the rest is read."""
  with pytest.raises(DataError) as error:
    load(tmp_path, **nodes('7,8', '7,eight'))
  column = error.value.remedy.rpartition('=')[2]
  dataset = load(tmp_path, leave_out=column, **nodes('7,8', '7,eight'))
  assert dataset.card['feature_columns'] == 'age, height'
  np.testing.assert_array_equal(
    dataset.train[0].graph.nodes, load(tmp_path).train[0].graph.nodes[:, :2]
  )
