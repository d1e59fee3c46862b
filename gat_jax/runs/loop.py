"""The loop of a run on the host: train, log, save, until all have ended.

Shapes: R replicas: one seed each, all trained by one program.
"""

from collections.abc import Iterator, Sequence
import time
from typing import Any, TypeVar

import jax
import numpy as np

from gat_jax import training
from gat_jax.runs.observers import Ended
from gat_jax.runs.observers import Evaluation
from gat_jax.runs.observers import Observer
from gat_jax.runs.observers import Outcome
from gat_jax.runs.states.checkpoints import Checkpoints
from gat_jax.runs.workdirs import METRICS
from gat_jax.runs.workdirs import RunWriter

T = TypeVar('T')
# What hosts ask for, the last before all others.
_OUTCOMES = (None, Outcome.INTERRUPTED, Outcome.PRUNED)


class Group:
  """Configs that are trained together, and the replicas of each.

  Attributes:
    config: for the fields that all of them share.
    replicas: of all configs, one after the other: R.
    writers: one for each config, or none at all.
  """

  def __init__(self, configs: Sequence[Any], writers: Sequence[RunWriter]):
    """Makes a replica for each seed of each config."""
    self.config = configs[0]
    self.replicas: list[training.Replica] = []
    self.writers = writers
    self._ranges = []
    for config in configs:
      first = len(self.replicas)
      self.replicas += training.Replica.of(config)
      self._ranges.append(range(first, len(self.replicas)))

  def by_config(
    self, values: Sequence[T]
  ) -> Iterator[tuple[list[T], RunWriter | None]]:
    """Splits [R] values: for each config its own, and its writer if any."""
    writers: Sequence[RunWriter | None] = self.writers or (
      [None] * len(self._ranges)
    )
    for indices, writer in zip(self._ranges, writers, strict=True):
      yield [values[i] for i in indices], writer


class Recovery:
  """Saves the states of all replicas, and takes them back to where they were.

  Together with the states it keeps how much of each log belongs to them, so
  that what was logged later is dropped, and how long the run has trained.

  Attributes:
    logged: [R], up to which epoch each replica was logged.
  """

  def __init__(
    self,
    driver: training.Driver,
    num_replicas: int,
    writers: Sequence[RunWriter],
    saved: Checkpoints | None,
    hosts: training.Hosts,
  ):
    """Begins to count the time.

    Args:
      driver: has the states, after `compile`.
      num_replicas: how many it trains.
      writers: have the logs; none on hosts that do not write.
      saved: where the states are saved; None saves nothing.
      hosts: which all go back to what the writer has saved.
    """
    self._hosts = hosts
    self._driver = driver
    self._num_replicas = num_replicas
    self._writers = writers
    self._saved = saved
    self._began = time.perf_counter()
    self.logged = driver.fetch('epoch')

  @property
  def seconds(self) -> float:
    """Seconds of training so far, those before interruptions included."""
    return time.perf_counter() - self._began

  def restore(self, observer: Observer) -> int:
    """Goes back to the newest sound checkpoint, if there is one.

    Args:
      observer: is told if there is.

    Returns:
      The epoch to go on from; 0 for a new run.

    Raises:
      WorkdirError: if a log cannot be written, or if there are checkpoints and
        none can be used; nothing has been changed then.
    """
    states = self._states()
    latest = self._hosts.tell(lambda: self._latest(states))
    if not latest:
      with self._hosts.together():
        for writer in self._writers:
          writer.begin(0, 0)
      return 0
    epoch, leaves, facts = latest
    states = jax.tree.unflatten(jax.tree.structure(states), leaves)
    self._driver.restore(states)
    if isinstance(self._driver, training.PausingDriver):
      self._driver.resume(facts['progress'])
    self.logged = np.array(
      facts.get('logged', [int(state.epoch) for state in states])
    )
    with self._hosts.together():
      for writer, size in zip(
        self._writers, facts['metrics_bytes'], strict=False
      ):
        writer.begin(epoch, size)
    self._began -= facts['seconds']
    observer.on_resumed(epoch)
    return epoch

  def _latest(
    self, like: list[training.ReplicaState]
  ) -> tuple[int, list[np.ndarray], dict[str, Any]] | None:
    """The newest sound checkpoint: epoch, leaves and facts."""
    latest = self._saved and self._saved.latest(like, self._lacks)
    if not latest:
      return None
    epoch, states, facts = latest
    return epoch, jax.tree.leaves(states), facts

  def _lacks(self, facts: dict[str, Any]) -> str:
    """Says what is missing of the logs that belong to a checkpoint."""
    sizes = facts.get('metrics_bytes', [])
    if len(sizes) != len(self._writers):
      return f'belongs to {len(sizes)} runs and not {len(self._writers)}'
    for writer, size in zip(self._writers, sizes, strict=True):
      if writer.logged_bytes < size:
        return f'belongs to a {METRICS} that is longer than {writer.path} has'
    return ''

  def save(self, epoch: int, *, wait: bool) -> None:
    """Saves the states after that epoch.

    Args:
      epoch: how far the run is.
      wait: until they are on the disk, not only copied.

    Raises:
      WorkdirError: if they cannot be written.
    """
    if not any(self._hosts.agree(self._saved is not None)):
      return
    states = self._states()
    with self._hosts.together():
      if self._saved:
        facts = {
          'metrics_bytes': [writer.metrics_bytes() for writer in self._writers],
          'seconds': self.seconds,
        }
        if isinstance(self._driver, training.PausingDriver):
          facts['progress'] = self._driver.progress()
          facts['logged'] = self.logged.tolist()
        self._saved.save(epoch, states, facts)
        if wait:
          self._saved.wait()

  def _states(self) -> list[training.ReplicaState]:
    return [self._driver.state(i) for i in range(self._num_replicas)]


def train_until_ended(
  group: Group,
  driver: training.Driver,
  recovery: Recovery,
  observer: Observer,
  epoch: int,
  hosts: training.Hosts,
) -> None:
  """Trains all replicas until each has ended by itself.

  Args:
    group: what is trained.
    driver: trains it; compiled, and in the state after `epoch`.
    recovery: saves states every `config.checkpoint_minutes`.
    observer: is told of each evaluation, and may ask the run to end.
    epoch: epochs that are done already.
    hosts: that train it; any of them may ask for an end.

  Raises:
    Ended: on all hosts, if the observer of one asked for it.
    WorkdirError: if something cannot be written.
  """
  last = max(int(r.hyper.max_epochs) for r in group.replicas)
  last_saved = time.perf_counter()
  while True:
    until = min(epoch + group.config.log_every, last)
    driver.advance(until)
    evaluation = _evaluation(group, driver)
    is_last = not evaluation.running.any()
    outcome = None
    # Within a long epoch there is nothing to log, and much to save.
    is_within = isinstance(driver, training.PausingDriver) and driver.is_paused
    with hosts.together():
      if not is_within:
        epoch = until
        _log(group, evaluation, evaluation.epochs > recovery.logged)
        recovery.logged = evaluation.epochs
        observer.on_evaluation(evaluation)
      if not is_last:
        outcome = observer.request(evaluation)
    if is_last:
      return
    waited = time.perf_counter() - last_saved
    index, is_due = hosts.agree(
      _OUTCOMES.index(outcome),
      hosts.is_writer and waited >= 60 * group.config.checkpoint_minutes,
    )
    outcome = _OUTCOMES[index]
    if outcome is not Outcome.PRUNED and (
      is_due or outcome is Outcome.INTERRUPTED
    ):
      recovery.save(epoch, wait=outcome is not None)
      last_saved = time.perf_counter()
    if outcome is not None:
      raise hosts.joint(Ended(outcome, int(evaluation.epochs.max())))


def _evaluation(group: Group, driver: training.Driver) -> Evaluation:
  limits = np.array([r.hyper.max_epochs for r in group.replicas])
  epochs = driver.fetch('epoch')
  return Evaluation(
    seeds=np.array([r.seed for r in group.replicas]),
    epochs=epochs,
    running=~driver.fetch('stopped') & (epochs < limits),
    train_loss=driver.fetch('train_loss'),
    val_loss=driver.fetch('val_loss'),
    val_score=driver.fetch('val_score'),
  )


def _log(group: Group, evaluation: Evaluation, advanced: np.ndarray) -> None:
  """Writes a line for each replica that has trained since the last one."""
  for indices, writer in group.by_config(range(len(group.replicas))):
    if writer is None:
      continue
    for i in indices:
      if advanced[i]:
        writer.write_metrics(
          int(evaluation.seeds[i]),
          int(evaluation.epochs[i]),
          train_loss=float(evaluation.train_loss[i]),
          val_loss=float(evaluation.val_loss[i]),
          val_score=float(evaluation.val_score[i]),
        )
    writer.flush()
