"""What comes out of a run, as numbers."""

import dataclasses
import json
import os
import pathlib
import statistics
from typing import Any

from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs
from gat_jax.runs.states import checkpoints

_MORE = 'more'


@dataclasses.dataclass(frozen=True)
class RuleResult:
  """One seed, at the parameters that another rule would have kept.

  Attributes:
    test: test score, a fraction.
    val: validation score, a fraction.
    best_epoch: the epoch of the parameters, counted from 1.
    epochs: epochs until that rule would have ended training, if it would.
  """

  test: float
  val: float
  best_epoch: int
  epochs: int


@dataclasses.dataclass(frozen=True)
class SeedResult:
  """One seed, at the parameters that early stopping kept.

  Attributes:
    seed: the seed.
    test: test score, a fraction.
    val: validation score, a fraction.
    val_loss: validation cross-entropy; None if it is not finite.
    best_epoch: the epoch of the parameters, counted from 1; 0 if no epoch had
      a finite loss, so that they are the initial ones.
    epochs: epochs that were trained.
    rules: what each other rule, by name, would have reported, if they were
      compared.
    broken: what was not finite in the last epoch and ended it, if anything was.
  """

  seed: int
  test: float
  val: float
  val_loss: float | None
  best_epoch: int
  epochs: int
  rules: dict[str, RuleResult] = dataclasses.field(default_factory=dict)
  broken: str | None = None

  def to_json(self) -> dict[str, Any]:
    """An entry of `results.json`; what is not there is left out."""
    entry = dataclasses.asdict(self)
    for name in ('rules', 'broken'):
      if not entry[name]:
        del entry[name]
    return entry

  @classmethod
  def from_json(cls, entry: dict[str, Any]) -> 'SeedResult':
    """From what `to_json` returned."""
    rules = {
      name: RuleResult(**rule) for name, rule in entry.get('rules', {}).items()
    }
    return cls(**entry | {'rules': rules})


@dataclasses.dataclass(frozen=True)
class Result:
  """All seeds of a run.

  Attributes:
    dataset: name of the data set.
    metric: `accuracy`, `micro_f1` or `roc_auc`.
    num_parameters: of one model.
    seeds: one entry a seed.
    compile_seconds: tracing and compiling.
    train_seconds: wall time of all epochs of all seeds together.
    sampling: where neighbours were sampled, `seeds_per_second` that a thread
      drew the neighbourhoods of, and `waiting_share` of the time of training
      that was spent waiting for them, at most.
  """

  dataset: str
  metric: str
  num_parameters: int
  seeds: tuple[SeedResult, ...]
  compile_seconds: float
  train_seconds: float
  sampling: dict[str, float] = dataclasses.field(default_factory=dict)

  @property
  def test(self) -> dict[str, Any]:
    """Mean, sample deviation (None for one seed) and n of the test scores."""
    return summarize([seed.test for seed in self.seeds])

  def to_json(self) -> dict[str, Any]:
    """The content of `results.json`."""
    return {
      'dataset': self.dataset,
      'metric': self.metric,
      'num_parameters': self.num_parameters,
      'seeds': [seed.to_json() for seed in self.seeds],
      'test': self.test,
      'seconds': {
        'compile': round(self.compile_seconds, 3),
        'train': round(self.train_seconds, 3),
      },
      **({'sampling': self.sampling} if self.sampling else {}),
    }

  @classmethod
  def from_json(cls, content: Any) -> 'Result':
    """From what `to_json` returned.

    Raises:
      ValueError: if it is something else.
    """
    try:
      return cls(
        dataset=content['dataset'],
        metric=content['metric'],
        num_parameters=content['num_parameters'],
        seeds=tuple(SeedResult.from_json(entry) for entry in content['seeds']),
        compile_seconds=content['seconds']['compile'],
        train_seconds=content['seconds']['train'],
        sampling=content.get('sampling', {}),
      )
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(f'no results: {type(error).__name__} {error}') from error


def read_result(workdir: str | os.PathLike) -> Result:
  """The results of a finished run.

  Raises:
    WorkdirError: if they are missing or damaged.
  """
  content = workdirs.read_json(workdir, workdirs.RESULTS)
  try:
    result = Result.from_json(content)
    if not result.seeds:
      raise ValueError('no results of any seed')
    return result
  except ValueError as error:
    raise WorkdirError(
      pathlib.Path(workdir) / workdirs.RESULTS,
      f'holds {error}',
      'delete its folder and start again: it is trained anew',
    ) from error


def folder_of_more(
  path: pathlib.Path, have: list[int], num_seeds: int
) -> pathlib.Path:
  """Where the seeds are trained that a finished run lacks.

  Args:
    path: of the finished run.
    have: its seeds.
    num_seeds: how many it is to have.

  Raises:
    WorkdirError: if it is to have another number of them already.
  """
  more = path / _MORE
  if not (more / workdirs.CONFIG).exists():
    return more
  there = workdirs.read_json(more, workdirs.CONFIG)
  if there['seed'] in have:  # it has been joined, and a kill left it
    storage.remove_folder(more)
  elif (began := len(have) + there['num_seeds']) != num_seeds:
    raise WorkdirError(
      'workdir',
      f'{path} is about to get {began} seeds, and {num_seeds} are asked for',
      f'end that first, with {began} as `config.num_seeds`, or delete {more}',
    )
  return more


def join(
  path: pathlib.Path,
  result: Result,
  more: pathlib.Path,
  config: Any,
  card: dict[str, Any],
) -> Result:
  """Moves a finished run of more seeds into the one that it continues.

  Wherever a kill strikes, both can be read, and the same call does it again.

  Args:
    path: of the run that gets them.
    result: its own.
    more: see `folder_of_more`.
    config: of all seeds.
    card: of the data.

  Returns:
    The scores of all seeds: from then on `more` is gone.

  Raises:
    WorkdirError: if something cannot be read or written.
  """
  added = read_result(more)
  whole = dataclasses.replace(
    result,
    seeds=result.seeds + added.seeds,
    compile_seconds=round(result.compile_seconds + added.compile_seconds, 3),
    train_seconds=round(result.train_seconds + added.train_seconds, 3),
  )
  checkpoints.join_best(path, len(result.seeds), more)
  with workdirs.explained(path):
    own = {seed.seed for seed in result.seeds}
    lines = [
      *(line for line in workdirs.read_metrics(path) if line['seed'] in own),
      *workdirs.read_metrics(more),
    ]
    # As one run would have logged them: evaluation by evaluation.
    lines.sort(key=lambda x: (-(-x['epoch'] // config.log_every), x['seed']))
    with storage.whole_file(path / workdirs.METRICS) as file:
      file.writelines(f'{json.dumps(line)}\n' for line in lines)
    for events in more.glob('events.out.*'):
      events.replace(path / events.name)
    workdirs.write_session(path, config, whole.to_json())
    workdirs.write_json(path / workdirs.CONFIG, config.to_dict())
    workdirs.write_json(path / workdirs.DATASET, card)
    workdirs.write_json(path / workdirs.RESULTS, whole.to_json())
    storage.remove_folder(more)
  return whole


def summarize(values: list[float]) -> dict[str, Any]:
  """Mean, sample deviation (None for one value) and n."""
  return {
    'mean': statistics.fmean(values),
    'std': statistics.stdev(values) if len(values) > 1 else None,
    'n': len(values),
  }
