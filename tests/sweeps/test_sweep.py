"""Sweeps: few programs, nothing lost, every trial as if it were alone."""

import csv
import json
import os
import pathlib
import signal
import subprocess

import commands
from commands import lines
from commands import run
import pytest

from configs import smoke
from experiments.sweeps import hyper
from experiments.sweeps import sources
from experiments.sweeps import summaries
from experiments.sweeps import trials
from gat_jax import runs
from gat_jax.runs import workdirs

SMOKE = '--config=configs/smoke.py'
SHORT = ('--sweep=max_epochs=20', '--sweep=model.hidden_dim=4')
LONG = ('--sweep=max_epochs=1000000', '--sweep=stop_rule=none')


def is_training(workdir):
  return any(map(commands.has_metrics, workdir.glob('trials/*')))


def workers(process):
  """The processes that train for a sweep: children of submitit's own."""
  found = []
  level = [process.pid]
  while level:
    listed = subprocess.run(
      ['pgrep', '-P', ','.join(map(str, level))],  # noqa: S607
      capture_output=True,
      text=True,
      check=False,
    )
    found.append(level)
    level = [int(word) for word in listed.stdout.split()]
  return found[-1]


def test_shapes_times_rates_times_seeds_compile_once_a_shape(
  environment, tmp_path
):
  done = run(
    environment | {'JAX_LOG_COMPILES': '1'},
    'sweep',
    SMOKE,
    f'--workdir={tmp_path}/sweep',
    '--engine=debug',
    '--sweep=max_epochs=2',
    '--sweep=model.num_heads=1,2',
    '--sweep=model.hidden_dim=2,3',
    '--sweep=learning_rate=1e-3,2e-3,5e-3,1e-2,2e-2,5e-2',
    '--seeds=5',
  )
  assert done.returncode == 0, done.stderr
  assert '120 finished' in done.stdout
  # The training program; see gat_jax.training.over_replicas.
  assert done.stderr.count('Compiling jit(on_one_device)') == 4


@pytest.fixture(scope='module')
def finished(environment, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('sweep') / 'w'
  flags = (
    SMOKE,
    f'--workdir={workdir}',
    '--sweep=max_epochs=40',
    '--sweep=model.num_heads=1,2',
    '--sweep=learning_rate=1e-2,1e29',
    '--seeds=2',
  )
  return workdir, flags, run(environment, 'sweep', *flags)


def test_a_failed_trial_is_recorded_and_the_others_go_on(finished):
  workdir, _, done = finished
  assert done.returncode == 1
  assert '4 finished, 4 failed' in done.stdout
  assert '--retry_failed' in done.stdout
  for line in lines(workdir):
    if line['learning_rate'] == 1e29:
      assert line['status'] == 'failed'
      assert 'is not finite' in line['error']
    else:
      assert line['status'] == 'finished'


def test_a_trial_gives_what_it_gives_alone(finished):
  workdir, *_ = finished
  config = smoke.get_config()
  config.update_from_flattened_dict(
    {'max_epochs': 40, 'model.num_heads': 2, 'seed': 1, 'num_seeds': 1}
  )
  alone = runs.train_and_evaluate(config).to_json()['seeds']
  (found,) = [
    json.loads(path.read_text())['seeds']
    for path in workdir.glob('trials/*/results.json')
    if 'num_heads=2-learning_rate=0.01-seed=1' in path.parent.name
  ]
  assert found == json.loads(json.dumps(alone))


def test_tables_are_sorted_by_validation_and_the_pictures_are_there(finished):
  workdir, *_ = finished
  table = json.loads((workdir / 'sweep.json').read_text())['datasets']['csbm']
  means = [row['val']['mean'] for row in table['rows'] if row['n']]
  assert means == sorted(means, reverse=True)
  assert set(table['axes']) == {'model.num_heads', 'learning_rate'}
  assert table['fixed'] == {'max_epochs': 40}
  assert 'heads' in (workdir / 'sweep.md').read_text()
  with open(workdir / 'trials.csv') as file:
    assert len(list(csv.DictReader(file))) == 8
  assert (workdir / 'heatmap-csbm.png').read_bytes().startswith(b'\x89PNG')
  assert (workdir / 'heatmap-csbm.svg').stat().st_size > 1000


def test_the_same_command_trains_nothing_again(finished, environment):
  workdir, flags, _ = finished
  times = {p: p.stat().st_mtime_ns for p in workdir.glob('trials/*/*.json*')}
  again = run(environment, 'sweep', *flags)
  assert again.returncode == 1  # the failed ones still have failed
  assert times == {
    p: p.stat().st_mtime_ns for p in workdir.glob('trials/*/*.json*')
  }


def test_retry_failed_trains_what_failed(finished, environment):
  workdir, flags, _ = finished
  failed = [p.parent for p in workdir.glob('trials/*1e_29*/results.json')]
  assert len(failed) == 4
  before = [(p / 'results.json').stat().st_mtime_ns for p in failed]
  again = run(environment, 'sweep', *flags, '--retry_failed')
  assert '4 finished, 4 failed' in again.stdout  # they diverge again
  after = [(p / 'results.json').stat().st_mtime_ns for p in failed]
  assert all(a > b for a, b in zip(after, before, strict=True))


def test_interrupted_it_goes_on_to_the_same_scores(environment, tmp_path):
  flags = (SMOKE, '--sweep=max_epochs=3000', '--sweep=stop_rule=none')
  flags += ('--sweep=model.hidden_dim=4', '--sweep=log_every=5', '--seeds=2')
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  assert run(environment, 'sweep', *flags, f'--workdir={whole}').returncode == 0
  process = commands.start(environment, 'sweep', *flags, f'--workdir={cut}')
  commands.wait_for(lambda: is_training(cut))
  process.send_signal(signal.SIGINT)
  done = commands.finish(process)
  assert done.returncode == 130, done.stderr
  assert 'the same command goes on' in done.stdout
  assert list(cut.glob('groups/*/checkpoints/*'))
  assert run(environment, 'sweep', *flags, f'--workdir={cut}').returncode == 0
  for line, other in zip(lines(whole), lines(cut), strict=True):
    assert line.pop('seconds') > 0
    assert other.pop('seconds') > 0
    assert line == other


def test_a_killed_worker_is_a_failed_trial_and_two_cannot_share_a_workdir(
  environment, tmp_path
):
  flags = (SMOKE, f'--workdir={tmp_path}/w', *LONG, '--sweep=seed=0')
  process = commands.start(environment, 'sweep', *flags)
  commands.wait_for(lambda: is_training(tmp_path / 'w'))
  second = run(environment, 'sweep', *flags)
  assert second.returncode == 2
  assert f'process {process.pid}' in second.stderr
  for pid in workers(process):
    os.kill(pid, signal.SIGKILL)
  done = commands.finish(process)
  assert done.returncode == 1
  (line,) = lines(tmp_path / 'w')
  assert line['status'] == 'failed'
  assert 'killed' in line['error']


@pytest.mark.parametrize(
  ('flags', 'words'),
  [
    (['--sweep=model.num_heads=1'], '--config is missing'),
    ([SMOKE, '--sweep=model.heads=1'], 'num_heads'),
    ([SMOKE, '--sweep=model.num_heads=many'], 'many'),
    ([SMOKE, '--sweep=model.num_heads='], 'num_heads'),
    ([SMOKE, '--sweep=model.num_heads=0'], 'num_heads'),
    (['--config=configs/smoky.py'], 'did you mean configs/smoke.py'),
    ([f'{SMOKE},configs/smoke.py'], 'two of --config are on csbm'),
  ],
)
def test_bad_input_is_one_error_and_nothing_is_written(
  environment, tmp_path, flags, words
):
  done = run(environment, 'sweep', f'--workdir={tmp_path}/w', *flags)
  assert done.returncode == 2
  assert words in done.stderr
  assert 'Traceback' not in done.stderr
  assert not (tmp_path / 'w').exists()


def test_dry_run_shows_trials_memory_and_time(environment, tmp_path):
  done = run(
    environment | {'COLUMNS': '160'},
    'sweep',
    SMOKE,
    f'--workdir={tmp_path}/w',
    *SHORT,
    '--seeds=3',
    '--dry_run',
  )
  assert done.returncode == 0, done.stderr
  assert '3 trials' in done.stdout
  assert ' GB' in done.stdout
  assert 'hours' in done.stdout
  assert not (tmp_path / 'w').exists()


def test_two_data_sets_stand_side_by_side(tmp_path):
  planned = []
  for name, score in (('one', 0.5), ('other', 0.75)):
    config = smoke.get_config()
    config.dataset.name = f'{name}.npz'
    planned += trials.make(tmp_path, config, hyper.sweep('seed', [0, 1]))
    for trial in planned[-2:]:
      trial.folder.mkdir(parents=True)
      seed = {'val': score, 'test': score, 'epochs': 3}
      result = {'dataset': name, 'metric': 'accuracy', 'num_parameters': 7}
      result |= {'seeds': [seed], 'seconds': {'train': 1.0}}
      workdirs.write_json(trial.folder / 'results.json', result)
  summary = summaries.make(planned, 'command')
  assert [
    (name, table['rows'][0]['test']['mean'], table['rows'][0]['n'])
    for name, table in summary['datasets'].items()
  ] == [('one', 50, 2), ('other', 75, 2)]


def test_trials_of_other_configs_have_other_folders():
  config = smoke.get_config()
  changes = hyper.sweep('learning_rate', [1e-3, 1.0000001e-3])
  one, other = trials.make(pathlib.Path('w'), config, changes)
  assert one.folder != other.folder


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
