"""Finds, downloads and verifies the files of a data set.

Looked for in `data_dir` if it is given, else in $GAT_JAX_DATA if it is set,
else in the first of data/, ../shared/data/ and the user's cache folder that has
all of them, in the folder itself or in one named like the collection; else
downloaded into the cache folder. Whatever its way, a file is parsed only after
its SHA-256 was found to be one of those it may have.
"""

from collections.abc import Sequence
import dataclasses
import hashlib
import logging
import os
import pathlib

from gat_jax.errors import DataError

VARIABLE = 'GAT_JAX_DATA'
_FOLDERS = ('data', '../shared/data')
_TIMEOUT_SECONDS = (10, 60)  # to connect, and between two packets


@dataclasses.dataclass(frozen=True)
class DataFile:
  """A file that a data set needs.

  Attributes:
    name: without a folder.
    sha256: the sums it may have.
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
    DataError: if a file is missing or is not what it should be.
  """
  chosen = data_dir or os.environ.get(VARIABLE)
  if chosen:
    source = '--config.data_dir' if data_dir else f'${VARIABLE}'
    chosen = os.path.expanduser(chosen)  # shells leave the ~ of --flag=~/data
    found = _find(pathlib.Path(chosen), collection, files)
    if found is None:
      raise DataError(_missing_in_chosen(source, chosen, collection, files))
    return _read_verified(found, files)
  for folder in map(pathlib.Path, _FOLDERS):
    found = _find(folder, collection, files)
    if found is not None:
      return _read_verified(found, files)
  folder = cache_folder() / collection
  _download(folder, files, progress)
  return _read_verified(folder, files)


def _find(
  folder: pathlib.Path, collection: str, files: Sequence[DataFile]
) -> pathlib.Path | None:
  for candidate in (folder, folder / collection):
    # os.path: Path.is_file raises where a folder may not be entered.
    if all(os.path.isfile(candidate / file.name) for file in files):
      return candidate
  return None


def _missing_in_chosen(
  source: str, chosen: str, collection: str, files: Sequence[DataFile]
) -> str:
  folder = pathlib.Path(chosen)
  if not os.path.isdir(folder):
    return (
      f'{source}={chosen} is not a folder; name the one that holds'
      f' {files[0].name}, or leave it out to have the files downloaded'
    )
  missing = [
    file.name
    for file in files
    if not os.path.isfile(folder / file.name)
    and not os.path.isfile(folder / collection / file.name)
  ]
  lacking = ', '.join(missing or [file.name for file in files])
  return (
    f'{source}={chosen} lacks {lacking} (looked in it and in its subfolder'
    f' {collection}); add them there, or leave {source} out to have the files'
    ' downloaded'
  )


def _read_verified(folder: pathlib.Path, files: Sequence[DataFile]) -> Contents:
  data, sums = {}, {}
  for file in files:
    path = folder / file.name
    try:
      content = path.read_bytes()
    except OSError as error:
      raise DataError(f'{path} cannot be read: {error}') from error
    found = hashlib.sha256(content).hexdigest()
    if found not in file.sha256:
      raise DataError(
        f'{path} is not the published file: its SHA-256 is {found} instead of'
        f' {" or ".join(file.sha256)}; put the published one in its place'
        + (f' ({file.urls[0]})' if file.urls else '')
      )
    data[file.name], sums[file.name] = content, found
  return Contents(str(folder), data, sums)


def _download(
  folder: pathlib.Path, files: Sequence[DataFile], progress: bool
) -> None:
  """Fetches what is missing or damaged in the cache folder.

  pooch writes to a temporary name and renames after the sum was right, so a
  killed download leaves nothing that would be believed.
  """
  import pooch
  import requests

  pooch.get_logger().setLevel(logging.ERROR)
  downloader = pooch.HTTPDownloader(
    progressbar=progress, timeout=_TIMEOUT_SECONDS, chunk_size=2**16
  )
  for file in files:
    if _is_there(folder / file.name, file):
      continue
    failures = []
    for url in file.urls:
      try:
        path = pooch.retrieve(
          url,
          known_hash=f'sha256:{file.sha256[0]}',
          fname=file.name,
          path=folder,
          downloader=downloader,
        )
        os.chmod(path, 0o666 & ~_umask())  # pooch's are for the owner alone
        break
      except (requests.RequestException, OSError, ValueError) as error:
        failures.append(f'{url} ({_reason(error)})')
    else:
      raise DataError(_not_found(folder, files, failures))


def _is_there(path: pathlib.Path, file: DataFile) -> bool:
  """Whether a file has any of its sums; pooch would ask for the first."""
  try:
    with path.open('rb') as stream:
      found = hashlib.file_digest(stream, 'sha256').hexdigest()
  except OSError:
    return False
  return found in file.sha256


def _reason(error: Exception) -> str:
  """What a person needs of a failed download."""
  if isinstance(error, ValueError):
    return 'not the published file: wrong SHA-256'
  response = getattr(error, 'response', None)
  if response is not None:
    return f'HTTP {response.status_code}'
  return (
    f'{type(error).__name__}: no connection' if _offline(error) else str(error)
  )


def _offline(error: Exception) -> bool:
  import requests

  return isinstance(error, requests.ConnectionError | requests.Timeout)


def _umask() -> int:
  mask = os.umask(0)
  os.umask(mask)
  return mask


def _not_found(
  folder: pathlib.Path, files: Sequence[DataFile], failures: list[str]
) -> str:
  names = ', '.join(file.name for file in files)
  looked = ', '.join([*_FOLDERS, str(folder)])
  return (
    'the data set is neither on this machine nor could it be downloaded.\n'
    f'  files: {names}\n'
    f'  looked in: {looked}\n'
    f'  tried: {", ".join(failures)}\n'
    '  Put the files into one of these folders, or name theirs with'
    ' --config.data_dir.\n'
    '  Without any file, try: python -m experiments.train'
    ' --config=configs/smoke.py'
  )
