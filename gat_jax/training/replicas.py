"""Replicas: what may differ between them, what they remember, how they share.

Shapes: R replicas trained by one program.
"""

from collections.abc import Callable
import functools
from typing import Any, Literal, NamedTuple

from flax import nnx
import jax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec
from jax.sharding import Sharding
import numpy as np
import optax

from gat_jax.training import early_stopping
from gat_jax.training import meshes

_EVERYWHERE = PartitionSpec()

# What ends a replica at once if it is not finite, in the order of the checks.
BREAKABLE = ('training loss', 'gradient', 'validation loss')


class Hyperparameters(NamedTuple):
  """What may differ between replicas of a program; scalars, or [R] stacked."""

  learning_rate: jax.Array | np.number
  weight_decay: jax.Array | np.number
  adam_epsilon: jax.Array | np.number
  dropout_rate: jax.Array | np.number
  patience: jax.Array | np.number
  max_epochs: jax.Array | np.number

  @classmethod
  def from_config(cls, config: Any) -> 'Hyperparameters':
    """Reads them off a config; `runs.fields` explains each."""
    return cls(
      learning_rate=np.float32(config.learning_rate),
      weight_decay=np.float32(config.weight_decay),
      adam_epsilon=np.float32(config.adam_epsilon),
      dropout_rate=np.float32(config.model.dropout_rate),
      patience=np.int32(config.patience),
      max_epochs=np.int32(config.max_epochs),
    )

  @property
  def of_optimizer(self) -> tuple[jax.Array | np.number, ...]:
    """In the order in which `optimizers.make` takes them."""
    return self.learning_rate, self.weight_decay, self.adam_epsilon


class Replica(NamedTuple):
  """One seed with its own hyper-parameters."""

  seed: int
  hyper: Hyperparameters

  @classmethod
  def of(cls, config: Any) -> list['Replica']:
    """A replica for each seed of a config."""
    hyper = Hyperparameters.from_config(config)
    seeds = range(config.seed, config.seed + config.num_seeds)
    return [cls(seed, hyper) for seed in seeds]


class ReplicaState(NamedTuple):
  """Everything a replica remembers between two epochs.

  Attributes:
    seed: the source of all its randomness.
    epoch: epochs done.
    params: parameters after the last epoch.
    opt_state: of the optimiser.
    kept: what its rule of early stopping has kept.
    others: what other rules, by name, would have kept.
    train_loss: cross-entropy of the last step, with dropout, without L2.
    val_loss: validation loss after the last epoch.
    val_score: validation score after the last epoch.
    broken: which of `BREAKABLE` was not finite in the last epoch; -1 for none.
  """

  seed: jax.Array
  epoch: jax.Array
  params: nnx.State
  opt_state: optax.OptState
  kept: early_stopping.Kept
  others: dict[str, early_stopping.Kept]
  train_loss: jax.Array
  val_loss: jax.Array
  val_score: jax.Array
  broken: jax.Array

  @property
  def stopped(self) -> jax.Array:
    """Whether early stopping or a number that is not finite has ended it."""
    return self.kept.stopped | (self.broken >= 0)


def over_replicas(
  function: Callable,
  mesh: Mesh,
  loop: Literal['map', 'vmap'],
  shared: Any = _EVERYWHERE,
) -> Callable:
  """Spreads `function(shared, replica)` over replicas and devices.

  Args:
    function: takes what all replicas share and what is a replica's own.
    mesh: of the devices; replicas are spread along its axis `runs`.
    loop: how a device goes through its replicas. `map` takes them one after the
      other, which suits a CPU; `vmap` all at once, which suits an accelerator.
    shared: how what is shared lies on the mesh.

  Returns:
    A function of the shared arguments and the stacked replicas [R, ...]; R is a
    multiple of the size of that axis.
  """

  def on_one_device(whole, replicas):
    apply = functools.partial(function, whole)
    return (
      jax.lax.map(apply, replicas)
      if loop == 'map'
      else jax.vmap(apply)(replicas)
    )

  return jax.shard_map(
    on_one_device,
    mesh=mesh,
    in_specs=(shared, PartitionSpec(meshes.RUNS)),
    out_specs=PartitionSpec(meshes.RUNS),
    check_vma=False,
  )


def abstract_states(
  init: Callable[[int], ReplicaState], sharding: Sharding, *leading: int
) -> ReplicaState:
  """The shapes of a state, or of so many stacked ones, and where they are."""
  return jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(
      (*leading, *leaf.shape), leaf.dtype, sharding=sharding
    ),
    jax.eval_shape(init, 0),
  )
