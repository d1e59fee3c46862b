"""The command in processes of its own: tables, kills, bad input."""

import json
import re
import shlex
import shutil
import signal

import commands
import pytest

from experiments.reproduction import formats
from experiments.reproduction import reports

SHORT = ('--table=smoke', '--seeds=3')


def start(environment, *flags):
  return commands.start(environment, 'reproduce', *flags)


def finish(process):
  done = commands.finish(process)
  return done.returncode, done.stdout, done.stderr


def seeds_of(workdir, row):
  """Finished seeds without what no two runs share."""
  lines = (workdir / f'seeds/smoke-{row}.jsonl').read_text().splitlines()
  entries = [json.loads(line) for line in lines[1:]]
  for entry in entries:
    del entry['seconds'], entry['finished']
  return entries


@pytest.fixture
def old(tmp_path):
  """A workdir of version 0.1 with two seeds, and two at epoch 40 of 300.

  Made by commit 4ac1a8a with `python -m experiments.reproduce --table=smoke
  --rows=GAT --seeds=2`, then with `--seeds=4`, interrupted.
  """
  archive = commands.ROOT / 'tests/old_workdirs/reproduction.tar.gz'
  shutil.unpack_archive(archive, tmp_path, filter='data')
  return tmp_path / 'reproduction'


def test_the_command_that_a_file_shows_writes_it_again(
  environment, old, tmp_path
):
  formats.write(reports.collect(old, reports.MARGIN), old, None)
  written = {path: path.read_bytes() for path in old.glob('reproduction.*')}
  assert len(written) == 4
  (shown,) = re.findall('`(python .*)`', (old / 'reproduction.md').read_text())
  _, _, module, *flags = shlex.split(shown)
  assert module == 'experiments.reproduce'
  for path in written:
    path.unlink()
  output = f'--output={tmp_path}/RESULTS.md'
  code, output, errors = finish(start(environment, *flags, output))
  assert code == 0, errors
  assert '98.65 ± 0.38' in output
  for path, content in written.items():
    assert path.read_bytes() == content, path
  assert '98.65 ± 0.38' in (tmp_path / 'RESULTS.md').read_text()


@pytest.mark.slow
def test_a_reproduction_of_version_0_1_goes_on(environment, old):
  before = (old / 'seeds/smoke-gat.jsonl').read_bytes()
  flags = ('--table=smoke', '--rows=GAT', '--seeds=4', f'--workdir={old}')
  code, output, errors = finish(start(environment, *flags))
  assert code == 0, errors
  assert 'smoke GAT: seeds 2 to 3: goes on after epoch 40' in output
  assert (old / 'seeds/smoke-gat.jsonl').read_bytes().startswith(before)
  seeds = seeds_of(old, 'gat')
  assert [seed['seed'] for seed in seeds] == [0, 1, 2, 3]
  assert not list((old / 'unfinished').iterdir())
  (row,) = json.loads((old / 'reproduction.json').read_text())['tables'][
    'smoke'
  ]['rows']
  scores = [seed['test'] for seed in seeds]
  assert (row['n'], row['mean']) == (4, pytest.approx(sum(scores) / 4))


BAD = {
  'misspelt table': ('--table=coar', 'did you mean cora?'),
  'misspelt row': ('--rows=GTA', 'did you mean GAT?'),
  'no seeds': ('--seeds=0', 'seeds'),
  'negative margin': ('--margin=-1', 'margin'),
  'no workdir': ('--workdir=', '--workdir is missing'),
  'not writable': ('--workdir={}/file/x', 'cannot be written'),
}


@pytest.mark.parametrize(
  'case',
  [
    'misspelt row',
    *(
      pytest.param(case, marks=pytest.mark.slow)
      for case in BAD
      if case != 'misspelt row'
    ),
  ],
)
def test_bad_input_is_one_error_and_code_2(environment, tmp_path, case):
  (tmp_path / 'file').write_text('')
  flag, words = BAD[case]
  flags = ('--table=smoke', f'--workdir={tmp_path}/run', flag.format(tmp_path))
  code, _, errors = finish(start(environment, *flags))
  assert code == 2
  assert words in errors
  assert 'Traceback' not in errors
  assert not (tmp_path / 'run').exists()


def test_an_output_that_cannot_be_written_is_told_before_training(
  environment, tmp_path
):
  flags = (*SHORT, f'--workdir={tmp_path}/run', f'--output={tmp_path}/no/x.md')
  code, output, errors = finish(start(environment, *flags))
  assert code == 2
  assert f'{tmp_path}/no/x.md: cannot be written' in errors
  assert 'Traceback' not in errors
  assert 'smoke GAT' not in output
  assert not list((tmp_path / 'run').glob('[!.]*'))


@pytest.fixture(scope='module')
def finished(environment, tmp_path_factory):
  # A folder that rich would read as markup and pictures.
  workdir = tmp_path_factory.mktemp('reproduce') / 'a[' / 'b] :dog: [bold]'
  code, output, errors = finish(
    start(environment, *SHORT, f'--workdir={workdir}')
  )
  assert code == 0, errors
  assert str(workdir) in output
  return workdir, output


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_stopped_run_goes_on_and_ends_the_same(
  finished, environment, tmp_path, number
):
  """Stopped while its second program trains, with a torn line behind it."""
  undisturbed, _ = finished
  flags = (*SHORT, '--rows=GCN-64', '--at_once=1', f'--workdir={tmp_path}')
  process = start(environment, *flags)
  second = tmp_path / 'unfinished/smoke-gcn-64-1-1'
  commands.wait_for(lambda: (second / 'metrics.jsonl').exists())
  process.send_signal(number)
  code, output, errors = finish(process)
  ledger = tmp_path / 'seeds/smoke-gcn-64.jsonl'
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
  assert seeds_of(tmp_path, 'gcn-64') == seeds_of(undisturbed, 'gcn-64')[:3]
  assert not list((tmp_path / 'unfinished').iterdir())


@pytest.mark.slow
def test_interrupted_seeds_go_on_from_their_checkpoint(
  finished, environment, tmp_path
):
  undisturbed, _ = finished
  flags = (*SHORT, '--rows=GCN-64', '--at_once=3', f'--workdir={tmp_path}')
  process = start(environment, *flags)
  folder = tmp_path / 'unfinished/smoke-gcn-64-0-2'
  commands.wait_for(lambda: commands.has_metrics(folder))
  process.send_signal(signal.SIGINT)
  assert finish(process)[0] == 130
  code, output, errors = finish(start(environment, *flags))
  assert code == 0, errors
  assert 'smoke GCN-64: seeds 0 to 2: goes on after epoch' in output
  assert seeds_of(tmp_path, 'gcn-64') == seeds_of(undisturbed, 'gcn-64')[:3]


@pytest.mark.slow
def test_second_process_is_told_who_holds_the_workdir(environment, tmp_path):
  flags = ('--table=smoke', '--seeds=1000', f'--workdir={tmp_path}')
  first = start(environment, *flags)
  commands.wait_for((tmp_path / 'unfinished').exists)
  code, _, errors = finish(start(environment, *flags))
  assert code == 2
  assert f'is in use by process {first.pid} on ' in errors
  first.kill()
  first.communicate()


@pytest.mark.slow
def test_more_seeds_are_added_to_finished_ones(finished, environment):
  workdir, output = finished
  assert 'smoke GAT: 3 of 3 seeds' in output
  before = seeds_of(workdir, 'gcn-64')
  flags = ('--table=smoke', '--rows=GCN-64', '--seeds=4')
  code, output, errors = finish(
    start(environment, *flags, f'--workdir={workdir}')
  )
  assert code == 0, errors
  after = seeds_of(workdir, 'gcn-64')
  assert after[:3] == before
  assert [entry['seed'] for entry in after] == [0, 1, 2, 3]
  assert '4 of 4 seeds' in output
