"""Damaged input, drawn for a while: seconds at each commit, longer if slow."""

import pathlib
import subprocess
import sys

import pytest

TARGETS = ('ppi', 'npz', 'tables', 'overrides')


@pytest.mark.parametrize(
  'seconds', [1, pytest.param(10, marks=pytest.mark.slow)]
)
def test_damaged_input_is_one_error_or_a_correct_load(seconds):
  script = pathlib.Path(__file__).parent / 'fuzzing.py'
  process = subprocess.run(
    [sys.executable, script, ','.join(TARGETS), str(seconds)],
    capture_output=True,
    text=True,
    check=False,
    timeout=300,
  )
  assert process.returncode == 0, process.stderr[-5000:]
  lines = process.stdout.splitlines()
  assert [line.split(':')[0] for line in lines] == list(TARGETS)
  for line in lines:
    _, inputs, _, refused, *_ = line.split()
    assert int(inputs) > int(refused) > 20
