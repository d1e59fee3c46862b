"""What makes a run survive its process: its states and the time it took."""

from collections.abc import Sequence
import time

from gat_jax import training
from gat_jax.runs.checkpoints import Checkpoints
from gat_jax.runs.observers import Observer
from gat_jax.runs.workdirs import RunWriter


class Recovery:
  """Saves the states of all replicas, and takes them back to where they were.

  Together with the states it keeps how much of each log belongs to them, so
  that what was logged later is dropped, and how long the run has trained.
  """

  def __init__(
    self,
    driver: training.Driver,
    num_replicas: int,
    writers: Sequence[RunWriter],
    saved: Checkpoints | None,
  ):
    """Begins to count the time.

    Args:
      driver: has the states, after `compile`.
      num_replicas: how many it trains.
      writers: have the logs.
      saved: where the states are saved; None saves nothing.
    """
    self._driver = driver
    self._num_replicas = num_replicas
    self._writers = writers
    self._saved = saved
    self._began = time.perf_counter()

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
      WorkdirError: if a log cannot be written.
    """
    latest = self._saved and self._saved.latest(self._states())
    if not latest:
      for writer in self._writers:
        writer.begin(0, 0)
      return 0
    epoch, states, facts = latest
    self._driver.restore(states)
    for writer, size in zip(self._writers, facts['metrics_bytes'], strict=True):
      writer.begin(epoch, size)
    self._began -= facts['seconds']
    observer.on_resumed(epoch)
    return epoch

  def save(self, epoch: int) -> None:
    """Saves the states after that epoch.

    Raises:
      WorkdirError: if they cannot be written.
    """
    if self._saved:
      facts = {
        'metrics_bytes': [writer.metrics_bytes for writer in self._writers],
        'seconds': self.seconds,
      }
      self._saved.save(epoch, self._states(), facts)

  def _states(self) -> list[training.ReplicaState]:
    return [self._driver.state(i) for i in range(self._num_replicas)]
