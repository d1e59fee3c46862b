"""Memory in large pages, where Linux gives them to programs that ask.

Each call of a compiled step takes its workspace from the system anew, some
hundred megabytes, and gives it back. In pages of 4 KiB that is tens of
thousands of interruptions a step; `python -m benchmarks.hugepages` measures
what they cost. glibc asks for large pages if an environment variable says so
when a process starts, so a command starts itself again, once, before it has
imported anything.

This module imports nothing that takes time to import.
"""

from collections.abc import Mapping, Sequence
import contextlib
import os
import signal
import sys
from typing import NamedTuple

VARIABLE = 'GLIBC_TUNABLES'
SETTING = 'glibc.malloc.hugetlb=1'
_MARK = '-Xgat_jax_restarted'
_HOLDS = '-Xgat_jax_holds_interrupts'
_MODE = '/sys/kernel/mm/transparent_hugepage/enabled'


class Restart(NamedTuple):
  """How the same command is started again.

  Attributes:
    words: of its command line, the path of Python first.
    environment: its variables.
  """

  words: list[str]
  environment: dict[str, str]


def ask() -> None:
  """Starts this command again with large pages, in the same process.

  Process id, files, signals and limits stay. Returns where nothing would be
  gained: if this is no command of ours, if the system gives large pages to
  nobody or to everybody, if glibc cannot ask for them, if the variable says
  already what is wanted, or if the command has been started again before.

  A Python that starts raises KeyboardInterrupt at Ctrl-C, until somebody says
  otherwise. The one that is started here gets none until it calls this too.
  """
  again = restart(sys.orig_argv, sys.argv, os.environ, mode(), glibc())
  if again:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if signal.SIGINT not in before:  # else whoever started us wants it so
      again.words.insert(1, _HOLDS)
    with contextlib.suppress(OSError):  # then it goes on as it is
      os.execve(sys.executable, again.words, again.environment)  # noqa: S606
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
  elif _HOLDS in sys.orig_argv:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def restart(
  words: Sequence[str],
  argv: Sequence[str],
  environment: Mapping[str, str],
  mode: str,
  glibc: tuple[int, ...],
) -> Restart | None:
  """How to start again, or None if there is no need.

  Args:
    words: `sys.orig_argv`.
    argv: `sys.argv`, which begins with '-m' as long as Python looks for the
      module that it is to run.
    environment: the variables of this process.
    mode: what `mode` returns.
    glibc: its version; () where there is none.
  """
  is_command = (
    argv[:1] == ['-m']
    and len(words) > len(argv)
    and words[-len(argv)].startswith('experiments.')
  )
  said = environment.get(VARIABLE, '')
  if not is_command or mode != 'madvise' or glibc < (2, 35):
    return None
  # A Python behind a script that clears variables would start for ever.
  if 'glibc.malloc.hugetlb' in said or _MARK in words:
    return None
  return Restart(
    [sys.executable, _MARK, *words[1:]],
    {**environment, VARIABLE: f'{said}:{SETTING}' if said else SETTING},
  )


def mode() -> str:
  """Who gets large pages: always, madvise (who asks) or never; '' unknown."""
  try:
    with open(_MODE, encoding='ascii') as file:
      return file.read().partition('[')[2].partition(']')[0]
  except OSError:
    return ''


def glibc() -> tuple[int, ...]:
  """The version of glibc; () where another library is in its place."""
  if sys.platform != 'linux':
    return ()
  try:
    name, _, version = (os.confstr('CS_GNU_LIBC_VERSION') or '').partition(' ')
  except ValueError:  # musl does not know the question
    return ()
  return tuple(map(int, version.split('.'))) if name == 'glibc' else ()
