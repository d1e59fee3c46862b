"""Finished seeds on disk: one line each, added when it is sure."""

from collections.abc import Iterable
import json
import os
import pathlib
from typing import Any

from gat_jax.errors import WorkdirError


class Ledger:
  """A file of JSON lines: what was trained, then one line a finished seed.

  A line is there or not: what a killed process left of its last one is dropped.
  """

  def __init__(
    self, path: str | os.PathLike, subject: dict[str, Any] | None = None
  ):
    """Reads what is there; the first `add` creates the file.

    Args:
      path: the file.
      subject: what decides the numbers: the config and the data's digest. None
        takes the file as it is, to read it alone.

    Raises:
      WorkdirError: if the file belongs to something else, or is damaged other
        than by a torn last line.
    """
    self.path = pathlib.Path(path)
    self._subject = subject and json.loads(json.dumps(subject))
    self._entries: dict[int, dict[str, Any]] = {}
    self._sound = 0  # bytes that are whole lines
    if self.path.exists():
      self._read()

  @property
  def entries(self) -> dict[int, dict[str, Any]]:
    """Finished seeds by number, in order."""
    return dict(sorted(self._entries.items()))

  def missing(self, num_seeds: int) -> list[int]:
    """Seeds below `num_seeds` that are not finished."""
    return [seed for seed in range(num_seeds) if seed not in self._entries]

  def add(self, entries: Iterable[dict[str, Any]]) -> None:
    """Writes finished seeds (`seed` names each) through to the disk.

    Raises:
      WorkdirError: if the file cannot be written.
    """
    entries = list(entries)
    lines = [] if self._sound else [{'subject': self._subject}]
    text = ''.join(
      json.dumps(line, allow_nan=False) + '\n' for line in (*lines, *entries)
    )
    try:
      self.path.parent.mkdir(parents=True, exist_ok=True)
      with open(self.path, 'ab') as file:
        file.truncate(self._sound)  # of a torn line
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
      raise WorkdirError(
        f'{self.path} cannot be written ({error}); free some space or choose'
        ' another --workdir, then start the same command again'
      ) from error
    self._sound += len(text.encode())
    self._entries |= {entry['seed']: entry for entry in entries}

  def _read(self) -> None:
    try:
      content = self.path.read_bytes()
    except OSError as error:
      raise WorkdirError(f'{self.path} cannot be read: {error}') from error
    whole, _, _ = content.rpartition(b'\n')
    if not whole:
      return
    self._sound = len(whole) + 1
    header, *lines = whole.split(b'\n')
    theirs = self._parse(header, 1).get('subject')
    if self._subject not in (None, theirs):
      raise WorkdirError(
        f'{self.path} holds seeds of another config or of other data; choose'
        ' another --workdir or delete that file'
      )
    for number, line in enumerate(lines, 2):
      entry = self._parse(line, number)
      self._entries[entry['seed']] = entry

  def _parse(self, line: bytes, number: int) -> dict[str, Any]:
    try:
      entry = json.loads(line)
      if not isinstance(entry, dict) or not {'seed', 'subject'} & entry.keys():
        raise ValueError('neither a seed nor a subject')
      return entry
    except ValueError as error:
      raise WorkdirError(
        f'{self.path}, line {number} is damaged ({error}); delete that line'
        ' (the first: the file), and what it held is trained again'
      ) from error
