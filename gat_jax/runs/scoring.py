"""Scores of the parameters that a replica kept."""

import math
from typing import Any

from flax import nnx

from gat_jax import datasets
from gat_jax import training
from gat_jax.runs import results


class Scorer:
  """Evaluates parameters by a program that is compiled when this is made.

  Where neighbours are sampled, it is layer by layer, from the host.
  """

  def __init__(
    self,
    config: Any,
    dataset: datasets.Dataset,
    num_replicas: int,
    params: nnx.State,
  ):
    """Compiles for the validation and the test split.

    Args:
      config: makes the model.
      dataset: has the splits.
      num_replicas: that are trained.
      params: of the shapes and types of all that are evaluated later.
    """
    if config.sampler.fan_outs:  # the graphs stay on the host
      program = training.Program.from_config(config, dataset)
      counter = training.SplitCounter(program.graphdef, program.metric)
      self._count = lambda params, split: counter.count(
        params, getattr(dataset, split)
      )
    else:
      self._count = training.Counter(
        config, dataset, num_replicas, params
      ).count

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
    return [self._count(params, split) for split in ('test', 'val')]


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None
