"""The trials of a sweep: what each trains, where it stands, how it ended.

A trial is one config with one seed, in a folder of its own that looks like that
of any run. Trials whose configs share a compiled program form a group.
"""

from collections.abc import Iterable, Sequence
import copy
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

from experiments import hyper
from gat_jax import arguments
from gat_jax import workdirs

ERROR = 'error.json'
_FOLDER = 'trials'
_MOST_LETTERS = 80
# Fields that do not change what comes out.
_BESIDE = ('data_dir', 'checkpoint_minutes', 'log_every', 'seed_loop')


class Status(enum.Enum):
  """How far a trial is."""

  WAITING = 'waiting'
  FINISHED = 'finished'
  FAILED = 'failed'


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

  def forget_failure(self) -> None:
    """Lets a failed trial wait again: from its checkpoint, or from scratch."""
    if self.result() and self.error():
      shutil.rmtree(self.folder)
    (self.folder / ERROR).unlink(missing_ok=True)

  def status(self) -> Status:
    """What its folder says."""
    if self.error():
      return Status.FAILED
    return Status.FINISHED if self.result() else Status.WAITING


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
  fields = copy.deepcopy(config.to_dict())
  for field in _BESIDE:
    del fields[field]
  digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
  words = [pathlib.Path(config.dataset.name).stem]
  words += [f'{k.rpartition(".")[2]}={v}' for k, v in change.items()]
  readable = re.sub(r'[^\w.=-]+', '_', '-'.join(words))[:_MOST_LETTERS]
  return f'{readable}-{digest.hexdigest()[:8]}'


@dataclasses.dataclass(frozen=True)
class Group:
  """Trials that one process trains with one compiled program."""

  trials: tuple[Trial, ...]

  @property
  def states_in(self) -> pathlib.Path:
    """The folder for its checkpoints; another one for other trials."""
    names = '\n'.join(trial.name for trial in self.trials)
    digest = hashlib.sha256(names.encode()).hexdigest()[:12]
    return self.trials[0].folder.parents[1] / 'groups' / digest


def group(trials: Iterable[Trial]) -> list[Group]:
  """Puts together what shares a program, in the order of the first of each."""
  found: dict[str, list[Trial]] = {}
  for trial in trials:
    fields = arguments.program_fields(trial.config)
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
