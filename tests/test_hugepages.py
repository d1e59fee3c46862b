"""Commands start themselves again, once, to get memory in large pages."""

import json
import os
import signal
import subprocess
import sys

import commands
import pytest

from experiments import hugepages

_WORDS = ['python', '-W', 'error', '-m', 'experiments.train', '--config=a b']
_ARGV = ['-m', '--config=a b']
_NOTES_STARTS = """
import json, os, sys
with open({path!r}, 'a') as file:
  print(json.dumps([os.getpid(), sys.orig_argv, dict(os.environ)]), file=file)
"""
_INTERRUPTS_THE_SECOND = """
import os, signal
if 'GLIBC_TUNABLES' in os.environ:
  os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_command_is_started_again_with_its_words():
  words, environment = hugepages.restart(
    _WORDS, _ARGV, {'HOME': '/h'}, 'madvise', (2, 36)
  )
  assert words[0] == sys.executable
  assert words[2:] == _WORDS[1:]
  assert environment == {
    'HOME': '/h',
    'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1',
  }


def test_what_the_variable_had_stays():
  _, environment = hugepages.restart(
    _WORDS,
    _ARGV,
    {'GLIBC_TUNABLES': 'glibc.malloc.arena_max=1'},
    'madvise',
    (2, 35),
  )
  assert environment['GLIBC_TUNABLES'] == (
    'glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1'
  )


@pytest.mark.parametrize(
  'changes',
  [
    {'environment': {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=0'}},
    {'mode': 'always'},
    {'mode': 'never'},
    {'mode': ''},
    {'glibc': (2, 34)},
    {'glibc': ()},
    {'argv': ['/x/experiments/train.py', '--config=a b']},
    {'words': ['python', '-m', 'pytest'], 'argv': ['-m']},
    {'words': ['python', '-c', 'import experiments'], 'argv': ['-c']},
    {'words': ['python'], 'argv': ['']},
    {'words': [], 'argv': []},
  ],
  ids=str,
)
def test_others_are_left_as_they_are(changes):
  known = {
    'words': _WORDS,
    'argv': _ARGV,
    'environment': {},
    'mode': 'madvise',
    'glibc': (2, 36),
  }
  assert hugepages.restart(**known) is not None
  assert hugepages.restart(**known | changes) is None


def test_a_variable_that_gets_lost_starts_nothing_for_ever():
  again = hugepages.restart(_WORDS, _ARGV, {}, 'madvise', (2, 36))
  lost = {}  # as behind a script that clears the environment
  assert hugepages.restart(again.words, _ARGV, lost, 'madvise', (2, 36)) is None


restarts = pytest.mark.skipif(
  hugepages.mode() != 'madvise' or hugepages.glibc() < (2, 35),
  reason='this system gives large pages to nobody or to everybody',
)


def help_of_train(folder, at_each_start):
  """Runs a command whose Python does something each time it starts."""
  (folder / 'sitecustomize.py').write_text(at_each_start)
  environment = {k: v for k, v in os.environ.items() if k != hugepages.VARIABLE}
  return subprocess.run(
    [sys.executable, '-m', 'experiments.train', '--help'],
    cwd=commands.ROOT,
    env=environment | {'PYTHONPATH': f'{folder}:{commands.ROOT}'},
    capture_output=True,
    text=True,
    check=False,
  )


@restarts
def test_a_real_command_is_one_process_started_twice(tmp_path):
  path = tmp_path / 'starts'
  done = help_of_train(tmp_path, _NOTES_STARTS.format(path=str(path)))
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('Trains a model')
  first, second = map(json.loads, path.read_text().splitlines())
  assert first[0] == second[0]
  assert hugepages.VARIABLE not in first[2]
  assert second[2][hugepages.VARIABLE] == hugepages.SETTING
  assert second[1][3:] == first[1][1:]


@restarts
def test_ctrl_c_between_the_two_starts_ends_it_without_a_word(tmp_path):
  done = help_of_train(tmp_path, _INTERRUPTS_THE_SECOND)
  assert (done.returncode, done.stderr) == (-signal.SIGINT, '')


@restarts
def test_ctrl_c_stays_blocked_where_it_was(tmp_path):
  """So workers of a sweep are started: see `engines.py`."""
  before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
  try:
    done = help_of_train(tmp_path, _INTERRUPTS_THE_SECOND)
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('Trains a model')
