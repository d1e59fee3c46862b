"""The command in processes of its own: tables, kills, bad input."""

import csv
import json
import signal

import commands
import pytest

from experiments import documents
from experiments import reproduce
from experiments.reproduction import tables
from gat_jax import runs
from gat_jax.runs import settings

SHORT = ('--table=smoke', '--seeds=3')


def start(environment, *flags):
  return commands.start(environment, 'reproduce', *flags)


def finish(process):
  done = commands.finish(process)
  return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope='module')
def finished(environment, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('reproduce')
  code, output, errors = finish(
    start(environment, *SHORT, f'--workdir={workdir}')
  )
  assert code == 0, errors
  return workdir, output


def seeds_of(workdir, row):
  """Finished seeds without what no two runs share."""
  lines = (workdir / f'seeds/smoke-{row}.jsonl').read_text().splitlines()
  entries = [json.loads(line) for line in lines[1:]]
  for entry in entries:
    del entry['seconds'], entry['finished']
  return entries


def test_formats_agree(finished):
  workdir, output = finished
  report = json.loads((workdir / 'reproduction.json').read_text())
  rows = {row['name']: row for row in report['tables']['smoke']['rows']}
  assert set(rows) == {'GCN-64', 'GAT'}
  with open(workdir / 'reproduction.csv', newline='') as file:
    lines = {line['row']: line for line in csv.DictReader(file)}
  for name, row in rows.items():
    scores = [100 * e['test'] for e in seeds_of(workdir, name.lower())]
    assert row['mean'] == pytest.approx(sum(scores) / 3)
    assert float(lines[name]['mean']) == pytest.approx(row['mean'])
    shown = documents.mean_and_deviation(row['mean'], row['std'])
    assert shown in (workdir / 'reproduction.md').read_text()
    assert shown in output
    assert (
      shown.replace('±', r'$\pm$') in (workdir / 'reproduction.tex').read_text()
    )
    assert row['rules']['both'] == row['mean']
    assert set(row['rules']) == {'both', 'accuracy', 'loss', 'none'}


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_stopped_run_goes_on_and_ends_the_same(
  finished, environment, tmp_path, number
):
  """Stopped while its second program trains, with a torn line behind it."""
  undisturbed, _ = finished
  flags = (*SHORT, '--rows=GAT', '--at_once=1', f'--workdir={tmp_path}')
  process = start(environment, *flags)
  second = tmp_path / 'unfinished/smoke-gat-1-1'
  commands.wait_for(lambda: (second / 'metrics.jsonl').exists())
  process.send_signal(number)
  code, output, errors = finish(process)
  ledger = tmp_path / 'seeds/smoke-gat.jsonl'
  if number == signal.SIGKILL:
    assert code == -signal.SIGKILL
    with open(ledger, 'a') as file:
      file.write('{"seed": 2, "te')  # what a kill within a line leaves
  else:
    assert code == 143
    assert 'the same command goes on' in output
    assert 'Traceback' not in errors
  before = ledger.read_text().splitlines()[:2]
  code, _, errors = finish(start(environment, *flags))
  assert code == 0, errors
  assert ledger.read_text().splitlines()[:2] == before
  assert seeds_of(tmp_path, 'gat') == seeds_of(undisturbed, 'gat')
  assert not list((tmp_path / 'unfinished').iterdir())


def test_interrupted_seeds_go_on_from_their_checkpoint(
  finished, environment, tmp_path
):
  undisturbed, _ = finished
  flags = (*SHORT, '--rows=GAT', '--at_once=3', f'--workdir={tmp_path}')
  process = start(environment, *flags)
  folder = tmp_path / 'unfinished/smoke-gat-0-2'
  commands.wait_for(lambda: commands.has_metrics(folder))
  process.send_signal(signal.SIGINT)
  assert finish(process)[0] == 130
  code, output, errors = finish(start(environment, *flags))
  assert code == 0, errors
  assert 'smoke GAT: seeds 0 to 2: goes on after epoch' in output
  assert seeds_of(tmp_path, 'gat') == seeds_of(undisturbed, 'gat')


def test_finished_run_that_is_not_in_the_ledger_yet_is_taken(
  finished, environment, tmp_path
):
  """As if killed after the last epoch: trained no second time."""
  undisturbed, _ = finished
  row = tables.TABLES['smoke'].rows[1]
  config = row.config()
  config.num_seeds = 3
  folder = tmp_path / 'unfinished/smoke-gat-0-2'
  runs.train_and_evaluate(config, folder)
  results = json.loads((folder / 'results.json').read_text())
  flags = (*SHORT, '--rows=GAT', '--at_once=3', f'--workdir={tmp_path}')
  assert finish(start(environment, *flags))[0] == 0
  lines = (tmp_path / 'seeds/smoke-gat.jsonl').read_text().splitlines()
  seconds = sum(results['seconds'].values()) / 3
  assert json.loads(lines[1])['seconds'] == pytest.approx(seconds, abs=1e-3)
  assert seeds_of(tmp_path, 'gat') == seeds_of(undisturbed, 'gat')


def test_second_process_is_told_who_holds_the_workdir(environment, tmp_path):
  flags = ('--table=smoke', '--seeds=1000', f'--workdir={tmp_path}')
  first = start(environment, *flags)
  commands.wait_for((tmp_path / 'unfinished').exists)
  code, _, errors = finish(start(environment, *flags))
  assert code == 2
  assert f'is in use by process {first.pid} on ' in errors
  first.kill()
  first.communicate()


def test_more_seeds_are_added_to_finished_ones(finished, environment):
  workdir, _ = finished
  before = seeds_of(workdir, 'gcn-64')
  other = '<!-- reproduction of cora -->\n\nfrom another workdir\n'
  (workdir / 'RESULTS.md').write_text(other)
  code, output, errors = finish(
    start(
      environment,
      '--table=smoke',
      '--rows=GCN-64',
      '--seeds=4',
      f'--workdir={workdir}',
      f'--output={workdir}/RESULTS.md',
    )
  )
  assert code == 0, errors
  after = seeds_of(workdir, 'gcn-64')
  assert after[:3] == before
  assert [entry['seed'] for entry in after] == [0, 1, 2, 3]
  assert '4 of 4 seeds' in output
  text = (workdir / 'RESULTS.md').read_text()
  assert text.startswith(other)
  for section in (workdir / 'reproduction.md').read_text().split('\n## '):
    assert section.strip() in text


BAD = {
  'no table': ((), '--table=None: choose one of'),
  'misspelt table': (('--table=coar',), 'did you mean cora?'),
  'misspelt row': (('--table=cora', '--rows=GTA'), 'there is no such row'),
  'no seeds': (('--table=cora', '--seeds=0'), 'seeds'),
  'negative margin': (('--table=cora', '--margin=-1'), 'margin'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input_is_one_error_and_code_2(environment, tmp_path, case):
  flags, words = BAD[case]
  code, _, errors = finish(
    start(environment, *flags, f'--workdir={tmp_path}/run')
  )
  assert code == 2
  assert words in errors
  assert 'Traceback' not in errors
  assert not (tmp_path / 'run').exists()


def test_workdir_is_needed_and_must_be_writable(environment, tmp_path):
  code, _, errors = finish(start(environment, '--table=smoke'))
  assert (code, '--workdir is missing' in errors) == (2, True)
  (tmp_path / 'file').write_text('')
  code, _, errors = finish(
    start(environment, '--table=smoke', f'--workdir={tmp_path}/file/x')
  )
  assert (code, 'cannot be written' in errors) == (2, True)


def test_stretches_are_contiguous_and_short():
  assert reproduce.stretches([0, 1, 2, 5, 6, 7, 8], 3) == [
    [0, 1, 2],
    [5, 6, 7],
    [8],
  ]
  assert reproduce.stretches([], 3) == []


@pytest.mark.parametrize('name', tables.TABLES)
def test_every_row_is_a_valid_config_of_its_own(name):
  rows = tables.TABLES[name].rows
  assert len({row.key for row in rows}) == len(rows)
  assert tables.TABLES[name].baseline in {row.name for row in rows}
  for row in rows:
    settings.check(row.config())


def test_rows_that_share_a_file_train_the_same():
  rows = [row for table in tables.TABLES.values() for row in table.rows]
  for first in rows:
    for second in rows:
      if first.key == second.key:
        assert first.config().to_dict() == second.config().to_dict()
