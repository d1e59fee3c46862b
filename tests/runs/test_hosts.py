"""One run on several hosts: who writes, who says what, what ends them all."""

import json
import re
import signal
import socket

import commands
import pytest

slow = pytest.mark.slow
# It compiles in a fraction of a second.
SMALL = (
  '--config=configs/smoke.py',
  '--config.model.name=mlp',
  '--config.model.dropout_rate=0.0',
  '--config.stop_rule=none',
  '--config.num_seeds=3',
  '--config.max_epochs=1500',
)


def start(environment, workdir, *flags, count=2, of_last=()):
  """A command on so many hosts; `of_last` are flags of the last one alone."""
  with socket.create_server(('127.0.0.1', 0)) as server:
    port = server.getsockname()[1]
  return [
    commands.start(
      environment | {'JAX_NUM_CPU_DEVICES': str(1 + index)},
      'train',
      *SMALL,
      *(f'--hosts={count}', f'--host={index}'),
      f'--coordinator=127.0.0.1:{port}',
      # What hosts that do not write are given does not matter.
      f'--workdir={"/proc/nowhere" if index else workdir}',
      *flags,
      *(of_last if index == count - 1 else ()),
    )
    for index in range(count)
  ]


def finish(processes):
  return [commands.finish(process) for process in processes]


def logged(workdir):
  metrics = workdir / 'metrics.jsonl'
  return metrics.stat().st_size if metrics.exists() else 0


def disturb(environment, workdir, number, *flags, index=0, count=2):
  """A run of which one host gets a signal once it has gone on for a while."""
  processes = start(environment, workdir, *flags, count=count)
  before = logged(workdir)
  commands.wait_for(lambda: logged(workdir) > before + 1000)
  processes[index].send_signal(number)
  return finish(processes)


def content(workdir):
  """What no two runs may differ in."""
  results = json.loads((workdir / 'results.json').read_text())
  del results['seconds']
  return results, (workdir / 'metrics.jsonl').read_text()


def said(process):
  """Lines on standard error, without what an old Orbax says everywhere."""
  lines = process.stderr.splitlines()
  return [line for line in lines if not line.startswith('WARNING:absl')]


@slow
def test_killed_and_interrupted_it_goes_on_with_other_numbers_of_hosts(
  environment, tmp_path
):
  workdir, whole = tmp_path / 'run', tmp_path / 'whole'
  often = '--config.checkpoint_minutes=0'
  for gone in (0, 1):
    done = disturb(environment, workdir, signal.SIGKILL, often, index=gone)
    survivor = done[1 - gone]
    assert survivor.returncode == 1
    (error,) = said(survivor)
    assert error.startswith(f'error: host {gone} of 2 is gone')
  assert 'goes on after epoch' in done[0].stdout

  done = disturb(environment, workdir, signal.SIGTERM, index=1)
  assert [process.returncode for process in done] == [143, 143]
  assert f'--workdir={workdir} goes on' in done[0].stdout
  assert [said(process) for process in done] == [[], []]
  assert done[1].stdout == ''

  (alone,) = disturb(environment, workdir, signal.SIGINT, count=1)
  assert alone.returncode == 130
  assert 'goes on after epoch' in alone.stdout

  done = finish(start(environment, workdir))
  assert [process.returncode for process in done] == [0, 0]
  assert 'goes on after epoch' in done[0].stdout
  assert [said(process) for process in done] == [[], []]
  assert done[1].stdout == ''

  (alone,) = finish(start(environment, whole, count=1))
  assert alone.returncode == 0, alone.stderr
  assert content(workdir) == content(whole)

  more = finish(start(environment, workdir, '--config.num_seeds=4'))
  assert [process.returncode for process in more] == [0, 0], more
  assert len(content(workdir)[0]['seeds']) == 4


@slow
@pytest.mark.parametrize(
  ('of_last', 'error'),
  [
    (
      ('--config.seed=1',),
      r'error: --config: .*: --config.seed is 1 on host 1 and 0 on host 0;.*',
    ),
    (
      ('--config.dataset.name=/nowhere/graph.npz',),
      r'error: .*on host 1 of 2.*',
    ),
    (('--config.dropout=2',), 'error: .*on host 1 of 2: .*'),
  ],
)
def test_what_is_wrong_on_one_host_is_one_error_on_all(
  environment, tmp_path, of_last, error
):
  done = finish(start(environment, tmp_path / 'run', of_last=of_last))
  assert [process.returncode for process in done] == [2, 2]
  for process in done:
    assert len(said(process)) == 1, process.stderr
  assert re.fullmatch(error, done[0].stderr.strip()), done[0].stderr
  assert not (tmp_path / 'run').exists()
