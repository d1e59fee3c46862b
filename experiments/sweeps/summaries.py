"""What came out of a sweep: a table a data set, a row a combination.

Scores are fractions between 0 and 1. Rows are sorted by the validation score;
the test score is shown and selects nothing. `sweep.json` holds a summary.
"""

from collections.abc import Sequence
import dataclasses
import json
from typing import Any

from experiments import documents
from experiments.sweeps import hyper
from experiments.sweeps import trials
from gat_jax import runs

FILE = 'sweep.json'


@dataclasses.dataclass(frozen=True)
class Score:
  """A score over the seeds of a combination, as fractions.

  Attributes:
    mean: of the finished seeds.
    std: their sample deviation; None if there is only one.
  """

  mean: float
  std: float | None

  def __str__(self) -> str:
    """For people, in %, as in 83.1 ± 0.7."""
    return documents.mean_and_deviation(self.mean, self.std, digits=1)


@dataclasses.dataclass(frozen=True)
class Row:
  """One combination.

  Attributes:
    changes: what it changes in the config, by dotted names; no seed.
    n: its finished trials, one a seed. If there is none, everything from `val`
      on is None.
    failed: its failed trials.
    pruned: its trials that a search ended early.
    val: the validation score.
    test: the test score.
    num_parameters: of one model.
    epochs: mean number of epochs of a trial.
    seconds: mean wall time of training a trial.
  """

  changes: hyper.Change
  n: int
  failed: int
  pruned: int
  val: Score | None = None
  test: Score | None = None
  num_parameters: int | None = None
  epochs: float | None = None
  seconds: float | None = None

  def to_json(self) -> dict[str, Any]:
    """An entry of a table's rows; what is None is left out."""
    entry = dataclasses.asdict(self)
    return {name: v for name, v in entry.items() if v is not None}

  @classmethod
  def from_json(cls, entry: dict[str, Any], scale: float) -> 'Row':
    """From what `to_json` returned, with `scale` for a score of 1.

    Raises:
      KeyError, TypeError: if it is something else.
    """
    row = cls(
      changes=_typed(entry, 'changes', dict),
      **{name: _typed(entry, name, int) for name in ('n', 'failed', 'pruned')},
    )
    if not row.n:
      return row
    return dataclasses.replace(
      row,
      val=_score(_typed(entry, 'val', dict), scale),
      test=_score(_typed(entry, 'test', dict), scale),
      num_parameters=_typed(entry, 'num_parameters', int),
      epochs=_typed(entry, 'epochs', float),
      seconds=_typed(entry, 'seconds', float),
    )


@dataclasses.dataclass(frozen=True)
class DatasetTable:
  """All combinations of one data set.

  Attributes:
    title: name of the data set.
    metric: `accuracy`, `micro_f1` or `roc_auc`; None before any trial has
      finished.
    rows: one a combination, the best validation score first and what has no
      finished trial last.
    axes: the fields that differ between rows, with their values.
    fixed: the fields that every row changes to the same value.
  """

  title: str
  metric: str | None
  rows: tuple[Row, ...]
  axes: dict[str, tuple[Any, ...]]
  fixed: dict[str, Any]

  @property
  def finished(self) -> tuple[Row, ...]:
    """The rows that have a finished trial."""
    return tuple(row for row in self.rows if row.n)

  def to_json(self) -> dict[str, Any]:
    """A value of `datasets` in `sweep.json`."""
    return {
      'title': self.title,
      'metric': self.metric,
      'rows': [row.to_json() for row in self.rows],
      'axes': {name: list(values) for name, values in self.axes.items()},
      'fixed': self.fixed,
    }

  @classmethod
  def from_json(cls, entry: dict[str, Any], scale: float) -> 'DatasetTable':
    """From what `to_json` returned, with `scale` for a score of 1.

    Raises:
      KeyError, TypeError: if it is something else.
    """
    axes = _typed(entry, 'axes', dict)
    return cls(
      title=_typed(entry, 'title', str),
      metric=_typed(entry, 'metric', str | None),
      rows=tuple(
        Row.from_json(row, scale) for row in _typed(entry, 'rows', list)
      ),
      axes={name: tuple(_typed(axes, name, list)) for name in axes},
      fixed=_typed(entry, 'fixed', dict),
    )


@dataclasses.dataclass(frozen=True)
class Summary:
  """What came out of a sweep.

  Attributes:
    command: what asks for its trials, for whoever wants to do it again.
    tables: one a data set, by `trials.Trial.dataset`.
  """

  command: str
  tables: dict[str, DatasetTable]

  def to_json(self) -> dict[str, Any]:
    """The content of `sweep.json`."""
    tables = {name: table.to_json() for name, table in self.tables.items()}
    return {
      'command': self.command,
      'unit': documents.UNIT,
      'datasets': tables,
    }

  @classmethod
  def from_json(cls, content: Any) -> 'Summary':
    """From what `to_json` returned.

    Raises:
      ValueError: if it is something else.
    """
    try:
      tables = _typed(content, 'datasets', dict)
      scale = documents.per_unit(content)
      return cls(
        command=_typed(content, 'command', str),
        tables={n: DatasetTable.from_json(t, scale) for n, t in tables.items()},
      )
    except (KeyError, TypeError, ValueError) as error:
      raise ValueError(f'no tables of a sweep: {error}') from error


def make(planned: Sequence[trials.Trial], command: str) -> Summary:
  """Means and deviations over the seeds of each combination.

  Args:
    planned: all trials.
    command: what asks for them.

  Raises:
    WorkdirError: if a file of a trial is damaged.
  """
  by_dataset: dict[str, list[trials.Trial]] = {}
  for trial in planned:
    by_dataset.setdefault(trial.dataset, []).append(trial)
  tables = {name: _table(name, own) for name, own in by_dataset.items()}
  return Summary(command, tables)


def _table(name: str, planned: Sequence[trials.Trial]) -> DatasetTable:
  combinations: dict[str, list[trials.Trial]] = {}
  for trial in planned:
    key = json.dumps(trial.combination)
    combinations.setdefault(key, []).append(trial)
  rows = [_row(own) for own in combinations.values()]
  values = hyper.fields([row.changes for row in rows])
  results = _results(planned)
  return DatasetTable(
    title=results[-1].dataset if results else name,
    metric=results[-1].metric if results else None,
    rows=tuple(sorted(rows, key=_by_validation)),
    axes={k: tuple(v) for k, v in values.items() if len(v) > 1},
    fixed={k: v for k, (v, *more) in values.items() if not more},
  )


def _row(own: Sequence[trials.Trial]) -> Row:
  results = _results(own)
  statuses = [trial.status() for trial in own]
  row = Row(
    changes=own[0].combination,
    n=len(results),
    failed=statuses.count(trials.Status.FAILED),
    pruned=statuses.count(trials.Status.PRUNED),
  )
  if not results:
    return row
  seeds = [result.seeds[0] for result in results]
  return dataclasses.replace(
    row,
    val=_over_seeds([seed.val for seed in seeds]),
    test=_over_seeds([seed.test for seed in seeds]),
    num_parameters=results[0].num_parameters,
    epochs=runs.summarize([seed.epochs for seed in seeds])['mean'],
    seconds=runs.summarize([r.train_seconds for r in results])['mean'],
  )


def _results(own: Sequence[trials.Trial]) -> list[runs.Result]:
  """Of those that have finished."""
  return [
    result
    for trial in own
    if trial.status() is trials.Status.FINISHED and (result := trial.result())
  ]


def _over_seeds(fractions: Sequence[float]) -> Score:
  found = runs.summarize(list(fractions))
  return Score(found['mean'], found['std'])


def _by_validation(row: Row) -> float:
  return -row.val.mean if row.val else 1.0


def _score(entry: dict[str, Any], scale: float) -> Score:
  mean, std = _typed(entry, 'mean', float), _typed(entry, 'std', float | None)
  return Score(mean / scale, None if std is None else std / scale)


def _typed(entry: Any, name: str, kind: Any) -> Any:
  """A value of an object of JSON; TypeError if it is of another type."""
  value = entry[name]
  wanted = kind | int if kind in (float, float | None) else kind
  if not isinstance(value, wanted) or isinstance(value, bool):
    raise TypeError(f'{name} is {value!r}')
  return value
