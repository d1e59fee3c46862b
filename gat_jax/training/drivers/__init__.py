"""Train many replicas, from one evaluation to the next.

A replica is a model of its own: one seed with its own hyper-parameters. Where
the training set is one batch, all its epochs are one compiled program. So they
are where it is divided into new batches in every epoch, but for a CPU: there
`stepping` has each step as a call.

Shapes: R replicas.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from gat_jax.datasets import Dataset
from gat_jax.errors import ConfigError
from gat_jax.training import batching
from gat_jax.training import compiling
from gat_jax.training.drivers import parted
from gat_jax.training.drivers.debugging import DebugDriver
from gat_jax.training.drivers.debugging import (
  looks_for_errors as looks_for_errors,
)
from gat_jax.training.drivers.resident import ResidentDriver
from gat_jax.training.drivers.stepping import BatchDriver
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import ReplicaState


class Driver(Protocol):
  """Replicas that are trained from one evaluation to the next.

  Where there are several hosts, all of them call the same methods in the same
  order. Making one and `compile` must run no program that spans hosts, since
  either may fail on one of them (see `Hosts.together`).

  Attributes:
    num_bytes: memory that the compiled programs need on this host's devices,
      after `compile`.
    where: in words, the devices and the memory of each, after `compile`.
  """

  num_bytes: int
  where: str

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


@runtime_checkable
class PausingDriver(Driver, Protocol):
  """A driver of long epochs, which may come back within one.

  Attributes:
    is_paused: whether `advance` came back before it was there.
  """

  is_paused: bool

  def progress(self) -> Any:
    """Where in its epoch each replica is, fit for JSON."""

  def resume(self, progress: Any) -> None:
    """Goes on where `progress` was, after `restore`."""

  def facts(self) -> dict[str, float]:
    """What a person may want to know of how it went, by name."""


def choose_driver(
  config: Any, dataset: Dataset, replicas: Sequence[Replica]
) -> Driver:
  """The driver that suits `config.batch_size` and the training set.

  Args:
    config: decides the program, and nothing that each replica brings itself.
    dataset: what the replicas train on.
    replicas: their seeds and hyper-parameters.

  Raises:
    ConfigError: if `config.mesh` does not fit the devices or the batches, or
      JAX is asked to look for errors where that cannot be.
  """
  if config.sampler.fan_outs:
    if compiling.is_off():
      raise ConfigError(
        'config.sampler.fan_outs',
        'steps on sampled batches are compiled ahead, and JAX is asked to'
        ' compile nothing',
        'turn off `jax_disable_jit`',
      )
    return _sampled_driver(config, dataset, replicas)
  dataset = parted.take_apart(config, dataset)
  if looks_for_errors():
    if dataset.num_parts > 1:
      raise ConfigError(
        'config.mesh.nodes',
        f'{dataset.num_parts} devices share a graph, and JAX is asked to look'
        ' for errors on one',
        'leave it at 0, or turn off `jax_debug_nans` and `jax_disable_jit`',
      )
    return DebugDriver(config, dataset, replicas)
  if batching.is_in_batches(config, dataset) and jax.default_backend() == 'cpu':
    return BatchDriver(config, dataset, replicas)
  return ResidentDriver(config, dataset, replicas)


def _sampled_driver(
  config: Any, dataset: Dataset, replicas: Sequence[Replica]
) -> Driver:
  try:
    from gat_jax.training.drivers.sampled import SampledDriver
  except ImportError as error:
    if error.name not in ('grain', 'numba'):
      raise
    raise ConfigError(
      'config.sampler.fan_outs',
      f'sampling needs {error.name}, which is not installed',
      "install what it needs: pip install 'gat_jax[sampling]'",
    ) from error
  return SampledDriver(config, dataset, replicas)
