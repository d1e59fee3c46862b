"""Which kernels take the time of an epoch of Cora and of a step of PPI."""

import collections
import pathlib
import tempfile

import jax
import numpy as np

from benchmarks.gpu import programs
from benchmarks.gpu import rows

_MOST = 40


def run(report: rows.Report) -> None:
  """Profiles what the library chooses, and writes kernels.md."""
  (report.folder / 'kernels.md').write_text('')
  turns = report.size(20, 2)
  report.attempt(
    20, lambda add: _cora(report, add, turns), what='cora, an epoch'
  )
  report.attempt(20, lambda add: _ppi(report, add, turns), what='ppi, a step')


def _cora(report, add, turns):
  built = programs.build(programs.config('cora'), programs.load('cora'))
  run = built.compile_epochs()

  def train(last):
    jax.block_until_ready(run(np.int32(last), *built[1:]))

  _profile(report, add, 'Cora, an epoch', train, turns)


def _ppi(report, add, turns):
  changes = {'model__hidden_dim': 4} if report.is_rehearsal else {}
  config = programs.config('ppi', **changes)
  built = programs.build(config, programs.load('ppi'))
  run = built.compile_step()

  def train(count):
    state = jax.tree.map(lambda x: x.copy(), built.state)
    for _ in range(count):
      state = run(state, *built[2:4])
    jax.block_until_ready(state)

  _profile(report, add, 'PPI, a step', train, turns)


def _profile(report, add, title, train, turns):
  train(turns)
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      train(turns)
    (path,) = pathlib.Path(folder).rglob('*.xplane.pb')
    seconds, calls = read(path)
  total = sum(seconds.values())
  lines = [
    f'## {title}: {1e3 * total / turns:.4g} ms in'
    f' {sum(calls.values()) / turns:.4g} kernels',
    '',
    '| kernel | times | us | share |',
    '|---|---|---|---|',
  ]
  for name, own in seconds.most_common(_MOST):
    lines.append(
      f'| {name.replace("|", " ")[:90]} | {calls[name] / turns:.4g} |'
      f' {1e6 * own / turns:.4g} | {100 * own / total:.1f}% |'
    )
  text = '\n'.join(lines)
  with (report.folder / 'kernels.md').open('a') as file:
    file.write(text + '\n\n')
  print(text)
  add(
    busy_ms=1e3 * total / turns,
    kernels=sum(calls.values()) / turns,
    different=len(calls),
  )


def read(path: pathlib.Path) -> tuple[collections.Counter, collections.Counter]:
  """Seconds and calls of every kernel in a profile.

  Of a GPU these are the streams of its plane; where there is none, all that
  XLA's threads on the CPU ran.
  """
  seconds: collections.Counter = collections.Counter()
  calls: collections.Counter = collections.Counter()
  data = jax.profiler.ProfileData.from_file(str(path))
  planes = list(data.planes)
  on_gpu = [plane for plane in planes if plane.name.startswith('/device:GPU')]
  for plane in on_gpu or planes:
    lines = list(plane.lines)
    wanted = 'Stream' if on_gpu else 'tf_XLA'
    for line in [n for n in lines if n.name.startswith(wanted)] or lines:
      for event in line.events:
        name = event.name
        operation = dict(event.stats).get('hlo_op')
        if operation and str(operation) != name:
          name = f'{operation}: {name}'
        seconds[name] += 1e-9 * event.duration_ns
        calls[name] += 1
  return seconds, calls
