"""Trains in batches that the host makes, a step a call, as suits a CPU.

Shapes: R replicas.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from gat_jax.datasets import Dataset
from gat_jax.training import batching
from gat_jax.training import memory
from gat_jax.training import meshes
from gat_jax.training import padding
from gat_jax.training.program import Program
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState
from gat_jax.training.replicas import abstract_states


class BatchDriver:
  """Each replica has devices and is sent its batches, a step at a time.

  The mesh has a row of devices for each place along `runs`. A row shares the
  graphs of a batch. Rows work at the same time, since a step is sent off before
  the one of the next replica; a replica's batches depend on its seed and the
  epoch alone. Of several hosts, each sees to the rows that it has devices of.
  """

  def __init__(
    self, config: Any, dataset: Dataset, replicas: Sequence[Replica]
  ):
    """Plans the batches and puts what validates them on the devices."""
    mesh = meshes.make(config, len(replicas), config.batch_size)
    self._mesh = mesh
    num_parts = mesh.shape[meshes.BATCH]
    axes = meshes.part_axes(mesh)
    self._program = Program.from_config(config, dataset, axes)
    self._seeds = [replica.seed for replica in replicas]
    self._hypers = [replica.hyper for replica in replicas]
    self._batches = batching.Batches.plan(
      dataset.train, config.batch_size, config.batch_shapes, num_parts
    )
    rows = [Mesh(row[None], meshes.AXES) for row in mesh.devices]
    self._rows = [rows[i % len(rows)] for i in range(len(replicas))]
    self._owners = [row.devices.flat[0].process_index for row in self._rows]
    self._here = [i for i, row in enumerate(self._rows) if row.local_devices]
    val = batching.validation(config, dataset, num_parts)
    # Of each row that is here: where its batches lie, and what validates them.
    self._parts, self._val = {}, {}
    for row in dict.fromkeys(self._rows[i] for i in self._here):
      self._parts[row] = NamedSharding(row, PartitionSpec(*axes))
      self._val[row] = meshes.put(val, self._parts[row])
    self.num_traces = 0

  def compile(self) -> None:
    """Compiles a step for every shape of a batch, and the epoch's end."""

    def step(state, hyper, index, batch):
      self.num_traces += 1
      return self._program.step(state, hyper, [batch], index)

    def end_epoch(state, hyper, train_loss, val):
      counts = self._program.count(state.params, val)
      state = state._replace(train_loss=train_loss)
      return self._program.end_epoch(state, hyper, counts)

    self._steps, self._ends, num_bytes = {}, {}, {}
    for row, parts in self._parts.items():
      whole = NamedSharding(row, PartitionSpec())
      state = abstract_states(self._program.init, whole)
      hyper = self._hypers[0]  # of the same types as all others

      def compiled(function, *args, row=row):
        spread = jax.jit(meshes.over_parts(function, row), donate_argnums=0)
        return spread.lower(*args).compile()

      ending = compiled(end_epoch, state, hyper, np.float32(0), self._val[row])
      self._ends[row] = ending
      needed = memory.needed(ending)
      for shape in self._batches.shapes:
        batch = meshes.put(self._batches.smallest(shape), parts)
        stepping = compiled(step, state, hyper, np.int32(0), batch)
        self._steps[row, shape] = stepping
        needed = max(needed, memory.needed(stepping))
      others = self._rows.count(row) - 1
      for device in row.local_devices:
        num_bytes[device] = needed + others * memory.num_bytes_of(state)
    memory.check(num_bytes)
    self.num_bytes = sum(num_bytes.values())
    self.where = meshes.describe(self._mesh, num_bytes.values())
    init = jax.jit(self._program.init)
    self.restore([init(seed) for seed in self._seeds])

  def advance(self, epoch: int) -> None:
    """See `Driver`."""
    while True:
      running = [
        replica
        for replica in self._here
        if not self._states[replica].stopped
        and self._states[replica].epoch
        < min(epoch, self._hypers[replica].max_epochs)
      ]
      if not running:
        return
      self._one_epoch(running)

  def _one_epoch(self, running: list[int]) -> None:
    losses = self.train_steps(running)
    for replica in running:
      row = self._rows[replica]
      self._states[replica] = self._ends[row](
        self._states[replica],
        self._hypers[replica],
        np.mean(losses[replica], dtype=np.float32),
        self._val[row],
      )

  def train_steps(self, running: Sequence[int]) -> dict[int, np.ndarray]:
    """Takes the steps of one epoch, without what ends it.

    Args:
      running: indices of the replicas that train, of those that are here.

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
        row, batch = self._rows[replica], dealt[replica][index]
        step = self._steps[row, padding.size(batch)]
        self._states[replica] = step(
          self._states[replica],
          self._hypers[replica],
          np.int32(index),
          meshes.put(batch, self._parts[row]),
        )
        losses[replica].append(self._states[replica].train_loss.copy())
    return {
      replica: np.stack(jax.device_get(losses[replica])) for replica in running
    }

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    own = np.array([np.asarray(getattr(s, name)) for s in self._states])
    return meshes.of_hosts(own)[self._owners, np.arange(len(own))]

  def state(self, replica: int) -> ReplicaState:
    """See `Driver`."""
    owner = self._owners[replica]
    everyone = meshes.of_hosts(self._states[replica])
    return jax.tree.map(lambda of_hosts: of_hosts[owner], everyone)

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """See `Driver`."""
    # Those of other hosts' rows stay as they are: nobody asks for them.
    self._states = list(states)
    for i in self._here:
      whole = NamedSharding(self._rows[i], PartitionSpec())
      self._states[i] = meshes.put(states[i], whole)
