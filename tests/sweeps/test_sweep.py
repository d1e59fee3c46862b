"""Sweeps: few programs, nothing lost, every trial as if it were alone."""

import csv
import io
import json
import logging
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import commands
from commands import lines
import jax
import machine_files
import pytest
from rich.console import Console
import small_sweeps
from small_sweeps import FLAGS

from configs import smoke
from experiments.sweeps import dashboard
from experiments.sweeps import engines
from experiments.sweeps import hyper
from experiments.sweeps import places
from experiments.sweeps import sources
from experiments.sweeps import trials
from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError

# Of submitit's debug engine, which leaves its log files open.
pytestmark = pytest.mark.filterwarnings('ignore:.*FileIO.*')
BOTH_RATES = ('--sweep=learning_rate=1e-2,1e29', '--sweep=weight_decay=0,1e-3')


@pytest.mark.slow
def test_shapes_times_rates_times_seeds_compile_once_a_shape(tmp_path, caplog):
  changes = small_sweeps.sweep(
    'model.hidden_dim=2,3', 'learning_rate=1e-3,1e-2', 'patience=5,6'
  )
  grid = small_sweeps.grid(tmp_path, changes, {'max_epochs': 2})
  with jax.log_compiles(), caplog.at_level(logging.WARNING):
    small_sweeps.train(grid, tmp_path)
  assert small_sweeps.statuses(grid) == ['finished'] * 16
  # The training program; see gat_jax.training.over_replicas.
  assert caplog.text.count('Compiling jit(on_one_device)') == 2


def test_a_failed_trial_is_recorded_and_the_others_go_on(trained_grid):
  workdir, *_ = trained_grid
  assert len(lines(workdir)) == 8
  for line in lines(workdir):
    if line['learning_rate'] == 1e29:
      assert line['status'] == 'failed'
      assert 'is not finite' in line['error']
    else:
      assert line['status'] == 'finished'
      assert line['error'] is None


def test_a_trial_gives_what_it_gives_alone(trained_grid):
  workdir, *_ = trained_grid
  fields = {'learning_rate': 1e-2, 'weight_decay': 1e-3, 'seed': 1}
  alone = runs.train_and_evaluate(small_sweeps.config(fields)).to_json()
  (path,) = workdir.glob('trials/*rate=0.01-weight_decay=0.001-seed=1-*')
  found = json.loads((path / 'results.json').read_text())
  assert found['seeds'] == json.loads(json.dumps(alone['seeds']))


def test_nothing_is_trained_twice_and_what_failed_only_if_asked(
  trained_grid, tmp_path
):
  shutil.copytree(trained_grid[0], tmp_path / 'w')
  before = small_sweeps.written(tmp_path / 'w')
  small_sweeps.train(
    small_sweeps.grid(tmp_path / 'w', trained_grid[1]), tmp_path / 'w'
  )
  assert small_sweeps.written(tmp_path / 'w') == before

  again = small_sweeps.grid(tmp_path / 'w', trained_grid[1])
  small_sweeps.train(again, tmp_path / 'w', retry_failed=True)
  after = small_sweeps.written(tmp_path / 'w')
  changed = {path.parent for path in before if before[path] != after[path]}
  assert changed == set((tmp_path / 'w').glob('trials/*1e_29*'))
  assert small_sweeps.statuses(again).count('failed') == 4  # they break again


def test_interrupted_it_goes_on_to_the_same_scores(tmp_path, monkeypatch):
  changes = small_sweeps.sweep('stop_rule=none')
  fields = {'log_every': 5}
  whole, cut = tmp_path / 'whole', tmp_path / 'cut [1] 50%'
  small_sweeps.train(small_sweeps.grid(whole, changes, fields), whole)

  with monkeypatch.context() as patch:
    small_sweeps.interrupt_at(patch, 3)
    grid = small_sweeps.grid(cut, changes, fields)
    small_sweeps.train(grid, cut)
  assert small_sweeps.statuses(grid) == ['waiting'] * 2
  (checkpoint,) = cut.glob('groups/*/checkpoints/*')
  assert checkpoint.name == '15'

  small_sweeps.train(small_sweeps.grid(cut, changes, fields), cut)
  assert not list(cut.glob('groups/*'))
  ours, theirs = map(small_sweeps.without_seconds, (lines(cut), lines(whole)))
  assert ours == theirs


@pytest.mark.slow
def test_checkpoints_that_cannot_be_used_fail_a_group_until_they_are_discarded(
  tmp_path, monkeypatch
):
  changes, fields = small_sweeps.sweep('stop_rule=none'), {'log_every': 5}
  grid = small_sweeps.grid(tmp_path, changes, fields)
  with monkeypatch.context() as patch:
    small_sweeps.interrupt_at(patch, 3)
    small_sweeps.train(grid, tmp_path)
  for path in tmp_path.glob('groups/*/checkpoints/*/arrays'):
    shutil.rmtree(path)
  before = small_sweeps.written(tmp_path)

  small_sweeps.train(grid, tmp_path)
  assert small_sweeps.statuses(grid) == ['failed'] * 2
  assert 'none of the checkpoints can be used' in grid.trials[0].error()
  after = small_sweeps.written(tmp_path)
  assert before == {path: after[path] for path in before}

  small_sweeps.train(grid, tmp_path, retry_failed=True, discard_unreadable=True)
  assert small_sweeps.statuses(grid) == ['finished'] * 2


@pytest.fixture(scope='module')
def finished(environment, tmp_path_factory):
  """The whole command, with a worker process, in an odd folder at home."""
  home = tmp_path_factory.mktemp('home [b] 50%')
  flags = (*FLAGS, *BOTH_RATES, '--seeds=2', '--workdir=~/w')
  flags += ('--workers=1', '--output=~/tables.md')

  def start(*flags):
    return commands.run(environment | {'HOME': str(home)}, 'sweep', *flags)

  return home / 'w', start, start(*flags)


def test_the_command_trains_in_a_worker_what_this_process_would(
  finished, trained_grid
):
  workdir, _, done = finished
  assert done.returncode == 1, done.stderr
  assert f'4 finished, 4 failed; everything is in {workdir}\n' in done.stdout
  beside = {path.name for path in workdir.parent.glob('[!.]*')}
  assert beside == {'w', 'tables.md'}
  ours, theirs = lines(workdir), lines(trained_grid[0])
  assert small_sweeps.without_seconds(ours) == small_sweeps.without_seconds(
    theirs
  )


def test_tables_are_sorted_by_validation_and_the_pictures_are_there(finished):
  workdir, *_ = finished
  content = json.loads((workdir / 'sweep.json').read_text())
  assert '--config.max_epochs=40' in content['command']
  assert '--sweep=weight_decay=0,1e-3 --seeds=2' in content['command']
  table = content['datasets']['csbm']
  means = [row['val']['mean'] for row in table['rows'] if row['n']]
  assert means == sorted(means, reverse=True)
  assert set(table['axes']) == {'learning_rate', 'weight_decay'}
  assert table['fixed'] == {}
  assert 'weight_decay' in (workdir / 'sweep.md').read_text()
  assert 'weight_decay' in (workdir.parent / 'tables.md').read_text()
  with open(workdir / 'trials.csv') as file:
    assert len(list(csv.DictReader(file))) == 8
  assert (workdir / 'heatmap-csbm.png').read_bytes().startswith(b'\x89PNG')
  assert (workdir / 'heatmap-csbm.svg').stat().st_size > 1000


def test_the_command_that_is_shown_trains_nothing_again(finished):
  workdir, start, _ = finished
  before = small_sweeps.written(workdir)
  (shown,) = re.findall('`(python .*)`', (workdir / 'sweep.md').read_text())
  _, _, module, *flags = shlex.split(shown)
  assert module == 'experiments.sweep'
  assert flags[-1] == f'--workdir={workdir}'
  again = start(*flags)
  assert again.returncode == 1, (
    again.stderr
  )  # the failed ones still have failed
  assert f'4 finished, 4 failed; everything is in {workdir}\n' in again.stdout
  assert small_sweeps.written(workdir) == before


def test_files_for_machines_hold_fractions(finished):
  workdir, *_ = finished
  files = 'sweep.json', 'trials.csv', 'trials.jsonl', 'results.json'
  machine_files.check_fractions(workdir, *files, 'metrics.jsonl')


BAD = {
  'no config': (['--sweep=model.num_heads=1'], '--config is missing'),
  'an unknown field': ([*FLAGS, '--sweep=model.heads=1'], 'num_heads'),
  'a field elsewhere': (
    [*FLAGS, '--sweep=homophily=0.1'],
    'did you mean dataset.homophily?',
  ),
  'a value': (
    [*FLAGS, '--sweep=model.num_heads=0'],
    '--config.model.num_heads',
  ),
  'a misspelt config': (
    ['--config=configs/smoky.py', '--config.seed=1'],
    'did you mean configs/smoke.py',
  ),
  'a misspelt field': (
    ['--config=configs/smoke.py', '--config.model.num_head=1'],
    '--config.model.num_head: the config has no such field; did you mean'
    ' model.num_heads?',
  ),
  'a data set twice': (
    ['--config=configs/smoke.py,configs/smoke.py'],
    'two of --config are on csbm',
  ),
  'half a search': (
    [*FLAGS, '--combinations=3', '--sweep=patience=5..6'],
    'go together',
  ),
  'a search of two': (
    [
      '--config=configs/smoke.py,configs/cora.py',
      '--search=tpe',
      '--combinations=3',
    ],
    'one --config',
  ),
  'a misspelt plan': (
    [*FLAGS, '--dry_run=mesure'],
    '--dry_run=mesure: there is no such way; did you mean measure?',
  ),
  'a pattern': (
    [*FLAGS, '--workdir={}/a%j', '--dry_run'],
    '--workdir: {}/a%j: submitit puts the numbers of jobs into such a path',
  ),
  'a pattern of Slurm': (
    [*FLAGS, '--workdir={}/50%', '--engine=slurm'],
    '--workdir: {}/50%: Slurm puts the numbers of jobs into such a path',
  ),
  'a home of nobody': ([*FLAGS, '--workdir=~nobody-here/w'], 'no such user'),
  'a misspelt tracker': (
    [*FLAGS, '--track=mlflow,mlfow'],
    '--track=mlfow: there is no such tracker; did you mean mlflow?',
  ),
}


FIRST = {'a value', 'a field elsewhere', 'a misspelt plan', 'a pattern'}


@pytest.mark.parametrize(
  'names',
  [FIRST, pytest.param(BAD.keys() - FIRST, marks=pytest.mark.slow)],
  ids=['first', 'others'],
)
def test_bad_input_is_one_error_and_nothing_is_written(
  environment, tmp_path, names
):
  folder, output = tmp_path / 'folder', tmp_path / 'output'
  for each in (folder, output):
    each.mkdir()
  cases = {
    case: [f'--workdir={folder}/w', *(f.format(folder) for f in flags)]
    for case, (flags, _) in BAD.items()
    if case in names
  }
  found = commands.run_each(environment, 'sweep', output, cases)
  for case, done in found.items():
    assert done.returncode == 2, (case, done.stderr)
    assert BAD[case][1].format(folder) in done.stderr, case
    assert 'Traceback' not in done.stderr
  assert not list(folder.iterdir())


def test_an_output_that_cannot_be_written_is_told_before_training(
  environment, tmp_path
):
  flags = (f'--workdir={tmp_path}/w', f'--output={tmp_path}/no/tables.md')
  done = commands.run(environment, 'sweep', *FLAGS, *BOTH_RATES, *flags)
  assert done.returncode == 2
  assert f'{tmp_path}/no/tables.md: cannot be written' in done.stderr
  assert 'Traceback' not in done.stderr
  assert not list((tmp_path / 'w').glob('[!.]*'))


@pytest.mark.parametrize('engine', engines.NAMES)
def test_a_path_is_taken_as_it_stands_or_refused(engine):
  for name in (
    'a%j',
    '%A_%a',
    'x/%t/y',
    '%J',
    '%N',
    '%x',
    '%5j',
    '50%',
    'a\\b',
  ):
    path = pathlib.Path('/runs', name)
    if engine == 'slurm' or name in ('a%j', '%A_%a', 'x/%t/y'):
      with pytest.raises(ConfigError, match='numbers of jobs into such a path'):
        engines.check_path(path, engine)
    else:
      engines.check_path(path, engine)
  for name in ('k[1]', 'a b', "it's", '~', '$HOME'):
    engines.check_path(pathlib.Path('/runs', name), engine)


def test_what_cannot_be_written_is_named_and_nothing_else_is_called_that(
  tmp_path,
):
  (tmp_path / engines.JOBS).touch()
  options = engines.slurm_options()
  with pytest.raises(WorkdirError, match=f'{tmp_path} cannot be written'):
    engines.Pool(tmp_path, engines.LOCAL, 1, options, [places.Place()])
  grid = small_sweeps.grid(tmp_path / 'w', small_sweeps.sweep(seeds=1))
  (trial,) = grid.trials
  trial.folder.parent.mkdir(parents=True)
  trial.folder.touch()
  with pytest.raises(WorkdirError, match=f'{trial.folder} cannot be written'):
    trial.fail('it has no folder')


def test_a_job_that_has_just_ended_is_stopped_without_an_error(tmp_path):
  options = engines.slurm_options()
  pool = engines.Pool(tmp_path, engines.LOCAL, 1, options, [places.Place()])
  grid = small_sweeps.grid(tmp_path, small_sweeps.sweep(seeds=1))
  grid.trials[0].fail('so there is nothing to train')
  pool.start([trials.Group(tuple(grid.trials))])
  assert pool.ended() == []
  (_, job) = pool._running[0]
  job._process.kill()
  job._process.wait()  # its number is free from here on
  pool.stop()


# The command, with a coordinator that meets a process that is gone.
GONE = """
import os, subprocess, sys
from experiments import cli
from experiments import sweep
from experiments.sweeps import coordinator

def train(*unused):
  gone = subprocess.Popen(['true'])
  gone.wait()
  os.kill(gone.pid, 15)

coordinator.train = train
cli.run(sweep.main)
"""


@pytest.mark.slow
def test_an_error_keeps_its_cause(environment, tmp_path):
  command = sys.executable, '-c', GONE
  done = subprocess.run(
    [*command, *FLAGS, *BOTH_RATES, f'--workdir={tmp_path}/w'],
    cwd=commands.ROOT,
    env=environment,
    check=False,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert 'ProcessLookupError' in done.stderr
  assert 'cannot be written' not in done.stderr


def test_progress_counts_and_names_the_best(trained_grid):
  workdir, changes, said = trained_grid
  assert 'finished 4 of 8, running 0, failed 4' in said
  best = max(
    (line for line in lines(workdir) if line['status'] == 'finished'),
    key=lambda line: line['val'],
  )
  shown = (
    f'{100 * best["val"]:.1f} % (learning rate 0.01; weight decay'
    f' {best["weight_decay"]}; seed {best["seed"]})'
  )
  assert f'best validation on csbm {shown}' in said
  console = Console(file=io.StringIO(), width=160, force_terminal=True)
  grid = small_sweeps.grid(workdir, changes)
  with dashboard.Dashboard(grid, console) as shown_live:
    shown_live.show([trials.Group(tuple(grid.trials))])
  for words in ('4 of 8', 'running', f'{100 * best["val"]:.1f} %'):
    assert words in console.file.getvalue()


def test_trials_of_other_configs_have_other_folders():
  changes = hyper.sweep('learning_rate', [1e-3, 1.0000001e-3])
  one, other = trials.make(pathlib.Path('w'), smoke.get_config(), changes)
  assert one.folder != other.folder


def test_how_a_run_is_executed_does_not_name_its_folder():
  config, faster = smoke.get_config(), smoke.get_config()
  faster.update_from_flattened_dict({'log_every': 7, 'data_dir': 'elsewhere'})
  changes = hyper.sweep('seed', [0])
  (one,) = trials.make(pathlib.Path('w'), config, changes)
  (other,) = trials.make(pathlib.Path('w'), faster, changes)
  assert one.folder == other.folder


def test_a_trial_has_one_seed(tmp_path):
  with pytest.raises(ConfigError, match=r'config\.num_seeds: a trial has one'):
    small_sweeps.grid(tmp_path, hyper.sweep('num_seeds', [1, 2]))


def test_damaged_results_are_one_error(tmp_path):
  (trial,) = small_sweeps.grid(tmp_path, hyper.sweep('seed', [0])).trials
  trial.folder.mkdir(parents=True)
  (trial.folder / 'results.json').write_text('{"seeds": 3}')
  with pytest.raises(WorkdirError, match=r'results\.json: holds no results'):
    trial.status()


def test_the_longest_groups_start_first(tmp_path):
  changes = hyper.product(
    hyper.sweep('model.num_heads', [1, 8]),
    hyper.sweep('model.hidden_dim', [4, 16]),
    hyper.sweep('seed', range(2)),
  )
  planned = trials.make(tmp_path, smoke.get_config(), changes)
  grid = sources.Grid(planned)
  grid.begin(retry_failed=False)
  assert [group.trials[0].changes for group in grid.ask(4)] == [
    {'model.num_heads': heads, 'model.hidden_dim': dim, 'seed': 0}
    for heads, dim in ((8, 16), (8, 4), (1, 16), (1, 4))
  ]
  assert grid.done
