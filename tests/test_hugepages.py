"""Commands start themselves again, once, to get memory in large pages."""

import json
import os
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


@pytest.mark.skipif(
  hugepages.mode() != 'madvise' or hugepages.glibc() < (2, 35),
  reason='this system gives large pages to nobody or to everybody',
)
def test_a_real_command_is_one_process_started_twice(tmp_path):
  path = tmp_path / 'starts'
  (tmp_path / 'sitecustomize.py').write_text(
    _NOTES_STARTS.format(path=str(path))
  )
  environment = {k: v for k, v in os.environ.items() if k != hugepages.VARIABLE}
  done = subprocess.run(
    [sys.executable, '-m', 'experiments.train', '--help'],
    cwd=commands.ROOT,
    env=environment | {'PYTHONPATH': f'{tmp_path}:{commands.ROOT}'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('Trains a model')
  first, second = map(json.loads, path.read_text().splitlines())
  assert first[0] == second[0]
  assert hugepages.VARIABLE not in first[2]
  assert second[2][hugepages.VARIABLE] == hugepages.SETTING
  assert second[1][2:] == first[1][1:]
