"""What the machine can do: copies, matrix products, launches, loops."""

import contextlib
import importlib.metadata
import subprocess

import jax
from jax import numpy as jnp

from benchmarks.gpu import rows


def describe() -> dict[str, str]:
  """The GPU and its driver as nvidia-smi tells them, if it is there."""
  query = '--query-gpu=name,driver_version,memory.total'
  try:
    done = subprocess.run(
      ['nvidia-smi', query, '--format=csv,noheader'],  # noqa: S607
      capture_output=True,
      text=True,
      check=True,
    )
  except (OSError, subprocess.CalledProcessError):
    return {'gpu': 'none'}
  name, driver, memory = done.stdout.splitlines()[0].split(', ')
  return {'gpu': name, 'driver': driver, 'memory': memory}


def run(report: rows.Report) -> None:
  """Measures all of it."""
  device = jax.local_devices()[0]
  report.add(what='device', kind=device.device_kind, backend=device.platform)
  report.attempt(3, lambda add: _copy(report, add), what='copy')
  products = {
    'float32, highest': (jnp.float32, 'highest'),
    'float32, default': (jnp.float32, 'default'),
    'bfloat16': (jnp.bfloat16, 'default'),
  }
  for name, (dtype, precision) in products.items():
    report.attempt(
      3,
      lambda add, dtype=dtype, precision=precision: _product(
        report, add, dtype, precision
      ),
      what=f'matrix product, {name}',
    )
  report.attempt(3, _launch, what='a call of a small program')
  for what, is_known in (
    ('a turn of a loop of known length, two small kernels', True),
    ('a turn of a loop of unknown length, the same', False),
  ):
    report.attempt(
      3, lambda add, is_known=is_known: _loop(add, is_known), what=what
    )


def _copy(report, add):
  count = report.size(2**29, 2**20)
  x = jax.random.normal(jax.random.key(0), (count,), jnp.float32)
  run = jax.jit(lambda x: x + 1)
  found = rows.times(lambda: run(x), jax.block_until_ready, most=30)
  add(**found, rate=2 * 4 * count / (1e-3 * found['ms']), unit='bytes/s')


def _product(report, add, dtype, precision):
  n = report.size(8192, 256)
  x, y = jax.random.normal(jax.random.key(0), (2, n, n), jnp.float32)
  x, y = x.astype(dtype), y.astype(dtype)
  run = jax.jit(lambda x, y: jnp.matmul(x, y, precision=precision))
  found = rows.times(lambda: run(x, y), jax.block_until_ready, most=20, inner=3)
  add(**found, rate=2 * n**3 / (1e-3 * found['ms']), unit='operations/s')


def _launch(add):
  x = jnp.ones(256)
  run = jax.jit(lambda x: x + 1)
  add(**rows.times(lambda: run(x), jax.block_until_ready))
  many = rows.times(lambda: run(x), jax.block_until_ready, inner=100)
  add(**many, note='100 calls for each wait')


def _loop(add, is_known):
  turns = 200

  def body(x):
    return jnp.sin(x).sum() + x  # two kernels: a sum, and what follows it

  def known(x, _):
    return jax.lax.fori_loop(0, turns, lambda _, x: body(x), x)

  def unknown(x, last):
    def more(index_and_x):
      return index_and_x[0] < last

    def turn(index_and_x):
      return index_and_x[0] + 1, body(index_and_x[1])

    return jax.lax.while_loop(more, turn, (0, x))[1]

  run = jax.jit(known if is_known else unknown)
  x = jnp.ones(1024)
  found = rows.times(
    lambda: run(x, jnp.int32(turns)), jax.block_until_ready, most=50
  )
  for name in ('ms', 'low', 'high'):
    found[name] /= turns
  add(**found)


def versions() -> dict[str, str]:
  """Of what matters, where it is installed."""
  found = {}
  for name in (
    'jax',
    'jaxlib',
    'jax-cuda13-plugin',
    'jax-cuda12-plugin',
    'flax',
    'numpy',
    'torch',
    'torch-geometric',
    'triton',
  ):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      found[name] = importlib.metadata.version(name)
  return found
