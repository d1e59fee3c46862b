"""Trains in batches that the host makes, a step a call, as suits a CPU.

Shapes: R replicas.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import SingleDeviceSharding
import numpy as np

from gat_jax.datasets import Dataset
from gat_jax.training import batching
from gat_jax.training import memory
from gat_jax.training.program import Program
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState
from gat_jax.training.replicas import abstract_states


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
    val = batching.validation(config, dataset)
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
      state = abstract_states(self._program.init, SingleDeviceSharding(device))
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


def _num_bytes(tree: Any) -> int:
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
