"""How much memory a compiled program needs, and whether it is there."""

from collections.abc import Mapping
import pathlib

import jax
import psutil

from gat_jax.errors import ConfigError

_CGROUPS = pathlib.Path('/sys/fs/cgroup')


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


def check(num_bytes: Mapping[jax.Device, int]) -> None:
  """Refuses what does not fit.

  Args:
    num_bytes: for each device, what it must hold at once.

  Raises:
    ConfigError: says what is needed, what is free and what to change.
  """
  if all(device.platform == 'cpu' for device in num_bytes):  # they share it
    _check(sum(num_bytes.values()), free_on_host(), 'this machine')
    return
  for device, count in num_bytes.items():
    stats = device.memory_stats()
    if stats and 'bytes_limit' in stats:
      free = stats['bytes_limit'] - stats['bytes_in_use']
      _check(count, free, str(device))


def _check(count: int, free: int, where: str) -> None:
  if count > free:
    raise ConfigError(
      'memory',
      f'training needs about {count / 1e9:.1f} GB and {where} has'
      f' {free / 1e9:.1f} GB free',
      'lower `config.num_seeds`, `config.batch_size`,'
      ' `config.model.hidden_dim` or `config.model.num_heads`, or free some'
      ' memory',
    )


def free_on_host() -> int:
  """Bytes that this process may still take: of the machine or its cgroup."""
  free = psutil.virtual_memory().available
  own = _own_cgroup()
  if own is None:
    return free
  group = _CGROUPS / own
  folders = [f for f in (group, *group.parents) if f.is_relative_to(_CGROUPS)]
  return min([free, *(_left_in_cgroup(folder, free) for folder in folders)])


def _own_cgroup() -> str | None:
  """Of version 2, relative to its root."""
  try:
    lines = pathlib.Path('/proc/self/cgroup').read_text().splitlines()
  except OSError:
    return None
  own = (line[3:].lstrip('/') for line in lines if line.startswith('0::'))
  return next(own, None)


def _left_in_cgroup(folder: pathlib.Path, otherwise: int) -> int:
  try:
    limit = int((folder / 'memory.max').read_text())
    return limit - int((folder / 'memory.current').read_text())
  except (OSError, ValueError):  # no such file, or "max"
    return otherwise
