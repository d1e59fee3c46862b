"""Trains many replicas on all devices, from one evaluation to the next.

A replica is a model of its own: one seed with its own hyper-parameters. Where
the training set is one batch, all its epochs are one compiled program. Where it
is divided into new batches in every epoch, each step is a call of one.

Shapes: R replicas.
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

from gat_jax.datasets import Dataset
from gat_jax.training import batching
from gat_jax.training import debugging
from gat_jax.training import memory
from gat_jax.training.program import Program
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState
from gat_jax.training.replicas import over_replicas


class Driver(Protocol):
  """Replicas that are trained from one evaluation to the next.

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
    """Trains every replica to that epoch, or until it ends before."""

  def fetch(self, name: str) -> np.ndarray:
    """Returns a scalar of every `ReplicaState`: [R]. Call `compile` first."""

  def state(self, replica: int) -> ReplicaState:
    """Returns one replica's state, on the host."""

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """Takes every replica to a state that `state` returned, after `compile`."""


def choose_driver(
  config: Any, dataset: Dataset, replicas: Sequence[Replica]
) -> Driver:
  """The driver that suits `config.batch_size` and the training set.

  Args:
    config: decides the program, and nothing that each replica brings itself.
    dataset: what the replicas train on.
    replicas: their seeds and hyper-parameters.
  """
  if debugging.looks_for_errors():
    return debugging.DebugDriver(config, dataset, replicas)
  if config.batch_size and config.batch_size < len(dataset.train):
    return BatchDriver(config, dataset, replicas)
  return ResidentDriver(config, dataset, replicas)


class ResidentDriver:
  """One program trains all replicas; the host only starts it and waits."""

  _states: ReplicaState  # stacked: [R, ...]

  def __init__(
    self, config: Any, dataset: Dataset, replicas: Sequence[Replica]
  ):
    """Puts the data on all devices."""
    self._program = Program.from_config(config, dataset)
    self._num_replicas = len(replicas)
    devices = jax.local_devices()[: len(replicas)]
    self._mesh = Mesh(np.array(devices), ('replicas',))
    self._loop = config.seed_loop
    self._packs = jax.default_backend() != 'cpu'
    if self._loop == 'auto':
      self._loop = 'vmap' if self._packs else 'map'
    everywhere = NamedSharding(self._mesh, PartitionSpec())
    self._apart = NamedSharding(self._mesh, PartitionSpec('replicas'))
    self._data = jax.device_put((dataset.train, dataset.val), everywhere)
    self._seeds = [replica.seed for replica in replicas]
    # Every device gets the same number of replicas. Fillers make up for what is
    # missing: copies of the last replica that train no epoch.
    fillers = -len(replicas) % len(devices)
    hypers = [replica.hyper for replica in replicas]
    hypers += [hypers[-1]._replace(max_epochs=np.int32(0))] * fillers
    self._hypers = jax.device_put(_stack(hypers), self._apart)

  def compile(self) -> None:
    """Compiles all epochs of all replicas into one program; see `Driver`."""

    def advance(shared, replica):
      (epoch, (train, val)), (state, hyper) = shared, replica
      return self._program.run_until(
        epoch, state, hyper, train, val, packs=self._packs
      )

    advance = over_replicas(advance, self._mesh, self._loop)
    num_replicas = len(self._hypers.patience)  # with the fillers
    states = _abstract_states(self._program, self._apart, num_replicas)
    args = (np.int32(0), self._data), (states, self._hypers)
    self._advance = jax.jit(advance).lower(*args).compile()
    num_bytes = dict.fromkeys(
      self._mesh.devices.flat, memory.needed(self._advance)
    )
    memory.check(num_bytes)
    self.num_bytes = sum(num_bytes.values())
    # One seed at a time, so that it starts the same alone or among others.
    init = jax.jit(self._program.init)
    self.restore([jax.device_get(init(seed)) for seed in self._seeds])

  def advance(self, epoch: int) -> None:
    """See `Driver`."""
    self._states = self._advance(
      (np.int32(epoch), self._data), (self._states, self._hypers)
    )

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    return np.asarray(getattr(self._states, name))[: self._num_replicas]

  def state(self, replica: int) -> ReplicaState:
    """See `Driver`."""
    return jax.tree.map(lambda x: np.asarray(x)[replica], self._states)

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """See `Driver`."""
    fillers = -len(states) % self._mesh.size
    stacked = _stack([*states, *[states[-1]] * fillers])
    self._states = jax.device_put(stacked, self._apart)


class BatchDriver:
  """Each replica has a device and is sent its batches, a step at a time.

  Devices work at the same time, since a step is sent off before the one of the
  next replica; a replica's batches depend on its seed and the epoch alone.
  """

  def __init__(
    self, config: Any, dataset: Dataset, replicas: Sequence[Replica]
  ):
    """Plans the batches and puts what validates them on the devices."""
    self._program = Program.from_config(config, dataset)
    self._seeds = [replica.seed for replica in replicas]
    self._hypers = [replica.hyper for replica in replicas]
    self._batches = batching.Batches.plan(
      dataset.train, config.batch_size, config.batch_shapes
    )
    devices = jax.local_devices()[: len(replicas)]
    self._devices = [devices[i % len(devices)] for i in range(len(replicas))]
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
        replica
        for replica, state in enumerate(self._states)
        if not state.stopped
        and state.epoch < min(epoch, self._hypers[replica].max_epochs)
      ]
      if not running:
        return
      self._one_epoch(running)

  def _one_epoch(self, running: list[int]) -> None:
    losses = self.train_steps(running)
    for replica in running:
      device = self._devices[replica]
      self._states[replica] = self._ends[device](
        self._states[replica],
        self._hypers[replica],
        np.mean(losses[replica], dtype=np.float32),
        self._val[device],
      )

  def train_steps(self, running: Sequence[int]) -> dict[int, np.ndarray]:
    """Takes the steps of one epoch, without what ends it.

    Args:
      running: indices of the replicas that train.

    Returns:
      For each of them the losses of its steps.
    """
    dealt = {
      replica: self._batches.epoch(
        self._seeds[replica], int(self._states[replica].epoch)
      )
      for replica in running
    }
    losses: dict[int, list[jax.Array]] = {replica: [] for replica in running}
    for index in range(len(dealt[running[0]])):
      for replica in running:
        device, batch = self._devices[replica], dealt[replica][index]
        step = self._steps[device, batching.size(batch)]
        self._states[replica] = step(
          self._states[replica],
          self._hypers[replica],
          jax.device_put(batch, device),
          np.int32(index),
        )
        losses[replica].append(self._states[replica].train_loss.copy())
    return {
      replica: np.stack(jax.device_get(losses[replica])) for replica in running
    }

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    return np.array([np.asarray(getattr(s, name)) for s in self._states])

  def state(self, replica: int) -> ReplicaState:
    """See `Driver`."""
    return jax.device_get(self._states[replica])

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """See `Driver`."""
    self._states = [
      jax.device_put(state, device)
      for state, device in zip(states, self._devices, strict=True)
    ]


def _abstract_states(
  program: Program, sharding: Sharding, *leading: int
) -> ReplicaState:
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
