"""When a run stops and which of its parameters it keeps."""

from typing import Literal, NamedTuple

import jax
from jax import numpy as jnp

StopRule = Literal['both', 'accuracy', 'loss', 'none']
RULES: tuple[StopRule, ...] = ('both', 'accuracy', 'loss', 'none')


class Progress(NamedTuple):
  """What the rule remembers of the epochs so far; scalars.

  Attributes:
    best_score: highest validation accuracy or micro-F1.
    best_loss: lowest validation loss.
    waited: epochs since anything was as good as its best.
  """

  best_score: jax.Array
  best_loss: jax.Array
  waited: jax.Array


def start() -> Progress:
  """Progress before the first epoch: anything is better."""
  return Progress(
    best_score=jnp.array(-jnp.inf, jnp.float32),
    best_loss=jnp.array(jnp.inf, jnp.float32),
    waited=jnp.array(0, jnp.int32),
  )


def update(
  rule: StopRule, progress: Progress, score: jax.Array, loss: jax.Array
) -> tuple[Progress, jax.Array]:
  """Takes in one evaluation; a tie with the best counts as good.

  `both` is the rule of the paper's authors: a score or a loss as good as the
  best keeps the run going, only both at once keep the parameters. `accuracy`
  and `loss` look at one alone for both ends. `none` keeps the last parameters.

  Args:
    rule: one of `RULES`.
    progress: what is remembered of the epochs before.
    score: validation accuracy or micro-F1 of this epoch.
    loss: validation loss of this epoch.

  Returns:
    The progress, and whether this epoch's parameters are to be kept.
  """
  good_score = score >= progress.best_score
  good_loss = loss <= progress.best_loss
  goes_on, keep = {
    'both': (good_score | good_loss, good_score & good_loss),
    'accuracy': (good_score, good_score),
    'loss': (good_loss, good_loss),
    'none': (jnp.array(True), jnp.array(True)),
  }[rule]
  progress = Progress(
    best_score=jnp.where(
      goes_on, jnp.fmax(score, progress.best_score), progress.best_score
    ),
    best_loss=jnp.where(
      goes_on, jnp.fmin(loss, progress.best_loss), progress.best_loss
    ),
    waited=jnp.where(goes_on, 0, progress.waited + 1),
  )
  return progress, keep
