"""benchmarks.gpu: errors and times are what they say, whatever a part does."""

import argparse
import json
import subprocess
import sys

from commands import ROOT
from flax import nnx
import numpy as np
import pytest
import realdata

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import carry
from benchmarks.gpu import limits
from benchmarks.gpu import parts
from benchmarks.gpu import programs
from benchmarks.gpu import reference
from benchmarks.gpu import roads
from benchmarks.gpu import rows
from benchmarks.gpu import tables
from gat_jax import nn


def report(tmp_path, seconds=100.0, is_rehearsal=True):
  return rows.Report(tmp_path / 'rows', tmp_path, seconds, is_rehearsal)


def written(tmp_path):
  lines = (tmp_path / 'rows').read_text().splitlines()
  return [json.loads(line) for line in lines]


def test_all_parts_are_there():
  for name, part in parts.PARTS.items():
    if not part.uses_torch:  # which the project does not need
      assert callable(part.load()), name


def test_every_road_is_known():
  assert {'plain', 'blocks'} <= set(programs.road_names())
  for road in programs.road_names():
    nn.GATLayer(2, 2, 2, implementation=road, rngs=nnx.Rngs(0))


@pytest.mark.parametrize('kind', roads.LAYERS)
def test_gradients_of_the_reference_are_finite_differences(kind):
  """Against nothing but its own values, so it cannot share a mistake."""
  edges = programs.nasty()
  keep = 320  # of the hub's graph and what stands before it
  receivers, senders = edges.receivers, edges.senders
  own = (receivers < keep) & (senders < keep)
  ends = reference.Ends(senders[own], receivers[own], keep)
  rng = np.random.default_rng(0)
  names = {
    'gat': ('receiver_vector', 'sender_vector'),
    'gatv2': ('vector',),
  }
  p = {name: rng.normal(size=(2, 4)) for name in names.get(kind, ())}
  p |= {'kernel': rng.normal(size=(3, 2, 4)), 'bias': rng.normal(size=(2, 4))}
  if kind == 'gat':
    p |= {n: rng.normal(size=2) for n in ('receiver_bias', 'sender_bias')}
  if kind == 'gatv2':
    p['receiver_kernel'] = rng.normal(size=(3, 2, 4))
  nodes, cotangent = rng.normal(size=(keep, 3)), rng.normal(size=(keep, 2, 4))

  def loss(p, nodes):
    found = reference.layer(kind, p, nodes, cotangent, ends)
    return (found['outputs'] * cotangent).sum()

  gradients = reference.layer(kind, p, nodes, cotangent, ends)
  for name, value in {**p, 'nodes': nodes}.items():
    along, step = rng.normal(size=value.shape), 1e-7
    both = [
      loss({**p, name: moved}, nodes) if name != 'nodes' else loss(p, moved)
      for moved in (value + step * along, value - step * along)
    ]
    expected = (both[0] - both[1]) / (2 * step)
    found = (gradients[name] * along).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_errors_are_relative_and_a_nan_never_passes():
  expected = np.array([1.0, -4.0])
  most, norm = roads.error_of(np.float32([1, -4.004]), expected)
  assert most == pytest.approx(1e-3, rel=1e-3)
  assert norm == pytest.approx(0.004 / 17**0.5, rel=1e-3)
  assert roads.error_of(np.array([np.nan, -4]), expected)[0] == np.inf
  assert roads.error_of(np.zeros(2), np.zeros(2)) == (0, 0)


def test_a_part_goes_on_after_an_error_and_says_what_it_drops(tmp_path):
  real = report(tmp_path, seconds=10, is_rehearsal=False)

  def fails(add):
    add(ms=1)
    raise ValueError('no such\nroad')

  real.attempt(5, fails, what='a')
  real.attempt(5, lambda add: add(ms=2), what='b')
  real.attempt(50, lambda add: add(ms=3), what='c')
  assert written(tmp_path) == [
    {'what': 'a', 'ms': 1},
    {'what': 'a', 'error': 'ValueError: no such'},
    {'what': 'b', 'ms': 2},
    {'what': 'c', 'error': 'dropped: no time left'},
  ]


def test_calls_are_counted_and_waited_for():
  calls, waits = [], []
  found = rows.times(
    lambda: calls.append(1), waits.append, seconds=0, inner=4, most=9
  )
  assert (len(calls), len(waits)) == (2 + 3 * 4, 2 + 3)
  assert found['n'] == 3
  assert 0 <= found['low'] <= found['ms'] <= found['high']


def test_a_part_that_hangs_is_stopped_and_one_without_time_dropped(
  tmp_path, monkeypatch
):
  args = argparse.Namespace(rehearse=False)
  short = parts.PARTS['machine']._replace(seconds=0.2)
  monkeypatch.setitem(parts.PARTS, 'machine', short)
  one = command.run_one('machine', 100, tmp_path, args)
  assert 'stopped after' in one['error']
  assert one['rows'] == []
  none = command.run_one('machine', 1, tmp_path, args)
  assert none['error'] == 'dropped: no time left'


@pytest.mark.slow
def test_a_part_that_crashes_loses_only_itself(tmp_path, monkeypatch):
  monkeypatch.setenv('JAX_PLATFORMS', 'nowhere')
  args = argparse.Namespace(rehearse=True)
  one = command.run_one('sums', 100, tmp_path, args)
  assert one['error'] == 'exit code 1, see log.txt'
  assert 'nowhere' in one['log']


@pytest.mark.slow
def test_rehearsal(environment, tmp_path):
  """Two parts as a user runs them: files, and a summary of times and rates."""
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'benchmarks.gpu', f'--output={tmp_path}'),
      *('--rehearse', '--only=sums', '--only=machine', '--commit=abc'),
    ],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=True,
  )
  assert 'commit abc' in done.stdout
  assert 'Errors' not in done.stdout, (tmp_path / 'log.txt').read_text()
  results = json.loads((tmp_path / 'results.json').read_text())
  assert list(results['parts']) == ['machine', 'sums']
  rows = results['parts']['sums']['rows']
  assert len(rows) == len(programs.SIZES) * len(programs.roads())
  for row in rows:
    assert 0 < row['least_ms'] < row['ms'], row
  assert '## sums' in (tmp_path / 'results.md').read_text()


@pytest.mark.slow
@pytest.mark.parametrize('name', ['cora', 'ppi'])
def test_all_roads_are_built_and_their_limits_counted(name):
  folder, file = (
    ('ppi', 'ppi.zip') if name == 'ppi' else ('planetoid', 'ind.cora.graph')
  )
  realdata.folder(folder, file)
  config = programs.config(name)
  built = programs.build(config, programs.load(name), 'plain')
  count = limits.step if name == 'ppi' else limits.epoch
  least = count(built)
  # Parameters with their moments alone, and products with the kernels alone.
  assert least.bytes > 7 * 4 * 90_000
  assert least.flops > 1e7


def test_summary_compares_the_same_work_alone():
  def part(*rows):
    return {'error': None, 'seconds': 1.0, 'rows': list(rows)}

  results = {
    'about': {'commit': 'abc'},
    'parts': {
      'machine': part(
        {'what': 'copy', 'ms': 1.0, 'rate': 1e12, 'unit': 'bytes/s'},
        {
          'what': 'matrix product, float32, default',
          'ms': 1.0,
          'rate': 1e14,
          'unit': 'operations/s',
        },
      ),
      'ppi': part(
        {
          'what': 'a step',
          'road': 'chosen',
          'ms': 2.0,
          'bytes': 1e9,
          'flops': 1,
        },
        {'what': 'a step', 'road': 'plain', 'precision': 'highest', 'ms': 4.0},
        {'what': 'a step', 'road': 'rows', 'error': 'ValueError: no'},
        {'what': 'a step of 100 seeds', 'road': 'chosen', 'ms': 5.0},
      ),
      'torch_ppi': part(
        {'what': 'a step', 'by': 'PyG', 'precision': 'high', 'ms': 6.0},
        {'what': 'a step', 'by': 'PyG', 'precision': 'highest', 'ms': 20.0},
      ),
      'bits': part(
        {
          'what': 'cora',
          'road': 'plain',
          'options': 'default',
          'digest': 'a',
          'same_in_process': False,
          'ms': 1.0,
        }
      ),
      'seeds1000': part() | {'error': 'dropped: no time left'},
    },
  }
  parts_of = results['parts']
  again = parts_of['bits']['rows'][0] | {'digest': 'b'}
  parts_of['bits_again'] = part(again)
  tables.add_least_times(results)
  text = tables.summary(results)
  assert '| a step | chosen |  |  | 2 | 3 | 1 |' in text  # 1 GB at 1 TB/s
  assert '| a step | plain |  | highest | 4 | 5 |' in text
  assert '| a step of 100 seeds | chosen |  |  | 5 | 120 |' in text  # 100 x 6
  assert '| cora | plain | default | 1 | NO | NO |' in text
  assert '| ppi | a step | rows | ValueError: no |' in text
  assert 'dropped: no time left' in text
  assert '## seeds1000\n\ndropped' in tables.markdown(results)


def test_data_to_carry_are_copied_or_missed(tmp_path):
  source = tmp_path / 'source'
  (source / 'planetoid').mkdir(parents=True)
  for name in ('ind.cora.x', 'ind.citeseer.x', 'ind.pubmed.x'):
    (source / 'planetoid' / name).write_text(name)
  with pytest.raises(SystemExit, match=r'no ppi\.zip'):
    carry.copy_data(source, tmp_path / 'to')
  (source / 'ppi.zip').write_text('zip')  # not in a subfolder, as files may be
  carry.copy_data(source, tmp_path / 'to')
  found = {
    p.relative_to(tmp_path / 'to').as_posix()
    for p in (tmp_path / 'to').rglob('*.*')
  }
  assert found == {
    'planetoid/ind.cora.x',
    'planetoid/ind.citeseer.x',
    'planetoid/ind.pubmed.x',
    'ppi/ppi.zip',
  }
