"""Folders on disk: their paths, who holds them, what the system refuses."""

from collections.abc import Iterator
import contextlib
import itertools
import json
import logging
import os
import pathlib
import shutil
import socket
import time
from typing import Any

import filelock

from gat_jax import storage
from gat_jax.errors import WorkdirError

_LOCK = '.lock'
_HOLDER = '.holder.json'
# Bytes that are left for what is logged between two evaluations.
_RESERVE = 500_000


def folder(workdir: str | os.PathLike) -> pathlib.Path:
  """The path of a folder as a person writes it: `~` is the home of a user.

  Raises:
    WorkdirError: if there is no such user.
  """
  path = os.path.expanduser(workdir)
  if path.startswith('~'):
    raise WorkdirError(
      'workdir',
      f'{workdir}: there is no such user',
      'write ./~ for a folder whose name begins with ~',
    )
  return pathlib.Path(path)


@contextlib.contextmanager
def new_folder(parent: str | os.PathLike, name: str) -> Iterator[pathlib.Path]:
  """Creates a folder of its own, whoever creates one of that name beside it.

  Args:
    parent: where; created if need be.
    name: of the folder; a number follows where that one is taken.

  Yields:
    Its path. What is still empty afterwards is removed.

  Raises:
    WorkdirError: if it cannot be written.
  """
  with explained(pathlib.Path(parent) / name):
    storage.make_folder(parent)
    for number in itertools.count(1):
      path = pathlib.Path(parent) / (f'{name}-{number}' if number > 1 else name)
      with contextlib.suppress(FileExistsError):
        path.mkdir()
        break
  try:
    yield path
  finally:
    with contextlib.suppress(OSError):  # not empty
      path.rmdir()
      path.parent.rmdir()


@contextlib.contextmanager
def hold(workdir: str | os.PathLike) -> Iterator[None]:
  """Creates a folder, and keeps other processes from holding it meanwhile.

  Raises:
    WorkdirError: if another process holds it (says which), or if it cannot be
      written.
  """
  path = folder(workdir)
  with explained(path):
    storage.make_folder(path)
    lock = _acquire(path)
  try:
    with explained(path):
      write_json(
        path / _HOLDER,
        {
          'process': os.getpid(),
          'host': socket.gethostname(),
          'since': time.strftime('%Y-%m-%d %H:%M:%S'),
        },
      )
    yield
  finally:
    with contextlib.suppress(OSError):  # the lock says who holds it, not this
      (path / _HOLDER).unlink()
    lock.release()


def _acquire(path: pathlib.Path) -> filelock.BaseFileLock:
  lock = filelock.FileLock(path / _LOCK)
  try:
    lock.acquire(blocking=False)
  except filelock.Timeout:
    raise WorkdirError(
      'workdir',
      f'{path} is in use by {_holder(path)}',
      'wait until it has ended, or choose another folder',
    ) from None
  return lock


def is_held(workdir: str | os.PathLike) -> bool:
  """Whether a process holds that folder now."""
  path = folder(workdir)
  if not (path / _LOCK).exists():
    return False
  try:
    _acquire(path).release()
  except WorkdirError:
    return True
  return False


def _holder(path: pathlib.Path) -> str:
  try:
    holder = json.loads((path / _HOLDER).read_text(encoding='utf-8'))
    return (
      f'process {holder["process"]} on {holder["host"]} since {holder["since"]}'
    )
  except (OSError, ValueError, KeyError):  # it has only just begun
    return 'another process'


@contextlib.contextmanager
def explained(
  path: str | os.PathLike,
  field: object = 'workdir',
  remedy: str = 'choose a folder of your own with free space',
) -> Iterator[None]:
  """Turns what the system says of a place it does not write to into one error.

  Put it around the writing alone. Whatever says something else than full,
  read-only, denied and the like (`storage.refusal`) keeps its type.

  Args:
    path: what is written.
    field: see `InputError`; may be the path.
    remedy: see `InputError`.

  Raises:
    WorkdirError: instead of that.
  """
  try:
    yield
  except (OSError, ValueError) as error:
    said = storage.refusal(error)
    if said is None or isinstance(error, WorkdirError):
      raise
    subject = '' if str(field) == str(path) else f'{path} '
    raise WorkdirError(
      field, f'{subject}cannot be written ({said})', remedy
    ) from error


def mention(another: Exception, error: BaseException) -> None:
  """Logs what went wrong while an error was under way, which says more.

  Args:
    another: what saving raised.
    error: what ended the run; if that was the folder's fault too, it has said
      so, and nothing is logged.
  """
  if not isinstance(error, WorkdirError):
    logging.warning('after %s: %s', type(error).__name__, another)


def require_space(path: pathlib.Path, num_bytes: int = 0) -> None:
  """Raises WorkdirError where that much and a little more cannot be written.

  Libraries that write in threads of their own say so late and at length.
  """
  free = shutil.disk_usage(path).free
  if free < num_bytes + _RESERVE:
    raise WorkdirError(
      path,
      f'no space is left: {free / 1e6:.1f} MB are free and'
      f' {(num_bytes + _RESERVE) / 1e6:.1f} MB are needed',
      'free some and start again: it goes on from the last checkpoint',
    )


def write_json(path: pathlib.Path, content: Any) -> None:
  """Replaces a file of JSON in one step.

  Raises:
    OSError: if it cannot be written.
    ValueError: if there is a number in it that is not finite.
  """
  text = json.dumps(content, indent=2, allow_nan=False) + '\n'
  with storage.whole_file(path) as file:
    file.write(text)
