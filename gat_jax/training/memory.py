"""How much memory a compiled program needs, and whether it is there."""

from collections.abc import Mapping
import ctypes
import gc
import sys
from typing import Any

import jax

from gat_jax import machine
from gat_jax.errors import ConfigError

# Of malloc.h: one heap for all threads; nothing from outside of it; nothing
# is given back.
_ONE_HEAP = -8, 1
_KEEPING = _ONE_HEAP, (-4, 0), (-1, 2**31 - 1)
_MODEL = '`config.model.hidden_dim` or `config.model.num_heads`'
_SMALLER = (
  f'lower `config.num_seeds`, `config.batch_size`, {_MODEL}, free some memory,'
  ' or sample neighbours: `config.sampler.fan_outs`'
)
_SMALLER_BATCHES = (
  'lower `config.num_seeds`, `config.sampler.batch_size`,'
  f' `config.sampler.fan_outs`, {_MODEL}, or free some memory'
)


def needed(compiled: jax.stages.Compiled) -> int:
  """Bytes that a program holds on each device: arguments, results, workspace.

  Zero where the backend does not tell.
  """
  stats = compiled.memory_analysis()
  if stats is None:
    return 0
  return (
    stats.argument_size_in_bytes
    + stats.output_size_in_bytes
    - stats.alias_size_in_bytes
    + stats.temp_size_in_bytes
  )


def fits(num_bytes: int, device: jax.Device) -> bool:
  """Whether a device has so much left; True where it does not tell."""
  if device.platform == 'cpu':
    return num_bytes <= machine.free_memory()
  stats = device.memory_stats()
  if not stats or 'bytes_limit' not in stats:
    return True
  return num_bytes <= stats['bytes_limit'] - stats['bytes_in_use']


def give_back() -> None:
  """Gives what is free back to the system, as after compiling, with glibc.

  What compiling leaves refers to itself, so it is free once it is looked for.
  """
  gc.collect()
  library = _glibc()
  if library is not None:
    library.malloc_trim(0)


def _glibc() -> Any:
  library = ctypes.CDLL(None) if sys.platform == 'linux' else None
  has_both = hasattr(library, 'mallopt') and hasattr(library, 'malloc_trim')
  return library if has_both else None


def keep_freed() -> None:
  """Lets the process keep what it frees, for what it takes next.

  On a CPU every step of a program takes its workspace anew. glibc gives so
  large a piece back to the system at once, and the system clears every page
  that it lends again. This holds for the whole process from then on, for
  whatever else it runs, and is not undone: its memory shrinks by `give_back`
  alone, and all threads share one heap, but for those that have one already:
  see `share_heap`. It does nothing where the C library is another.
  """
  _set(*_KEEPING)


def share_heap() -> None:
  """Lets all threads that are not started yet share one heap, with glibc.

  For `keep_freed`, before JAX has devices: its threads run a step in turn, and
  else each keeps a workspace in a heap of its own, or gives that heap back to
  the system after every step. It holds for the whole process.
  """
  _set(_ONE_HEAP)


def _set(*options: tuple[int, int]) -> None:
  library = _glibc()
  if library is not None:
    for option, value in options:
      library.mallopt(option, value)


def num_bytes_of(tree: Any) -> int:
  """Of the arrays of a tree, or of what has their shapes and types."""
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def check(
  num_bytes: Mapping[jax.Device, int],
  *,
  on_host: int = 0,
  is_sampled: bool = False,
) -> None:
  """Refuses what does not fit.

  Args:
    num_bytes: for each device, what it must hold at once.
    on_host: what this process must hold beside it.
    is_sampled: whether neighbours are sampled, which is the remedy else.

  Raises:
    ConfigError: says what is needed, what is free and what to change.
  """
  remedy = _SMALLER_BATCHES if is_sampled else _SMALLER
  if all(device.platform == 'cpu' for device in num_bytes):  # they share it
    own = sum(num_bytes.values()) + on_host
    _check(own, machine.free_memory(), 'this machine', remedy)
    return
  if on_host:
    _check(on_host, machine.free_memory(), 'this machine', remedy)
  for device, count in num_bytes.items():
    stats = device.memory_stats()
    if stats and 'bytes_limit' in stats:
      free = stats['bytes_limit'] - stats['bytes_in_use']
      _check(count, free, str(device), remedy)


def _check(count: int, free: int, where: str, remedy: str) -> None:
  if count > free:
    raise ConfigError(
      'memory',
      f'training needs about {count / 1e9:.1f} GB and {where} has'
      f' {free / 1e9:.1f} GB free',
      remedy,
    )
