"""The trials of a sweep: what each trains, where it stands, how it ended.

A trial is one config with one seed, in a folder of its own that looks like that
of any run. Trials whose configs share a compiled program form a group.
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
from gat_jax.runs import workdirs
from gat_jax.training.replicas import program_fields

ERROR = 'error.json'
PRUNED = 'pruned.json'
_FOLDER = 'trials'
_MOST_LETTERS = 80
# Fields that do not change what comes out.
_BESIDE = ('data_dir', 'checkpoint_minutes', 'log_every', 'seed_loop')


class Pruned(Exception):  # noqa: N818, it is no error
  """A search ended a group before its end.

  Attributes:
    epochs: that were done.
  """

  def __init__(self, epochs: int):
    """See the class."""
    super().__init__(f'pruned after epoch {epochs}')
    self.epochs = epochs


class Status(enum.Enum):
  """How far a trial is."""

  WAITING = 'waiting'
  FINISHED = 'finished'
  FAILED = 'failed'
  PRUNED = 'pruned'  # by a search, before its end


@dataclasses.dataclass(frozen=True)
class Trial:
  """One config with one seed.

  Attributes:
    changes: what the sweep made of the config, by dotted names.
    config: the whole of it.
    folder: where it trains.
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

  def error(self) -> str | None:
    """Why it failed, if it did."""
    if (self.folder / ERROR).exists():
      return workdirs.read_json(self.folder, ERROR)['error']
    result = self.result()
    broken = result and result['seeds'][0].get('broken')
    return f'its {broken} is not finite' if broken else None

  def result(self) -> dict[str, Any] | None:
    """Its results.json, if it is there."""
    if not (self.folder / workdirs.RESULTS).exists():
      return None
    return workdirs.read_json(self.folder, workdirs.RESULTS)

  def fail(self, error: str) -> None:
    """Makes it a failed one."""
    self.folder.mkdir(parents=True, exist_ok=True)
    workdirs.write_json(self.folder / ERROR, {'error': error[:2000]})

  def prune(self, epochs: int) -> None:
    """Makes it a pruned one, after so many epochs."""
    workdirs.write_json(self.folder / PRUNED, {'epochs': epochs})

  def pruned_after(self) -> int | None:
    """The epochs it was given, if it is a pruned one."""
    if self.status() is not Status.PRUNED:
      return None
    return workdirs.read_json(self.folder, PRUNED)['epochs']

  def forget_pruning(self) -> None:
    """Lets a pruned trial wait again."""
    (self.folder / PRUNED).unlink(missing_ok=True)

  def forget_failure(self) -> None:
    """Lets a failed trial wait again: from its checkpoint, or from scratch."""
    if self.result() and self.error():
      shutil.rmtree(self.folder)
    (self.folder / ERROR).unlink(missing_ok=True)

  def status(self) -> Status:
    """What its folder says."""
    if self.error():
      return Status.FAILED
    if self.result():
      return Status.FINISHED
    pruned = (self.folder / PRUNED).exists()
    return Status.PRUNED if pruned else Status.WAITING


def make(
  workdir: pathlib.Path, config: config_dict.ConfigDict, changes: hyper.Sweep
) -> list[Trial]:
  """The trials of a sweep over one config; nothing is written.

  Raises:
    ConfigError: see `hyper.configs`.
  """
  found = []
  for change, changed in zip(
    changes, hyper.configs(config, changes), strict=True
  ):
    changed.num_seeds = 1
    name = _name(change, changed)
    found.append(Trial(change, changed, workdir / _FOLDER / name))
  return found


def _name(change: hyper.Change, config: config_dict.ConfigDict) -> str:
  """Readable, and another one for another config."""
  fields = json.dumps(deciding_fields(config), sort_keys=True)
  digest = hashlib.sha256(fields.encode())
  words = [pathlib.Path(config.dataset.name).stem]
  words += [f'{k.rpartition(".")[2]}={v}' for k, v in change.items()]
  readable = re.sub(r'[^\w.=-]+', '_', '-'.join(words))[:_MOST_LETTERS]
  return f'{readable}-{digest.hexdigest()[:8]}'


def deciding_fields(config: config_dict.ConfigDict) -> dict[str, Any]:
  """The fields of a config that decide what comes out."""
  fields = config.to_dict()
  return {name: v for name, v in fields.items() if name not in _BESIDE}


@dataclasses.dataclass(frozen=True)
class Group:
  """Trials that one process trains with one compiled program.

  Attributes:
    trials: the trials.
    number: of the search's trial that it is, if a search asked for it.
  """

  trials: tuple[Trial, ...]
  number: int | None = None

  @property
  def names(self) -> tuple[str, ...]:
    """Of the trials."""
    return tuple(trial.name for trial in self.trials)

  @property
  def workdir(self) -> pathlib.Path:
    """Of the sweep."""
    return self.trials[0].folder.parents[1]

  def has(self, status: Status) -> bool:
    """Whether any of its trials is that far."""
    return any(trial.status() is status for trial in self.trials)

  @property
  def work(self) -> int:
    """Roughly how long it trains, in no unit: epochs x heads x features."""
    return sum(
      config.max_epochs * config.model.num_heads * config.model.hidden_dim
      for config in (trial.config for trial in self.trials)
    )

  @property
  def states_in(self) -> pathlib.Path:
    """The folder for its checkpoints; another one for other trials."""
    digest = hashlib.sha256('\n'.join(self.names).encode()).hexdigest()[:12]
    return self.workdir / 'groups' / digest


def group(trials: Iterable[Trial]) -> list[Group]:
  """Puts together what shares a program, in the order of the first of each."""
  found: dict[str, list[Trial]] = {}
  for trial in trials:
    fields = program_fields(trial.config)
    found.setdefault(json.dumps(fields, sort_keys=True), []).append(trial)
  return [Group(tuple(own)) for own in found.values()]


def split(groups: Sequence[Group], num_workers: int) -> list[Group]:
  """Splits the groups that would keep one worker busy while others idle."""
  total = sum(len(group.trials) for group in groups)
  most = max(1, math.ceil(total / num_workers))
  return [
    Group(group.trials[first : first + most])
    for group in groups
    for first in range(0, len(group.trials), most)
  ]
