"""Whether the same seed gives the same bits again.

Twenty epochs of Cora and five steps of PPI, twice by one compiled program, then
in another process (the part `bits_again`): by every road as XLA compiles it,
then without its search for the fastest kernels, which may choose others next
time, then with XLA's own deterministic kernels, to see what those cost.
Programs are compiled side by side, before any runs.
"""

import concurrent.futures
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
  own, others = programs.roads()[:2], programs.roads()[2:]
  cases = [(road, 'default') for road in own]
  cases += [
    (road, name) for name in ('deterministic', 'no search') for road in own
  ]
  cases += [(road, 'default') for road in others]
  if report.is_rehearsal:
    cases = [cases[0], cases[3], cases[4]]
  changes = {'model__hidden_dim': 4} if report.is_rehearsal else {}
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    waiting = []
    for road, options in cases:
      for name in ('cora', 'ppi'):
        config = programs.config(name, **changes if name == 'ppi' else {})
        built = programs.build(config, programs.load(name), road)
        compile = built.compile_step if name == 'ppi' else built.compile_epochs
        future = pool.submit(compile, **OPTIONS[options])
        waiting.append((name, road, options, built, future))
    concurrent.futures.wait([future for *_, future in waiting])
  for name, road, options, built, future in waiting:
    work = _ppi if name == 'ppi' else _cora
    turns = report.size(5, 1) if name == 'ppi' else report.size(20, 2)
    report.attempt(
      2,
      lambda add, args=(work, built, future, turns): _twice(add, *args),
      what=f'{name}, {"5 steps" if name == "ppi" else "20 epochs"}',
      road=programs.called(road),
      options=options,
    )


def digest(state) -> str:
  """Of the bytes of all parameters."""
  sha256 = hashlib.sha256()
  for leaf in jax.tree.leaves(jax.device_get(state.params)):
    sha256.update(np.ascontiguousarray(leaf).data)
  return sha256.hexdigest()[:12]


def _cora(built, run, turns):
  return run(np.int32(turns), *built[1:])


def _ppi(built, run, turns):
  state = jax.tree.map(lambda x: x.copy(), built.state)
  for _ in range(turns):
    state = run(state, *built[2:4])
  return state


def _twice(add, work, built, future, turns):
  run = future.result()
  digests, times = [], []
  for _ in range(5):
    start = time.perf_counter()
    state = jax.block_until_ready(work(built, run, turns))
    times.append(1e3 * (time.perf_counter() - start) / turns)
    digests.append(digest(state))
  add(
    digest=digests[0],
    same_in_process=len(set(digests)) == 1,
    ms=sorted(times)[2],
  )
