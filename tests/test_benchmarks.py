"""Benchmarks run for every data set that trains, and say what they measured."""

import argparse
import importlib
import re
import subprocess
import sys

from commands import ROOT
from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
import pytest
import realdata

from benchmarks import accelerators
from benchmarks import estimates
from benchmarks import launches
from benchmarks import outputs
from gat_jax import nn


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


@pytest.mark.slow
def test_shares_of_a_step_add_up(environment):
  realdata.folder('planetoid', 'ind.cora.graph')
  output = run(environment, 'shares', '--dataset=cora', '--steps=2')
  shares = dict(re.findall(r'^(.+?) +[\d.]+ ms +([\d.]+)%$', output, re.M))
  assert set(shares) >= {'loops over edges', 'the rest'}
  assert sum(map(float, shares.values())) == pytest.approx(100, abs=0.3)


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


@pytest.mark.parametrize(
  'name', ['no/x.md', 'file/x.md', ''], ids=['absent', 'file', 'folder']
)
def test_an_output_that_cannot_be_written_is_told_first(tmp_path, name, capsys):
  (tmp_path / 'file').write_text('')
  parser = argparse.ArgumentParser()
  parser.add_argument('--output', **outputs.FLAG)
  kept = str(tmp_path / 'kept.md')
  assert parser.parse_args(['--output', kept]).output == kept
  with pytest.raises(SystemExit) as ended:
    parser.parse_args(['--output', str(tmp_path / name)])
  assert ended.value.code == 2
  assert 'cannot be written' in capsys.readouterr().err
  assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_launches_are_counted_as_often_as_their_loop_turns():
  """Of what XLA made for this machine: five turns with a sort, then any."""

  def function(x, turns):
    x = jax.lax.fori_loop(0, 5, lambda _, x: jnp.sort(x[::-1] * 2), x)
    return jax.lax.fori_loop(0, turns, lambda _, x: x @ x.T @ x, x)

  program = jax.jit(function).lower(jnp.ones((64, 64)), 3).compile()
  counted = launches.count(program.as_text())
  assert (counted.closed_loops, counted.open_loops) == (1, 1)
  assert counted.sorts == 5
  assert counted.kernels == sum(counted.by_kind.values()) > 5


@pytest.mark.slow
def test_an_epoch_is_built_as_an_accelerator_would_run_it():
  """On the CPU it is the step and the validation of the library."""
  changes = {'model.name': 'mlp', 'model.dropout_rate': 0.0}
  epoch = accelerators.Program('a small one', 'smoke', changes)
  seeds = epoch._replace(seeds=2)
  (run, args), (run_two, args_two) = (
    accelerators.build(program, 'plain') for program in (epoch, seeds)
  )
  one, two = jax.jit(run)(*args), jax.jit(run_two)(*args_two)
  assert 1 in one.scalars['int32']  # the epoch
  for name, scalars in one.scalars.items():
    np.testing.assert_allclose(two.scalars[name], [scalars] * 2, rtol=1e-4)


def test_the_table_takes_the_place_of_the_one_before(tmp_path):
  path = tmp_path / 'RESULTS.md'
  path.write_text('# Speed\n\nothers\n')
  one = {
    'kernels': 3,
    'closed_loops': 0,
    'sorts': 0,
    'workspace': 2e6,
    'bytes': 819e9,
    'flops': 1.0,
    'seconds': 4.0,
  }
  plain = one | {'kernels': 5, 'bytes': None, 'flops': None}
  rows = [('v5e', 'cora', [one, plain])]
  text = accelerators.table(rows)
  for _ in range(2):
    accelerators.write(path, text)
  written = path.read_text()
  assert written.startswith('# Speed\n\nothers\n\n<!-- accelerators -->')
  assert written.count('| TPU v5e | Cora, an epoch | 3 / 5 | 0 / 0 |') == 1
  assert '| 819.0 / - | 0.0 / - | 1000.00 / - | 4 / 4 |' in written
  other = accelerators.table([('h100', 'cora', [plain, one])])
  accelerators.write(path, other)
  row, other_row = text.splitlines()[2], other.splitlines()[2]
  assert f'{row}\n{other_row}\n\n<!-- end' in path.read_text()
  accelerators.complain(rows, most_kernels=3)
  for wrong in ({'kernels': 4}, {'sorts': 1}, {'closed_loops': 1}):
    with pytest.raises(SystemExit, match='v5e, cora: '):
      accelerators.complain([('v5e', 'cora', [one | wrong, plain])], 3)


@pytest.mark.parametrize('name', ['cora', 'ppi', 'products', 'papers100m'])
def test_estimates_count_what_the_layers_of_a_model_send(name):
  sizes = estimates.Sizes(name, nodes=10, edges=30, features=7, classes=5)
  config = importlib.import_module(f'configs.{name}').get_config()
  model = nnx.eval_shape(
    lambda: nn.Model.from_config(config.model, 7, 5, nnx.Rngs(0))
  )
  work = estimates.work(sizes)
  assert work.sent == sum(layer.sent_features for layer in model.layers)


def test_estimates_are_near_what_was_measured():
  """The operations of PPI's step as XLA counted them, within 5 %."""
  assert estimates.work(estimates.PPI).operations == pytest.approx(
    88.4e9, rel=0.05
  )
  rates = estimates.rates()
  least = 2.8e12 / 12  # bytes a second, three float32 an edge and number
  assert 0.2 * least < rates.sums < 2 * least
