"""Trains on data that stay on the devices, many epochs a call.

Shapes: R replicas.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from gat_jax.datasets import Dataset
from gat_jax.datasets import Example
from gat_jax.training import batching
from gat_jax.training import compiling
from gat_jax.training import memory
from gat_jax.training import meshes
from gat_jax.training.program import Program
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState
from gat_jax.training.replicas import abstract_states
from gat_jax.training.replicas import over_replicas

# Epochs whose batches' order is sent at a time.
_MOST_EPOCHS = 16


class ResidentDriver:
  """One program trains all replicas; the host only starts it and waits.

  The data stay on the devices, where batches are made of them, if there are
  any. All that the host sends is the order of the batches.
  """

  _states: ReplicaState  # stacked: [R, ...]
  _epochs: np.ndarray  # [R], where each would be, had it not stopped

  def __init__(
    self, config: Any, dataset: Dataset, replicas: Sequence[Replica]
  ):
    """Puts the data on all devices."""
    self._num_replicas = len(replicas)
    is_in_batches = batching.is_in_batches(config, dataset)
    graphs_at_once = config.batch_size if is_in_batches else 1
    self._mesh = meshes.make(config, len(replicas), graphs_at_once)
    num_parts = self._mesh.shape[meshes.BATCH]
    axes = meshes.part_axes(self._mesh)
    self._program = Program.from_config(config, dataset, axes)
    self._seed_loop = config.seed_loop
    everywhere = NamedSharding(self._mesh, PartitionSpec())
    self._apart = NamedSharding(self._mesh, PartitionSpec(meshes.RUNS))
    self._parts = NamedSharding(self._mesh, PartitionSpec(*axes))
    self._batches = None
    train: Any = dataset.train
    val: Sequence[Example] = dataset.val
    if is_in_batches:
      self._batches = batching.Batches.plan(
        dataset.train, config.batch_size, config.batch_shapes, num_parts
      )
      train = self._batches.on_device()
      val = batching.validation(config, dataset, num_parts)
    train_at = everywhere if is_in_batches else self._parts
    self._data = meshes.put(train, train_at), meshes.put(val, self._parts)
    self._seeds = [int(replica.seed) for replica in replicas]
    # Every device gets the same number of replicas. Fillers make up for what is
    # missing: copies of the last replica that train no epoch.
    fillers = -len(replicas) % self._mesh.shape[meshes.RUNS]
    self._seeds += self._seeds[-1:] * fillers
    hypers = [replica.hyper for replica in replicas]
    hypers += [hypers[-1]._replace(max_epochs=np.int32(0))] * fillers
    self._hypers = meshes.put(_stack(hypers), self._apart)
    self._max_epochs = np.array([hyper.max_epochs for hyper in hypers])

  def compile(self) -> None:
    """Compiles all epochs of all replicas into one program; see `Driver`."""
    advance = epochs_of_all(
      self._program, self._mesh, self._seed_loop, self._batches is not None
    )
    num_replicas = len(self._hypers.patience)  # with the fillers
    states = abstract_states(self._program.init, self._apart, num_replicas)
    orders = self._orders(np.zeros(num_replicas, int))
    args = (np.int32(0), self._data), (states, self._hypers, orders)
    self._advance = compiling.jit(advance).lower(*args).compile()
    num_bytes = dict.fromkeys(
      self._mesh.local_devices, memory.needed(self._advance)
    )
    memory.check(num_bytes)
    self.num_bytes = sum(num_bytes.values())
    self.where = meshes.describe(self._mesh, num_bytes.values())
    # One seed at a time, so that it starts the same alone or among others.
    init = jax.jit(self._program.init)
    seeds = self._seeds[: self._num_replicas]
    self.restore([jax.device_get(init(seed)) for seed in seeds])

  def advance(self, epoch: int) -> None:
    """See `Driver`."""
    last = np.minimum(epoch, self._max_epochs)
    while True:
      orders = self._orders(self._epochs)
      self._states = self._advance(
        (np.int32(epoch), self._data), (self._states, self._hypers, orders)
      )
      # Of those that early stopping has not ended; others train no more.
      self._epochs = np.minimum(last, self._epochs + _MOST_EPOCHS)
      if self._batches is None or (self._epochs >= last).all():
        return

  def _orders(self, epochs: np.ndarray) -> batching.Order | None:
    """Of the batches of the epochs from these on: [R, epochs, ...]."""
    if self._batches is None:
      return None
    orders = [
      _stack([self._batches.order(s, first + i) for i in range(_MOST_EPOCHS)])
      for s, first in zip(self._seeds, epochs.tolist(), strict=True)
    ]
    return meshes.put(_stack(orders), self._apart)

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    return meshes.get(getattr(self._states, name))[: self._num_replicas]

  def state(self, replica: int) -> ReplicaState:
    """See `Driver`."""
    return meshes.row(self._states, replica, self._mesh)

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """See `Driver`."""
    fillers = -len(states) % self._mesh.shape[meshes.RUNS]
    stacked = _stack([*states, *[states[-1]] * fillers])
    self._epochs = np.where(stacked.stopped, self._max_epochs, stacked.epoch)
    self._states = meshes.put(stacked, self._apart)


def epochs_of_all(
  program: Program, mesh: Mesh, seed_loop: str, is_in_batches: bool = False
) -> Callable:
  """The epochs of all replicas, to be compiled for the devices of a mesh.

  Args:
    program: of one replica.
    mesh: of devices, which need not be there.
    seed_loop: as in a config.
    is_in_batches: whether batches are made of the training split.

  Returns:
    A function of `(epoch, (train, val))` and the stacked `(states, hypers,
    orders)`; it returns the states.
  """
  packs = _packs(mesh)
  at_once = packs if seed_loop == 'auto' else seed_loop == 'vmap'
  if is_in_batches or program.axes:
    # Several would take a step of every shape in each step, and JAX has no
    # collective that moves rows of several.
    at_once = False

  def advance(shared, replica):
    (epoch, (train, val)), (state, hyper, orders) = shared, replica
    if program.axes:
      val = meshes.own_part(val)
      train = train if is_in_batches else meshes.own_part(train)
    return program.run_until(epoch, state, hyper, train, val, orders, packs)

  everywhere, parts = PartitionSpec(), PartitionSpec(*program.axes)
  train_at = everywhere if is_in_batches else parts
  shared = everywhere, (train_at, parts)
  return over_replicas(advance, mesh, 'vmap' if at_once else 'map', shared)


def _packs(mesh: Mesh) -> bool:
  """Whether a state is carried in a few arrays, as suits an accelerator."""
  return mesh.devices.flat[0].platform != 'cpu'


def _stack(trees: list[Any]) -> Any:
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
