"""What a sweep would do: its trials, its groups, memory and time."""

from collections.abc import Sequence
import time

from rich.console import Console
from rich.table import Table

from experiments import cli
from experiments import trials
from gat_jax import arguments
from gat_jax import drivers
from gat_jax import runs

_TIMED_EPOCHS = 3
_TYPICAL_EPOCHS = 1000  # where a stopping rule decides


def show(planned: Sequence[trials.Trial], console: Console) -> None:
  """Prints the trials and the groups; compiles each group for its estimate."""
  console.print(_trials(planned))
  table = Table(title='groups: each one compiled program')
  for column in ('group', 'trials', 'memory', 'ms an epoch', 'core hours'):
    table.add_column(column, justify='right')
  hours = 0.0
  for group in trials.group(planned):
    first = group.trials[0]
    with console.status(f'compiling {first.name}'):
      num_bytes, seconds = _measure(first)
    epochs = sum(
      min(trial.config.max_epochs, _TYPICAL_EPOCHS) for trial in group.trials
    )
    own = epochs * seconds / 3600
    hours += own
    table.add_row(
      first.name,
      str(len(group.trials)),
      f'{num_bytes / 1e9:.2f} GB',
      f'{1e3 * seconds:.1f}',
      f'{own:.2f}',
    )
  table.caption = (
    f'{hours:.1f} hours on one core or device, if no trial runs more than'
    f' {_TYPICAL_EPOCHS:,} epochs'
  )
  console.print(table)


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
  """Bytes that a process needs for such a trial, and seconds an epoch."""
  cli.set_up_jax()
  dataset = runs.load_dataset(trial.config)
  driver = drivers.choose(trial.config, dataset, arguments.Run.of(trial.config))
  driver.compile()
  driver.advance(1)
  driver.fetch('epoch')
  start = time.perf_counter()
  driver.advance(1 + _TIMED_EPOCHS)
  driver.fetch('epoch')
  seconds = (time.perf_counter() - start) / _TIMED_EPOCHS
  return driver.num_bytes, seconds
