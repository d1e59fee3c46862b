"""Keeps arrays that are slow to parse from one run to the next."""

from collections.abc import Callable
import hashlib
import logging
import os
import pathlib
import stat
import zipfile

import numpy as np

from gat_jax import storage
from gat_jax.datasets import archives
from gat_jax.datasets import files
from gat_jax.errors import DataError

_FORMAT = 1  # raised when what parsers keep changes
_DIGEST = 'digest'


def keep(
  folder: str,
  file: str,
  sha256: str,
  parse: Callable[[], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """Arrays that are slow to parse, kept from one run to the next.

  They are kept in an .npz beside the file they came from or, if that folder
  cannot be written, in the user's cache folder. Its name and a digest in it tie
  it to the sum of that file: an .npz of another file, a damaged or an outdated
  one is made anew. Where it can be neither read nor written, the arrays are
  parsed every time.

  Args:
    folder: where the file lies.
    file: its name.
    sha256: its sum.
    parse: makes the arrays: integers of one or two dimensions.

  Returns:
    The arrays.

  Raises:
    DataError: by `parse`, if the file is malformed.
  """
  name = f'{file}.{sha256[:16]}.npz'
  beside = pathlib.Path(folder) / name
  cached = files.cache_folder() / pathlib.PurePath(file).stem / name
  for place in (beside, cached):
    found = _load(place, sha256)
    if found is not None:
      return found
  made = parse()
  if not (_is_writable(beside.parent) and _save(beside, sha256, made)):
    _save(cached, sha256, made)
  return made


def _is_writable(folder: pathlib.Path) -> bool:
  """Also by its mode, which root would be free to ignore."""
  try:
    mode = stat.S_IMODE(folder.stat().st_mode)
  except OSError:
    return False
  return bool(mode & 0o222) and os.access(folder, os.W_OK)


def _load(path: pathlib.Path, sha256: str) -> dict[str, np.ndarray] | None:
  try:
    if not os.path.isfile(path) or path.stat().st_size > archives.MAX_BYTES:
      return None
    archive = archives.Archive(str(path), path.read_bytes())
    arrays = {
      name.removesuffix('.npy'): archive.array(name, (1, 2), 'iu', 'integers')
      for name in archive.names
    }
    digest = arrays.pop(_DIGEST).tobytes()
  except (OSError, DataError, KeyError, MemoryError) as error:
    logging.getLogger(__name__).debug('%s is not used: %s', path, error)
    return None
  return arrays if digest == _digest(sha256, arrays) else None


def _save(
  path: pathlib.Path, sha256: str, arrays: dict[str, np.ndarray]
) -> bool:
  digest = np.frombuffer(_digest(sha256, arrays), np.uint8)
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
      storage.whole_file(path, binary=True) as file,
      zipfile.ZipFile(file, 'w') as archive,
    ):
      for key, array in (arrays | {_DIGEST: digest}).items():
        with archive.open(f'{key}.npy', 'w', force_zip64=True) as member:
          np.lib.format.write_array(member, array, allow_pickle=False)
  except OSError as error:
    logging.getLogger(__name__).debug('%s is not written: %s', path, error)
    return False
  return True


def _digest(sha256: str, arrays: dict[str, np.ndarray]) -> bytes:
  made = hashlib.sha256(f'{_FORMAT} {sha256}'.encode())
  for key in sorted(arrays):
    array = arrays[key]
    made.update(f'{key} {array.dtype.str} {array.shape}'.encode())
    made.update(array.tobytes())
  return made.digest()
