"""Whether the same seed gives the same bits again.

Twenty epochs of Cora and five steps of PPI, twice by one compiled program, then
in another process (the part `bits_again`): by every road as XLA compiles it,
then without its search for the fastest kernels, which may choose others next
time, then with XLA's own deterministic kernels, to see what those cost.
"""

import hashlib
import time

import jax
import numpy as np

from benchmarks.gpu import programs
from benchmarks.gpu import rows

OPTIONS = {
  'default': {},
  'no search': {'xla_gpu_autotune_level': 0},
  'deterministic': {'xla_gpu_deterministic_ops': True},
}


def run(report: rows.Report) -> None:
  """Trains and digests."""
  roads = programs.roads()
  cases = [(road, 'default') for road in roads]
  cases += [(road, 'no search') for road in roads]
  cases += [(None, 'deterministic')]
  kinds = {'cora': _cora, 'ppi': _ppi}
  if report.is_rehearsal:
    cases = cases[:2] + cases[-1:]
  for road, options in cases:
    for name, work in kinds.items():
      report.attempt(
        12,
        lambda add, args=(work, road, options): args[0](
          report, add, args[1], OPTIONS[args[2]]
        ),
        what=f'{name}, {"20 epochs" if name == "cora" else "5 steps"}',
        road=programs.called(road),
        options=options,
      )


def digest(state) -> str:
  """Of the bytes of all parameters."""
  sha256 = hashlib.sha256()
  for leaf in jax.tree.leaves(jax.device_get(state.params)):
    sha256.update(np.ascontiguousarray(leaf).data)
  return sha256.hexdigest()[:12]


def _cora(report, add, road, options):
  built = programs.build(programs.config('cora'), programs.load('cora'), road)
  run = built.compile_epochs(**options)
  last = np.int32(report.size(20, 2))

  def train():
    return jax.block_until_ready(run(last, *built[1:]))

  _twice(add, train, int(last))


def _ppi(report, add, road, options):
  changes = {'model__hidden_dim': 4} if report.is_rehearsal else {}
  config = programs.config('ppi', **changes)
  built = programs.build(config, programs.load('ppi'), road)
  run = built.compile_step(**options)
  steps = report.size(5, 1)

  def train():
    state = jax.tree.map(lambda x: x.copy(), built.state)
    for _ in range(steps):
      state = run(state, *built[2:4])
    return jax.block_until_ready(state)

  _twice(add, train, steps)


def _twice(add, train, turns):
  digests, times = [], []
  for _ in range(5):
    start = time.perf_counter()
    digests.append(digest(train()))
    times.append(1e3 * (time.perf_counter() - start) / turns)
  add(
    digest=digests[0],
    same_in_process=len(set(digests)) == 1,
    ms=sorted(times)[2],
  )
