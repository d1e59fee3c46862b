"""What --dry_run shows: trials and groups, the memory and time they need."""

from collections.abc import Sequence
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.sweeps import trials
from gat_jax import runs
from gat_jax import training

_TIMED_EPOCHS = 3
_TYPICAL_EPOCHS = 1000  # where early stopping decides
_CONDITION = (
  f'on one core or device, if no trial runs more than {_TYPICAL_EPOCHS:,}'
  ' epochs'
)


def show(planned: Sequence[trials.Trial], console: Console) -> None:
  """Prints the trials and the groups; compiles and times each group.

  Raises:
    InputError: if the data cannot be used.
  """
  console.print(_trials(planned))
  table, hours = _groups(trials.group(planned), console)
  table.title = 'groups: each one compiled program'
  table.caption = f'{sum(hours):.1f} hours {_CONDITION}'
  console.print(table)


def show_search(
  fields: dict[str, Sequence[Any]],
  corners: Sequence[trials.Group],
  num_combinations: int,
  console: Console,
) -> None:
  """Prints what a search chooses from; compiles and times the corners.

  Args:
    fields: the values of each field, or its range.
    corners: the smallest and the largest combination.
    num_combinations: how many it will try.
    console: where it is printed.

  Raises:
    InputError: if the data cannot be used.
  """
  seeds = len(corners[0].trials)
  table = Table(title=f'{num_combinations} combinations, {seeds} seeds each')
  table.add_column('field', justify='right')
  table.add_column('values')
  for name, values in fields.items():
    table.add_row(name, ', '.join(map(str, values)))
  console.print(table)
  table, hours = _groups(corners, console)
  table.title = 'the smallest and the largest combination'
  least, most = (num_combinations * pick(hours) for pick in (min, max))
  table.caption = (
    f'all combinations: {least:.1f} to {most:.1f} hours {_CONDITION}; what is'
    ' pruned takes less'
  )
  console.print(table)


def _groups(
  groups: Sequence[trials.Group], console: Console
) -> tuple[Table, list[float]]:
  """A row for each group, and its hours on one core."""
  table = Table()
  for column in ('group', 'trials', 'memory', 'ms an epoch', 'core hours'):
    table.add_column(column, justify='right')
  hours = []
  for group in groups:
    first = group.trials[0]
    with console.status(f'compiling {first.name}'):
      num_bytes, seconds = _measure(first)
    epochs = sum(
      min(trial.config.max_epochs, _TYPICAL_EPOCHS) for trial in group.trials
    )
    hours.append(epochs * seconds / 3600)
    table.add_row(
      first.name,
      str(len(group.trials)),
      f'{num_bytes / 1e9:.2f} GB',
      f'{1e3 * seconds:.1f}',
      f'{hours[-1]:.2f}',
    )
  return table, hours


def _trials(planned: Sequence[trials.Trial]) -> Table:
  table = Table(title=f'{len(planned)} trials')
  fields = list(dict.fromkeys(k for trial in planned for k in trial.changes))
  for column in ('data set', *fields, 'status'):
    table.add_column(column, justify='right')
  for trial in planned:
    values = [str(trial.changes.get(field, '')) for field in fields]
    table.add_row(trial.dataset, *values, trial.status().value)
  return table


def _measure(trial: trials.Trial) -> tuple[int, float]:
  """Bytes that a process needs to train it, and seconds an epoch."""
  dataset = runs.load_dataset(trial.config)
  replicas = training.Replica.of(trial.config)
  driver = training.choose_driver(trial.config, dataset, replicas)
  driver.compile()
  driver.advance(1)
  driver.fetch('epoch')
  start = time.perf_counter()
  driver.advance(1 + _TIMED_EPOCHS)
  driver.fetch('epoch')
  seconds = (time.perf_counter() - start) / _TIMED_EPOCHS
  return driver.num_bytes, seconds
