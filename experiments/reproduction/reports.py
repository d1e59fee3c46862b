"""From finished seeds to a report: what each row of a table came to.

A report is a plain dictionary, which `reproduction.json` holds as it is: tables
by name, each with its rows. Scores are in points (per cent).
"""

import dataclasses
import os
import pathlib
import platform
from typing import Any

import flax
import jax
import numpy as np

from experiments import documents
from experiments.reproduction import tables
from experiments.reproduction import verdicts
from experiments.reproduction.ledger import Ledger
from gat_jax.training import early_stopping

SEEDS = 'seeds'


def ledger_path(workdir: str | os.PathLike, row: tables.Row) -> pathlib.Path:
  """Where the finished seeds of a row stand."""
  return pathlib.Path(workdir) / SEEDS / f'{row.key}.jsonl'


def subject(row: tables.Row, digest: str) -> dict[str, Any]:
  """What decides the numbers of a row, but for the seed."""
  config = row.config().to_dict()
  for field in ('seed', 'num_seeds', 'data_dir', 'log_every', 'seed_loop'):
    del config[field]
  return {'config': config, 'data': digest}


def versions() -> dict[str, str]:
  """What besides the config may change the last bits."""
  return {
    'jax': jax.__version__,
    'flax': flax.__version__,
    'numpy': np.__version__,
    'python': platform.python_version(),
    'machine': f'{os.cpu_count()} cores, {platform.machine()},'
    f' {jax.default_backend()}',
  }


def progress_line(row: tables.Row, ledger: Ledger, num_seeds: int) -> str:
  """What is known of a row so far."""
  scores = scores_of(ledger.entries, num_seeds)
  sample = verdicts.Sample.of(list(scores.values()))
  seconds = sum(entry['seconds'] for entry in ledger.entries.values())
  left = seconds / len(ledger.entries) * (num_seeds - len(scores))
  return (
    f'{row.dataset} {row.name}: {len(scores)} of {num_seeds} seeds,'
    f' {documents.mean_and_deviation(sample.mean, sample.std)} %,'
    f' about {left / 60:.0f} minutes left'
  )


def collect(workdir: str | os.PathLike, margin: float) -> dict[str, Any]:
  """Tests all rows that have a finished seed.

  Args:
    workdir: where the ledgers stand.
    margin: of the equivalence test, in points.

  Returns:
    The report; a table that has no finished seed is left out.
  """
  report: dict[str, Any] = {'margin': margin, 'tables': {}}
  for name, table in tables.TABLES.items():
    entries = {row.name: read(workdir, row) for row in table.rows}
    if any(entries[row.name] for row in table.rows if not _shared(table, row)):
      report['tables'][name] = _table(table, entries, margin)
  return report


def _shared(table: tables.Table, row: tables.Row) -> bool:
  """Whether a row stands in a table of ablations only to compare with."""
  return table.paired and row.name == table.baseline


def read(
  workdir: str | os.PathLike, row: tables.Row
) -> dict[int, dict[str, Any]]:
  """The finished seeds of a row; none if it was never trained."""
  path = ledger_path(workdir, row)
  return Ledger(path).entries if path.exists() else {}


def _table(
  table: tables.Table,
  entries: dict[str, dict[int, dict[str, Any]]],
  margin: float,
) -> dict[str, Any]:
  baseline = scores_of(entries[table.baseline])
  rows = []
  for row in table.rows:
    finished = entries[row.name]
    if not finished:
      continue
    facts = _row(row, finished, margin)
    if row.name != table.baseline and baseline:
      facts |= _against(table, scores_of(finished), baseline)
    rows.append(facts)
  names = {e['dataset'] for own in entries.values() for e in own.values()}
  title = table.title.format(dataset=' and '.join(sorted(names)))
  return {'title': title, 'baseline': table.baseline, 'rows': rows}


def _against(
  table: tables.Table, scores: dict[int, float], baseline: dict[int, float]
) -> dict[str, Any]:
  if not table.paired:
    unpaired = verdicts.compare_unpaired(
      list(scores.values()), list(baseline.values())
    )
    return {'against_baseline': unpaired}
  if not scores.keys() & baseline.keys():
    return {}
  return {'paired': verdicts.compare_paired(scores, baseline)}


def _row(
  row: tables.Row, entries: dict[int, dict[str, Any]], margin: float
) -> dict[str, Any]:
  sample = verdicts.Sample.of(list(scores_of(entries).values()))
  return {
    'name': row.name,
    'changes': row.changes,
    **dataclasses.asdict(sample),
    'published': row.published and dataclasses.asdict(row.published),
    'verdict': row.published
    and verdicts.judge(sample, row.published, margin).to_json(),
    'rules': _by_rule(row.config().stop_rule, list(entries.values())),
    'mean_epochs': float(np.mean([e['epochs'] for e in entries.values()])),
    'hours': sum(e['seconds'] for e in entries.values()) / 3600,
    'finished': max(e['finished'] for e in entries.values()),
    'versions': _distinct([e['versions'] for e in entries.values()]),
  }


def _by_rule(own: str, entries: list[dict[str, Any]]) -> dict[str, float]:
  """Mean test score that each stopping rule would have reported."""
  told = [
    {rule: other['test'] for rule, other in entry['rules'].items()}
    | {own: entry['test']}
    for entry in entries
  ]
  return {
    rule: 100 * float(np.mean([scores[rule] for scores in told]))
    for rule in early_stopping.RULES
  }


def scores_of(
  entries: dict[int, dict[str, Any]], below: int | None = None
) -> dict[int, float]:
  """Test scores in points, by seed."""
  return {
    seed: 100 * entry['test']
    for seed, entry in entries.items()
    if below is None or seed < below
  }


def _distinct(items: list[dict[str, str]]) -> list[dict[str, str]]:
  return [item for i, item in enumerate(items) if item not in items[:i]]
