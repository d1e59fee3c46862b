"""What is interrupted, killed or out of space goes on and loses nothing."""

import json
import multiprocessing
import random
import re
import signal
import time

import commands
from commands import run
import jax
import pytest

from configs import smoke
from gat_jax import runs

SMOKE = '--config=configs/smoke.py'
LONG = ('--config.max_epochs=1000000', '--config.stop_rule=none')


def last_checkpoint(workdir):
  names = [path.name for path in (workdir / 'checkpoints').glob('*')]
  return max((int(name) for name in names if name.isdigit()), default=0)


def results_of(workdir):
  """What no two runs may differ in."""
  results = json.loads((workdir / 'results.json').read_text())
  del results['seconds']
  return results


def assert_same_run(one, other):
  assert results_of(one) == results_of(other)
  assert (one / 'metrics.jsonl').read_text() == (
    other / 'metrics.jsonl'
  ).read_text()


def start_and_signal(
  environment, workdir, signal_number, *flags, is_ready=commands.has_metrics
):
  """A run that gets a signal once it is ready."""
  process = commands.start(
    environment, 'train', SMOKE, f'--workdir={workdir}', *flags
  )
  commands.wait_for(lambda: is_ready(workdir))
  process.send_signal(signal_number)
  return commands.finish(process)


@pytest.mark.parametrize(
  ('signal_number', 'code'),
  [
    (signal.SIGINT, 130),
    pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
  ],
)
def test_signal_saves_the_run_and_says_how_to_go_on(
  environment, tmp_path, signal_number, code
):
  workdir = tmp_path / 'run'
  # The model does not matter here, and this one compiles faster.
  flags = (*LONG, '--config.model.name=mlp', '--config.model.dropout_rate=0.0')
  process = start_and_signal(environment, workdir, signal_number, *flags)
  assert process.returncode == code
  assert 'saving after the epochs that are running' in process.stderr
  assert f'--workdir={workdir} goes on' in process.stdout
  assert 'Traceback' not in process.stderr
  assert not (workdir / 'results.json').exists()
  process = run(environment, 'predict', f'--workdir={workdir}')
  assert process.returncode == 0, process.stderr
  assert len((workdir / 'predictions.csv').read_text().splitlines()) == 601


@pytest.mark.slow
def test_interrupted_run_ends_as_if_it_had_not_been(environment, tmp_path):
  flags = (
    '--config.max_epochs=300',
    '--config.stop_rule=none',
    '--config.num_seeds=3',
    '--config.checkpoint_minutes=0',
  )
  whole, parts = tmp_path / 'whole', tmp_path / 'parts'
  process = run(environment, 'train', SMOKE, *flags, f'--workdir={whole}')
  assert process.returncode == 0, process.stderr
  start_and_signal(
    environment, parts, signal.SIGTERM, *flags, is_ready=last_checkpoint
  )
  assert not (parts / 'results.json').exists()
  process = run(environment, 'train', SMOKE, *flags, f'--workdir={parts}')
  assert process.returncode == 0, process.stderr
  assert 'goes on after epoch' in process.stdout
  assert_same_run(parts, whole)


@pytest.mark.slow
def test_run_is_not_continued_with_other_settings(environment, tmp_path):
  workdir = tmp_path / 'run'
  start_and_signal(environment, workdir, signal.SIGINT, *LONG)
  process = run(
    environment,
    'train',
    SMOKE,
    f'--workdir={workdir}',
    '--config.max_epochs=1000000',
    '--config.learning_rate=0.5',
  )
  assert process.returncode == 2
  for words in (
    '--config.learning_rate is 0.01 there and 0.5 now',
    "--config.stop_rule is 'none' there and 'both' now",
  ):
    assert words in process.stderr


@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_the_folder_stays_usable(
  environment, tmp_path
):
  flags = (SMOKE, f'--workdir={tmp_path}', '--config.max_epochs=20')
  process = run(
    environment, 'train', *flags, f'--config.model.hidden_dim={2 * 10**6}'
  )
  assert process.returncode == 2
  # JAX 0.10.2 says 560 GB; it must be more than any machine here has.
  assert float(re.search(r'needs about ([\d.]+) GB', process.stderr)[1]) > 200
  assert 'lower --config.num_seeds' in process.stderr
  assert run(environment, 'train', *flags).returncode == 0


@pytest.mark.slow
def test_a_run_that_is_going_on_is_left_alone(environment, tmp_path):
  flags = (SMOKE, *LONG, f'--workdir={tmp_path}')
  first = commands.start(environment, 'train', *flags)
  commands.wait_for(lambda: commands.has_metrics(tmp_path))
  second = run(environment, 'train', *flags)
  assert second.returncode == 2
  assert f'is in use by process {first.pid} on ' in second.stderr
  first.send_signal(signal.SIGTERM)
  assert commands.finish(first).returncode == 143


def kill_config(checkpoint_minutes):
  config = smoke.get_config()
  config.dataset.num_nodes = 100
  config.dataset.train_per_class = 5
  config.dataset.num_val = 30
  config.model.name = 'mlp'  # of which a process makes the most in a second
  config.num_seeds = 2
  config.max_epochs = 8000
  config.patience = 8000
  config.log_every = 10
  config.checkpoint_minutes = checkpoint_minutes
  return config


def train_in_a_process_of_its_own(workdir, cache):
  """What the killed processes do."""
  jax.config.update('jax_num_cpu_devices', 2)
  jax.config.update('jax_compilation_cache_dir', cache)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.05)
  runs.train_and_evaluate(kill_config(0.0), workdir)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_nothing(tmp_path):
  """From the start of a process to well into training, wherever it strikes."""
  whole, parts = tmp_path / 'whole', tmp_path / 'parts'
  runs.train_and_evaluate(kill_config(5.0), whole)
  context = multiprocessing.get_context('forkserver')
  context.set_forkserver_preload(['gat_jax.runs', 'tensorboardX'])
  cache = jax.config.jax_compilation_cache_dir
  generator = random.Random(0)
  reached = []
  for kill in range(20):
    process = context.Process(
      target=train_in_a_process_of_its_own, args=(parts, cache)
    )
    before = last_checkpoint(parts)
    start = time.monotonic()
    process.start()
    if kill % 2 == 0:  # in training, however late a slow machine gets there
      commands.wait_for(lambda: last_checkpoint(parts) > before)  # noqa: B023
      to_training = time.monotonic() - start
      time.sleep(generator.uniform(0.0, 0.5))
    else:  # on the way there
      time.sleep(generator.uniform(0.0, to_training))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, 'it ended before it was killed'
    reached.append(last_checkpoint(parts))
  assert len(set(reached)) >= 10, f'too few of them had trained: {reached}'
  runs.train_and_evaluate(kill_config(5.0), parts)
  assert_same_run(parts, whole)


@pytest.mark.slow
def test_full_disk_is_one_error_and_leaves_the_last_checkpoint(
  environment, tmp_path
):
  disk, outside = tmp_path / 'disk', tmp_path / 'outside'
  disk.mkdir()
  outside.mkdir()
  flags = '--config.max_epochs=3000 --config.stop_rule=none'
  process = commands.on_a_small_disk(
    f"""
    train="$python -m experiments.train {SMOKE}"
    $train {flags} --config.checkpoint_minutes=0.01 --workdir={disk}/run \\
      > {outside}/output 2> {outside}/errors &
    until ls {disk}/run/checkpoints 2> {outside}/x | grep -qx '[0-9]*'; do
      kill -0 $! || exit 1
      sleep 0.05
    done
    dd if=/dev/zero of={disk}/filler bs=4k 2> {outside}/x
    wait $!
    echo $? > {outside}/code
    rm {disk}/filler
    $train {flags} --workdir={disk}/run || exit 1
    cp {disk}/run/results.json {disk}/run/metrics.jsonl {outside}
    """,
    disk,
    environment,
  )
  assert process.returncode == 0, process.stderr
  errors = (outside / 'errors').read_text()
  assert (outside / 'code').read_text() == '2\n'
  assert errors.startswith(f'error: {disk}/run: no space is left: 0.0 MB')
  assert errors.count('\n') == 1
  assert 'goes on after epoch' in process.stdout
  whole = tmp_path / 'whole'
  flags = (*flags.split(), f'--workdir={whole}')
  assert run(environment, 'train', SMOKE, *flags).returncode == 0
  assert_same_run(outside, whole)


def test_a_full_disk_is_said_once(environment, tmp_path):
  process = commands.on_a_small_disk(
    f"""
    $python - <<'PYTHON'
import gc, pathlib, shutil
import numpy as np
from gat_jax.runs.states import stored

folder = pathlib.Path('{tmp_path}')
for size in range(80, 200, 20):
  arrays = {{f'a{{i}}': np.random.rand(30, size) for i in range(20)}}
  try:
    stored.write(folder / str(size), arrays)
  except (OSError, ValueError) as error:
    print('No space left' in str(error) or error)
  gc.collect()
  for path in folder.iterdir():
    shutil.rmtree(path)
PYTHON
    """,
    tmp_path,
    environment,
    size='60k',
  )
  assert process.returncode == 0, process.stderr
  assert set(process.stdout.splitlines()) == {'True'}
  assert process.stderr == ''


@pytest.mark.slow
def test_read_only_disk_is_one_error_and_changes_nothing(environment, tmp_path):
  process = commands.on_a_small_disk(
    f"""
    train="$python -m experiments.train {SMOKE}"
    $train --config.max_epochs=1000000 --config.stop_rule=none \\
      --workdir={tmp_path}/run > /dev/null 2>&1 &
    until [ -s {tmp_path}/run/metrics.jsonl ]; do sleep 0.05; done
    kill $!
    wait $!
    mount -o remount,ro {tmp_path}
    for workdir in run new; do
      $train --config.max_epochs=1000000 --config.stop_rule=none \\
        --workdir={tmp_path}/$workdir > /dev/null
      echo $?
    done
    """,
    tmp_path,
    environment,
  )
  assert process.stdout == '2\n2\n'
  first, second = process.stderr.splitlines()
  for line, name in ((first, 'run'), (second, 'new')):
    assert line.startswith(f'error: --workdir: {tmp_path}/{name} cannot be')
    assert 'Read-only file system' in line
