"""What of a run is sent to trackers, and under which names.

Shapes: R replicas: one seed each, all trained by one program.
"""

from collections.abc import Callable, Sequence
import contextlib
import functools
import importlib.util
import json
import math
import os
import pathlib
import statistics
from typing import Any

from absl import flags

from experiments.tracking import process
from experiments.tracking.sender import Sender
from gat_jax import datasets
from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.errors import did_you_mean
from gat_jax.runs import settings
from gat_jax.runs import workdirs

flags.disclaim_key_flags()  # --help shows a flag where it is asked for
_LOSSES_AND_SCORE = ('train_loss', 'val_loss', 'val_score')


class _TrackersParser(flags.ListParser):
  """Refuses a tracker that is not known or not installed."""

  def parse(self, argument: str | list[str]) -> list[str]:
    names = list(dict.fromkeys(super().parse(argument)))
    for name in names:
      known = list(process.TRACKERS)
      if name not in known:
        remedy = did_you_mean(name, known, f'take {" or ".join(known)}')
        raise ConfigError(f'--track={name}', 'there is no such tracker', remedy)
      if importlib.util.find_spec(name) is None:
        raise ConfigError(
          f'--track={name}', 'it is not installed', f'pip install {name}'
        )
    return names


def define_flag(name: str) -> flags.FlagHolder[list[str]]:
  """Defines a flag whose value is a list of trackers that are installed."""
  return flags.DEFINE(
    _TrackersParser(),
    name,
    [],
    'also send what is logged to wandb or mlflow, or to both: wandb,mlflow',
    serializer=flags.CsvListSerializer(','),
  )


class TrackingObserver(runs.Observer):
  """Sends a group of runs to trackers; a context manager.

  Each config is a run of a tracker's own. The folder of the run remembers its
  name there, in a file a tracker, and what went wrong with it, if anything did.
  """

  def __init__(
    self,
    trackers: Sequence[str],
    configs: Sequence[Any],
    folders: Sequence[str | os.PathLike],
    group: str | None = None,
    warn: Callable[[str], None] = print,
  ):
    """Sends nothing yet.

    Args:
      trackers: their names, as --track has them.
      configs: what is trained.
      folders: one for each config.
      group: what the runs have in common: the name of a sweep.
      warn: shows a line, at most one a tracker.
    """
    self._configs = configs
    self._folders = [pathlib.Path(folder).absolute() for folder in folders]
    self._group = group
    self._warn = warn
    self._metric = ''
    self._epochs: dict[int, int] = {}
    self._resumed = 0
    self._begun: list[int] = []
    self._senders = {
      name: Sender(
        name, functools.partial(self._tell, name, 'ended, and the run goes on')
      )
      for name in trackers
    }

  def __enter__(self) -> 'TrackingObserver':
    return self

  def __exit__(
    self, kind: type | None, error: BaseException | None, *_
  ) -> None:
    if isinstance(error, runs.Ended):
      status = error.outcome.value
    else:
      status = 'failed' if isinstance(error, Exception) else 'interrupted'
    for index in list(self._begun):
      self._end(index, status, {})
    for sender in self._senders.values():
      sender.finish()
    for name, sender in self._senders.items():
      sender.wait()
      if sender.left_out and sender.problem is None:
        self._tell(
          name,
          'is slower than the run',
          f'{sender.left_out} points of curves were left out',
        )

  def _tell(self, tracker: str, event: str, problem: str) -> None:
    """Warns, and leaves in every folder that not all of it has been sent."""
    self._warn(f'warning: --track={tracker} {event}: {problem}')
    for folder in self._folders:
      _remember(folder, tracker, problem=problem)

  def on_dataset(self, dataset: datasets.Dataset) -> None:
    """Learns what the score is."""
    self._metric = dataset.metric

  def on_compiled(self, seconds: float, num_parameters: int) -> None:
    """Begins all runs."""
    for index, (config, folder) in enumerate(
      zip(self._configs, self._folders, strict=True)
    ):
      fields = settings.flat(config) | {
        'metric': self._metric,
        'num_parameters': num_parameters,
        'workdir': str(folder),
      }
      del fields['num_seeds']  # a run may get more: see `_final`
      self._begun.append(index)
      for name, sender in self._senders.items():
        sender.call(
          'begin',
          lambda run_id, name=name, folder=folder: _remember(
            folder, name, run_id=run_id, problem=None
          ),
          run=folder.name,
          group=self._group,
          fields=json.loads(json.dumps(fields, default=str)),
          previous=_recall(folder, name).get('run_id'),
        )

  def on_resumed(self, epoch: int) -> None:
    """What was evaluated until then has been sent."""
    self._resumed = epoch

  def on_evaluation(self, evaluation: runs.Evaluation) -> None:
    """Sends losses and score of the seeds that have trained since the last."""
    # All runs or none have this point: with the first ones alone, the last ones
    # would get none as long as a tracker is slower than the group.
    behind = [s for s in self._senders.values() if s.is_behind]
    first = 0
    for index, config in enumerate(self._configs):
      # A run that gets more seeds trains those alone; it has one config.
      alone = len(self._configs) == 1
      num = len(evaluation.seeds) if alone else config.num_seeds
      rows = range(first, first + num)
      first += num
      points: dict[int, dict[str, float]] = {}
      moved = [
        row
        for row in rows
        if evaluation.epochs[row] > self._epochs.get(row, self._resumed)
      ]
      for row in moved:
        epoch = self._epochs[row] = int(evaluation.epochs[row])
        values = points.setdefault(epoch, {})
        if config.num_seeds > 1:
          prefix = f'seed_{evaluation.seeds[row]}/'
          values |= _curves(evaluation, [row], prefix)
      if moved and num == config.num_seeds:
        points[max(points)] |= _curves(evaluation, rows)
      for epoch, values in sorted(points.items()):
        for sender in self._senders.values():
          if sender in behind:
            sender.left_out += 1
            continue
          sender.call(
            'log',
            droppable=True,
            run=self._folders[index].name,
            epoch=epoch,
            values=values,
          )

  def on_results(self, results: Sequence[runs.Result]) -> None:
    """Sends what each run came to."""
    for index, result in enumerate(results):
      if index in self._begun:
        broken = any(seed.broken for seed in result.seeds)
        self._end(index, 'failed' if broken else 'finished', _final(result))

  def _end(self, index: int, status: str, values: dict[str, float]) -> None:
    self._begun.remove(index)
    trained = max(self._epochs.values(), default=self._resumed)
    epoch = int(values.get('final/epochs', trained))
    for sender in self._senders.values():
      sender.call(
        'end',
        run=self._folders[index].name,
        status=status,
        epoch=epoch,
        values=values,
      )


def _curves(
  evaluation: runs.Evaluation, rows: Sequence[int], prefix: str = ''
) -> dict[str, float]:
  """Means over some replicas, of what is finite."""
  found = {}
  for name in _LOSSES_AND_SCORE:
    values = [float(getattr(evaluation, name)[row]) for row in rows]
    finite = [value for value in values if math.isfinite(value)]
    if finite:
      found[f'{prefix}{name}'] = statistics.fmean(finite)
  return found


def _final(result: runs.Result) -> dict[str, float]:
  """What a run came to: means over its seeds, and of several each as well."""
  seeds = result.seeds
  found: dict[str, float] = {
    'final/num_seeds': len(seeds),
    'final/test_score': statistics.fmean(seed.test for seed in seeds),
    'final/val_score': statistics.fmean(seed.val for seed in seeds),
    'final/epochs': max(seed.epochs for seed in seeds),
    'final/train_seconds': result.train_seconds,
    'final/compile_seconds': result.compile_seconds,
  }
  if len(seeds) == 1:
    return found | {'final/best_epoch': seeds[0].best_epoch}
  found['final/test_score_std'] = statistics.stdev(s.test for s in seeds)
  for seed in seeds:
    prefix = f'seed_{seed.seed}/final_'
    found |= {
      f'{prefix}test_score': seed.test,
      f'{prefix}val_score': seed.val,
      f'{prefix}best_epoch': seed.best_epoch,
      f'{prefix}epochs': seed.epochs,
    }
  return found


def problems(
  trackers: Sequence[str], folders: Sequence[str | os.PathLike]
) -> list[str]:
  """A line for each tracker that has not got everything of these folders."""
  found = []
  for name in trackers:
    whole = [_recall(pathlib.Path(folder), name) for folder in folders]
    said = [one['problem'] for one in whole if one.get('problem')]
    if said:
      found.append(
        f'warning: --track={name} has not got all of {len(said)} of'
        f' {len(whole)} trials: {said[0]}'
      )
  return found


def _recall(folder: pathlib.Path, tracker: str) -> dict[str, Any]:
  """What the folder knows of a tracker."""
  try:
    found = json.loads((folder / f'{tracker}.json').read_text())
    return found if isinstance(found, dict) else {}
  except (OSError, ValueError):
    return {}


def _remember(folder: pathlib.Path, tracker: str, **known: Any) -> None:
  with contextlib.suppress(OSError):  # the run itself says that a disk is full
    if folder.is_dir():
      known = _recall(folder, tracker) | known
      workdirs.write_json(folder / f'{tracker}.json', known)
