"""Trains on sampled neighbourhoods that the host makes, a step a call.

Shapes: R replicas.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import time
from typing import Any

import jax
from jax.sharding import SingleDeviceSharding
import numpy as np

from gat_jax import nn
from gat_jax.datasets import Dataset
from gat_jax.errors import ConfigError
from gat_jax.training import early_stopping
from gat_jax.training import memory
from gat_jax.training import meshes
from gat_jax.training import metrics
from gat_jax.training import padding
from gat_jax.training.program import Program
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState
from gat_jax.training.replicas import abstract_states
from gat_jax.training.sampling import SplitCounter
from gat_jax.training.sampling import data_bytes
from gat_jax.training.sampling import loading

# Seconds of steps after which the caller may look, within an epoch.
_SECONDS = 5.0


@dataclasses.dataclass
class _Progress:
  """Where in an epoch a replica is, and what it took since the first one.

  Attributes:
    steps: that are done of the epoch.
    loss: the sum of their losses but the last one's, which is in its state.
    seeds: nodes whose neighbourhoods were drawn in all epochs.
    drawing: seconds that threads drew them.
    seconds: of all steps.
    waited: of these, for batches.
  """

  steps: int = 0
  loss: float = 0.0
  seeds: int = 0
  drawing: float = 0.0
  seconds: float = 0.0
  waited: float = 0.0


class SampledDriver:
  """Each replica has a device and is sent its batches, a step at a time.

  A step computes the loss of some training nodes from a sample of their
  neighbourhood. Validation is exact: see `sampling.Layerwise`. The graph stays
  on the host.

  Attributes:
    is_paused: whether `advance` came back within an epoch.
    neighbours: makes the batches.
  """

  is_paused = False

  def __init__(
    self, config: Any, dataset: Dataset, replicas: Sequence[Replica]
  ):
    """Chooses the shapes of batches; puts nothing on the devices.

    Raises:
      ConfigError: if devices or hosts are to share a graph or a batch.
      DataError: if the edges are not sorted.
    """
    _check_mesh(config.mesh)
    self._config = config
    self._program = Program.from_config(config, dataset)
    self._seeds = [int(replica.seed) for replica in replicas]
    self._hypers = [replica.hyper for replica in replicas]
    layer = nn.LAYERS[config.model.name]
    train = _one(dataset.train)
    self.neighbours = loading.Neighbours(
      train,
      config.sampler.fan_outs,
      config.sampler.batch_size,
      ids=config.model.dropout_rate > 0,
      degrees=issubclass(layer, nn.GCNLayer),
      trees=jax.default_backend() != 'cpu',
    )
    self._val, self._scored = dataset.val, [*dataset.val, *dataset.test]
    self._data_bytes = data_bytes([train, *self._scored])
    self._counter = SplitCounter(self._program.graphdef, self._program.metric)
    self._mesh = meshes.make(config, len(replicas))
    devices = list(self._mesh.devices.flat)
    self._devices = [devices[i % len(devices)] for i in range(len(replicas))]
    self.num_traces = 0

  def compile(self) -> None:
    """Compiles a step for every shape of a batch; see `Driver`."""

    def step(state, hyper, batch, index):
      self.num_traces += 1
      return self._program.step(state, hyper, [batch], index)

    step = jax.jit(step, donate_argnums=0)
    self._steps, num_bytes = {}, {}
    hyper = self._hypers[0]  # of the same types as all others
    shapes = range(len(self.neighbours.shapes))
    for device in dict.fromkeys(self._devices):
      state = abstract_states(self._program.init, SingleDeviceSharding(device))
      for shape in shapes:
        batch = jax.device_put(self.neighbours.smallest(shape), device)
        lowered = step.lower(state, hyper, batch, np.int32(0))
        self._steps[device, shape] = lowered.compile()
        del batch, lowered
        memory.give_back()
      # What nearly all batches need, the states of the others, and for each
      # another batch that is on its way.
      count = self._devices.count(device)
      needed = memory.needed(self._steps[device, 0])
      needed += (count - 1) * memory.num_bytes_of(state)
      num_bytes[device] = needed + count * self.neighbours.num_bytes(0)
    ahead = self._num_ahead()
    on_host = ahead * self.neighbours.num_bytes(0)
    on_host += self._counter.num_bytes(state.params, self._scored)
    memory.check(num_bytes, on_host=on_host, is_sampled=True)
    self.num_bytes = sum(num_bytes.values())
    self.where = (
      f'{meshes.describe(self._mesh, num_bytes.values())}; the host has the'
      f' graph, {self._data_bytes / 1e9:.2g} GB, and {ahead} batches'
      f' and validation, {on_host / 1e9:.2g} GB'
    )
    self._end = jax.jit(self._end_epoch)
    self._end_unvalidated = jax.jit(self._unvalidated)
    init = jax.jit(self._program.init)
    self.restore([init(seed) for seed in self._seeds])
    memory.give_back()
    if jax.default_backend() == 'cpu':
      memory.keep_freed()

  def _num_ahead(self) -> int:
    """How many batches there may be on the host: ready, made and used."""
    return len(self._seeds) * (self._config.sampler.workers + 2)

  def _end_epoch(
    self,
    state: ReplicaState,
    hyper: Any,
    train_loss: jax.Array,
    val: metrics.Counts,
  ) -> ReplicaState:
    state = state._replace(train_loss=train_loss)
    return self._program.end_epoch(state, hyper, val)

  def _unvalidated(self, state: ReplicaState) -> ReplicaState:
    """After an epoch that is not followed by a validation."""
    broken = early_stopping.first_not_finite(
      state.train_loss, state.params, np.float32(0)
    )
    skip = functools.partial(
      early_stopping.without_validation, is_broken=broken >= 0
    )
    return state._replace(
      epoch=state.epoch + 1,
      kept=skip(state.kept),
      others={rule: skip(kept) for rule, kept in state.others.items()},
      broken=broken,
    )

  def advance(self, epoch: int) -> None:
    """See `Driver`; it may come back before, and `is_paused` then."""
    until = time.perf_counter() + _SECONDS
    self.is_paused = False
    while running := self._running(epoch):
      for replica in running:
        self.step(replica)
      is_within = any(self._progress[replica].steps for replica in running)
      if is_within and time.perf_counter() > until:
        self.is_paused = True
        return

  def _running(self, epoch: int) -> list[int]:
    return [
      replica
      for replica, hyper in enumerate(self._hypers)
      if not self._stopped[replica]
      and self._epochs[replica] < min(epoch, int(hyper.max_epochs))
    ]

  def step(self, replica: int) -> None:
    """Takes a step, and ends the epoch after its last."""
    progress, began = self._progress[replica], time.perf_counter()
    state, device = self._states[replica], self._devices[replica]
    was_idle = state.train_loss.is_ready()
    batch = next(self._batches_of(replica))
    if was_idle or state.train_loss.is_ready():  # at most so long, then
      progress.waited += time.perf_counter() - began
    progress.seeds += batch.num_seeds
    progress.drawing += batch.seconds
    example = jax.device_put(batch.example, device)
    if progress.steps:  # one step at a time is on its way
      progress.loss += float(state.train_loss)
    self._states[replica] = self._steps[device, batch.shape](
      state, self._hypers[replica], example, np.int32(progress.steps)
    )
    progress.steps += 1
    progress.seconds += time.perf_counter() - began
    if progress.steps == self.neighbours.num_batches:
      self._finish_epoch(replica)

  def _finish_epoch(self, replica: int) -> None:
    progress, state = self._progress[replica], self._states[replica]
    loss = progress.loss + float(state.train_loss)
    hyper, train_loss = self._hypers[replica], np.float32(loss / progress.steps)
    epoch = self._epochs[replica] + 1
    is_last = epoch == int(hyper.max_epochs)
    if is_last or epoch % self._config.sampler.validate_every == 0:
      counts = jax.device_get(self._counter.count(state.params, self._val))
      state = self._end(state, hyper, train_loss, counts)
    else:
      train_loss = jax.device_put(train_loss, self._devices[replica])
      state = self._end_unvalidated(state._replace(train_loss=train_loss))
    self._states[replica] = state
    progress.steps, progress.loss = 0, 0.0
    self._epochs[replica] = int(state.epoch)
    self._stopped[replica] = bool(state.stopped)

  def _batches_of(self, replica: int) -> Iterator[loading.Batch]:
    """From where the replica is, on."""
    if replica not in self._batches:
      count = self.neighbours.num_batches
      done = self._epochs[replica] * count + self._progress[replica].steps
      self._batches[replica] = self.neighbours.batches(
        self._seeds[replica],
        done,
        int(self._hypers[replica].max_epochs) * count,
        self._config.sampler.workers,
      )
    return self._batches[replica]

  def fetch(self, name: str) -> np.ndarray:
    """See `Driver`."""
    return np.array([np.asarray(getattr(s, name)) for s in self._states])

  def state(self, replica: int) -> ReplicaState:
    """See `Driver`."""
    return jax.device_get(self._states[replica])

  def restore(self, states: Sequence[ReplicaState]) -> None:
    """See `Driver`; between two epochs."""
    self._states = [
      jax.device_put(state, device)
      for state, device in zip(states, self._devices, strict=True)
    ]
    self._epochs = [int(state.epoch) for state in states]
    self._stopped = [bool(state.stopped) for state in states]
    self._progress = [_Progress() for _ in states]
    self._batches: dict[int, Iterator[loading.Batch]] = {}

  def progress(self) -> list[dict[str, Any]]:
    """Where each replica is, fit for JSON, for `resume`."""
    return [dataclasses.asdict(own) for own in self._progress]

  def resume(self, progress: Sequence[dict[str, Any]]) -> None:
    """Goes on from there; call it after `restore`."""
    self._progress = [_Progress(**own) for own in progress]

  def facts(self) -> dict[str, float]:
    """What was drawn and waited for, before interruptions as well."""
    seeds, drawing, seconds, waited = (
      sum(getattr(own, name) for own in self._progress)
      for name in ('seeds', 'drawing', 'seconds', 'waited')
    )
    return {
      'seeds_per_second': round(seeds / max(1e-9, drawing), 1),
      'waiting_share': round(waited / max(1e-9, seconds), 5),
    }


def _check_mesh(mesh: Any) -> None:
  for axis in ('batch', 'nodes'):
    if mesh[axis] > 1:
      raise ConfigError(
        f'config.mesh.{axis}',
        f'{mesh[axis]} devices share a graph, and neighbours are sampled',
        'choose 0, and leave the devices to seeds',
      )
  if jax.process_count() > 1:
    raise ConfigError(
      'config.sampler.fan_outs',
      f'there are {jax.process_count()} hosts, and sampling is for one',
      'run it on one host',
    )


def _one(examples: Sequence[Any]) -> Any:
  """Several graphs are one that falls apart."""
  return examples[0] if len(examples) == 1 else padding.join(examples)
