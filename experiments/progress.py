"""Shows a run in the terminal: the data set's card, progress, the results."""

import math
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import SpinnerColumn
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn
from rich.table import Table

from experiments import cli
from experiments import documents
from gat_jax.datasets import Dataset
from gat_jax.runs import Evaluation
from gat_jax.runs import Result

_LOG_SECONDS = 30  # between two lines where there is no terminal


class TerminalObserver(cli.StoppableObserver):
  """A progress bar in a terminal, a line now and then elsewhere."""

  def __init__(self, console: Console, stop: object = False):
    """Opens nothing yet; use as a context manager.

    Args:
      console: where it is shown.
      stop: true as soon as the run is to be interrupted.
    """
    super().__init__(stop)
    self._console = console
    self._metric = 'score'
    self._last_log = -math.inf
    self.show_downloads = console.is_terminal
    self._bar = Progress(
      SpinnerColumn(),
      TextColumn('{task.description}', markup=False),
      BarColumn(bar_width=20),
      TextColumn('{task.fields[status]}', markup=False),
      TimeElapsedColumn(),
      console=console,
      transient=True,
      disable=not console.is_terminal,
    )
    self._task = self._bar.add_task('compiling', total=None, status='')

  def __enter__(self) -> 'TerminalObserver':
    return self

  def __exit__(self, *unused_error) -> None:
    self._bar.stop()

  def on_dataset(self, dataset: Dataset) -> None:
    """Prints the card."""
    self._metric = documents.metric_name(dataset.metric)
    self._console.print(card_table(dataset.card))
    self._bar.start()  # not before: a download has a bar of its own

  def on_placed(self, where: str) -> None:
    """Prints which devices train."""
    self._console.print(f'on {where}', soft_wrap=True)

  def on_compiled(self, seconds: float, num_parameters: int) -> None:
    """Prints the size of the model."""
    self._console.print(
      f'{num_parameters:,} parameters, compiled in {seconds:.1f} s'
    )
    self._bar.update(self._task, description='training')

  def on_resumed(self, epoch: int) -> None:
    """Says so."""
    self._console.print(f'goes on after epoch {epoch:,}')

  def on_evaluation(self, evaluation: Evaluation) -> None:
    """Moves the bar, or logs a line now and then."""
    running, total = int(evaluation.running.sum()), len(evaluation.seeds)
    epoch = int(evaluation.epochs.max())
    status = f'epoch {epoch:,}'
    known = np.isfinite(evaluation.val_score)
    if known.any():  # else no epoch so far has ended with a validation
      status += (
        f', validation {self._metric}'
        f' {100 * evaluation.val_score[known].mean():.1f} %, loss'
        f' {np.nanmean(evaluation.val_loss[known]):.3f}'
      )
    if total > 1:
      status += f', {running} of {total} seeds running'
    self._bar.update(
      self._task,
      status=status,
      completed=total - running if total > 1 else epoch,
      total=total if total > 1 else None,
    )
    now = time.monotonic()
    if not self._console.is_terminal and now - self._last_log > _LOG_SECONDS:
      self._console.print(status)
      self._last_log = now


def card_table(card: dict[str, Any]) -> Table:
  """The data set's card, without the sums of its files."""
  table = Table(title=f'data set {card["name"]}', show_header=False)
  for name, value in card.items():
    if name in ('name', 'digest') or isinstance(value, dict | list):
      continue
    shown = f'{value:,}' if type(value) is int else str(value)
    table.add_row(name.replace('_', ' '), shown)
  for warning in card.get('warnings', ()):
    table.add_row('warning', warning, style='yellow')
  return table


def result_table(result: Result) -> Table:
  """One row a seed, then mean and sample deviation."""
  metric = documents.metric_name(result.metric)
  table = Table(title=f'{result.dataset}, {metric} in %')
  for column in ('seed', 'validation', 'test', 'best epoch', 'epochs'):
    table.add_column(column, justify='right')
  for seed in result.seeds:
    table.add_row(
      str(seed.seed),
      f'{100 * seed.val:.1f}',
      f'{100 * seed.test:.1f}',
      f'{seed.best_epoch:,}',
      f'{seed.epochs:,}',
    )
  if len(result.seeds) > 1:
    table.add_section()
    table.add_row(
      'mean',
      _mean_and_deviation([seed.val for seed in result.seeds]),
      _mean_and_deviation([seed.test for seed in result.seeds]),
      '',  # epochs that were kept have no mean that says anything
      f'{np.mean([seed.epochs for seed in result.seeds]):,.0f}',
    )
  epochs = sum(seed.epochs for seed in result.seeds)
  per_epoch = 1e3 * result.train_seconds / max(1, epochs)
  said = [f'{documents.SPREAD}, {len(result.seeds)} seeds'] * (
    len(result.seeds) > 1
  )
  said.append(
    f'{result.train_seconds:.1f} s, {per_epoch:.1f} ms an epoch and seed;'
    f' compiled in {result.compile_seconds:.1f} s'
  )
  if result.sampling:
    share = 100 * result.sampling['waiting_share']
    drawn = result.sampling['seeds_per_second']
    said.append(
      f'{drawn:,.0f} neighbourhoods drawn a second and thread; training waited'
      f' for them {share:.1f} % of the time'
    )
  table.caption = '\n'.join(said)
  return table


def _mean_and_deviation(fractions: list[float]) -> str:
  return documents.mean_and_deviation(
    np.mean(fractions), np.std(fractions, ddof=1)
  )
