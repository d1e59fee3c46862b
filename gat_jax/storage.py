"""Files and folders that are there whole or not at all."""

from collections.abc import Iterator
import contextlib
import errno
import os
import pathlib
import re
import secrets
import shutil
from typing import IO, Any

# What a person can mend: a place that is full, closed, broken, or no place.
_REFUSALS = frozenset(
  getattr(errno, name)
  for name in (
    *('ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EACCES', 'EPERM'),
    *('EIO', 'ESTALE', 'ENAMETOOLONG', 'ELOOP'),
    *('ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST'),
  )
  if hasattr(errno, name)
)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})


@contextlib.contextmanager
def whole_file(
  path: str | os.PathLike, *, binary: bool = False
) -> Iterator[IO[Any]]:
  """Opens a file for writing that replaces `path` in one step, when closed.

  It is written beside `path` under another name. An error, a kill or a power
  cut leaves what was there before; once this has returned, the new content
  survives all of them.

  Args:
    path: of the file; its folder must be there.
    binary: whether bytes are written, not text in UTF-8.

  Raises:
    OSError: if it cannot be written.
  """
  path = pathlib.Path(path)
  temporary = path.with_name(f'.{path.name}.{secrets.token_hex(8)}')
  how: dict[str, Any] = (
    {'mode': 'xb'}
    if binary
    else {'mode': 'x', 'encoding': 'utf-8', 'newline': ''}
  )
  try:
    with open(temporary, **how) as file:
      yield file
      sync(file)
    os.replace(temporary, path)
  except BaseException:
    temporary.unlink(missing_ok=True)
    raise
  sync_folder(path.parent)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
  """Gives a new folder to fill, which takes the place of `path` afterwards.

  An error, a kill or a power cut leaves what was there before; once this has
  returned, the new content survives all of them. No two processes may do this
  to one path at the same time.

  Args:
    path: of the folder; the one it is in must be there. Read it by way of
      `whole`, since no system replaces a folder in one step.

  Yields:
    A path where nothing is yet.

  Raises:
    OSError: if it cannot be written.
  """
  path = pathlib.Path(path)
  new, old = _beside(path)
  shutil.rmtree(new, ignore_errors=True)  # of one that was killed
  try:
    yield new
    for folder, _, names in os.walk(new):
      for name in names:
        _sync_file(pathlib.Path(folder) / name)
      sync_folder(pathlib.Path(folder))
    if path.exists():
      shutil.rmtree(old, ignore_errors=True)
      os.rename(path, old)
    os.rename(new, path)
  except BaseException:
    shutil.rmtree(new, ignore_errors=True)
    raise
  sync_folder(path.parent)
  shutil.rmtree(old, ignore_errors=True)


def whole(path: str | os.PathLike) -> pathlib.Path:
  """Where the content is of a folder that `whole_folder` writes.

  Returns:
    The path, or where its former content was put aside when a kill came before
    the new content had its name.
  """
  path = pathlib.Path(path)
  _, old = _beside(path)
  return old if old.exists() and not path.exists() else path


def whole_names(folder: str | os.PathLike) -> set[str]:
  """The names in a folder, those that `whole` finds put aside among them."""
  names = [path.name for path in pathlib.Path(folder).iterdir()]
  return {re.sub(r'\.(.+)\.old', r'\1', name) for name in names}


def make_folder(path: str | os.PathLike) -> None:
  """Makes a folder and those it is in, where they are not there yet.

  Raises:
    OSError: if it cannot be made.
  """
  path = pathlib.Path(path)
  if path.is_dir():
    return
  make_folder(path.parent)
  path.mkdir(exist_ok=True)
  sync_folder(path.parent)


def remove_folder(path: str | os.PathLike) -> None:
  """Removes a folder: a kill in between leaves all of it, or none.

  Raises:
    OSError: if it cannot be removed.
  """
  path = pathlib.Path(path)
  new, _ = _beside(path)
  shutil.rmtree(new, ignore_errors=True)
  os.rename(path, new)
  shutil.rmtree(new)


def _beside(path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
  """Where a folder's new content is made, and its old content put aside."""
  return path.with_name(f'.{path.name}.new'), path.with_name(
    f'.{path.name}.old'
  )


def sync(file: IO[Any]) -> None:
  """Makes what was written to an open file survive a power cut.

  Raises:
    OSError: if the disk does not take it.
  """
  file.flush()
  os.fsync(file.fileno())


def _sync_file(path: pathlib.Path) -> None:
  with open(path, 'rb') as file:
    os.fsync(file.fileno())


def sync_folder(folder: str | os.PathLike) -> None:
  """Makes a new name in a folder survive a power cut."""
  with contextlib.suppress(OSError):  # not every file system can
    handle = os.open(folder, os.O_RDONLY)
    try:
      os.fsync(handle)
    finally:
      os.close(handle)


def refusal(error: BaseException) -> str | None:
  """Why the system refused a file, in words, if an error says that.

  Args:
    error: an OSError, or what the checkpoint library makes of one.

  Returns:
    As 'No space left on device'; None if it is anything but a place that is
    full, read-only, denied, broken or none: then nobody can mend it by choosing
    another one, and the error must keep its type.
  """
  number = _number(error)
  if number is None or number not in _REFUSALS:
    return None
  return os.strerror(number)


def is_absence(error: BaseException) -> bool:
  """Whether an error says that a file is not there."""
  return _number(error) in _ABSENT


def _number(error: BaseException) -> int | None:
  """The errno of an error; None if it has none."""
  if isinstance(error, OSError):
    return error.errno
  # TensorStore raises ValueErrors that end like this.
  found = re.search(r"os_error_code='(\d+)'|\[OS error (\d+)", str(error))
  return int(found[1] or found[2]) if found else None
