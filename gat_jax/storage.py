"""Files that are there whole or not at all."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import secrets
from typing import IO, Any


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
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  except BaseException:
    temporary.unlink(missing_ok=True)
    raise
  _sync_folder(path.parent)


def _sync_folder(folder: pathlib.Path) -> None:
  """Makes a new name in a folder survive a power cut."""
  with contextlib.suppress(OSError):  # not every file system can
    handle = os.open(folder, os.O_RDONLY)
    try:
      os.fsync(handle)
    finally:
      os.close(handle)
