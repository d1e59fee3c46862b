"""Where the groups of a sweep train: in this process, in others, on Slurm.

submitit starts the processes; its documentation says what a cluster needs.
"""

from collections import deque
from collections.abc import Sequence
import contextlib
import os
import pathlib
import signal
import time
from typing import Any

from ml_collections import config_dict
import submitit

from experiments.sweeps import places
from experiments.sweeps import trials
from experiments.sweeps import worker
from gat_jax.errors import ConfigError
from gat_jax.runs import workdirs

LOCAL, SLURM, DEBUG = 'local', 'slurm', 'debug'
NAMES = (LOCAL, SLURM, DEBUG)
JOBS = 'jobs'  # the folder of submitit's own files, inside the workdir
_A_YEAR = 60 * 24 * 365  # minutes
_MOST_REQUEUES = 1000
_ASK_SECONDS = 3  # between two questions to Slurm while jobs are cancelled


def slurm_options() -> config_dict.ConfigDict:
  """The fields of --slurm.*; None leaves one to the cluster."""
  options = config_dict.ConfigDict()
  options.partition = config_dict.placeholder(str)
  options.time = 60  # minutes of a job; then it is requeued and goes on
  options.signal_delay = 90  # seconds before that, for a job to save
  options.array_parallelism = 16  # jobs at a time
  options.nodes = 1  # machines that train a group together
  options.tasks_per_node = 1  # processes on each of them
  options.cpus_per_task = 1
  options.gpus_per_node = config_dict.placeholder(int)
  options.mem_gb = config_dict.placeholder(float)
  options.account = config_dict.placeholder(str)
  options.qos = config_dict.placeholder(str)
  options.constraint = config_dict.placeholder(str)
  return options


def check_path(workdir: pathlib.Path, engine: str) -> None:
  """Refuses a folder whose name the engine would not take as it stands.

  submitit and Slurm write the numbers of jobs into paths, for `%j` and the
  like; Slurm reads a backslash as an order not to.

  Args:
    workdir: absolute, of a sweep.
    engine: one of `NAMES`.

  Raises:
    ConfigError: if there is a pattern in it.
  """
  folder = workdir / JOBS
  of_a_job = submitit.core.utils.JobPaths(folder, job_id='1_2').folder
  is_pattern = engine == SLURM and {'%', '\\'} & set(str(folder))
  if is_pattern or of_a_job != folder:
    raise ConfigError(
      'workdir',
      f'{workdir}: {"Slurm" if engine == SLURM else "submitit"} puts the'
      ' numbers of jobs into such a path',
      'choose a folder without "%" or a backslash in its path'
      if engine == SLURM
      else 'choose a folder without "%j", "%t", "%a" or "%A" in its path',
    )


class Pool:
  """Trains groups, so many at a time, in the order in which they come."""

  def __init__(
    self,
    workdir: pathlib.Path,
    engine: str,
    num_workers: int,
    slurm: config_dict.ConfigDict,
    local: Sequence[places.Place] = (),
    discard_unreadable: bool = False,
    track: Sequence[str] = (),
  ):
    """Starts nothing yet.

    Args:
      workdir: of the sweep; submitit's own files and the logs of the jobs go
        into a folder there.
      engine: one of `NAMES`.
      num_workers: how many groups train at a time.
      slurm: see `slurm_options`.
      local: where each local worker trains.
      discard_unreadable: see `worker.TrainGroup`.
      track: see there as well.

    Raises:
      ConfigError: if this machine has no such engine.
      WorkdirError: if the folder cannot be written.
    """
    self._engine = engine
    self._workdir = workdir
    self._places = local
    self._discard_unreadable = discard_unreadable
    self._track = tuple(track)
    self._num_workers = num_workers
    self._waiting: deque[trials.Group] = deque()
    self._stopping = False
    self._last_asked = 0.0
    self._running: dict[Any, tuple[trials.Group, Any]] = {}
    self._elsewhere: list[trials.Group] = []
    try:
      with workdirs.explained(workdir):
        self._executor = submitit.AutoExecutor(
          workdir / JOBS,
          cluster=engine,
          **(
            {'slurm_max_num_timeout': _MOST_REQUEUES} if engine == SLURM else {}
          ),
        )
    except RuntimeError as error:
      raise ConfigError(
        f'--engine={engine}',
        str(error),
        'start it where sbatch is, or choose another engine of'
        f' {", ".join(NAMES)}',
      ) from error
    self._executor.update_parameters(**_parameters(engine, slurm))

  def start(self, groups: Sequence[trials.Group]) -> None:
    """Takes groups to train; waits for those that another process trains.

    Raises:
      ConfigError: if the scheduler refuses them.
      WorkdirError: if the folder cannot be written.
    """
    if not groups:
      return
    for group in groups:
      held = any(workdirs.is_held(trial.folder) for trial in group.trials)
      (self._elsewhere if held else self._waiting).append(group)
    if self._engine == SLURM:
      self._submit_array()

  @property
  def running(self) -> list[trials.Group]:
    """The groups that were started, and that `ended` has not returned."""
    return [group for group, _ in self._running.values()] + self._elsewhere

  @property
  def busy(self) -> bool:
    """Whether anything waits or runs."""
    return bool(self._waiting or self.running)

  @property
  def num_free(self) -> int:
    """How many more groups could train now."""
    return self._num_workers - len(self._waiting) - len(self.running)

  def ended(self) -> list[tuple[trials.Group, str | None]]:
    """The groups that have ended since the last call.

    Returns:
      Each with the reason if its process died, else with None.
    """
    if self._engine != SLURM:
      self._fill()
    elif self._stopping and time.monotonic() - self._last_asked > _ASK_SECONDS:
      submitit.SlurmJob.watcher.update()  # else it asks ever more seldom
      self._last_asked = time.monotonic()
    found = []
    for place, (group, job) in list(self._running.items()):
      if self._engine == DEBUG or job.done():
        del self._running[place]
        found.append((group, None if self._stopping else _why_it_died(job)))
    for group in list(self._elsewhere):
      if not any(workdirs.is_held(trial.folder) for trial in group.trials):
        self._elsewhere.remove(group)
        found.append((group, 'the process that trained it is gone'))
    return found

  def stop(self) -> None:
    """Asks what runs to save and end, and starts nothing more."""
    self._stopping = True
    self._waiting.clear()
    self._elsewhere.clear()
    for _, job in self._running.values():
      if self._engine == LOCAL:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
          os.kill(
            int(job.job_id), signal.SIGTERM
          )  # its controller passes it on
      else:
        job.cancel(check=False)

  def _task(
    self, group: trials.Group, place: places.Place | None
  ) -> worker.TrainGroup:
    return worker.TrainGroup(
      group,
      place,
      self._engine == SLURM,
      self._discard_unreadable,
      self._track,
    )

  def _submit_array(self):
    """Submits all groups that wait to Slurm, as one array of jobs."""
    tasks = [self._task(group, None) for group in self._waiting]
    try:
      with workdirs.explained(self._workdir), self._executor.batch():
        jobs = [self._executor.submit(task) for task in tasks]
    except submitit.core.utils.FailedJobError as error:
      said = str(error).strip().splitlines()[-1]
      raise ConfigError('--engine=slurm', said, 'see --slurm.*') from error
    for group, job in zip(self._waiting, jobs, strict=True):
      self._running[job.job_id] = group, job
    self._waiting.clear()

  def _fill(self):
    """Starts a group on every free place of this machine."""
    for place in range(self._num_workers):
      if self._waiting and place not in self._running:
        group = self._waiting.popleft()
        local = self._places[place] if self._engine == LOCAL else None
        task = self._task(group, local)
        # Ctrl-C reaches all processes of a terminal. Workers inherit that it
        # is blocked: they are stopped by `stop` alone, which lets them save.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
          with workdirs.explained(self._workdir):
            self._running[place] = group, self._executor.submit(task)
        finally:
          signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _parameters(engine: str, slurm: config_dict.ConfigDict) -> dict[str, Any]:
  if engine != SLURM:
    return {'timeout_min': _A_YEAR}
  parameters = {
    'timeout_min': slurm.time,
    'slurm_signal_delay_s': slurm.signal_delay,
    'nodes': slurm.nodes,
    'tasks_per_node': slurm.tasks_per_node,
    'cpus_per_task': slurm.cpus_per_task,
    'slurm_array_parallelism': slurm.array_parallelism,
    'gpus_per_node': slurm.gpus_per_node,
    'mem_gb': slurm.mem_gb,
    'slurm_partition': slurm.partition,
    'slurm_account': slurm.account,
    'slurm_qos': slurm.qos,
    'slurm_constraint': slurm.constraint,
    'slurm_job_name': 'gat_jax',
  }
  return {k: v for k, v in parameters.items() if v is not None}


def _why_it_died(job) -> str | None:
  try:
    job.results()  # of all its tasks
    return None
  except Exception as error:  # submitit has several, and the job's own
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = lines[-1].strip() if lines else type(error).__name__
    return f'its process was killed or ran out of memory ({said[:300]})'
