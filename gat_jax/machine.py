"""What the machine has left, for whoever is about to take it."""

import pathlib

import psutil

_CGROUPS = pathlib.Path('/sys/fs/cgroup')


def free_memory() -> int:
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
