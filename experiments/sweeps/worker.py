"""What a process of a sweep does: it trains one group of trials."""

import dataclasses
import os
import shutil
import signal
import traceback

import submitit

from experiments import cli
from experiments.sweeps import trials
from gat_jax import runs
from gat_jax.errors import InputError
from gat_jax.runs import workdirs
from gat_jax.runs.observers import Interrupted
from gat_jax.runs.observers import Observer

# Slurm sends the first to end a job, and where submitit asks for it the second
# to preempt one, in any order; later it kills.
_SCHEDULERS = (signal.SIGTERM, signal.SIGUSR2)


@dataclasses.dataclass
class TrainGroup:
  """A job: trains a group, and records an error in the folders it spoilt.

  A scheduler that takes the machine away and gives it back starts it again;
  then it goes on from its last checkpoint.

  Attributes:
    group: the trials.
    place: which of the local workers this is; decides its core or its GPU.
      None takes whatever the process may use.
    scheduled: whether a scheduler decides when the process ends.
  """

  group: trials.Group
  place: int | None = None
  scheduled: bool = False

  def __call__(self) -> None:
    """Trains; how each trial ended stands in its folder."""
    _take_place(self.place)
    cli.set_up_jax()
    left = [t for t in self.group.trials if t.status() is trials.Status.WAITING]
    if not left or any(workdirs.is_held(trial.folder) for trial in left):
      return
    group = dataclasses.replace(self.group, trials=tuple(left))
    with cli.StopRequest(*(_SCHEDULERS if self.scheduled else ())) as stop:
      interrupted = _train(group, stop)
    stop.pass_on()  # submitit requeues the job if it is preempted
    while interrupted and self.scheduled:
      signal.pause()  # a job that ends by itself is not requeued

  def checkpoint(self) -> submitit.helpers.DelayedSubmission:
    """What a preempted job is requeued with: itself."""
    return submitit.helpers.DelayedSubmission(self)


def _train(group: trials.Group, stop: cli.StopRequest) -> bool:
  """Returns whether a signal interrupted it."""
  try:
    runs.train_group(
      [trial.config for trial in group.trials],
      [trial.folder for trial in group.trials],
      group.states_in,
      _observer(group, stop),
    )
  except Interrupted:
    return True
  except trials.Pruned as pruned:
    for trial in group.trials:
      trial.prune(pruned.epochs)
  except InputError as error:
    _fail(group, str(error))
    return False
  except Exception as error:  # whatever it is, other groups go on
    traceback.print_exc()  # into the log of the job
    _fail(group, f'{type(error).__name__}: {error}')
    return False
  shutil.rmtree(group.states_in, ignore_errors=True)
  return False


def _observer(group: trials.Group, stop: cli.StopRequest) -> Observer:
  if group.number is None:
    return cli.StoppableObserver(stop)
  from experiments.sweeps import search  # slow to import

  return search.PruningObserver(group, stop)


def _fail(group: trials.Group, error: str) -> None:
  for trial in group.trials:
    trial.fail(error)


def _take_place(place: int | None) -> None:
  """One core or one GPU for each local worker."""
  if place is None:
    return
  if hasattr(os, 'sched_setaffinity'):
    cores = cli.cores()
    os.sched_setaffinity(0, {cores[place % len(cores)]})
  os.environ['CUDA_VISIBLE_DEVICES'] = str(place)
