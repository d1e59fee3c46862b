"""The files of a data set of OGB, in a folder or in the archive it comes in."""

from collections.abc import Iterator
import contextlib
import gzip
import hashlib
import io
import os
import pathlib
from typing import IO, NoReturn, cast
import zipfile
import zlib

from gat_jax.datasets import files
from gat_jax.errors import DataError

COLLECTION = 'ogb'
AGAIN = 'get the archive again'
_URL = 'http://snap.stanford.edu/ogb/data/nodeproppred/'
# What zipfile and gzip raise of damaged bytes.
_DAMAGE: tuple[type[Exception], ...] = (
  OSError,
  EOFError,
  zlib.error,
  zipfile.BadZipFile,
  RuntimeError,
  ValueError,
)


class Source:
  """The members of an archive or of the folder that it was unpacked to.

  Attributes:
    path: of the archive or the folder.
    title: how OGB calls the archive, without its suffix.
  """

  def __init__(self, title: str, path: pathlib.Path):
    """Opens what `find` found; it reads nothing of a folder.

    Args:
      title: see the class.
      path: see the class.

    Raises:
      DataError: if the archive is none.
    """
    self.title, self.path = title, path
    self._zip: zipfile.ZipFile | None = None
    if path.is_file():
      try:
        self._zip = zipfile.ZipFile(path)
      except _DAMAGE as error:
        raise DataError(
          path, f'is no zip archive, or a truncated one ({error})', AGAIN
        ) from error

  @classmethod
  def find(
    cls,
    title: str,
    data_dir: str | None,
    progress: bool,
    *,
    downloads: bool = True,
  ) -> 'Source':
    """Finds the folder or the archive, or downloads the archive.

    Args:
      title: as OGB calls the archive, without .zip.
      data_dir: see `files.read`.
      progress: see `files.read`.
      downloads: whether the archive is wanted at all; else only the folder is.

    Raises:
      DataError: if neither is found.
    """
    archive = files.DataFile(f'{title}.zip', (), (f'{_URL}{title}.zip',))
    # The package `ogb` calls the folder after the data set.
    package = f'ogbn_{title.removesuffix("-bin")}'
    folders = (title, package, f'{package.replace("_", "-")}/{package}')
    path = files.locate(
      COLLECTION, archive, folders, 'raw', data_dir, progress, downloads
    )
    return cls(title, path)

  def has(self, member: str) -> bool:
    """Whether there is such a file."""
    if self._zip is None:
      return os.path.isfile(self.path / member)
    return f'{self.title}/{member}' in self._zip.namelist()

  def names(self) -> list[str]:
    """Of the files at the top."""
    if self._zip is None:
      return sorted(os.listdir(self.path))
    inside = [n.removeprefix(f'{self.title}/') for n in self._zip.namelist()]
    return sorted(n for n in inside if n and '/' not in n)

  def where(self, member: str) -> str:
    """How an error names a member."""
    if self._zip is None:
      return str(self.path / member)
    return f'{self.path}, member {self.title + "/" + member!r}'

  def fail(self, member: str, problem: str, remedy: str = AGAIN) -> NoReturn:
    """Raises the DataError of a member."""
    raise DataError(self.where(member), problem, remedy)

  @contextlib.contextmanager
  def open(self, member: str) -> Iterator[IO[bytes]]:
    """Opens a member; what ends in .gz is unpacked on the way.

    Raises:
      DataError: if it is missing, or damaged where it is read.
    """
    if not self.has(member):
      self.fail(member, 'is missing')
    try:
      with self._raw(member) as raw:
        if not member.endswith('.gz'):
          yield raw
          return
        buffered = io.BufferedReader(cast(io.RawIOBase, raw), 2**20)
        with gzip.GzipFile(fileobj=buffered) as unpacked:
          yield cast(IO[bytes], unpacked)
    except _DAMAGE as error:
      if isinstance(error, DataError):
        raise
      self.fail(member, f'is damaged, or cannot be read ({error})')

  def _raw(self, member: str) -> IO[bytes]:
    if self._zip is None:
      return open(self.path / member, 'rb')
    return self._zip.open(f'{self.title}/{member}')

  def stamps(self, members: list[str]) -> dict[str, list[int]]:
    """Size and time of change of what is read, by name.

    Args:
      members: that are read.

    Raises:
      DataError: if a file of a folder is missing.
    """
    paths = {self.path.name: self.path}
    if self._zip is None:
      paths = {member: self.path / member for member in members}
    found = {}
    for name, path in paths.items():
      try:
        stat = path.stat()
      except FileNotFoundError:
        self.fail(name, 'is missing')
      except OSError as error:
        raise DataError(path, f'cannot be read ({error})', AGAIN) from error
      found[name] = [stat.st_size, stat.st_mtime_ns]
    return found

  def sums(self, members: list[str]) -> dict[str, str]:
    """SHA-256 of the same, by name."""
    found = {}
    for name in self.stamps(members):
      path = self.path if self._zip is not None else self.path / name
      with open(path, 'rb') as file:
        found[name] = hashlib.file_digest(file, 'sha256').hexdigest()
    return found
