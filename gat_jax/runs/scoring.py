"""Scores of the parameters that a replica kept."""

import math

from flax import nnx
import jax

from gat_jax import datasets
from gat_jax import training
from gat_jax.runs import results


class Scorer:
  """Evaluates parameters by a program that is compiled when this is made.

  Where neighbours are sampled, it is layer by layer, from the host.
  """

  def __init__(
    self,
    program: training.Program,
    dataset: datasets.Dataset,
    params: nnx.State,
    *,
    is_sampled: bool = False,
  ):
    """Compiles for the validation and the test split.

    Args:
      program: makes the model.
      dataset: has the splits.
      params: of the shapes and types of all that are evaluated later.
      is_sampled: whether the graphs are to stay on the host.
    """
    self._dataset = dataset
    if is_sampled:
      self._count = training.SplitCounter(
        program.graphdef, program.metric
      ).count
      return
    self._count = training.jit(program.count)
    jax.block_until_ready(self._counts(params))

  def score(
    self, seed: int, state: training.ReplicaState
  ) -> results.SeedResult:
    """The scores of one replica, and what other rules would have reported."""
    test, val = self._counts(state.kept.best_params)
    broken = training.BREAKABLE[state.broken] if state.broken >= 0 else None
    return results.SeedResult(
      seed=seed,
      test=test.exact_score,
      val=val.exact_score,
      val_loss=_finite(float(val.mean_loss)),
      best_epoch=int(state.kept.best_epoch),
      epochs=int(state.epoch),
      rules={
        rule: self._score_rule(kept) for rule, kept in state.others.items()
      },
      broken=broken,
    )

  def _score_rule(
    self, kept: training.early_stopping.Kept
  ) -> results.RuleResult:
    test, val = self._counts(kept.best_params)
    return results.RuleResult(
      test=test.exact_score,
      val=val.exact_score,
      best_epoch=int(kept.best_epoch),
      epochs=int(kept.epochs),
    )

  def _counts(self, params: nnx.State) -> list[training.Counts]:
    """Of the test and the validation split."""
    return [
      jax.device_get(self._count(params, split))
      for split in (self._dataset.test, self._dataset.val)
    ]


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None
