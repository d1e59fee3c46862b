"""What a run tells while it goes on, and how it is asked to end.

Shapes: R replicas: one seed each, all trained by one program.
"""

from collections.abc import Sequence
import dataclasses
import enum

import numpy as np

from gat_jax import datasets
from gat_jax.runs.results import Result


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """What is known of all replicas after every `log_every` epochs; arrays [R].

  Attributes:
    seeds: the seeds.
    epochs: epochs done.
    running: whether the replica will go on.
    train_loss: cross-entropy of the last step, in nats.
    val_loss: validation cross-entropy, in nats.
    val_score: validation score, a fraction.
  """

  seeds: np.ndarray
  epochs: np.ndarray
  running: np.ndarray
  train_loss: np.ndarray
  val_loss: np.ndarray
  val_score: np.ndarray


class Outcome(enum.Enum):
  """How a run ended that was asked to end early."""

  INTERRUPTED = 'interrupted'  # its state is saved: the same call goes on
  PRUNED = 'pruned'  # for good: no state of it is saved any more


class Ended(Exception):  # noqa: N818, it is no error
  """A run was asked to end before all its replicas had ended by themselves.

  Attributes:
    outcome: in which way.
    epoch: how far it is.
  """

  def __init__(self, outcome: Outcome, epoch: int):
    """See the class."""
    super().__init__(f'{outcome.value} after epoch {epoch}')
    self.outcome = outcome
    self.epoch = epoch


class Observer:
  """Is told how a run goes, and may ask it to end; override what is needed.

  Attributes:
    show_downloads: show a progress bar while data are downloaded.
  """

  show_downloads = False

  def on_resumed(self, epoch: int) -> None:
    """An interrupted run goes on after that epoch."""

  def on_finished(self, seeds: Sequence[int]) -> None:
    """These seeds are finished in the folder: they are not trained again."""

  def on_dataset(self, dataset: datasets.Dataset) -> None:
    """The data are loaded and checked."""

  def on_placed(self, where: str) -> None:
    """The program is compiled for these devices, which are told in words."""

  def on_compiled(self, seconds: float, num_parameters: int) -> None:
    """The program is compiled, training begins."""

  def on_evaluation(self, evaluation: Evaluation) -> None:
    """Another `log_every` epochs are done and logged."""

  def request(self, evaluation: Evaluation) -> Outcome | None:
    """Is asked after each evaluation, unless it was the last, what is to come.

    Returns:
      How the run shall end now; None to go on.
    """

  def on_results(self, results: Sequence[Result]) -> None:
    """All has ended by itself and is written: the scores of every config.

    Of a run that has got more seeds, those of all its seeds. Nothing is told of
    a run that was finished already.
    """


class Observers(Observer):
  """Several in one: all are told, and the first to ask for an end gets it."""

  def __init__(self, *observers: Observer):
    """They are told in this order."""
    self._observers = observers
    self.show_downloads = any(one.show_downloads for one in observers)

  def on_resumed(self, epoch: int) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_resumed(epoch)

  def on_finished(self, seeds: Sequence[int]) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_finished(seeds)

  def on_dataset(self, dataset: datasets.Dataset) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_dataset(dataset)

  def on_placed(self, where: str) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_placed(where)

  def on_compiled(self, seconds: float, num_parameters: int) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_compiled(seconds, num_parameters)

  def on_evaluation(self, evaluation: Evaluation) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_evaluation(evaluation)

  def request(self, evaluation: Evaluation) -> Outcome | None:
    """Asks one after the other."""
    asked = (one.request(evaluation) for one in self._observers)
    return next((outcome for outcome in asked if outcome is not None), None)

  def on_results(self, results: Sequence[Result]) -> None:
    """Tells all."""
    for one in self._observers:
      one.on_results(results)
