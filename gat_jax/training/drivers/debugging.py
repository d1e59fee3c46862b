"""What JAX's own settings, which look for errors, mean for training.

`jax_debug_nans` finds NaNs only in what was called through `jax.jit`, whose
function it calls again without: not in what was compiled ahead, and not inside
a loop. `jax_disable_jit` wants nothing compiled at all.

Shapes: R replicas.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gat_jax.datasets import Dataset
from gat_jax.datasets import Example
from gat_jax.training import batching
from gat_jax.training import compiling
from gat_jax.training import metrics
from gat_jax.training.program import Program
from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState


def looks_for_errors() -> bool:
  """Whether JAX is asked to find NaNs, or not to compile."""
  config: Any = jax.config  # its type does not know its attributes
  return bool(config.jax_debug_nans) or compiling.is_off()


class DebugDriver:
  """One replica after the other, every step a call of its own.

  See `drivers.Driver`. It is slow, and trains what the other drivers train, up
  to the last bits. A NaN is a FloatingPointError from the line that made it.
  """

  num_bytes = 0  # nothing is compiled ahead that could tell
  where = 'one device, as JAX looks for errors'

  def __init__(
    self, config: Any, dataset: Dataset, replicas: Sequence[Replica]
  ):
    """Plans the batches, if there are any."""
    self._program = Program.from_config(config, dataset)
    self._replicas = replicas
    self._train = dataset.train
    self._val: Sequence[Example] = dataset.val
    self._batches = None
    if batching.is_in_batches(config, dataset):
      self._batches = batching.Batches.plan(
        dataset.train, config.batch_size, config.batch_shapes
      )
      self._val = batching.validation(config, dataset)
    self._step = jax.jit(self._program.step)
    self._count = jax.jit(self._program.count)
    self._end = jax.jit(self._end_epoch)

  def compile(self) -> None:
    """Makes the first states; what is called is compiled when it is."""
    init = jax.jit(self._program.init)
    self._states = [init(replica.seed) for replica in self._replicas]

  def advance(self, epoch: int) -> None:
    """See `drivers.Driver`."""
    for index, (seed, hyper) in enumerate(self._replicas):
      last = min(epoch, int(hyper.max_epochs))
      while True:
        state = self._states[index]
        if state.stopped or state.epoch >= last:
          break
        self._states[index] = self._one_epoch(state, seed, hyper)

  def _one_epoch(
    self, state: ReplicaState, seed: int, hyper: Hyperparameters
  ) -> ReplicaState:
    batches = [self._train]
    if self._batches is not None:
      batches = [[b] for b in self._batches.epoch(seed, int(state.epoch))]
    losses = []
    for index, batch in enumerate(batches):
      state = self._step(state, hyper, batch, np.int32(index))
      losses.append(np.asarray(state.train_loss))
    loss = np.mean(losses, dtype=np.float32)
    counts = self._count(state.params, self._val)
    return self._end(state, hyper, loss, counts)

  def _end_epoch(
    self,
    state: ReplicaState,
    hyper: Hyperparameters,
    train_loss: jax.Array,
    val: metrics.Counts,
  ) -> ReplicaState:
    return self._program.end_epoch(
      state._replace(train_loss=train_loss), hyper, val
    )

  def fetch(self, name: str) -> np.ndarray:
    """See `drivers.Driver`."""
    return np.array([np.asarray(getattr(s, name)) for s in self._states])

  def state(self, replica: int) -> ReplicaState:
    """See `drivers.Driver`."""
    return jax.device_get(self._states[replica])

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """See `drivers.Driver`."""
    self._states = [jax.device_put(state) for state in states]
