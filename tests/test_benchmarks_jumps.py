"""benchmarks.jumps: what a jump of a loss is, and what a run must have."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import jumps
from configs import smoke
from gat_jax import runs
from gat_jax.errors import WorkdirError

ROOT = pathlib.Path(__file__).parents[1]


def test_a_jump_is_where_the_loss_is_suddenly_many_times_what_it_was():
  losses = list(np.exp(-np.arange(100) / 50))
  assert jumps.find(losses) == []
  losses[40:43] = [2.9 * losses[39]] * 3  # not three times the ones before
  assert jumps.find(losses) == []
  losses[60:64] = [5.0, 9.0, 4.0, 2.0]
  losses[90] = 100.0
  (first, second) = jumps.find(losses)
  assert (first.epoch, second.epoch) == (61, 91)
  before = np.median(losses[50:60])
  assert first.times == pytest.approx(9.0 / before)
  assert jumps.find(losses[:60]) == []
  assert jumps.find([1.0] * 10 + [4.0])[0].epoch == 11  # the last one counts
  assert jumps.find([1.0] * 10 + [np.inf]) == [(11, np.inf)]


def config(log_every):
  found = smoke.get_config()
  found.dataset.num_nodes = 260
  found.max_epochs = 12
  found.num_seeds = 2
  found.log_every = log_every
  return found


def test_runs_become_lines_of_a_table(tmp_path):
  runs.train_and_evaluate(config(1), tmp_path / 'run')
  output = tmp_path / 'out.md'
  command = [sys.executable, '-m', 'benchmarks.jumps', tmp_path / 'run']
  done = subprocess.run(
    [*command, f'--output={output}'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert '| run | 1e-08 | ' in done.stdout
  assert output.read_text().count('| run | 1e-08 | ') == 2  # of two seeds
  assert '## Where training jumps' in output.read_text()
  # Those of another run stand beside them; its own are replaced.
  before = output.read_text().splitlines()
  changed = [line.replace('| run | 1', '| old | 1') for line in before]
  output.write_text('\n'.join(changed) + '\n')
  for _ in range(2):
    subprocess.run([*command, f'--output={output}'], cwd=ROOT, check=True)
    after = output.read_text().splitlines()
    own = [line for line in before if line.startswith('| run | 1e')]
    assert [line for line in after if line not in own] == changed
    assert [line for line in after if line not in changed] == own


def test_an_unfinished_run_tells_what_is_there(tmp_path):
  runs.train_and_evaluate(config(1), tmp_path)
  whole = jumps.of_run(tmp_path)
  metrics = tmp_path / 'metrics.jsonl'
  lines = metrics.read_text().splitlines(keepends=True)
  metrics.write_text(''.join(lines[:14]))  # of 12 epochs of two seeds
  with pytest.raises(WorkdirError, match='has 7 of 12 epochs of seed 0'):
    jumps.of_run(tmp_path)
  (tmp_path / 'results.json').unlink()
  part = jumps.of_run(tmp_path)
  assert [line['epochs'] for line in whole] == ['12', '12']
  assert [line['epochs'] for line in part] == ['7, unfinished'] * 2
  assert [line['test, %'] for line in part] == ['', '']
  assert all(line['test, %'] for line in whole)


def test_a_run_that_logged_fewer_epochs_is_refused(tmp_path):
  runs.train_and_evaluate(config(5), tmp_path)
  with pytest.raises(WorkdirError, match='logged epoch 5 of seed 0 after'):
    jumps.of_run(tmp_path)
