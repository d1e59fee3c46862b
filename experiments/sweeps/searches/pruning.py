"""Ends a combination early that does worse than half of those before it.

After five evaluations, a group is ended as soon as the best validation score
that it has had is below the median of what the others had by that epoch
(Golovin et al., KDD 2017, "Google Vizier", section 3.2.2).
"""

import optuna

from experiments import cli
from experiments.sweeps import trials
from experiments.sweeps.searches import study
from gat_jax import runs

_WARM_UP_EVALUATIONS = 5  # that end nothing
_LEAST_CURVES = 5  # that a median is taken of


class PruningObserver(cli.StoppableObserver):
  """Tells the study how a group does, and ends the group if it does badly."""

  def __init__(self, group: trials.Group, stop: object):
    """Opens the study.

    Args:
      group: one that `search.Search.ask` gave.
      stop: see `cli.StoppableObserver`.
    """
    super().__init__(stop)
    storage = study.storage(group.workdir)
    warm_up = _WARM_UP_EVALUATIONS * group.trials[0].config.log_every
    loaded = optuna.load_study(
      study_name=study.NAME,
      storage=storage,
      pruner=optuna.pruners.MedianPruner(
        n_warmup_steps=warm_up + 1, n_min_trials=_LEAST_CURVES
      ),
    )
    entry_id = storage.get_trial_id_from_study_id_trial_number(
      storage.get_study_id_from_name(study.NAME), group.number
    )
    self._entry = optuna.Trial(loaded, entry_id)
    self._reported = storage.get_trial(entry_id).last_step or 0

  def on_evaluation(self, evaluation: runs.Evaluation) -> None:
    """Reports the mean validation score over the seeds."""
    epoch = int(evaluation.epochs.max())
    if epoch > self._reported:  # else a process that was killed has done it
      self._entry.report(float(evaluation.val_score.mean()), epoch)

  def request(self, evaluation: runs.Evaluation) -> runs.Outcome | None:
    """Asks for the end of what does badly, else what a signal asks for."""
    # In this order: a search that is interrupted prunes where it would have.
    if self._entry.should_prune():
      return runs.Outcome.PRUNED
    return super().request(evaluation)
