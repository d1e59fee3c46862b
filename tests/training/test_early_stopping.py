import jax
import numpy as np
import pytest

from gat_jax.training import early_stopping

# Scores and losses with ties, relapses, bests that never come together, NaN.
CURVES = {
  'better and better': ([0.1, 0.2, 0.3], [3.0, 2.0, 1.0]),
  'worse and worse': ([0.3, 0.2, 0.1, 0.1, 0.0], [1.0, 2.0, 3.0, 3.0, 4.0]),
  'ties': ([0.5, 0.5, 0.5, 0.5, 0.5], [1.0, 1.0, 1.0, 1.0, 1.0]),
  'score ties, loss grows': ([0.5, 0.5, 0.5, 0.5], [1.0, 1.5, 2.0, 2.5]),
  'loss ties, score falls': ([0.5, 0.4, 0.3, 0.2], [1.0, 1.0, 1.0, 1.0]),
  'never both again': (
    [0.5, 0.6, 0.4, 0.6, 0.5, 0.7, 0.1, 0.1, 0.1],
    [1.0, 1.2, 0.9, 1.1, 0.8, 0.9, 2.0, 2.0, 2.0],
  ),
  'not a number': ([0.5, 0.6, 0.5, 0.5], [1.0, np.nan, 0.9, np.nan]),
}


def plain(rule, scores, losses, patience):
  """The rule of docs/recipe.md, epoch by epoch: (kept, stopped after)."""
  best_score, best_loss, waited, kept = -np.inf, np.inf, 0, 0
  for epoch, (score, loss) in enumerate(zip(scores, losses, strict=True), 1):
    good_score, good_loss = score >= best_score, loss <= best_loss
    if rule == 'both':
      better, keep = good_score or good_loss, good_score and good_loss
    elif rule == 'accuracy':
      better = keep = good_score
    elif rule == 'loss':
      better = keep = good_loss
    else:
      better = keep = True
    if keep:
      kept = epoch
    if better:
      waited = 0
      if score > best_score:
        best_score = score
      if loss < best_loss:
        best_loss = loss
    else:
      waited += 1
      if waited == patience:
        return kept, epoch
  return kept, None


def test_epoch_that_broke_does_not_count():
  kept = early_stopping.keep_first({})
  counted, broken = (
    early_stopping.without_validation(kept, np.bool_(is_broken))
    for is_broken in (False, True)
  )
  assert (counted.epochs, counted.progress.waited) == (1, 1)
  assert (broken.epochs, broken.progress.waited) == (0, 0)


@pytest.mark.parametrize('rule', early_stopping.RULES)
@pytest.mark.parametrize('curve', CURVES)
@pytest.mark.parametrize('patience', [1, 2, 3])
def test_rule_equals_plain_python(rule, curve, patience):
  update = jax.jit(early_stopping.update, static_argnums=0)
  progress, kept, stopped = early_stopping.start(), 0, None
  for epoch, (score, loss) in enumerate(zip(*CURVES[curve], strict=True), 1):
    progress, keep = update(rule, progress, np.float32(score), np.float32(loss))
    if keep:
      kept = epoch
    if progress.waited >= patience:
      stopped = epoch
      break
  assert (kept, stopped) == plain(rule, *CURVES[curve], patience)
