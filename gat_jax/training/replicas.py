"""What a program takes as arguments: it may differ between replicas."""

from typing import Any, NamedTuple

import jax
import numpy as np


class Hyperparameters(NamedTuple):
  """What may differ between replicas of a program; scalars, or [R] stacked."""

  learning_rate: jax.Array | np.number
  weight_decay: jax.Array | np.number
  dropout_rate: jax.Array | np.number
  patience: jax.Array | np.number
  max_epochs: jax.Array | np.number

  @classmethod
  def from_config(cls, config: Any) -> 'Hyperparameters':
    """Reads them off a config; `runs.fields` explains each."""
    return cls(
      learning_rate=np.float32(config.learning_rate),
      weight_decay=np.float32(config.weight_decay),
      dropout_rate=np.float32(config.model.dropout_rate),
      patience=np.int32(config.patience),
      max_epochs=np.int32(config.max_epochs),
    )


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
