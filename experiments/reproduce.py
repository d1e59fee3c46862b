r"""Trains the rows of the paper's tables and says whether the paper holds.

Try:
  python -m experiments.reproduce --table=cora --workdir=runs/paper
  python -m experiments.reproduce --table=ablations --seeds=20 \
      --workdir=runs/paper
  python -m experiments.reproduce --table=cora --rows=GAT,GCN-64 \
      --workdir=runs/paper
  python -m experiments.reproduce --table=ppi --rows=GAT --seeds=2 \
      --workdir=runs/paper
  python -m experiments.reproduce --table=all --workdir=runs/paper
  python -m experiments.reproduce --table=smoke --seeds=4 \
      --workdir=runs/try                                     # needs no file

Tables: cora, citeseer, pubmed, ppi, ablations (on Cora), citeseer-ablations,
smoke; all is the first four. Finished seeds stand in the workdir, those that
train have checkpoints: stopped or killed, the same command goes on, and a later
one adds tables, rows and seeds. Every call writes reproduction.json, .csv, .md
and .tex of all that is there.
"""

import difflib
import pathlib
import shutil
import sys
import time
from typing import Any

from absl import flags
import jax
from rich.console import Console
from rich.status import Status

from experiments import cli
from experiments.reproduction import formats
from experiments.reproduction import reports
from experiments.reproduction import tables
from experiments.reproduction.ledger import Ledger
from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.runs import observers
from gat_jax.runs import workdirs

_TABLE = flags.DEFINE_string('table', None, 'which table, or all')
_WORKDIR = flags.DEFINE_string('workdir', None, 'where seeds and tables stand')
_SEEDS = flags.DEFINE_integer(
  'seeds', None, "of each row; the paper's 100, on PPI 10, if not given", 1
)
_ROWS = flags.DEFINE_list('rows', None, 'only these rows, by name')
_AT_ONCE = flags.DEFINE_integer(
  'at_once',
  None,
  'seeds that one program trains; by default five for each device, on PPI one',
  1,
)
_MARGIN = flags.DEFINE_float(
  'margin', 1.0, 'points: smaller differences count as reproduced', 0.0
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'write the Markdown table to this file as well'
)


def main() -> None:
  """Trains what is missing, then writes the tables."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; try --workdir=runs/paper')
  console = Console()
  chosen = chosen_tables(_TABLE.value)
  rows = chosen_rows(chosen, _ROWS.value)
  with workdirs.hold(_WORKDIR.value), cli.StopRequest() as stop:
    try:
      for row, num_seeds in rows.items():
        train_row(row, _SEEDS.value or num_seeds, console, stop)
    except observers.Interrupted:
      console.print(
        f'what is done stands in {_WORKDIR.value}; the same command goes on',
        soft_wrap=True,
      )
      sys.exit(stop.exit_code)
    report = reports.collect(_WORKDIR.value, _MARGIN.value)
    formats.write(report, _WORKDIR.value, _OUTPUT.value)
  for name in chosen:
    console.print(formats.terminal(report['tables'][name]))
  console.print(f'everything is in {_WORKDIR.value}', soft_wrap=True)


def chosen_tables(name: str | None) -> tuple[str, ...]:
  """The tables that a name stands for."""
  if name == 'all':
    return tables.PAPER
  if name not in tables.TABLES:
    close = difflib.get_close_matches(str(name), tables.TABLES, n=1)
    raise ConfigError(
      f'--table={name}: '
      + (
        f'did you mean {close[0]}?'
        if close
        else f'choose one of {", ".join(tables.TABLES)}, all'
      )
    )
  return (name,)


def chosen_rows(
  names: tuple[str, ...], wanted: list[str] | None
) -> dict[tables.Row, int]:
  """The rows of those tables, each once, and the seeds that the paper took."""
  everything = {
    row: tables.TABLES[name].num_seeds
    for name in names
    for row in tables.TABLES[name].rows
  }
  if not wanted:
    return everything
  known = {row.name for row in everything}
  for name in wanted:
    if name not in known:
      raise ConfigError(
        f'--rows={name}: there is no such row; choose from'
        f' {", ".join(sorted(known))}'
      )
  return {row: n for row, n in everything.items() if row.name in wanted}


def train_row(
  row: tables.Row, num_seeds: int, console: Console, stop: cli.StopRequest
) -> None:
  """Trains the seeds of a row that its ledger does not have.

  Raises:
    Interrupted: as soon as `stop` is true and what was done is saved.
  """
  config = row.config()
  digest = runs.load_dataset(config, console.is_terminal).card['digest']
  ledger = Ledger(
    reports.ledger_path(_WORKDIR.value, row), reports.subject(row, digest)
  )
  devices = jax.local_device_count()
  at_once = _AT_ONCE.value or devices * (1 if config.batch_size else 5)
  for seeds in stretches(ledger.missing(num_seeds), at_once):
    config.seed, config.num_seeds = seeds[0], len(seeds)
    folder = pathlib.Path(
      _WORKDIR.value, 'unfinished', f'{row.key}-{seeds[0]}-{seeds[-1]}'
    )
    title = f'{row.dataset} {row.name}: seeds {seeds[0]} to {seeds[-1]}'
    with console.status(title) as status:
      ledger.add(_train(config, folder, _Observer(title, status, stop)))
    shutil.rmtree(folder, ignore_errors=True)
    console.print(
      reports.progress_line(row, ledger, num_seeds), highlight=False
    )
    if stop:
      raise observers.Interrupted(0)


class _Observer(cli.StoppableObserver):
  """Shows the epoch."""

  def __init__(self, title: str, status: Status, stop: cli.StopRequest):
    super().__init__(stop)
    self._title = title
    self._status = status

  def on_resumed(self, epoch: int) -> None:
    self._status.console.print(f'{self._title}: goes on after epoch {epoch:,}')

  def on_evaluation(self, look: observers.Evaluation) -> None:
    self._status.update(f'{self._title}, epoch {look.epochs.max():,}')


def _train(
  config: Any, folder: pathlib.Path, observer: observers.Observer
) -> list[dict[str, Any]]:
  """Entries for the ledger, of a run that may have been begun or finished."""
  if not (folder / workdirs.RESULTS).exists():
    runs.train_and_evaluate(config, folder, observer)
  result = workdirs.read_json(folder, workdirs.RESULTS)
  seconds = sum(result['seconds'].values()) / len(result['seeds'])
  facts = {
    'dataset': result['dataset'],
    'seconds': round(seconds, 3),
    'finished': time.strftime('%Y-%m-%d'),
    'versions': reports.versions(),
  }
  return [seed | facts for seed in result['seeds']]


def stretches(seeds: list[int], most: int) -> list[list[int]]:
  """Splits sorted seeds where one is left out, and after `most`."""
  parts: list[list[int]] = []
  for seed in seeds:
    if parts and seed == parts[-1][-1] + 1 and len(parts[-1]) < most:
      parts[-1].append(seed)
    else:
      parts.append([seed])
  return parts


if __name__ == '__main__':
  cli.run(main)
