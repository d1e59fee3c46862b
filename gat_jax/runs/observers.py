"""What a run tells while it goes on, and how it is asked to end.

Shapes: R runs (seeds, or trials of a sweep) trained by one program.
"""

import dataclasses

import numpy as np

from gat_jax import datasets


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """What the host sees of all seeds every `log_every` epochs; arrays [R].

  Attributes:
    seeds: the seeds.
    epochs: epochs done.
    running: whether the seed will go on.
    train_loss: cross-entropy of the last step.
    val_loss: validation loss.
    val_score: validation accuracy or micro-F1.
  """

  seeds: np.ndarray
  epochs: np.ndarray
  running: np.ndarray
  train_loss: np.ndarray
  val_loss: np.ndarray
  val_score: np.ndarray


class Interrupted(Exception):  # noqa: N818, it is no error
  """A run was stopped on request after a checkpoint.

  Attributes:
    epoch: how far it is.
  """

  def __init__(self, epoch: int):
    """See the class."""
    super().__init__(f'interrupted after epoch {epoch}')
    self.epoch = epoch


class Observer:
  """Is told how a run goes; every method may be overridden.

  Attributes:
    show_downloads: show a progress bar while data are downloaded.
  """

  show_downloads = False

  def wants_stop(self) -> bool:
    """Is asked after every evaluation whether the run is to be interrupted."""
    return False

  def on_resumed(self, epoch: int) -> None:
    """An interrupted run goes on after that epoch."""

  def on_dataset(self, dataset: datasets.Dataset) -> None:
    """The data are loaded and checked."""

  def on_compiled(self, seconds: float, num_parameters: int) -> None:
    """The program is compiled, training begins."""

  def on_evaluation(self, evaluation: Evaluation) -> None:
    """Another `log_every` epochs are done."""
