import jax
import numpy as np

from gat_jax.training import metrics


def random_labels(multilabel):
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(40, 6)).astype(np.float32)
  mask = rng.random(40) < 0.5
  if multilabel:
    return logits, (rng.random((40, 6)) < 0.3).astype(np.int32), mask
  labels = rng.integers(0, 6, 40).astype(np.int32)
  return logits, np.where(mask, labels, -1), mask


def test_accuracy_and_loss_of_the_masked_nodes():
  logits, labels, mask = random_labels(multilabel=False)
  counts = metrics.count(logits, labels, mask)
  x, y = logits[mask].astype(np.float64), labels[mask]
  log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
  np.testing.assert_allclose(
    counts.mean_loss, -log_p[np.arange(len(y)), y].mean(), rtol=1e-5
  )
  assert counts.hits == (x.argmax(axis=1) == y).sum()
  assert counts.total == mask.sum()


def test_micro_f1_and_loss_of_the_masked_nodes():
  logits, labels, mask = random_labels(multilabel=True)
  counts = metrics.count(logits, labels, mask)
  x, y = logits[mask].astype(np.float64), labels[mask]
  p = 1 / (1 + np.exp(-x))
  loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
  np.testing.assert_allclose(counts.mean_loss, loss, rtol=1e-5)
  true_positives = ((p > 0.5) & (y == 1)).sum()
  precision = true_positives / (p > 0.5).sum()
  recall = true_positives / y.sum()
  f1 = 2 * precision * recall / (precision + recall)
  np.testing.assert_allclose(counts.score, f1, rtol=1e-6)


def test_counts_add_up_over_graphs():
  """Micro-F1 of a split is not the mean of its graphs' micro-F1."""
  logits, labels, mask = random_labels(multilabel=True)
  whole = metrics.count(logits, labels, mask)
  parts = [
    metrics.count(logits[part], labels[part], mask[part])
    for part in (slice(0, 5), slice(5, 40))
  ]
  joined = jax.tree.map(lambda *x: sum(x), *parts)
  np.testing.assert_allclose(joined.score, whole.score)
  np.testing.assert_allclose(joined.mean_loss, whole.mean_loss, rtol=1e-6)
  assert abs(np.mean([p.score for p in parts]) - whole.score) > 1e-4


def test_masked_nodes_give_no_gradient():
  logits, labels, mask = random_labels(multilabel=False)
  gradient = jax.grad(lambda x: metrics.count(x, labels, mask).loss)(logits)
  assert not gradient[~mask].any()
  assert gradient[mask].all()


def test_nothing_to_hit_scores_zero():
  logits, labels, mask = random_labels(multilabel=True)
  assert metrics.count(logits, labels, mask & False).score == 0
