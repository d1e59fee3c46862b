"""The loop of a sweep's first process, while others train."""

from collections.abc import Iterator
import contextlib
import time

from rich.console import Console

from experiments import cli
from experiments.sweeps import engines
from experiments.sweeps import sources
from experiments.sweeps import trials
from experiments.sweeps.dashboard import Dashboard

_POLL_SECONDS = 0.2


def train(
  source: sources.Source,
  pool: engines.Pool,
  console: Console,
  stop: cli.StopRequest,
) -> None:
  """Trains what the source gives out, until it is done or a signal comes.

  Args:
    source: what is trained.
    pool: where it is trained.
    console: for progress.
    stop: true as soon as the sweep shall end.

  Raises:
    ConfigError: if a scheduler refuses the jobs.
    WorkdirError: if a file of a trial is damaged.
  """
  groups = source.ask(pool.num_free)
  with _timed(console), Dashboard(source, console) as dashboard:
    stopping = False
    while groups or pool.busy:
      pool.start(groups)
      if stop and not stopping:
        stopping = True
        pool.stop()
      for group, reason in pool.ended():
        if reason:
          _fail_unfinished(group, reason)
        source.tell(group)
      dashboard.show(pool.running)
      done = stopping or source.done
      groups = [] if done else source.ask(pool.num_free)
      if not groups:
        time.sleep(_POLL_SECONDS)


def _fail_unfinished(group: trials.Group, reason: str) -> None:
  """Fails the trials that were left without a result by a process that died."""
  for trial in group.trials:
    if trial.status() is trials.Status.WAITING:
      trial.fail(reason)


@contextlib.contextmanager
def _timed(console: Console) -> Iterator[None]:
  """Says how long it took."""
  start = time.perf_counter()
  yield
  console.print(f'trained for {(time.perf_counter() - start) / 60:.1f} min')
