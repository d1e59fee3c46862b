"""From ledgers to numbers, and from numbers to every format."""

import csv
import dataclasses
import json
import re
import shlex
import shutil

from commands import ROOT
import ledgers
import machine_files
import narrow
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
  return reports.collect(workdir, margin=0.01)


@pytest.fixture(scope='module')
def written(report, workdir):
  formats.write(report, workdir, f'{workdir}/RESULTS.md')
  return workdir


def test_rows_that_have_a_seed_are_reported(report):
  assert list(report.tables) == ['cora', 'ablations']
  rows = {row.row.name: row for row in report.tables['cora'].rows}
  assert list(rows) == ['GCN', 'GCN-64', 'Const-GAT', 'GAT', 'GATv2']
  gat = rows['GAT']
  assert gat.scores == pytest.approx({0: 0.825, 1: 0.83, 2: 0.8375})
  assert gat.sample.mean == pytest.approx(sum(gat.scores.values()) / 3)
  assert gat.verdict.difference == pytest.approx(gat.sample.mean - 0.83)
  assert gat.hours == pytest.approx(3 * 1.5 / 3600)
  assert gat.versions == ({'jax': '0', 'machine': 'none'},)
  assert gat.against is None
  assert rows['GATv2'].verdict is None
  assert rows['GCN'].verdict.word == 'undecided'


def test_rules_are_means_over_seeds_and_their_own_is_the_score(report):
  (gat,) = (r for r in report.tables['cora'].rows if r.row.name == 'GAT')
  assert set(gat.rules) == {'both', 'accuracy', 'loss', 'none'}
  assert gat.rules['both'] == pytest.approx(gat.sample.mean)
  assert gat.rules['loss'] == pytest.approx(gat.sample.mean)


def test_rows_are_compared_seed_by_seed(report):
  for row in report.tables['cora'].rows:
    assert (row.against is None) == (row.row.name == 'GAT')
    if row.against:
      assert row.against.pairs.n == (1 if row.row.name == 'GCN' else 3)
      assert row.against.difference == 0
      assert row.against.equivalent == (row.row.name != 'GCN')
  gat, *departures = report.tables['ablations'].rows
  assert gat.against is None
  for row in departures:
    assert row.against.pairs.n == 3
    assert row.against.difference == pytest.approx((-0.5 - 0.75 - 0.75) / 300)


def test_what_is_only_compared_with_makes_no_table(tmp_path):
  ledgers.add(tmp_path, ABLATIONS.rows[0], [83.0])
  assert list(reports.collect(tmp_path, 0.01).tables) == ['cora']
  assert reports.collect(tmp_path / 'nowhere', 0.01).tables == {}


@pytest.fixture
def old(tmp_path):
  """A workdir of version 0.1, whose scores are in %."""
  archive = ROOT / 'tests/old_workdirs/reproduction.tar.gz'
  shutil.unpack_archive(archive, tmp_path, filter='data')
  return tmp_path / 'reproduction'


def test_seeds_of_version_0_1_come_to_the_same(old, tmp_path):
  formats.write(reports.collect(old, 0.01), tmp_path, None)
  before, now = (
    json.loads((folder / 'reproduction.json').read_text())
    for folder in (old, tmp_path)
  )
  (before,), (now,) = (x['tables']['smoke']['rows'] for x in (before, now))
  in_per_cent, fractions = (
    [row.pop('mean'), row.pop('std'), *row.pop('interval')]
    + [row['rules'].pop(rule) for rule in sorted(row['rules'])]
    for row in (before, now)
  )
  assert [100 * x for x in fractions] == pytest.approx(in_per_cent)
  assert 0 < now.pop('validation') <= 1  # nobody told it then
  assert now == before
  was, is_now = (
    [
      set(line.split(' | '))
      for line in (x / 'reproduction.md').read_text().splitlines()
      if line[:1] == '|'
    ]
    for x in (old, tmp_path)
  )
  for words in was:  # of a line; columns may have come since
    assert any(words <= others for others in is_now), words


def test_a_margin_of_version_0_1_is_read_as_a_fraction(old):
  assert json.loads((old / 'reproduction.json').read_text())['margin'] == 1.0
  assert formats.read_margin(old) == 0.01


def test_files_for_machines_hold_fractions(written):
  machine_files.check_fractions(
    written, 'reproduction.json', 'reproduction.csv', 'cora-gat.jsonl'
  )


def test_the_commands_that_are_shown_name_the_folder(written, report):
  text = (written / 'reproduction.md').read_text()
  shown = [shlex.split(found) for found in re.findall('`(python .*)`', text)]
  assert [flags[3] for flags in shown] == ['--table=cora', '--table=ablations']
  for flags in shown:
    assert flags[:3] == ['python', '-m', 'experiments.reproduce']
    assert flags[-1] == f'--workdir={written}'
  # Rows with other numbers of seeds than each other have none in common.
  assert shown[0][4:-1] == ['--rows=GCN,GCN-64,Const-GAT,GAT,GATv2']
  assert '--seeds=4' in shown[1]
  other = dataclasses.replace(report, workdir='a b', margin=0.005)
  assert other.command('cora').endswith("--margin=0.5 '--workdir=a b'")


def test_the_command_of_departures_asks_for_their_seeds_alone(tmp_path):
  """The baseline is that of another table, and may have more of them."""
  ledgers.add(tmp_path, ABLATIONS.rows[0], [83.0] * 5)
  ledgers.add(tmp_path, ABLATIONS.rows[1], [82.0] * 3)
  command = reports.collect(tmp_path, 0.01).command('ablations')
  assert '--seeds=3' in shlex.split(command)


def test_the_first_lines_say_what_holds(tmp_path):
  rows = {row.name: row for row in CORA.rows}
  ledgers.add(tmp_path, rows['GAT'], [82.5, 83.0, 83.5] * 9)
  ledgers.add(tmp_path, rows['Const-GAT'], [82.6, 82.9, 83.5] * 9)
  ledgers.add(tmp_path, rows['MLP'], [58.0, 58.2] * 9)
  ledgers.add(tmp_path, rows['GCN'], [81.5])
  ledgers.add(tmp_path, ABLATIONS.rows[1], [81.5, 82.0, 82.6] * 3)
  ledgers.add(tmp_path, ABLATIONS.rows[2], [82.4, 83.1, 83.5] * 3)
  ledgers.add(tmp_path, ABLATIONS.rows[3], [82.0])
  formats.write(reports.collect(tmp_path, 0.01), tmp_path, None)
  text = (tmp_path / 'reproduction.md').read_text()
  first, _, _ = text.partition('## How to read')
  assert first.splitlines()[2:-1] == [
    '- **The paper holds**: GAT on Cora (83.0 ± 0.4 over 27 seeds, there'
    ' 83.0 ± 0.7).',
    '- **Higher here than in the paper**: MLP on Cora (58.1 ± 0.1 over 18'
    ' seeds, there 55.1).',
    '- **Not decided yet**: GCN on Cora (81.5 over 1 seed, there 81.5).',
    '- **Without attention** (Const-GAT: all weights equal), in points, over'
    ' the same seeds: +0.0 on Cora (equal).',
    '- **What each departure costs on Cora**, in points: `shared_mask` -1.0.'
    ' No difference to be seen: `no_value_dropout`. Not decided yet, one seed:'
    f' `{ABLATIONS.rows[3].name}` -0.5.',
    '- **Not measured yet**: GCN-64 on Cora, GATv2 on Cora, MLP on Citeseer,'
    ' GCN on Citeseer, GCN-64 on Citeseer, Const-GAT on Citeseer, GAT on'
    ' Citeseer, GATv2 on Citeseer, MLP on Pubmed, GCN on Pubmed, GCN-64 on'
    ' Pubmed, Const-GAT on Pubmed, GAT on Pubmed, GATv2 on Pubmed, MLP on PPI,'
    ' Const-GAT on PPI, GAT on PPI, GATv2 on PPI.',
  ]


@pytest.mark.parametrize('margin', [1.0, -0.01, float('nan')])
def test_a_margin_in_points_is_refused(workdir, margin):
  with pytest.raises(ValueError, match='no fraction'):
    reports.collect(workdir, margin)


def test_json_keeps_its_shape(report):
  content = json.loads(json.dumps(report.to_json(), allow_nan=False))
  assert list(content) == ['unit', 'margin', 'tables']
  assert (content['unit'], content['margin']) == ('fraction', 0.01)
  cora, ablations = (content['tables'][n] for n in ('cora', 'ablations'))
  assert list(cora) == ['title', 'baseline', 'rows']
  gcn, _, _, gat, gatv2 = cora['rows']
  assert list(gat) == [
    *('name', 'changes', 'mean', 'std', 'n', 'interval', 'validation'),
    *(
      'published',
      'verdict',
      'rules',
      'mean_epochs',
      'hours',
      'finished',
      'versions',
    ),
  ]
  assert gat['published'] == {'mean': 0.83, 'std': 0.007, 'n': 100}
  assert set(gat['verdict']) == {
    *('difference', 'welch_p', 'tost_p', 'word', 'seeds_needed'),
  }
  assert (gcn['std'], gcn['interval']) == (None, None)
  assert (gatv2['published'], gatv2['verdict']) == (None, None)
  for row in (gatv2, ablations['rows'][1]):
    assert set(row['paired']) == {
      *('mean', 'std', 'n', 'interval', 'p', 'tost_p'),
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
  ledgers.add(tmp_path, CORA.rows[-1], [83.0])
  (table,) = reports.collect(tmp_path, 0.01).tables.values()
  header, row = formats.cells(table)
  assert header == ['model', 'here', 'n', 'validation', 'epochs', 'hours']
  assert row[:3] == ['GATv2', '83.00', '1']


@pytest.mark.parametrize('width', [60, 80, 120])
def test_no_cell_is_broken_in_a_terminal(report, width):
  for name, table in report.tables.items():
    row = table.rows[-1]
    row = dataclasses.replace(
      row, row=dataclasses.replace(row.row, name='no_value_dropout')
    )
    own = dataclasses.replace(table, rows=(*table.rows, row))
    text = narrow.shown(formats.terminal(own), width=width)
    told = 'verdict' if name == 'cora' else 'against GAT'
    narrow.check_whole(formats.cells(own), text, ('model', 'here', 'n', told))
    assert 'in %' in text
    assert 'mean ± sample deviation, n seeds' in text


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
  assert formats.read_margin(written) == 0.01
  assert formats.read_margin(tmp_path) is None
  units = '{"margin": 1, "unit": "points"}', '{"margin": 1, "unit": "fraction"}'
  for text in (
    '[]',
    '{}',
    '{"margin": "much"}',
    '{"margin": NaN}',
    '{',
    *units,
  ):
    (tmp_path / 'reproduction.json').write_text(text)
    with pytest.raises(WorkdirError, match='damaged'):
      formats.read_margin(tmp_path)


def test_what_cannot_be_written_is_an_error(report, tmp_path):
  (tmp_path / 'reproduction.csv').mkdir()
  with pytest.raises(WorkdirError, match=r'\.csv: cannot be written'):
    formats.write(report, tmp_path, None)
  with pytest.raises(WorkdirError, match='cannot be written'):
    documents.put_section(f'{tmp_path}/no/such.md', 'x', 'text')
