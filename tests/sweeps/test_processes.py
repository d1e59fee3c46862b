"""Sweeps of real processes that are interrupted and killed."""

import os
import signal
import subprocess

import commands
from commands import lines
import pytest
import small_sweeps
from small_sweeps import FLAGS

pytestmark = pytest.mark.slow


def num_training(workdir):
  return sum(map(commands.has_metrics, workdir.glob('trials/*')))


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


@pytest.mark.parametrize(
  ('own', 'number'),
  [
    (('--config.max_epochs=6000', '--sweep=learning_rate=1e-2'), 1),
    (
      (
        '--config.max_epochs=2000',
        '--sweep=learning_rate=1e-3..1e-1:log',
        '--search=tpe',
        '--combinations=3',
      ),
      2,
    ),
  ],
  ids=['grid', 'search'],
)
def test_interrupted_it_goes_on_to_the_same_scores(
  environment, tmp_path, own, number
):
  """After the trial of that number has begun."""
  flags = (*FLAGS, '--config.stop_rule=none', '--config.log_every=5', *own)
  flags += ('--seeds=1', '--workers=1')
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  process = commands.start(environment, 'sweep', *flags, f'--workdir={cut}')
  commands.wait_for(lambda: num_training(cut) == number)
  process.send_signal(signal.SIGINT)
  done = commands.finish(process)
  assert done.returncode == 130, done.stderr
  assert 'waiting' in done.stdout
  assert 'the same command goes on' in done.stdout
  assert list(cut.glob('groups/*/checkpoints/*'))
  finished = list(cut.glob('trials/*/results.json'))
  assert len(finished) == number - 1
  before = [path.stat().st_mtime_ns for path in finished]

  again = commands.run(environment, 'sweep', *flags, f'--workdir={cut}')
  assert again.returncode == 0, again.stderr
  assert [path.stat().st_mtime_ns for path in finished] == before
  flags = (*flags, '--engine=debug', f'--workdir={whole}')
  assert commands.run(environment, 'sweep', *flags).returncode == 0
  ours, theirs = map(small_sweeps.without_seconds, (lines(cut), lines(whole)))
  assert ours == theirs


def test_a_killed_worker_is_a_failed_trial_and_two_cannot_share_a_workdir(
  environment, tmp_path
):
  flags = (*FLAGS, '--config.max_epochs=1000000', '--config.stop_rule=none')
  flags += ('--sweep=seed=0', f'--workdir={tmp_path}/w')
  process = commands.start(environment, 'sweep', *flags)
  commands.wait_for(lambda: num_training(tmp_path / 'w'))
  second = commands.run(environment, 'sweep', *flags)
  assert second.returncode == 2
  assert f'process {process.pid}' in second.stderr
  for pid in workers(process):
    os.kill(pid, signal.SIGKILL)
  done = commands.finish(process)
  assert done.returncode == 1
  (line,) = lines(tmp_path / 'w')
  assert line['status'] == 'failed'
  assert 'killed' in line['error']
