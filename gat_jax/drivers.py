"""Drives many runs from look to look, on all devices.

Where the training set is one batch, whole runs are compiled; where it is dealt
out in batches anew in every epoch, a step is.

Shapes: R runs.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import jax
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
from jax.sharding import Sharding
from jax.sharding import SingleDeviceSharding
import numpy as np

from gat_jax import arguments
from gat_jax import batching
from gat_jax import memory
from gat_jax import training
from gat_jax.datasets.structures import Dataset


class Driver(Protocol):
  """Runs that go on from look to look.

  Attributes:
    num_bytes: memory that the compiled programs need, after `compile`.
  """

  num_bytes: int

  def compile(self) -> None:
    """Compiles everything that `advance` needs, then makes the first states.

    Raises:
      ConfigError: if the memory is too small for it.
    """

  def advance(self, epoch: int) -> None:
    """Takes every run to that epoch, to its last one or to its rule's stop."""

  def fetch(self, name: str) -> np.ndarray:
    """Returns a scalar of `RunState`, of all runs: [R]; after `compile`."""

  def state(self, run: int) -> training.RunState:
    """Returns one run's state, on the host."""

  def restore(self, states: Sequence[training.RunState]) -> None:
    """Takes every run to a state that `state` returned, after `compile`."""


def choose(
  config: Any, dataset: Dataset, runs: Sequence[arguments.Run]
) -> Driver:
  """The driver that suits `config.batch_size` and the training set.

  Args:
    config: decides the program, and nothing that each run brings itself.
    dataset: what the runs train on.
    runs: their seeds and hyper-parameters.
  """
  if config.batch_size and config.batch_size < len(dataset.train):
    return BatchDriver(config, dataset, runs)
  return ResidentDriver(config, dataset, runs)


class ResidentDriver:
  """One program trains all runs; between two looks the devices run alone."""

  _states: training.RunState  # stacked: [R, ...]

  def __init__(
    self, config: Any, dataset: Dataset, runs: Sequence[arguments.Run]
  ):
    """Puts the data on all devices."""
    self._program = training.Program.from_config(config, dataset)
    self._num_runs = len(runs)
    devices = jax.local_devices()[: len(runs)]
    self._mesh = Mesh(np.array(devices), ('runs',))
    self._loop = config.seed_loop
    if self._loop == 'auto':
      self._loop = 'map' if jax.default_backend() == 'cpu' else 'vmap'
    everywhere = NamedSharding(self._mesh, PartitionSpec())
    self._apart = NamedSharding(self._mesh, PartitionSpec('runs'))
    self._data = jax.device_put((dataset.train, dataset.val), everywhere)
    self._seeds = [run.seed for run in runs]
    # Where the devices do not come out even, the last run stands in and does
    # no epoch.
    fillers = -len(runs) % len(devices)
    hypers = [run.hyper for run in runs]
    hypers += [hypers[-1]._replace(max_epochs=np.int32(0))] * fillers
    self._hypers = jax.device_put(_stack(hypers), self._apart)

  def compile(self) -> None:
    """Compiles all epochs of all runs into one program; see `Driver`."""

    def look(shared, run):
      (epoch, (train, val)), (state, hyper) = shared, run
      return self._program.run_until(epoch, state, hyper, train, val)

    look = training.over_runs(look, self._mesh, self._loop)
    num_runs = len(self._hypers.patience)  # with those that stand in
    states = _abstract_states(self._program, self._apart, num_runs)
    args = (np.int32(0), self._data), (states, self._hypers)
    self._look = jax.jit(look).lower(*args).compile()
    num_bytes = dict.fromkeys(
      self._mesh.devices.flat, memory.needed(self._look)
    )
    memory.check(num_bytes)
    self.num_bytes = sum(num_bytes.values())
    # One seed at a time: its numbers must not depend on its company.
    init = jax.jit(self._program.init)
    self.restore([jax.device_get(init(seed)) for seed in self._seeds])

  def advance(self, epoch: int) -> None:
    """See `Driver`."""
    self._states = self._look(
      (np.int32(epoch), self._data), (self._states, self._hypers)
    )

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    return np.asarray(getattr(self._states, name))[: self._num_runs]

  def state(self, run: int) -> training.RunState:
    """See `Driver`."""
    return jax.tree.map(lambda x: np.asarray(x)[run], self._states)

  def restore(self, states: Sequence[training.RunState]) -> None:
    """See `Driver`."""
    fillers = -len(states) % self._mesh.size
    stacked = _stack([*states, *[states[-1]] * fillers])
    self._states = jax.device_put(stacked, self._apart)


class BatchDriver:
  """Each run has a device and is sent its batches, a step at a time.

  Devices work at the same time, since a step is sent off before the one of the
  next run; a run's batches depend on its seed and the epoch alone.
  """

  def __init__(
    self, config: Any, dataset: Dataset, runs: Sequence[arguments.Run]
  ):
    """Plans the batches and puts what validates them on the devices."""
    self._program = training.Program.from_config(config, dataset)
    self._seeds = [run.seed for run in runs]
    self._hypers = [run.hyper for run in runs]
    self._batches = batching.Batches.plan(
      dataset.train, config.batch_size, config.batch_shapes
    )
    devices = jax.local_devices()[: len(runs)]
    self._devices = [devices[i % len(devices)] for i in range(len(runs))]
    val = [
      batching.join(dataset.val[first:][: config.batch_size])
      for first in range(0, len(dataset.val), config.batch_size)
    ]
    self._val = {d: jax.device_put(val, d) for d in devices}
    self.num_traces = 0

  def compile(self) -> None:
    """Compiles a step for every shape of a batch, and the epoch's end."""

    def step(state, hyper, batch, index):
      self.num_traces += 1
      return self._program.step(state, hyper, [batch], index)

    def end_epoch(state, hyper, train_loss, val):
      counts = self._program.count(state.params, val)
      state = state._replace(train_loss=train_loss)
      return self._program.end_epoch(state, hyper, counts)

    step = jax.jit(step, donate_argnums=0)
    end_epoch = jax.jit(end_epoch, donate_argnums=0)
    self._steps, self._ends, num_bytes = {}, {}, {}
    hyper = self._hypers[0]  # of the same types as all others
    for device, val in self._val.items():
      state = _abstract_states(self._program, SingleDeviceSharding(device))
      args = (state, hyper, np.float32(0), val)
      self._ends[device] = end_epoch.lower(*args).compile()
      needed = memory.needed(self._ends[device])
      for shape in self._batches.shapes:
        batch = jax.device_put(self._batches.smallest(shape), device)
        lowered = step.lower(state, hyper, batch, np.int32(0))
        self._steps[device, shape] = lowered.compile()
        needed = max(needed, memory.needed(self._steps[device, shape]))
      others = self._devices.count(device) - 1
      num_bytes[device] = needed + others * _num_bytes(state)
    memory.check(num_bytes)
    self.num_bytes = sum(num_bytes.values())
    init = jax.jit(self._program.init)
    self.restore([init(seed) for seed in self._seeds])

  def advance(self, epoch: int) -> None:
    """See `Driver`."""
    while True:
      running = [
        run
        for run, state in enumerate(self._states)
        if not state.stopped
        and state.epoch < min(epoch, self._hypers[run].max_epochs)
      ]
      if not running:
        return
      self._one_epoch(running)

  def _one_epoch(self, running: list[int]) -> None:
    losses = self.train_steps(running)
    for run in running:
      device = self._devices[run]
      self._states[run] = self._ends[device](
        self._states[run],
        self._hypers[run],
        np.mean(losses[run], dtype=np.float32),
        self._val[device],
      )

  def train_steps(self, running: Sequence[int]) -> dict[int, np.ndarray]:
    """Takes the steps of one epoch, without what ends it.

    Args:
      running: indices of the seeds that train.

    Returns:
      For each of them the losses of its steps.
    """
    dealt = {
      run: self._batches.epoch(self._seeds[run], int(self._states[run].epoch))
      for run in running
    }
    losses: dict[int, list[jax.Array]] = {run: [] for run in running}
    for index in range(len(dealt[running[0]])):
      for run in running:
        device, batch = self._devices[run], dealt[run][index]
        step = self._steps[device, batching.size(batch)]
        self._states[run] = step(
          self._states[run],
          self._hypers[run],
          jax.device_put(batch, device),
          np.int32(index),
        )
        losses[run].append(self._states[run].train_loss.copy())
    return {run: np.stack(jax.device_get(losses[run])) for run in running}

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    return np.array([np.asarray(getattr(s, name)) for s in self._states])

  def state(self, run: int) -> training.RunState:
    """See `Driver`."""
    return jax.device_get(self._states[run])

  def restore(self, states: Sequence[training.RunState]) -> None:
    """See `Driver`."""
    self._states = [
      jax.device_put(state, device)
      for state, device in zip(states, self._devices, strict=True)
    ]


def _abstract_states(
  program: training.Program, sharding: Sharding, *leading: int
) -> training.RunState:
  """The shapes of a state, or of so many stacked ones, and where they are."""
  return jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(
      (*leading, *leaf.shape), leaf.dtype, sharding=sharding
    ),
    jax.eval_shape(program.init, 0),
  )


def _num_bytes(tree: Any) -> int:
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _stack(trees: list[Any]) -> Any:
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
