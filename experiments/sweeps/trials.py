"""The trials of a sweep: what each trains, how far it is, how it ended.

A combination is one set of changes to a config, without a seed; a trial is a
combination with one seed. A trial has a folder of its own, which looks like
that of any run. Trials that can share a compiled program form a group, which
one process trains.
"""

from collections.abc import Iterable, Sequence
import dataclasses
import enum
import hashlib
import json
import math
import pathlib
import re
import shutil
from typing import Any

from ml_collections import config_dict

from experiments.sweeps import hyper
from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError
from gat_jax.runs import settings
from gat_jax.runs import workdirs

_ERROR = 'error.json'
_PRUNED = 'pruned.json'
_FOLDER = 'trials'
_MOST_LETTERS = 80


class Status(enum.Enum):
  """How far a trial is."""

  WAITING = 'waiting'  # or training, or interrupted
  FINISHED = 'finished'
  FAILED = 'failed'
  PRUNED = 'pruned'  # by a search, before its end


@dataclasses.dataclass(frozen=True)
class Trial:
  """One config with one seed.

  Attributes:
    changes: what the sweep changes in the config, by dotted names.
    config: the whole of it, with these changes.
    folder: where its files are.
  """

  changes: hyper.Change
  config: config_dict.ConfigDict
  folder: pathlib.Path

  @property
  def name(self) -> str:
    """The name of the folder."""
    return self.folder.name

  @property
  def dataset(self) -> str:
    """The name of the data set, a file's without folder and suffix."""
    return pathlib.Path(self.config.dataset.name).stem

  @property
  def combination(self) -> hyper.Change:
    """Its changes without the seed."""
    return {name: v for name, v in self.changes.items() if name != 'seed'}

  def result(self) -> runs.Result | None:
    """What it came to, if it trained to its end.

    Raises:
      WorkdirError: if its results are damaged.
    """
    if not (self.folder / workdirs.RESULTS).exists():
      return None
    return runs.read_result(self.folder)

  def error(self) -> str | None:
    """Why it failed, if it did.

    Raises:
      WorkdirError: if its files are damaged.
    """
    if (self.folder / _ERROR).exists():
      return self._read(_ERROR, 'error', str)
    result = self.result()
    broken = result and result.seeds[0].broken
    return f'its {broken} is not finite' if broken else None

  def fail(self, error: str) -> None:
    """Records that it failed, and why.

    Raises:
      WorkdirError: if that cannot be written.
    """
    self._write(_ERROR, {'error': error[:2000]})

  def prune(self, epochs: int) -> None:
    """Records that a search ended it after so many epochs.

    Raises:
      WorkdirError: if that cannot be written.
    """
    self._write(_PRUNED, {'epochs': epochs})

  def _write(self, file: str, content: dict[str, Any]) -> None:
    """Writes one of its small files."""
    with workdirs.explained(self.folder):
      self.folder.mkdir(parents=True, exist_ok=True)
      workdirs.write_json(self.folder / file, content)

  def pruned_after(self) -> int | None:
    """The epochs after which a search ended it; None if none did.

    Raises:
      WorkdirError: if its files are damaged.
    """
    if self.status() is not Status.PRUNED:
      return None
    return self._read(_PRUNED, 'epochs', int)

  def _read(self, file: str, key: str, kind: type) -> Any:
    """A value of one of its small files."""
    content = workdirs.read_json(self.folder, file)
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, kind):
      raise WorkdirError(
        self.folder / file,
        f'has no {key}',
        'delete that file, then the same command trains the trial again',
      )
    return value

  def forget_pruning(self) -> None:
    """Lets a pruned trial wait again.

    Raises:
      WorkdirError: if its folder cannot be written.
    """
    with workdirs.explained(self.folder):
      (self.folder / _PRUNED).unlink(missing_ok=True)

  def forget_failure(self) -> None:
    """Lets a failed trial wait again: from its checkpoint, or from scratch.

    Raises:
      WorkdirError: if its files are damaged, or its folder cannot be written.
    """
    from_scratch = self.result() and self.error()
    with workdirs.explained(self.folder):
      if from_scratch:
        shutil.rmtree(self.folder)
      (self.folder / _ERROR).unlink(missing_ok=True)

  def status(self) -> Status:
    """How far it is, from what its folder holds.

    Raises:
      WorkdirError: if its files are damaged.
    """
    if self.error():
      return Status.FAILED
    if self.result():
      return Status.FINISHED
    pruned = (self.folder / _PRUNED).exists()
    return Status.PRUNED if pruned else Status.WAITING


def make(
  workdir: pathlib.Path, config: config_dict.ConfigDict, changes: hyper.Sweep
) -> list[Trial]:
  """The trials of a sweep over one config; nothing is written.

  Args:
    workdir: of the sweep.
    config: what the changes are made to.
    changes: one a trial; a trial whose changes name no seed has the config's.

  Raises:
    ConfigError: see `hyper.configs`.
    DataError: likewise.
  """
  if any('num_seeds' in change for change in changes):
    raise ConfigError(
      'config.num_seeds', 'a trial has one seed', 'give --seeds'
    )
  found = []
  for change, changed in zip(
    changes, hyper.configs(config, changes), strict=True
  ):
    changed.num_seeds = 1
    name = _name(change, changed)
    found.append(Trial(change, changed, workdir / _FOLDER / name))
  return found


def _name(change: hyper.Change, config: config_dict.ConfigDict) -> str:
  """Of a folder: readable, and another one for another config."""
  fields = json.dumps(settings.deciding_fields(config), sort_keys=True)
  digest = hashlib.sha256(fields.encode())
  words = [pathlib.Path(config.dataset.name).stem]
  words += [f'{k.rpartition(".")[2]}={v}' for k, v in change.items()]
  readable = re.sub(r'[^\w.=-]+', '_', '-'.join(words))[:_MOST_LETTERS]
  return f'{readable}-{digest.hexdigest()[:8]}'


@dataclasses.dataclass(frozen=True)
class Group:
  """Trials that one process trains with one compiled program.

  Attributes:
    trials: the trials.
    number: which entry of a search's study it belongs to; None if no search
      chose it.
  """

  trials: tuple[Trial, ...]
  number: int | None = None

  @property
  def names(self) -> tuple[str, ...]:
    """The names of the trials."""
    return tuple(trial.name for trial in self.trials)

  @property
  def workdir(self) -> pathlib.Path:
    """The folder of the sweep."""
    return self.trials[0].folder.parents[1]

  def has(self, status: Status) -> bool:
    """Whether any of its trials has that status."""
    return any(trial.status() is status for trial in self.trials)

  @property
  def work(self) -> int:
    """Roughly how long it trains: sum of epochs x heads x features."""
    return sum(
      config.max_epochs * config.model.num_heads * config.model.hidden_dim
      for config in (trial.config for trial in self.trials)
    )

  @property
  def states_in(self) -> pathlib.Path:
    """The folder of its checkpoints; groups of other trials have others."""
    digest = hashlib.sha256('\n'.join(self.names).encode()).hexdigest()[:12]
    return self.workdir / 'groups' / digest


def group(trials: Iterable[Trial]) -> list[Group]:
  """Groups trials that share a program, in the order of their first trials."""
  found: dict[str, list[Trial]] = {}
  for trial in trials:
    fields = settings.program_fields(trial.config)
    found.setdefault(json.dumps(fields, sort_keys=True), []).append(trial)
  return [Group(tuple(own)) for own in found.values()]


def split(groups: Sequence[Group], num_workers: int) -> list[Group]:
  """Splits groups until none has more than a worker's share of all trials."""
  total = sum(len(group.trials) for group in groups)
  most = max(1, math.ceil(total / num_workers))
  return [
    Group(group.trials[first : first + most])
    for group in groups
    for first in range(0, len(group.trials), most)
  ]
