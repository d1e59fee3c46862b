"""What a data set of OGB was parsed into, kept as arrays that are mapped.

They are in a folder beside the archive or, if that place cannot be written, in
the user's cache folder: .npy files, and kept.json, which says of which files
they are (sizes, times of change and SHA-256) and has the card.
"""

from collections.abc import Callable
import dataclasses
import errno
import json
import logging
import os
import pathlib
import stat
from typing import Any

import filelock
import numpy as np

from gat_jax import storage
from gat_jax.datasets import files
from gat_jax.datasets.ogb.source import COLLECTION
from gat_jax.datasets.ogb.source import Source
from gat_jax.errors import DataError

_FORMAT = 2  # raised when what parsing keeps changes
_FACTS = 'kept.json'


@dataclasses.dataclass
class Kept:
  """What was parsed.

  Attributes:
    arrays: by name, mapped from files.
    sums: SHA-256 of what they were read from, by name.
    cards: that were made of them, by what else they depend on.
    folder: where they are.
  """

  arrays: dict[str, np.ndarray]
  sums: dict[str, str]
  cards: dict[str, dict[str, Any]]
  folder: pathlib.Path

  def keep_card(self, key: str, card: dict[str, Any]) -> None:
    """Keeps a card as well: to make one, all numbers are looked at."""
    self.cards[key] = card
    _note(self.folder, cards=self.cards)


def _note(folder: pathlib.Path, **changes: Any) -> None:
  """Changes what is said of the arrays, where that can be written."""
  path = folder / _FACTS
  try:
    facts = json.loads(path.read_text('utf-8')) | changes
    with storage.whole_file(path) as file:
      json.dump(facts, file, indent=2)
  except OSError as error:
    logging.getLogger(__name__).debug('%s is not written: %s', path, error)


def keep(
  source: Source,
  members: list[str],
  options: str,
  parse: Callable[[pathlib.Path], None],
) -> Kept:
  """Parses what was not parsed before, and gives its arrays.

  Args:
    source: has the members.
    members: that are read.
    options: what else the arrays depend on, as part of a name.
    parse: writes .npy files into a new folder.

  Raises:
    DataError: by `parse`, or if there is no place to keep them.
  """
  name = f'{source.title}.parsed{options}'
  places = [
    source.path.parent / name,
    files.cache_folder() / COLLECTION / name,
  ]
  stamps = source.stamps(members)
  for place in places:
    found = _load(place, source, members, stamps)
    if found is not None:
      return found
  refusals = []
  for place in places:
    try:
      if not _may_write(place.parent):
        raise PermissionError(errno.EACCES, 'read-only', str(place.parent))
      storage.make_folder(place.parent)
      with filelock.FileLock(place.with_name(f'.{name}.lock')):
        found = _load(place, source, members, stamps)  # by another process
        if found is None:
          _make(place, source, members, stamps, parse)
          found = _load(place, source, members, stamps)
    except OSError as error:
      reason = storage.refusal(error)
      if reason is None:
        raise
      refusals.append(f'{place} ({reason})')
      continue
    if found is not None:
      return found
  raise DataError(
    source.path,
    f'what is parsed of it can be kept neither in {" nor in ".join(refusals)}',
    'make room in one of them, or let it be written',
  )


def _may_write(folder: pathlib.Path) -> bool:
  """Also by its mode, which root would be free to ignore."""
  while not folder.exists():
    folder = folder.parent
  mode = stat.S_IMODE(folder.stat().st_mode)
  return bool(mode & 0o222) and os.access(folder, os.W_OK)


def _make(place, source, members, stamps, parse) -> None:
  with storage.whole_folder(place) as folder:
    folder.mkdir()
    parse(folder)
    paths = sorted(folder.glob('*.npy'))
    facts = {
      'format': _FORMAT,
      'sources': stamps,
      'sha256': source.sums(members),
      'bytes': {path.stem: path.stat().st_size for path in paths},
    }
    (folder / _FACTS).write_text(json.dumps(facts, indent=2), 'utf-8')


def _load(
  place: pathlib.Path,
  source: Source,
  members: list[str],
  stamps: dict[str, list[int]],
) -> Kept | None:
  """What is kept there, if it is of these files and whole."""
  folder = storage.whole(place)
  try:
    facts = json.loads((folder / _FACTS).read_text('utf-8'))
    if facts['format'] != _FORMAT:
      return None
    is_copy = facts['sources'] != stamps
    if is_copy and facts['sha256'] != source.sums(members):
      return None
    arrays = {}
    for name, size in facts['bytes'].items():
      path = folder / f'{name}.npy'
      if path.stat().st_size != size:
        return None
      arrays[name] = np.load(path, mmap_mode='r', allow_pickle=False)
  except (OSError, ValueError, KeyError, TypeError) as error:
    logging.getLogger(__name__).debug('%s is not used: %s', place, error)
    return None
  if is_copy:  # the next time its sums are not asked for
    _note(folder, sources=stamps)
  return Kept(arrays, facts['sha256'], facts.get('cards', {}), folder)
