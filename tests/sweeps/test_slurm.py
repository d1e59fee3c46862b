"""Sweeps on a real Slurm: killed, out of time, preempted, interrupted.

And a run of two tasks, alone and in a sweep.
"""

import json
import os
import signal
import subprocess
import sys

import cluster
import commands
from commands import run
import pytest
import small_sweeps

from configs import smoke
from gat_jax import runs

pytestmark = pytest.mark.slow
CONFIG = """
from configs import smoke


def get_config():
  config = smoke.get_config()
  config.stop_rule = 'none'
  config.model.num_heads = 1
  return config


def get_hyper(hyper):
  return hyper.zipit(
    hyper.sweep('model.hidden_dim', {dims}),
    hyper.sweep('max_epochs', {epochs}),
  )
"""


@pytest.fixture(scope='module')
def slurm(environment):
  with cluster.running() as variables:
    yield environment | variables


def config_file(folder, dims, epochs):
  path = folder / 'config.py'
  path.write_text(CONFIG.format(dims=dims, epochs=epochs))
  return path


def sweep_flags(folder, dims, epochs):
  return (
    f'--config={config_file(folder, dims, epochs)}',
    f'--workdir={folder}/w',
    '--engine=slurm',
  )


def undisturbed(dim, epochs):
  config = smoke.get_config()
  config.update_from_flattened_dict(
    {'stop_rule': 'none', 'model.num_heads': 1}
    | {'model.hidden_dim': dim, 'max_epochs': epochs}
  )
  return runs.train_and_evaluate(config).to_json()['seeds']


def folder_of(workdir, dim):
  (found,) = workdir.glob(f'trials/*hidden_dim={dim}-*')
  return found


def is_training(workdir, dim):
  found = list(workdir.glob(f'trials/*hidden_dim={dim}-*'))
  return bool(found) and commands.has_metrics(found[0])


def seeds_of(workdir, dim):
  return json.loads((folder_of(workdir, dim) / 'results.json').read_text())[
    'seeds'
  ]


def restarts(slurm, job):
  facts = cluster.ask(slurm, 'scontrol', 'show', 'job', job).split()
  return int(dict(f.split('=', 1) for f in facts if '=' in f)['Restarts'])


def running_jobs(slurm):
  shown = cluster.ask(slurm, 'squeue', '-h', '-r', '-t', 'R', '-o%i')
  return sorted(shown.split())


def test_of_an_array_one_is_killed_and_one_runs_into_its_time_limit(
  slurm, tmp_path
):
  epochs = 60_000  # longer than Slurm takes to notice the end of a limit
  process = commands.start(
    slurm,
    'sweep',
    *sweep_flags(tmp_path, [2, 3, 4], [10**6, epochs, 40]),
    '--slurm.array_parallelism=2',
    '--slurm.signal_delay=55',
  )
  workdir = tmp_path / 'w'
  commands.wait_for(lambda: is_training(workdir, 2) and is_training(workdir, 3))
  _, limited = running_jobs(slurm)  # one array, in the order of the trials
  assert limited.endswith('_1')

  holder = json.loads((folder_of(workdir, 2) / '.holder.json').read_text())
  os.kill(holder['process'], signal.SIGKILL)

  cluster.ask(slurm, 'scontrol', 'update', f'job={limited}', 'TimeLimit=1')
  commands.wait_for(lambda: restarts(slurm, limited) == 1)
  cluster.ask(slurm, 'scontrol', 'update', f'job={limited}', 'TimeLimit=60')

  done = commands.finish(process)
  assert done.returncode == 1, done.stderr
  assert '2 finished, 1 failed' in done.stdout
  status = {line['max_epochs']: line for line in commands.lines(workdir)}
  assert 'killed' in status[10**6]['error']
  assert restarts(slurm, limited) == 1
  assert seeds_of(workdir, 3)[0]['epochs'] == epochs
  assert seeds_of(workdir, 4) == undisturbed(4, 40)


def test_a_preempted_job_is_requeued_and_an_interrupted_sweep_goes_on(
  slurm, tmp_path
):
  flags = sweep_flags(tmp_path, [2], [20_000])
  workdir = tmp_path / 'w'
  process = commands.start(slurm, 'sweep', *flags)
  commands.wait_for(lambda: is_training(workdir, 2))
  (job,) = running_jobs(slurm)
  for number in ('TERM', 'USR2'):  # as clusters preempt
    cluster.ask(slurm, 'scancel', f'--signal={number}', job)
  commands.wait_for(lambda: restarts(slurm, job) == 1)
  metrics = folder_of(workdir, 2) / 'metrics.jsonl'
  before = metrics.stat().st_size
  commands.wait_for(lambda: metrics.stat().st_size > before)
  assert json.loads(metrics.read_text().splitlines()[0])['epoch'] == 20

  process.send_signal(signal.SIGINT)
  done = commands.finish(process)
  assert done.returncode == 130, done.stderr
  assert 'the same command goes on' in done.stdout
  assert not cluster.ask(slurm, 'squeue', '-h')
  assert list(workdir.glob('groups/*/checkpoints/*'))

  again = run(slurm, 'sweep', *flags)
  assert again.returncode == 0, again.stderr
  assert seeds_of(workdir, 2) == undisturbed(2, 20_000)


def test_what_slurm_refuses_is_one_error(slurm, tmp_path):
  done = run(
    slurm,
    'sweep',
    *sweep_flags(tmp_path, [2], [20]),
    '--slurm.partition=nowhere',
  )
  assert done.returncode == 2
  assert 'partition' in done.stderr
  assert 'Traceback' not in done.stderr


def test_a_search_runs_as_jobs_and_its_workers_report(slurm, tmp_path):
  workdir = tmp_path / "it's k[1] {2}"  # which sbatch and srun must not read
  done = run(
    slurm,
    'sweep',
    *small_sweeps.FLAGS,
    f'--workdir={workdir}',
    '--engine=slurm',
    '--slurm.array_parallelism=2',
    '--search=tpe',
    '--combinations=3',
    '--sweep=learning_rate=1e-3..1e-1:log',
    '--seeds=1',
  )
  assert done.returncode == 0, done.stderr
  assert '3 finished' in done.stdout
  entries = small_sweeps.study_of(workdir)
  assert list(tmp_path.iterdir()) == [workdir]
  assert len(list(workdir.glob('jobs/*_0_log.out'))) == 3
  assert len(entries) == 3
  for entry in entries:
    assert entry.state.name == 'COMPLETE'
    assert list(entry.intermediate_values) == [20, 40]


SMALL = (
  '--config=configs/smoke.py',
  '--config.model.name=mlp',
  '--config.model.dropout_rate=0.0',
  '--config.stop_rule=none',
)


def srun(slurm, command, *flags):
  """A command as two tasks of a step."""
  two_tasks = ('srun', '--ntasks=2', '--overcommit')
  return subprocess.run(
    [*two_tasks, sys.executable, '-m', f'experiments.{command}', *flags],
    cwd=commands.ROOT,
    env=slurm,
    capture_output=True,
    text=True,
    check=False,
    timeout=300,
  )


def test_two_tasks_of_srun_train_together(slurm, tmp_path):
  few = (*SMALL, '--config.max_epochs=40', '--config.num_seeds=3')
  done = srun(slurm, 'train', *few, f'--workdir={tmp_path}/two')
  assert done.returncode == 0, done.stderr
  assert done.stdout.count('everything is in') == 1
  assert 'Gloo' not in done.stdout
  alone = run(slurm, 'train', *few, f'--workdir={tmp_path}/one')
  assert alone.returncode == 0, alone.stderr
  for name in ('metrics.jsonl', 'config.json'):
    two, one = ((tmp_path / w / name).read_text() for w in ('two', 'one'))
    assert two == one
  done = srun(slurm, 'predict', f'--workdir={tmp_path}/two')
  assert done.returncode == 0, done.stderr
  assert done.stdout.count('predictions of seed') == 1
  done = srun(slurm, 'sweep', *few, f'--workdir={tmp_path}/sweep')
  assert done.returncode == 2
  assert done.stderr.count('error: Slurm has started several processes') == 1


def test_a_trial_of_two_tasks_is_preempted_and_goes_on(slurm, tmp_path):
  flags = (
    *SMALL,
    '--config.max_epochs=3000',
    '--sweep=learning_rate=0.01',
    '--seeds=2',
  )
  workdir = tmp_path / 'w'
  process = commands.start(
    slurm,
    'sweep',
    *flags,
    f'--workdir={workdir}',
    '--engine=slurm',
    '--slurm.tasks_per_node=2',
    '--slurm.array_parallelism=1',
  )
  commands.wait_for(
    lambda: any(map(commands.has_metrics, workdir.glob('trials/*')))
  )
  (job,) = running_jobs(slurm)
  for number in ('TERM', 'USR2'):  # as clusters preempt
    cluster.ask(slurm, 'scancel', f'--signal={number}', job)
  commands.wait_for(lambda: restarts(slurm, job) == 1)
  done = commands.finish(process)
  assert done.returncode == 0, done.stderr
  assert len(list(workdir.glob('jobs/*_1_log.out'))) == 1  # of the second task
  config = smoke.get_config()
  config.update_from_flattened_dict(
    {'stop_rule': 'none', 'model.name': 'mlp', 'model.dropout_rate': 0.0}
    | {'max_epochs': 3000, 'learning_rate': 0.01, 'num_seeds': 2}
  )
  scores = [seed.test for seed in runs.train_and_evaluate(config).seeds]
  assert [line['test'] for line in commands.lines(workdir)] == scores
