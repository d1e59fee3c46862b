"""Damaged input, drawn for a while: a minute in CI, seconds elsewhere."""

import os
import pathlib
import subprocess
import sys

import pytest

SECONDS = 15 if os.environ.get('CI') else 4


@pytest.mark.parametrize('target', ['planetoid', 'ppi', 'npz', 'overrides'])
def test_damaged_input_is_one_error_or_a_correct_load(target):
  script = pathlib.Path(__file__).parent / 'fuzzing.py'
  process = subprocess.run(
    [sys.executable, script, target, str(SECONDS)],
    capture_output=True,
    text=True,
    check=False,
    timeout=300,
  )
  assert process.returncode == 0, process.stderr[-5000:]
  _, inputs, _, refused, *_ = process.stdout.split()
  assert int(inputs) > int(refused) > 50
