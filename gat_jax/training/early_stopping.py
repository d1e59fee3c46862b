"""Early stopping: when training ends, and which parameters are kept.

A rule looks at the validation score and loss after every epoch.
"""

from typing import Any, Literal, NamedTuple

from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np

StopRule = Literal['both', 'accuracy', 'loss', 'none']
RULES: tuple[StopRule, ...] = ('both', 'accuracy', 'loss', 'none')


class Progress(NamedTuple):
  """What a rule remembers of the epochs so far; scalars.

  Attributes:
    best_score: highest validation score.
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
  """Applies a rule to one more epoch; a tie with the best counts as good.

  `both` is the rule of the authors' code (see docs/recipe.md): training goes on
  while the score or the loss is as good as its best, and the parameters are
  kept when both are. `accuracy` and `loss` use one of them for both decisions.
  `none` never stops and keeps the last parameters.

  Args:
    rule: one of `RULES`.
    progress: what is remembered of the epochs before.
    score: of the validation split, at this epoch.
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


class Kept(NamedTuple):
  """What one rule has kept of a replica; scalars but for the parameters.

  Attributes:
    progress: what it remembers.
    stopped: whether it has ended training.
    epochs: epochs until it did, or so far.
    best_params: the parameters that it keeps.
    best_epoch: the epoch they come from, counted from 1; 0 for none.
  """

  progress: Progress
  stopped: jax.Array
  epochs: jax.Array
  best_params: nnx.State
  best_epoch: jax.Array


def keep_first(params: nnx.State) -> Kept:
  """Before the first epoch: the initial parameters."""
  return Kept(
    progress=start(),
    stopped=jnp.array(False),
    epochs=jnp.array(0, jnp.int32),
    best_params=params,
    best_epoch=jnp.array(0, jnp.int32),
  )


def after_epoch(
  rule: StopRule,
  kept: Kept,
  params: nnx.State,
  score: jax.Array,
  loss: jax.Array,
  patience: jax.Array | np.number,
) -> Kept:
  """What a rule keeps after one more epoch; once it has stopped, the same.

  Args:
    rule: one of `RULES`.
    kept: what it kept of the epochs before.
    params: the parameters after this epoch.
    score: their validation score.
    loss: their validation loss.
    patience: epochs without a new best that end training.

  Returns:
    What it keeps of all of them.
  """
  progress, keep = update(rule, kept.progress, score, loss)
  epochs = kept.epochs + 1
  after = Kept(
    progress=progress,
    stopped=progress.waited >= patience,
    epochs=epochs,
    best_params=choose(keep, params, kept.best_params),
    best_epoch=jnp.where(keep, epochs, kept.best_epoch),
  )
  return choose(kept.stopped, kept, after)


def without_validation(kept: Kept, is_broken: jax.Array) -> Kept:
  """What is kept after an epoch of whose parameters nothing is known.

  Args:
    kept: after the epochs before.
    is_broken: whether a number was not finite: the epoch does not count.

  Returns:
    What is kept of all of them.
  """
  waited = kept.progress.waited + 1
  after = kept._replace(
    progress=kept.progress._replace(waited=waited), epochs=kept.epochs + 1
  )
  return choose(kept.stopped | is_broken, kept, after)


def choose(condition: jax.Array, yes: Any, no: Any) -> Any:
  """One of two pytrees of the same structure."""
  return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def first_not_finite(train_loss, params, val_loss) -> jax.Array:
  """Index into `BREAKABLE`, or -1; a gradient shows in what it updated."""
  finite = jnp.stack(
    [
      jnp.isfinite(train_loss),
      jnp.all(
        jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(params)])
      ),
      jnp.isfinite(val_loss),
    ]
  )
  return jnp.where(finite.all(), -1, jnp.argmin(finite)).astype(jnp.int32)
