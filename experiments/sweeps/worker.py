"""What a process of a sweep does: it trains one group of trials."""

from collections.abc import Sequence
import dataclasses
import shutil
import signal
import traceback

import jax
import submitit

from experiments import cli
from experiments import hosts
from experiments import tracking
from experiments.sweeps import places
from experiments.sweeps import plans
from experiments.sweeps import trials
from gat_jax import runs
from gat_jax import training
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
  its last checkpoint. The tasks of a job train the group together; the first of
  them writes.

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
    stop = cli.StopRequest(*(_OF_SCHEDULERS if self.scheduled else ()))
    launch = hosts.find() if self.scheduled else None
    if launch is None:
      interrupted = self._train(stop)
    else:
      found: list[bool] = []
      hosts.run(launch, lambda: found.append(self._train(stop)))
      (interrupted,) = found
    stop.pass_on()  # submitit requeues the job if it is preempted
    while interrupted and self.scheduled:
      signal.pause()  # a job that ends by itself is not requeued

  def _train(self, stop: cli.StopRequest) -> bool:
    """Returns whether it was interrupted and can be continued."""
    here = training.Hosts.here()
    left = here.tell(self._left)
    group = dataclasses.replace(
      self.group, trials=tuple(self.group.trials[index] for index in left)
    )
    interrupted = False
    with stop:
      if left:
        interrupted = _train(group, stop, self.discard_unreadable, self.track)
        stop.share(here.agree)
    here.ended = True
    return interrupted

  def _left(self) -> list[int]:
    """Which trials have not ended; none if another process trains them."""
    left = [
      index
      for index, trial in enumerate(self.group.trials)
      if trial.status() is trials.Status.WAITING
    ]
    if any(workdirs.is_held(self.group.trials[i].folder) for i in left):
      return []
    return left

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
  here = training.Hosts.here()
  try:
    configs = [trial.config for trial in group.trials]
    folders = [trial.folder for trial in group.trials]
    if not here.is_writer:
      track = ()
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
    if here.is_writer:
      for trial in group.trials:
        trial.prune(ended.epoch)
    results = []
  except Exception as error:  # whatever it is, other groups go on
    if not here.is_joint(error):
      raise  # nobody may wait for this host: it ends
    is_input = isinstance(error, InputError)
    if not is_input:
      traceback.print_exc()  # into the log of the job
    if here.is_writer:
      said = f'{type(error).__name__}: {error}'
      _fail(group, cli.as_flags(error) if is_input else said)
    return False
  if here.is_writer:
    shutil.rmtree(group.states_in, ignore_errors=True)
    _remember(group, results)
  return False


def _remember(group: trials.Group, results: Sequence[runs.Result]) -> None:
  """Notes how long an epoch took, for --dry_run."""
  epochs = sum(seed.epochs for result in results for seed in result.seeds)
  if epochs < _LEAST_EPOCHS:
    return
  seconds = sum(result.train_seconds for result in results)
  num_devices = min(jax.device_count(), len(results))
  trial = group.trials[0]
  card = workdirs.read_json(trial.folder, workdirs.DATASET)
  plans.remember(trial.config, card, seconds * num_devices / epochs)


def _observer(group: trials.Group, stop: cli.StopRequest) -> runs.Observer:
  if group.number is None or not training.Hosts.here().is_writer:
    return cli.StoppableObserver(stop)
  from experiments.sweeps.searches import pruning  # Optuna is slow to import

  return pruning.PruningObserver(group, stop)


def _fail(group: trials.Group, error: str) -> None:
  for trial in group.trials:
    trial.fail(error)
