"""Arrays on disk, by way of Orbax: written, read again, told from damage."""

import asyncio
from collections.abc import Iterator
import contextlib
import hashlib
import logging
import os
import pathlib
import re
import sys
import tempfile
from typing import Any

import jax
import numpy as np

from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import folders

_TELL = asyncio.BaseEventLoop.call_soon_threadsafe.__code__


class UnusableError(Exception):
  """Says what is wrong with something on disk."""


@contextlib.contextmanager
def damage(path: pathlib.Path) -> Iterator[None]:
  """Turns what reading damaged bytes raises into an UnusableError.

  Raises:
    WorkdirError: instead, if the system refuses to read them.
  """
  try:
    yield
  except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
    if not storage.is_absence(error):
      if said := storage.refusal(error):
        raise WorkdirError(path, f'cannot be read ({said})') from error
      if isinstance(error, OSError) and error.errno:
        raise
    text = ' '.join(str(error).split())[:200]
    raise UnusableError(f'is damaged ({text})') from error


def by_keys(tree: Any) -> dict[str, Any]:
  """Leaves of nested dictionaries by their keys; 0 and '0' are one key."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {'/'.join(str(key.key) for key in path): leaf for path, leaf in leaves}


def digest_of(arrays: dict[str, np.ndarray]) -> str:
  """The SHA-256 of arrays, with their names, dtypes and shapes."""
  digest = hashlib.sha256()
  for path in sorted(arrays):
    array = np.ascontiguousarray(arrays[path])
    digest.update(f'{path} {array.dtype} {array.shape}'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()


def difference(
  there: dict[str, np.ndarray], here: dict[str, np.ndarray]
) -> str:
  """The first of the arrays that are not as they are expected, in words."""
  for name in here.keys() - there.keys():
    return f'{name} is missing'
  for name in there.keys() - here.keys():
    return f'{name} is unknown'
  for name, array in here.items():
    found, wanted = (f'{x.dtype}{list(x.shape)}' for x in (there[name], array))
    if found != wanted:
      return f'{name} is {found} there and {wanted} here'
  return ''


def write(path: pathlib.Path, tree: Any) -> None:
  """Writes a dictionary of arrays with Orbax, and reads it back.

  Raises:
    WorkdirError: if it is not read as it was written.
  """
  import orbax.checkpoint as ocp  # slow to import

  with (
    _plain(path.parent) as folder,
    _said_once(folder),
    _orbax() as checkpointer,
  ):
    checkpointer.save(folder / path.name, args=ocp.args.StandardSave(tree))
  if digest_of(by_keys(read(path))) != digest_of(by_keys(tree)):
    raise WorkdirError(path.parent, 'what was written cannot be read again')


def read(path: pathlib.Path) -> Any:
  """Reads what `write` wrote; all keys are text then."""
  with _plain(path.parent) as folder, _orbax() as checkpointer:
    return checkpointer.restore(folder / path.name)


@contextlib.contextmanager
def _said_once(folder: pathlib.Path) -> Iterator[None]:
  """Keeps what is raised from being printed as well, by threads of libraries.

  When one array cannot be written, Orbax logs that, raises and closes its event
  loop. What becomes of the other arrays TensorStore prints later, one by one:
  so what keeps it quiet about this folder stays after an error.
  """

  def is_of_others(record: logging.LogRecord) -> bool:
    return 'orbax' not in record.pathname

  def is_elsewhere(record: logging.LogRecord) -> bool:
    return not record.exc_info or str(folder) not in str(record.exc_info[1])

  def hook(unraisable: Any) -> None:
    # Where no function of Python's called it, it came from TensorStore.
    trace = unraisable.exc_traceback
    if trace is None or trace.tb_frame.f_code is not _TELL:
      former(unraisable)

  absl, loops = (logging.getLogger(name) for name in ('absl', 'asyncio'))
  absl.addFilter(is_of_others)
  loops.addFilter(is_elsewhere)
  former, sys.unraisablehook = sys.unraisablehook, hook
  try:
    yield
    loops.removeFilter(is_elsewhere)
    if sys.unraisablehook is hook:
      sys.unraisablehook = former
  finally:
    absl.removeFilter(is_of_others)


def _orbax() -> Any:
  """What writes and reads with Orbax, on this host alone."""
  import orbax.checkpoint as ocp  # slow to import

  # It would wait for other hosts, which neither write nor read.
  alone: dict[str, Any] = {}
  if jax.distributed.is_initialized():
    index = jax.process_index()
    alone['multiprocessing_options'] = ocp.options.MultiprocessingOptions(
      primary_host=index,
      active_processes={index},
      barrier_sync_key_prefix='gat_jax',
    )
  return ocp.Checkpointer(ocp.StandardCheckpointHandler(**alone), **alone)


@contextlib.contextmanager
def _plain(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Another name for a folder, one that Orbax finds its own files by.

  Orbax looks for them with `glob` and takes its path for a pattern: where that
  has brackets or the like, nothing is found, and the arrays are lost.
  """
  if not _is_pattern(folder):
    yield folder
    return
  with tempfile.TemporaryDirectory(prefix='gat_jax-') as name:
    link = pathlib.Path(name) / 'folder'
    link.symlink_to(folder.absolute(), target_is_directory=True)
    yield link


def _is_pattern(path: str | os.PathLike) -> bool:
  return bool(re.search(r'[\[\]*?\\\ud800-\udfff]', os.fspath(path)))


def check_path(workdir: str | os.PathLike) -> None:
  """Checks that states can be written there and found again.

  Raises:
    WorkdirError: if not.
  """
  path = folders.folder(workdir).absolute()
  if _is_pattern(path) and _is_pattern(tempfile.gettempdir()):
    raise WorkdirError(
      'workdir',
      f'{path} has one of the characters []*?\\, and so has the folder for'
      f' temporary files, {tempfile.gettempdir()}',
      'choose another folder, or set TMPDIR',
    )
