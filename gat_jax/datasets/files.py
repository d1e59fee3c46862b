"""Finds, downloads and verifies the files of a data set.

They are looked for in `data_dir` if it is given, else in $GAT_JAX_DATA if it is
set, else in the first of data/, ../shared/data/ and the user's cache folder
that has all of them. They may lie in that folder itself or in its subfolder of
the collection's name. Files that are in none of the three are downloaded into
the cache folder. However a file came, it is parsed only if its SHA-256 is one
of those that are known for it.
"""

from collections.abc import Sequence
import dataclasses
import hashlib
import os
import pathlib

from gat_jax import storage
from gat_jax.errors import DataError

VARIABLE = 'GAT_JAX_DATA'
_FOLDERS = ('data', '../shared/data')
_TIMEOUT_SECONDS = (10, 60)  # to connect, and between two packets


@dataclasses.dataclass(frozen=True)
class DataFile:
  """A file that a data set needs.

  Attributes:
    name: without a folder.
    sha256: the sums it may have; a download must have the first. Empty where
      none is published: then it is as good as its source.
    urls: where it can be downloaded, tried in turn.
  """

  name: str
  sha256: tuple[str, ...]
  urls: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Contents:
  """Verified bytes of all files of a data set, by file name.

  Attributes:
    folder: where they lie.
    data: what is in them.
    sums: their SHA-256.
  """

  folder: str
  data: dict[str, bytes]
  sums: dict[str, str]


def cache_folder() -> pathlib.Path:
  """The folder for downloads in the user's cache."""
  import platformdirs

  return pathlib.Path(platformdirs.user_cache_dir('gat_jax')) / 'data'


def read(
  collection: str,
  files: Sequence[DataFile],
  data_dir: str | None = None,
  progress: bool = False,
) -> Contents:
  """Finds or downloads all files, verifies them and returns their bytes.

  Args:
    collection: name of the subfolder that may hold them.
    files: what is needed.
    data_dir: the only folder to look in, if given.
    progress: show a progress bar while downloading.

  Returns:
    The bytes, read once: what was verified is what is parsed.

  Raises:
    DataError: if a file is neither found nor downloaded, cannot be read, or has
      another SHA-256.
  """
  chosen = data_dir or os.environ.get(VARIABLE)
  if chosen:
    # A shell leaves the ~ of --flag=~/data as it is.
    folder = pathlib.Path(os.path.expanduser(chosen))
    found = _find(folder, collection, files)
    if found is None:
      field = 'config.data_dir' if data_dir else f'${VARIABLE}'
      raise _missing_in_chosen(field, folder, collection, files)
    return _read_verified(found, files)
  for folder in map(pathlib.Path, _FOLDERS):
    found = _find(folder, collection, files)
    if found is not None:
      return _read_verified(found, files)
  folder = cache_folder() / collection
  _download(folder, files, progress)
  return _read_verified(folder, files)


def locate(
  collection: str,
  archive: DataFile,
  unpacked: Sequence[str],
  marker: str,
  data_dir: str | None = None,
  progress: bool = False,
  downloads: bool = True,
) -> pathlib.Path:
  """Finds an archive, or the folder that it was unpacked to, or downloads it.

  Args:
    collection: name of the subfolder that may hold them.
    archive: the file, too large to be read whole; its sums are not looked at.
    unpacked: what the folder may be called.
    marker: what is in it.
    data_dir: the only folder to look in, if given; it may be the one that is
      looked for.
    progress: show a progress bar while downloading.
    downloads: whether to download what is not found.

  Returns:
    The path of the folder, or else of the archive.

  Raises:
    DataError: if neither is found.
  """
  chosen = data_dir or os.environ.get(VARIABLE)
  cached = cache_folder() / collection
  folders = [pathlib.Path(os.path.expanduser(chosen))] if chosen else []
  for folder in folders or [*map(pathlib.Path, _FOLDERS), cached]:
    for place in (folder, folder / collection):
      for path in (place, *(place / name for name in unpacked)):
        if os.path.isdir(path / marker):
          return path
      if os.path.isfile(place / archive.name):
        return place / archive.name
  url = archive.urls[0]
  if chosen:
    field = 'config.data_dir' if data_dir else f'${VARIABLE}'
    raise DataError(
      field,
      f'{chosen} has neither {archive.name} nor its folder {unpacked[0]}'
      f' (looked in it and in its subfolder {collection})',
      f'put one of them there ({url})'
      + (', or leave it out to have it downloaded' if downloads else ''),
    )
  if not downloads:
    looked = ', '.join([*_FOLDERS, str(cached)])
    raise DataError(
      'config.data_dir',
      f'is not set, and the folder {unpacked[0]} is in none of {looked}',
      f'download {url}, unpack it and name the folder it is in',
    )
  _download(cached, [archive], progress)
  return cached / archive.name


def _find(
  folder: pathlib.Path, collection: str, files: Sequence[DataFile]
) -> pathlib.Path | None:
  for candidate in (folder, folder / collection):
    # os.path: Path.is_file raises where a folder may not be entered.
    if all(os.path.isfile(candidate / file.name) for file in files):
      return candidate
  return None


def _missing_in_chosen(
  field: str, folder: pathlib.Path, collection: str, files: Sequence[DataFile]
) -> DataError:
  if not os.path.isdir(folder):
    return DataError(
      field,
      f'{folder} is not a folder',
      f'name the one that holds {files[0].name}, or leave it out to have the'
      ' files downloaded',
    )
  missing = [
    file.name
    for file in files
    if not os.path.isfile(folder / file.name)
    and not os.path.isfile(folder / collection / file.name)
  ]
  lacking = ', '.join(missing or [file.name for file in files])
  return DataError(
    field,
    f'{folder} lacks {lacking} (looked in it and in its subfolder'
    f' {collection})',
    'add them there, or leave it out to have the files downloaded',
  )


def _read_verified(folder: pathlib.Path, files: Sequence[DataFile]) -> Contents:
  data, sums = {}, {}
  for file in files:
    path = folder / file.name
    try:
      content = path.read_bytes()
    except OSError as error:
      raise DataError(path, f'cannot be read ({error})') from error
    found = hashlib.sha256(content).hexdigest()
    if found not in file.sha256:
      raise DataError(
        path,
        f'is not the published file: its SHA-256 is {found} instead of'
        f' {" or ".join(file.sha256)}',
        'put the published one in its place'
        + (f' ({file.urls[0]})' if file.urls else ''),
      )
    data[file.name], sums[file.name] = content, found
  return Contents(str(folder), data, sums)


def _download(
  folder: pathlib.Path, files: Sequence[DataFile], progress: bool
) -> None:
  """Fetches what is missing or damaged in the cache folder."""
  for file in files:
    if _has_sum(folder / file.name, file.sha256):
      continue
    failures = []
    for url in file.urls:
      failure = _fetch(url, folder / file.name, file.sha256[:1], progress)
      if failure is None:
        break
      failures.append(f'{url} ({failure})')
    else:
      raise _not_found(folder, files, failures)


def _fetch(
  url: str, path: pathlib.Path, sums: Sequence[str], progress: bool
) -> str | None:
  """Downloads one file, which appears at `path` only if its sum is right.

  Returns:
    What went wrong, if anything.
  """
  import pooch
  import requests

  download = pooch.HTTPDownloader(
    progressbar=progress, timeout=_TIMEOUT_SECONDS, chunk_size=2**16
  )
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with storage.whole_file(path, binary=True) as stream:
      download(url, stream, None)
      stream.flush()
      if sums and not _has_sum(stream.name, sums):
        raise ValueError('not the published file: wrong SHA-256')
  except (requests.ConnectionError, requests.Timeout) as error:
    return f'{type(error).__name__}: no connection'
  except (requests.RequestException, OSError, ValueError) as error:
    response = getattr(error, 'response', None)
    return str(error) if response is None else f'HTTP {response.status_code}'
  return None


def _has_sum(path: str | os.PathLike, sums: Sequence[str]) -> bool:
  try:
    with open(path, 'rb') as stream:
      found = hashlib.file_digest(stream, 'sha256').hexdigest()
  except OSError:
    return False
  return found in sums


def _not_found(
  folder: pathlib.Path, files: Sequence[DataFile], failures: list[str]
) -> DataError:
  names = ', '.join(file.name for file in files)
  looked = ', '.join([*_FOLDERS, str(folder)])
  return DataError(
    'config.data_dir',
    f'is not set, {names} are in none of {looked} and could not be downloaded'
    f' (tried {", ".join(failures)})',
    'put them into one of these folders, or name theirs in `config.data_dir`;'
    ' the data set csbm is drawn and needs no file',
  )
