"""How far a training step is from what the machine can do.

A process of its own: `python -m benchmarks.comparison.bounds JSON`. Rates are
those that the machine reaches, the better of JAX and NumPy: a product of two
matrices, and reading an array and writing another that no cache holds. What a
step must do at least is counted in `benchmarks.gpu.limits`.
"""

import json
import statistics
import sys
import time
from typing import Any

import jax
from jax import numpy as jnp
import numpy as np

from benchmarks.comparison import cases
from benchmarks.comparison import ours
from benchmarks.gpu import limits
from benchmarks.gpu import programs
from benchmarks.peers import common
from gat_jax import training

_SIDE = 2048  # of the matrices
_STREAMED = 2**26  # numbers of float32, 256 MiB


def main() -> None:
  """Prints a line of JSON."""
  spec = json.loads(sys.argv[1])
  case = cases.find(spec['case'], spec['is_quick'])
  is_quick = spec['is_quick']
  with training.own_jax_settings():
    found = {
      'product_rate': product_rate(_SIDE // 4 if is_quick else _SIDE),
      'stream_rate': stream_rate(_STREAMED // 16 if is_quick else _STREAMED),
    }
    config = case.settings(spec['recipe'])
    dataset = ours.load(case, config, spec['data'])
    found |= _step(config, dataset, spec)
  print(json.dumps(found | {'version': f'jax {jax.__version__}'}))


def _step(config, dataset, spec) -> dict[str, float]:
  built = programs.build(config, dataset)
  start = time.perf_counter()
  run = built.compile_step()
  compile_s = time.perf_counter() - start
  state = built.state

  def call():
    nonlocal state
    state = jax.block_until_ready(run(state, *built[2:4]))

  _, seconds = common.measure(call, spec)
  least = limits.step(built)
  return {
    'step_ms': 1e3 * seconds,
    'flops': least.flops,
    'bytes': least.bytes,
    'compile_s': compile_s,
  }


def product_rate(side: int) -> float:
  """Operations a second."""
  x = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
  run, on_device = jax.jit(jnp.matmul), jnp.asarray(x)
  calls = (lambda: run(on_device, on_device), lambda: x @ x)
  return 2 * side**3 / min(map(_fastest, calls))


def stream_rate(count: int) -> float:
  """Bytes a second, of those read and those written."""
  x, out = np.ones(count, np.float32), np.ones(count, np.float32)
  run, on_device = jax.jit(lambda x: x + 1), jnp.asarray(x)
  calls = (lambda: run(on_device), lambda: np.add(x, 1, out=out))
  return 2 * x.nbytes / min(map(_fastest, calls))


def _fastest(call: Any) -> float:
  """Seconds: the median of five after one that warms up."""
  found = []
  for _ in range(6):
    start = time.perf_counter()
    jax.block_until_ready(call())
    found.append(time.perf_counter() - start)
  return statistics.median(found[1:])


if __name__ == '__main__':
  main()
