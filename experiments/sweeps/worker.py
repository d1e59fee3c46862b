"""What a process of a sweep does: it trains one group of trials."""

from collections.abc import Sequence
import dataclasses
import shutil
import signal
import traceback

import jax
import submitit

from experiments import cli
from experiments import tracking
from experiments.sweeps import places
from experiments.sweeps import plans
from experiments.sweeps import trials
from gat_jax import runs
from gat_jax.errors import InputError
from gat_jax.runs import workdirs

# Slurm sends the first to end a job, and the second, for which submitit asks,
# some time before a limit or a preemption, in any order; later it kills.
_OF_SCHEDULERS = (signal.SIGTERM, signal.SIGUSR2)
_LEAST_EPOCHS = 20  # fewer say little of how long one takes


@dataclasses.dataclass
class TrainGroup:
  """A job: trains a group, and records in the folders how each trial ended.

  When a scheduler preempts the job and starts it again later, it goes on from
  its last checkpoint.

  Attributes:
    group: the trials.
    place: the core or the GPU of a local worker; None takes whatever the
      process may use.
    scheduled: whether a scheduler decides when the process ends.
    discard_unreadable: train anew where no checkpoint of the group can be used.
    track: the trackers that each trial is sent to.
  """

  group: trials.Group
  place: places.Place | None = None
  scheduled: bool = False
  discard_unreadable: bool = False
  track: tuple[str, ...] = ()

  def __call__(self) -> None:
    """Trains what has not ended, unless another process trains it now."""
    if self.place is not None:
      self.place.take()
    cli.set_up_jax()
    left = [t for t in self.group.trials if t.status() is trials.Status.WAITING]
    if not left or any(workdirs.is_held(trial.folder) for trial in left):
      return
    group = dataclasses.replace(self.group, trials=tuple(left))
    with cli.StopRequest(*(_OF_SCHEDULERS if self.scheduled else ())) as stop:
      interrupted = _train(group, stop, self.discard_unreadable, self.track)
    stop.pass_on()  # submitit requeues the job if it is preempted
    while interrupted and self.scheduled:
      signal.pause()  # a job that ends by itself is not requeued

  def checkpoint(self) -> submitit.helpers.DelayedSubmission:
    """What submitit puts into the queue when the job is preempted: itself."""
    return submitit.helpers.DelayedSubmission(self)


def _train(
  group: trials.Group,
  stop: cli.StopRequest,
  discard_unreadable: bool,
  track: Sequence[str],
) -> bool:
  """Returns whether it was interrupted and can be continued."""
  try:
    configs = [trial.config for trial in group.trials]
    folders = [trial.folder for trial in group.trials]
    with tracking.TrackingObserver(
      track, configs, folders, group.workdir.name
    ) as trackers:
      results = runs.train_group(
        configs,
        folders,
        group.states_in,
        runs.Observers(_observer(group, stop), trackers),
        discard_unreadable=discard_unreadable,
      )
  except runs.Ended as ended:
    if ended.outcome is runs.Outcome.INTERRUPTED:
      return True
    for trial in group.trials:
      trial.prune(ended.epoch)
    results = []
  except InputError as error:
    _fail(group, cli.as_flags(error))
    return False
  except Exception as error:  # whatever it is, other groups go on
    traceback.print_exc()  # into the log of the job
    _fail(group, f'{type(error).__name__}: {error}')
    return False
  shutil.rmtree(group.states_in, ignore_errors=True)
  _remember(group, results)
  return False


def _remember(group: trials.Group, results: Sequence[runs.Result]) -> None:
  """Notes how long an epoch took, for --dry_run."""
  epochs = sum(seed.epochs for result in results for seed in result.seeds)
  if epochs < _LEAST_EPOCHS:
    return
  seconds = sum(result.train_seconds for result in results)
  num_devices = min(len(jax.local_devices()), len(results))
  trial = group.trials[0]
  card = workdirs.read_json(trial.folder, workdirs.DATASET)
  plans.remember(trial.config, card, seconds * num_devices / epochs)


def _observer(group: trials.Group, stop: cli.StopRequest) -> runs.Observer:
  if group.number is None:
    return cli.StoppableObserver(stop)
  from experiments.sweeps.searches import pruning  # Optuna is slow to import

  return pruning.PruningObserver(group, stop)


def _fail(group: trials.Group, error: str) -> None:
  for trial in group.trials:
    trial.fail(error)
