"""Zip archives of graphs that may hold anything.

Members are read in memory; nothing is ever unpacked to a disk.

Shapes: N nodes, E directed edges, D features, L labels.
"""

from collections.abc import Callable, Sequence
import dataclasses
import io
import json
import pathlib
from typing import Any, NoReturn
import zipfile

import numpy as np

from gat_jax.errors import DataError

MAX_BYTES = 2**30  # of all members of an archive, unpacked
AGAIN = 'download the archive again'  # the remedy for damage
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
  """The members of an archive; every error names file and member."""

  def __init__(self, path: str, data: bytes, folder: str = ''):
    """Opens an archive and looks at its list of members.

    Args:
      path: for errors.
      data: the bytes of the file.
      folder: in which members may lie, or at the top.

    Raises:
      DataError: if it is damaged, a member leaves the folder or is there twice,
        or all of them together are too large.
    """
    self._path = path
    try:
      self._zip = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # see read_npy
      raise DataError(
        path, f'is no zip archive, or a truncated one ({error})', AGAIN
      ) from error
    self._members: dict[str, zipfile.ZipInfo] = {}
    for info in self._zip.infolist():
      if _leaves_folder(info.filename):
        self.fail(info.filename, 'has a path that leaves the folder')
      name = info.filename.removeprefix(f'{folder}/')
      if name in self._members:
        self.fail(info.filename, 'is there twice')
      self._members[name] = info
    if sum(info.file_size for info in self._zip.infolist()) > MAX_BYTES:
      raise DataError(
        path,
        f'unpacks to more than {MAX_BYTES / 2**30:.0f} GiB, which no archive of'
        ' this kind does',
        AGAIN,
      )

  @property
  def names(self) -> list[str]:
    """All members, without the folder."""
    return list(self._members)

  def fail(self, member: str, problem: str, remedy: str = AGAIN) -> NoReturn:
    """Raises the DataError of a member."""
    raise DataError(f'{self._path}, member {member!r}', problem, remedy)

  def array(
    self, member: str, ndim: int | tuple[int, ...], kinds: str, wanted: str
  ) -> np.ndarray:
    """Reads an .npy member.

    Args:
      member: its name, without the folder.
      ndim: how many dimensions the array may have.
      kinds: which kinds of dtype (see `numpy.dtype.kind`).
      wanted: the same in words, for the error.

    Raises:
      DataError: if it is missing, damaged or another array.
    """
    info = self._info(member)
    array = read_npy(
      self._zip,
      info.filename,
      lambda problem, remedy: self.fail(member, problem, remedy),
      AGAIN,
    )
    ndims = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in ndims or array.dtype.kind not in kinds:
      self.fail(
        member,
        f'has shape {list(array.shape)} and dtype {array.dtype} instead of'
        f' {wanted}',
      )
    return array

  def json(self, member: str) -> Any:
    """What a .json member holds.

    Raises:
      DataError: if it is missing, damaged or no JSON.
    """
    info = self._info(member)
    try:
      with self._zip.open(info) as file:
        text = file.read(info.file_size)  # and no more, whatever is in there
      if len(text) != info.file_size:
        self.fail(member, 'is truncated')
    except (DataError, MemoryError):
      raise
    except Exception as error:  # see read_npy
      self.fail(member, f'is damaged ({error})')
    try:
      return json.loads(text)
    except (ValueError, RecursionError) as error:
      self.fail(member, f'is no JSON ({error})')

  def _info(self, member: str) -> zipfile.ZipInfo:
    info = self._members.get(member)
    if info is None:
      self.fail(member, 'is missing')
    if info.compress_type not in _METHODS:
      # With other methods a few bytes can unpack to gigabytes in one step.
      self.fail(member, f'is compressed by method {info.compress_type}')
    return info


def _leaves_folder(name: str) -> bool:
  path = pathlib.PureWindowsPath(name)  # takes / and \, and knows C:
  return bool(path.anchor) or '..' in path.parts


@dataclasses.dataclass(frozen=True)
class Nodes:
  """The nodes of a split.

  Attributes:
    features: [N, D] float32.
    labels: [N, L] int32 of 0 and 1.
    graph_ids: [N], which graph each belongs to.
    edges: [E, 2] int32, within graphs.
  """

  features: np.ndarray
  labels: np.ndarray
  graph_ids: np.ndarray
  edges: np.ndarray


def read_links(
  archive: Archive, member: str
) -> tuple[Sequence[dict], np.ndarray]:
  """Reads node-link JSON, as networkx writes it.

  Returns:
    The nodes, as they stand there, and the edges [E, 2] int32.

  Raises:
    DataError: if it is no graph, or its nodes are not numbered from 0.
  """
  document = archive.json(member)
  try:
    nodes, links = document['nodes'], document['links']
    ids = [node['id'] for node in nodes]
    ends = [[link[end] for link in links] for end in ('source', 'target')]
  except (KeyError, TypeError) as error:
    archive.fail(
      member,
      f'is no graph of nodes and links ({type(error).__name__}: {error})',
    )
  if not ids:
    archive.fail(member, 'has no nodes')
  # Ends are ids to some versions of networkx, places in the list to others.
  if set(map(type, ids)) != {int} or ids != [*range(len(ids))]:
    archive.fail(member, f'does not number its {len(ids)} nodes from 0')
  for column in ends:
    if not set(map(type, column)) <= {int}:
      archive.fail(member, 'has a link whose end is no whole number')
    for end in (min(column, default=0), max(column, default=0)):
      if not 0 <= end < len(ids):
        archive.fail(
          member, f'links node {end}, but the nodes are 0..{len(ids) - 1}'
        )
  return nodes, np.array(ends, np.int32).T.copy()


def read_features(archive: Archive, member: str) -> np.ndarray:
  """Reads features [N, D] as float32.

  Raises:
    DataError: if they are missing, damaged, empty or not finite.
  """
  array = archive.array(member, 2, 'f', 'real numbers [nodes, features]')
  if min(array.shape) < 1:
    archive.fail(member, f'has shape {list(array.shape)}')
  with np.errstate(over='ignore'):  # becomes infinity, which is refused
    features = array.astype(np.float32)
  if not np.isfinite(features).all():
    archive.fail(member, 'holds NaN, infinity or numbers too large for float32')
  return features


def check_labels(
  archive: Archive, member: str, labels: np.ndarray
) -> np.ndarray:
  """The labels as [N, L] int32.

  Args:
    archive: for errors.
    member: where they stand in it.
    labels: as they were read.

  Raises:
    DataError: if they are anything else than 0 and 1, or none.
  """
  if labels.ndim != 2 or labels.dtype.kind not in 'biu' or not labels.size:
    archive.fail(
      member, f'has shape {list(labels.shape)} and dtype {labels.dtype}'
    )
  if labels.min() < 0 or labels.max() > 1:
    archive.fail(
      member, f'has labels from {labels.min()} to {labels.max()}, not 0 and 1'
    )
  return labels.astype(np.int32)


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
          'save an array of numbers; of text, array.astype(str); of a SciPy'
          ' matrix, the arrays of its CSR form',
        )
      size = int(np.prod([int(n) for n in shape], dtype=object))
      if min(shape, default=0) < 0 or size * dtype.itemsize > info.file_size:
        fail('is truncated', again)
    with archive.open(info) as file:
      return np.lib.format.read_array(file, allow_pickle=False)
  except (DataError, MemoryError):
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
