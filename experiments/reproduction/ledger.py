"""Finished seeds on disk: one line each, added once its seed has finished.

It says what was trained and what each seed scored. `reports` computes what the
seeds of a row came to together.
"""

from collections.abc import Iterable
import dataclasses
import json
import os
import pathlib
from typing import Any

from experiments.reproduction.tables import Row
from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import SeedResult
from gat_jax.runs import settings
from gat_jax.runs import workdirs

FOLDER = 'seeds'  # of a workdir; ledgers stand in it


@dataclasses.dataclass(frozen=True)
class Subject:
  """What decides the numbers of a ledger, but for the seed.

  Attributes:
    config: the fields of the config that decide a result, nested.
    data: the digest of the data set.
  """

  config: dict[str, Any]
  data: str

  @classmethod
  def of(cls, config: Any, digest: str) -> 'Subject':
    """Of a config, or of such fields, and the digest of its data set."""
    fields = settings.deciding_fields(config)
    return cls(settings.without_seeds(fields), digest)

  def differences(self, now: 'Subject') -> list[str]:
    """What is another in a second subject, field by field."""
    found = settings.differences(
      {'config': self.config}, {'config': now.config}
    )
    return found + (['the data are others'] if self.data != now.data else [])


@dataclasses.dataclass(frozen=True)
class FinishedSeed:
  """A line of a ledger.

  Attributes:
    result: what the seed scored.
    dataset: the name on the data set's card.
    seconds: its share of what its program took to compile and to train.
    finished: the day, as in 2026-01-31.
    versions: what else may change the last bits: libraries and the machine.
  """

  result: SeedResult
  dataset: str
  seconds: float
  finished: str
  versions: dict[str, str]

  @property
  def score(self) -> float:
    """The test score, a fraction."""
    return self.result.test

  def to_json(self) -> dict[str, Any]:
    """One flat entry."""
    facts = {name: getattr(self, name) for name in _FACTS}
    return self.result.to_json() | facts

  @classmethod
  def from_json(cls, entry: dict[str, Any]) -> 'FinishedSeed':
    """From what `to_json` returned.

    Raises:
      KeyError, TypeError: if it is something else.
    """
    facts = {name: entry[name] for name in _FACTS}
    scores = {k: v for k, v in entry.items() if k not in _FACTS}
    return cls(result=SeedResult.from_json(scores), **facts)


_FACTS = tuple(
  field.name
  for field in dataclasses.fields(FinishedSeed)
  if field.name != 'result'
)


class Ledger:
  """A file of JSON lines: its subject, then one line a finished seed.

  A line counts once its line break is written. Of a last line that a kill cut
  off, nothing is kept.
  """

  def __init__(self, path: str | os.PathLike, subject: Subject | None = None):
    """Reads what is there; the first `add` creates the file.

    Args:
      path: the file.
      subject: what is trained now; None only reads, whatever was trained.

    Raises:
      WorkdirError: if the file has another subject, cannot be read, or is
        damaged other than by a torn last line.
    """
    self.path = pathlib.Path(path)
    self._subject = subject
    self.holds: Subject | None = None  # as the file says, if there is one
    self._entries: dict[int, FinishedSeed] = {}
    self._sound = 0  # bytes that are whole lines
    if self.path.exists():
      self._read()

  @property
  def entries(self) -> dict[int, FinishedSeed]:
    """Finished seeds by number, in order."""
    return dict(sorted(self._entries.items()))

  def missing(self, num_seeds: int) -> list[int]:
    """Seeds below `num_seeds` that are not finished, in order."""
    return [seed for seed in range(num_seeds) if seed not in self._entries]

  def add(self, entries: Iterable[FinishedSeed]) -> None:
    """Writes finished seeds through to the disk.

    Raises:
      ValueError: if the ledger was opened without a subject.
      WorkdirError: if the file cannot be written.
    """
    if self._subject is None:
      raise ValueError('a ledger without a subject can only be read')
    entries = list(entries)
    lines = [entry.to_json() for entry in entries]
    if not self._sound:
      lines.insert(0, {'subject': dataclasses.asdict(self._subject)})
    text = ''.join(json.dumps(line, allow_nan=False) + '\n' for line in lines)
    remedy = (
      'free some space or choose another `workdir`, then start the same command'
      ' again'
    )
    with workdirs.explained(self.path, self.path, remedy):
      storage.make_folder(self.path.parent)
      with open(self.path, 'ab') as file:
        file.truncate(self._sound)  # of a torn line
        file.write(text.encode())
        storage.sync(file)
      storage.sync_folder(self.path.parent)
    self._sound += len(text.encode())
    self._entries |= {entry.result.seed: entry for entry in entries}

  def _read(self) -> None:
    try:
      content = self.path.read_bytes()
    except OSError as error:
      raise WorkdirError(self.path, f'cannot be read ({error})') from error
    whole, _, _ = content.rpartition(b'\n')
    if not whole:
      return
    self._sound = len(whole) + 1
    header, *lines = whole.split(b'\n')
    self.holds = self._parse(header, 1, _read_subject)
    self._check(self.holds)
    for number, line in enumerate(lines, 2):
      entry = self._parse(line, number, FinishedSeed.from_json)
      self._entries[entry.result.seed] = entry

  def _check(self, theirs: Subject) -> None:
    differing = self._subject and theirs.differences(self._subject)
    if differing:
      raise WorkdirError(
        self.path,
        'holds seeds of another config or of other data:'
        f' {"; ".join(differing)}',
        'choose another --workdir or delete that file',
      )

  def _parse(self, line: bytes, number: int, read) -> Any:
    try:
      return read(json.loads(line))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
      raise WorkdirError(
        f'{self.path}, line {number}',
        f'is damaged ({type(error).__name__}: {error})',
        'delete that line (the first: the file), and what it held is trained'
        ' again',
      ) from error


def _read_subject(line: dict[str, Any]) -> Subject:
  """Of any version: the first ones named fields of execution as well."""
  return Subject.of(line['subject']['config'], line['subject']['data'])


def path_of(workdir: str | os.PathLike, row: Row) -> pathlib.Path:
  """Where the finished seeds of a row stand."""
  return pathlib.Path(workdir) / FOLDER / f'{row.key}.jsonl'


def read(workdir: str | os.PathLike, row: Row) -> dict[int, FinishedSeed]:
  """The finished seeds of a row by number; none if it was never trained.

  Raises:
    WorkdirError: if its file cannot be read, or is damaged.
  """
  return Ledger(path_of(workdir, row)).entries
