"""What the finished seeds of a table came to, as numbers; no text, no file.

Scores and differences are fractions between 0 and 1.
"""

import dataclasses
import os
import shlex
from typing import Any

import numpy as np

from experiments import documents
from experiments.reproduction import ledger
from experiments.reproduction import tables
from experiments.reproduction import verdicts
from gat_jax.training import early_stopping

MARGIN = 0.01  # one point of %


@dataclasses.dataclass(frozen=True)
class RowResult:
  """What one row came to.

  Attributes:
    row: what was trained.
    scores: the test score of each finished seed.
    sample: what is known of them together.
    validation: the mean validation score of the epochs that were kept: what a
      choice between rows may look at.
    verdict: against the published figure; None if there is none.
    rules: by early stopping's rule, the mean test score that it would have
      reported.
    mean_epochs: of a seed.
    hours: that all seeds took together.
    finished: the day of the last one, as in 2026-01-31.
    versions: of libraries and machines, each that any seed was trained with.
    against: against the baseline; None for the baseline itself, and where there
      is nothing to compare.
  """

  row: tables.Row
  scores: dict[int, float]
  sample: verdicts.Sample
  validation: float
  verdict: verdicts.Verdict | None
  rules: dict[str, float]
  mean_epochs: float
  hours: float
  finished: str
  versions: tuple[dict[str, str], ...]
  against: verdicts.Comparison | None = None

  def to_json(self) -> dict[str, Any]:
    """An entry of a table's rows; the score of each seed is left out."""
    published = self.row.published
    return {
      'name': self.row.name,
      'changes': self.row.changes,
      **dataclasses.asdict(self.sample),
      'validation': self.validation,
      'published': published and dataclasses.asdict(published),
      'verdict': self.verdict and dataclasses.asdict(self.verdict),
      'rules': self.rules,
      'mean_epochs': self.mean_epochs,
      'hours': self.hours,
      'finished': self.finished,
      'versions': list(self.versions),
      **self._against_to_json(),
    }

  def _against_to_json(self) -> dict[str, Any]:
    if self.against is None:
      return {}
    tests = {'p': self.against.p, 'tost_p': self.against.tost_p}
    return {'paired': dataclasses.asdict(self.against.pairs) | tests}


@dataclasses.dataclass(frozen=True)
class TableResult:
  """What the rows of a table came to.

  Attributes:
    title: what stands above them.
    baseline: the row that the others are compared with.
    departures: see `tables.Table`.
    rows: those that have a finished seed, in order.
  """

  title: str
  baseline: str
  departures: bool
  rows: tuple[RowResult, ...]

  def to_json(self) -> dict[str, Any]:
    """A value of `tables` in `reproduction.json`."""
    rows = [row.to_json() for row in self.rows]
    return {'title': self.title, 'baseline': self.baseline, 'rows': rows}


@dataclasses.dataclass(frozen=True)
class Report:
  """What a workdir came to.

  Attributes:
    workdir: as it was given.
    margin: a fraction; smaller differences count as reproduced.
    tables: by name, those that have a finished seed of their own.
  """

  workdir: str
  margin: float
  tables: dict[str, TableResult]

  def command(self, name: str) -> str:
    """What trains the rows of a table and writes it, from the same folder."""
    table, found = tables.TABLES[name], self.tables[name]
    own = [row for row in found.rows if not _shared(table, row.row)]
    trained = {row.row: 1 + max(row.scores) for row in own}
    words = ['python', '-m', 'experiments.reproduce', f'--table={name}']
    if len(found.rows) < len(table.rows):
      words.append(f'--rows={",".join(row.row.name for row in found.rows)}')
    counts = set(trained.values())  # where rows differ, each has its own number
    if len(counts) == 1 and counts != {row.num_seeds for row in trained}:
      words.append(f'--seeds={max(counts)}')
    if self.margin != MARGIN:
      words.append(f'--margin={100 * self.margin:g}')
    return shlex.join([*words, f'--workdir={self.workdir}'])

  def to_json(self) -> dict[str, Any]:
    """The content of `reproduction.json`."""
    own = {name: table.to_json() for name, table in self.tables.items()}
    return {'unit': documents.UNIT, 'margin': self.margin, 'tables': own}


def collect(workdir: str | os.PathLike, margin: float) -> Report:
  """Tests all rows that have a finished seed.

  Args:
    workdir: where the ledgers stand.
    margin: of the equivalence test, a fraction: 0.01 is one point of %.

  Raises:
    ValueError: if the margin is no fraction.
    WorkdirError: if a ledger cannot be read, or is damaged.
  """
  if not 0 <= margin < 1:
    raise ValueError(f'a margin of {margin:g} is no fraction')
  found = {}
  for name, table in tables.TABLES.items():
    entries = {row.name: ledger.read(workdir, row) for row in table.rows}
    if any(entries[row.name] for row in table.rows if not _shared(table, row)):
      found[name] = _table(table, entries, margin)
  return Report(os.fspath(workdir), margin, found)


def _shared(table: tables.Table, row: tables.Row) -> bool:
  """Whether a row is in a table of ablations only to compare with."""
  return table.departures and row.name == table.baseline


def _table(
  table: tables.Table,
  entries: dict[str, dict[int, ledger.FinishedSeed]],
  margin: float,
) -> TableResult:
  found = {
    row.name: _row(row, entries[row.name], margin)
    for row in table.rows
    if entries[row.name]
  }
  baseline = found.get(table.baseline)
  if baseline:
    found |= {
      name: dataclasses.replace(
        own, against=verdicts.compare(own.scores, baseline.scores, margin)
      )
      for name, own in found.items()
      if own is not baseline
    }
  names = {seed.dataset for own in entries.values() for seed in own.values()}
  return TableResult(
    title=table.title.format(dataset=' and '.join(sorted(names))),
    baseline=table.baseline,
    departures=table.departures,
    rows=tuple(found.values()),
  )


def _row(
  row: tables.Row, entries: dict[int, ledger.FinishedSeed], margin: float
) -> RowResult:
  scores = {number: seed.score for number, seed in entries.items()}
  seeds = list(entries.values())
  sample = verdicts.Sample.of(list(scores.values()))
  versions = [seed.versions for seed in seeds]
  return RowResult(
    row=row,
    scores=scores,
    sample=sample,
    validation=float(np.mean([seed.result.val for seed in seeds])),
    verdict=row.published and verdicts.judge(sample, row.published, margin),
    rules=_by_rule(row.config().stop_rule, seeds),
    mean_epochs=float(np.mean([seed.result.epochs for seed in seeds])),
    hours=sum(seed.seconds for seed in seeds) / 3600,
    finished=max(seed.finished for seed in seeds),
    versions=tuple(v for i, v in enumerate(versions) if v not in versions[:i]),
  )


def _by_rule(own: str, seeds: list[ledger.FinishedSeed]) -> dict[str, float]:
  """Mean test score that each rule of early stopping would have reported."""
  reported = [
    {rule: other.test for rule, other in seed.result.rules.items()}
    | {own: seed.result.test}
    for seed in seeds
  ]
  return {
    rule: float(np.mean([scores[rule] for scores in reported]))
    for rule in early_stopping.RULES
  }
