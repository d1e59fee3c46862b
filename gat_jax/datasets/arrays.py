"""Reads the arrays of an .npz file that may hold anything."""

from collections.abc import Callable, Sequence
import io
import pathlib
from typing import NoReturn
import zipfile

import numpy as np

from gat_jax.errors import DataError
from gat_jax.errors import did_you_mean

MAX_BYTES = 8 * 2**30  # of all arrays of a file, unpacked


class Arrays:
  """The arrays of a file; every error names file and key."""

  def __init__(self, path: pathlib.Path, data: bytes, known: Sequence[str]):
    """Opens a file and looks at its list of keys.

    Args:
      path: for errors.
      data: the bytes of the file.
      known: the keys that it may have.

    Raises:
      DataError: if it is no .npz file, a key is unknown or there twice, or all
        arrays together are too large.
    """
    self._path = path
    try:
      self._archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # see read_npy
      raise DataError(
        path, f'is no .npz file ({error})', 'write it with numpy.savez'
      ) from error
    names = [info.filename for info in self._archive.infolist()]
    self.keys = [name.removesuffix('.npy') for name in names]
    for key in self.keys:
      if key not in known:
        self.fail(
          key,
          f'is none of {", ".join(known)}',
          did_you_mean(key, known, 'leave it out'),
        )
      if self.keys.count(key) > 1:
        self.fail(key, 'is there twice', 'write the file again')
    if sum(info.file_size for info in self._archive.infolist()) > MAX_BYTES:
      raise DataError(
        path,
        f'unpacks to more than {MAX_BYTES / 2**30:.0f} GiB',
        'use sparse features (features_data and so on)',
      )

  def fail(self, key: str, problem: str, remedy: str) -> NoReturn:
    """Raises the DataError of a key."""
    raise DataError(f'{self._path}, key {key!r}', problem, remedy)

  def check_range(self, key: str, values: np.ndarray, stop: int) -> None:
    """Raises the DataError of a key whose values are not in 0..stop - 1."""
    if len(values) and not 0 <= values.min() <= values.max() < stop:
      self.fail(
        key,
        f'reaches from {values.min()} to {values.max()}',
        f'it must stay in 0..{stop - 1}',
      )

  def get(
    self, key: str, ndim: int | tuple[int, ...], kinds: str, wanted: str
  ) -> np.ndarray:
    """Reads the array of a key.

    Args:
      key: its name.
      ndim: how many dimensions the array may have.
      kinds: which kinds of dtype (see `numpy.dtype.kind`).
      wanted: the same in words, for the error.

    Raises:
      DataError: if it is missing, damaged or another array.
    """
    if key not in self.keys:
      close = [k for k in self.keys if k.startswith(key.split('_')[0])]
      found = ', '.join(close or self.keys) or 'nothing'
      self.fail(key, f'is missing (the file has {found})', f'add {wanted}')
    array = self._load(key)
    ndims = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in ndims or array.dtype.kind not in kinds:
      self.fail(
        key,
        f'has shape {list(array.shape)} and dtype {array.dtype}',
        f'it must be {wanted}',
      )
    return array

  def _load(self, key: str) -> np.ndarray:
    return read_npy(
      self._archive,
      f'{key}.npy',
      lambda problem, remedy: self.fail(key, problem, remedy),
      'write the file again',
    )


def read_npy(
  archive: zipfile.ZipFile,
  member: str,
  fail: Callable[[str, str], NoReturn],
  again: str,
) -> np.ndarray:
  """Reads an .npy member whose header is not believed.

  Args:
    archive: with the member.
    member: its name; its declared size bounds what is made or unpacked.
    fail: raises a DataError from the problem and its remedy.
    again: the remedy for damage.

  Returns:
    The array, which holds no Python objects.

  Raises:
    DataError: by `fail`, if the member is missing, damaged or holds objects.
  """
  try:
    info = archive.getinfo(member)
    with archive.open(info) as file:
      shape, _, dtype = _read_header(file)
      if dtype.hasobject:
        fail(
          'holds pickled Python objects, which are not read',
          'save an array of numbers',
        )
      size = int(np.prod([int(n) for n in shape], dtype=object))
      if min(shape, default=0) < 0 or size * dtype.itemsize > info.file_size:
        fail('is truncated', again)
    with archive.open(info) as file:
      return np.lib.format.read_array(file, allow_pickle=False)
  except DataError:
    raise
  except Exception as error:
    # Damaged bytes pass through zipfile, its decompressors and Python's
    # tokenizer, each of which raises errors of its own.
    fail(f'is damaged ({error})', again)


def _read_header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
  version = np.lib.format.read_magic(file)
  if version == (1, 0):
    return np.lib.format.read_array_header_1_0(file)
  return np.lib.format.read_array_header_2_0(file)
