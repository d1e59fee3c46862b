"""Benchmarks run for every data set that trains, and say what they measured."""

import json
import re
import subprocess
import sys

from commands import ROOT
import pytest
import realdata


def run(environment, module, *flags):
  done = subprocess.run(
    [sys.executable, '-m', f'benchmarks.{module}', *flags],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout


@pytest.mark.parametrize(
  ('dataset', 'files'),
  [
    ('smoke', ()),
    pytest.param('cora', ('ind.cora.graph',), marks=pytest.mark.slow),
    pytest.param('ppi', ('ppi.zip',), marks=pytest.mark.slow),
  ],
)
def test_shares_of_a_step_add_up(environment, dataset, files):
  if files:
    realdata.folder('ppi' if dataset == 'ppi' else 'planetoid', *files)
  output = run(environment, 'shares', f'--dataset={dataset}', '--steps=2')
  shares = dict(re.findall(r'^(.+?) +[\d.]+ ms +([\d.]+)%$', output, re.M))
  assert set(shares) >= {'loops over edges', 'the rest'}
  assert sum(map(float, shares.values())) == pytest.approx(100, abs=0.3)


@pytest.mark.slow
def test_steps_of_batches_are_timed(environment):
  realdata.folder('ppi', 'ppi.zip')
  output = run(environment, 'steps', '--dataset=ppi', '--epochs=1')
  assert json.loads(output)['epoch_ms'] > 0


def test_steps_of_a_graph_that_is_trained_whole_are_refused(environment):
  done = subprocess.run(
    [sys.executable, '-m', 'benchmarks.steps', '--dataset=smoke'],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  assert 'smoke has no batches' in done.stderr
