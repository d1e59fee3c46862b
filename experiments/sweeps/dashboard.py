"""Shows a sweep while it runs: counts, the best so far, the time left."""

from collections.abc import Sequence
import time

from rich.console import Console
from rich.live import Live
from rich.table import Table

from experiments import documents
from experiments.sweeps import heatmaps
from experiments.sweeps import sources
from experiments.sweeps import trials

_LOG_SECONDS = 30  # between two lines where there is no terminal
_SHOW_SECONDS = 1


class Dashboard:
  """A live table in a terminal, a line now and then elsewhere."""

  def __init__(self, source: sources.Source, console: Console):
    """Reads how far the trials are; use it as a context manager."""
    self._source = source
    self._console = console
    self._ended: dict[str, trials.Status] = {}
    self._best: dict[str, tuple[float, trials.Trial]] = {}
    self._update()
    self._ended_before = len(self._ended)
    self._start = time.monotonic()
    self._last = -_LOG_SECONDS
    self._live = Live(console=console, auto_refresh=False, transient=True)

  def __enter__(self) -> 'Dashboard':
    if self._console.is_terminal:
      self._live.start()
    return self

  def __exit__(self, *unused_error) -> None:
    self._live.stop()

  def show(self, running: Sequence[trials.Group]) -> None:
    """Draws the table, at most once a second; or prints a line now and then.

    Args:
      running: the groups that train now.

    Raises:
      WorkdirError: if a file of a trial is damaged.
    """
    wait = _SHOW_SECONDS if self._console.is_terminal else _LOG_SECONDS
    if time.monotonic() - self._last < wait:
      return
    self._last = time.monotonic()
    self._update()
    facts = self._facts(running)
    if not self._console.is_terminal:
      self._console.print(
        ', '.join(f'{name} {value}' for name, value in facts.items()),
        soft_wrap=True,
      )
      return
    table = Table(title='sweep', show_header=False)
    for name, value in facts.items():
      table.add_row(name, value)
    self._live.update(table, refresh=True)

  def _facts(self, running: Sequence[trials.Group]) -> dict[str, str]:
    now = sum(
      trial.name not in self._ended
      for group in running
      for trial in group.trials
    )
    facts = {
      'finished': f'{self._count(trials.Status.FINISHED)} of'
      f' {self._source.total}',
      'running': str(now),
      'failed': str(self._count(trials.Status.FAILED)),
    }
    if pruned := self._count(trials.Status.PRUNED):
      facts['pruned'] = str(pruned)
    facts['time left'] = self._time_left()
    for dataset, (score, trial) in self._best.items():
      changes = [f'{heatmaps.short(k)} {v}' for k, v in trial.changes.items()]
      words = '; '.join(changes) or 'the config as it is'
      facts[f'best validation on {dataset}'] = (
        f'{documents.per_cent(score, 1)} % ({words})'
      )
    return facts

  def _time_left(self) -> str:
    done = len(self._ended) - self._ended_before
    if not done:
      return 'unknown until the first has compiled and finished'
    waiting = self._source.total - len(self._ended)
    seconds = (time.monotonic() - self._start) / done * waiting
    return f'{seconds / 60:.0f} min'

  def _count(self, status: trials.Status) -> int:
    return sum(found is status for found in self._ended.values())

  def _update(self) -> None:
    """Notes the trials that have ended since the last call."""
    for trial in self._source.trials:
      if trial.name in self._ended:
        continue
      status = trial.status()
      if status is trials.Status.WAITING:
        continue
      self._ended[trial.name] = status
      if result := trial.result():
        score = result.seeds[0].val
        best = self._best.get(trial.dataset)
        if best is None or score > best[0]:
          self._best[trial.dataset] = score, trial
