"""From ledgers to numbers, and from numbers to every format."""

import csv
import json
import shutil

from commands import ROOT
import ledgers
import pytest

from experiments import documents
from experiments.reproduction import formats
from experiments.reproduction import reports
from experiments.reproduction import tables
from gat_jax.errors import WorkdirError

CORA, ABLATIONS = tables.TABLES['cora'], tables.TABLES['ablations']


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """Rows of Cora, one with a single seed and one with none; two departures."""
  folder = tmp_path_factory.mktemp('workdir')
  for row in CORA.rows[1:]:
    count = 1 if row.name == 'GCN' else 3
    ledgers.add(folder, row, [82.5, 83.0, 83.75][:count])
  for row in ABLATIONS.rows[1:3]:
    ledgers.add(folder, row, [82.0, 82.25, 83.0, 82.0])
  return folder


@pytest.fixture(scope='module')
def report(workdir):
  return reports.collect(workdir, margin=1.0)


@pytest.fixture(scope='module')
def written(report, workdir):
  formats.write(report, workdir, f'{workdir}/RESULTS.md')
  return workdir


def test_rows_that_have_a_seed_are_reported(report):
  assert list(report.tables) == ['cora', 'ablations']
  rows = {row.row.name: row for row in report.tables['cora'].rows}
  assert list(rows) == ['GCN', 'GCN-64', 'GAT', 'GATv2']
  gat = rows['GAT']
  assert gat.scores == pytest.approx({0: 82.5, 1: 83.0, 2: 83.75})
  assert gat.sample.mean == pytest.approx(sum(gat.scores.values()) / 3)
  assert gat.verdict.difference == pytest.approx(gat.sample.mean - 83.0)
  assert gat.hours == pytest.approx(3 * 1.5 / 3600)
  assert gat.versions == ({'jax': '0', 'machine': 'none'},)
  assert gat.against is None
  assert rows['GATv2'].verdict is None
  assert rows['GCN'].verdict.word == 'undecided'


def test_rules_are_means_over_seeds_and_their_own_is_the_score(report):
  (_, _, gat, _) = report.tables['cora'].rows
  assert set(gat.rules) == {'both', 'accuracy', 'loss', 'none'}
  assert gat.rules['both'] == pytest.approx(gat.sample.mean)
  assert gat.rules['loss'] == pytest.approx(gat.sample.mean)


def test_departures_are_compared_seed_by_seed_and_models_are_not(report):
  for row in report.tables['cora'].rows:
    assert (row.against is None) == (row.row.name == 'GAT')
    assert row.against is None or row.against.pairs is None
  gat, *departures = report.tables['ablations'].rows
  assert gat.against is None
  for row in departures:
    assert row.against.pairs.n == 3
    assert row.against.difference == pytest.approx((-0.5 - 0.75 - 0.75) / 3)


def test_what_is_only_compared_with_makes_no_table(tmp_path):
  ledgers.add(tmp_path, ABLATIONS.rows[0], [83.0])
  assert list(reports.collect(tmp_path, 1.0).tables) == ['cora']
  assert reports.collect(tmp_path / 'nowhere', 1.0).tables == {}


def test_json_of_version_0_1_is_written_again_as_it_was(tmp_path):
  archive = ROOT / 'tests/old_workdirs/reproduction.tar.gz'
  shutil.unpack_archive(archive, tmp_path, filter='data')
  old = tmp_path / 'reproduction'
  formats.write(reports.collect(old, 1.0), tmp_path, None)
  for ending in ('json', 'csv', 'md', 'tex'):
    name = f'reproduction.{ending}'
    assert (tmp_path / name).read_bytes() == (old / name).read_bytes(), name


def test_json_keeps_its_shape(report):
  content = json.loads(json.dumps(report.to_json(), allow_nan=False))
  assert list(content) == ['margin', 'tables']
  cora, ablations = (content['tables'][n] for n in ('cora', 'ablations'))
  assert list(cora) == ['title', 'baseline', 'rows']
  gcn, _, gat, gatv2 = cora['rows']
  assert list(gat) == [
    *('name', 'changes', 'mean', 'std', 'n', 'interval', 'published'),
    *('verdict', 'rules', 'mean_epochs', 'hours', 'finished', 'versions'),
  ]
  assert gat['published'] == {'mean': 83.0, 'std': 0.7, 'n': 100}
  assert set(gat['verdict']) == {
    *('difference', 'welch_p', 'tost_p', 'word', 'seeds_needed'),
  }
  assert (gcn['std'], gcn['interval']) == (None, None)
  assert (gatv2['published'], gatv2['verdict']) == (None, None)
  assert set(gatv2['against_baseline']) == {'difference', 'p'}
  assert set(ablations['rows'][1]['paired']) == {
    *('mean', 'std', 'n', 'interval', 'p'),
  }


def test_formats_agree(report, written):
  with open(written / 'reproduction.csv', newline='') as file:
    lines = {(r['table'], r['row']): r for r in csv.DictReader(file)}
  texts = [
    (written / f'reproduction.{kind}').read_text() for kind in ('md', 'tex')
  ]
  for name, table in report.tables.items():
    for row in table.rows:
      line = lines[name, row.row.name]
      assert float(line['mean']) == row.sample.mean
      shown = documents.mean_and_deviation(row.sample.mean, row.sample.std)
      assert shown in texts[0]
      assert shown.replace('±', r'$\pm$') in texts[1]
      difference = str(row.against.difference) if row.against else ''
      assert line['against_baseline'] == difference
  assert lines['cora', 'GATv2']['paper_mean'] == ''
  assert lines['cora', 'GAT']['verdict'] == 'undecided'


def test_columns_without_a_word_are_left_out(report, tmp_path):
  header, *_ = formats.cells(report.tables['cora'])
  assert {'paper', 'verdict', 'against GAT'} <= set(header)
  ledgers.add(tmp_path, CORA.rows[4], [83.0])
  (table,) = reports.collect(tmp_path, 1.0).tables.values()
  header, row = formats.cells(table)
  assert header == ['model', 'here', 'n', 'epochs', 'hours']
  assert row[:3] == ['GATv2', '83.00', '1']


def test_a_table_is_a_section_of_its_own(written, report, tmp_path):
  output = tmp_path / 'RESULTS.md'
  output.write_text('<!-- reproduction of pubmed -->\n\nof another workdir\n')
  for _ in range(2):  # the second replaces what the first wrote
    formats.write(report, tmp_path, str(output))
  text = output.read_text()
  assert text.startswith('<!-- reproduction of pubmed -->\n\nof another')
  for section in (written / 'reproduction.md').read_text().split('\n## '):
    assert text.count(section.strip()) == 1


def test_the_margin_is_read_back(written, tmp_path):
  assert formats.read_margin(written) == 1.0
  assert formats.read_margin(tmp_path) is None
  for text in ('[]', '{}', '{"margin": "much"}', '{'):
    (tmp_path / 'reproduction.json').write_text(text)
    with pytest.raises(WorkdirError, match='damaged'):
      formats.read_margin(tmp_path)


def test_what_cannot_be_written_is_an_error(report, tmp_path):
  (tmp_path / 'reproduction.csv').mkdir()
  with pytest.raises(WorkdirError, match=r'\.csv: cannot be written'):
    formats.write(report, tmp_path, None)
  with pytest.raises(WorkdirError, match='cannot be written'):
    documents.put_section(f'{tmp_path}/no/such.md', 'x', 'text')
