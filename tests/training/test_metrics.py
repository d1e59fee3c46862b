import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import sklearn.metrics

from gat_jax.errors import InputError
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


def areas(logits, labels, mask):
  """As OGB's evaluator, by scikit-learn."""
  x, y = logits[mask], labels[mask]
  found = [
    sklearn.metrics.roc_auc_score(y[:, label], x[:, label])
    for label in range(y.shape[1])
    if 0 < y[:, label].sum() < len(y)
  ]
  return np.mean(found), len(found)


@pytest.mark.parametrize(
  ('count', 'ties'),
  [
    pytest.param(2, True, marks=pytest.mark.slow),
    (300, True),
    pytest.param(300, False, marks=pytest.mark.slow),
  ],
)
def test_roc_auc_is_that_of_scikit_learn(count, ties):
  rng = np.random.default_rng(count)
  labels = (rng.random((count, 9)) < 0.3).astype(np.int32)
  labels[0], labels[1] = 0, 1
  labels[:, 3], labels[:, 4] = 0, 1  # no curve
  logits = rng.normal(size=(count, 9)) + labels
  logits = (logits.round() * 0.0 if ties and count == 2 else logits).round(
    0 if ties else 9
  )
  logits = logits.astype(np.float32)
  logits[0, 0] = -0.0  # equal to 0
  mask = np.arange(count) != 2
  counts = jax.jit(metrics.count, static_argnames='metric')(
    logits, labels, mask, metric='roc_auc'
  )
  wanted, number = areas(logits, labels, mask)
  assert counts.total == number == 7
  np.testing.assert_allclose(counts.score, wanted, rtol=2e-6)
  np.testing.assert_allclose(counts.exact_score, wanted, rtol=2e-6)
  usual = metrics.count(logits, labels, mask)
  np.testing.assert_allclose(counts.mean_loss, usual.mean_loss)


@pytest.mark.slow
def test_roc_auc_is_never_above_one():
  """Of so many nodes, in perfect order, it would be rounded up."""
  logits = np.arange(36_459, dtype=np.float32)[:, None]
  labels = (logits >= 18_229).astype(np.int32)
  counts = metrics.count(logits, labels, np.ones(36_459, bool), 'roc_auc')
  assert counts.exact_score == 1


@pytest.mark.slow
def test_roc_auc_of_many_nodes_does_not_overflow():
  rng = np.random.default_rng(0)
  labels = (rng.random((200_000, 1)) < 0.5).astype(np.int32)
  logits = (rng.normal(size=(200_000, 1)) + 0.3 * labels).astype(np.float32)
  mask = np.ones(200_000, bool)
  counts = metrics.count(logits, labels, mask, 'roc_auc')
  wanted = areas(logits, labels, mask)[0]
  np.testing.assert_allclose(counts.score, wanted, rtol=3e-7)
  with pytest.raises(InputError, match='overflow'):
    metrics.count(
      np.zeros((2**20 + 1, 1), np.float32),
      np.zeros((2**20 + 1, 1), np.int32),
      np.zeros(2**20 + 1, bool),
      'roc_auc',
    )


def test_roc_auc_takes_no_part_in_gradients():
  logits, labels, mask = random_labels(multilabel=True)

  def loss(x, metric):
    return metrics.count(x, labels, mask, metric).mean_loss

  gradient = jax.jit(jax.grad(loss), static_argnums=1)
  np.testing.assert_array_equal(
    gradient(logits, 'roc_auc'), gradient(logits, '')
  )


@pytest.mark.slow
def test_roc_auc_of_nodes_on_several_devices_is_that_of_all():
  code = """
import jax, numpy as np
from jax.sharding import PartitionSpec as P
from gat_jax.training import metrics
rng = np.random.default_rng(0)
logits = rng.normal(size=(60, 5)).round(1).astype(np.float32)
labels = rng.integers(0, 2, (60, 5)).astype(np.int32)
mask = rng.random(60) < 0.7
mesh = jax.sharding.Mesh(np.array(jax.devices()), ('nodes',))

def count(*given):
  counts = metrics.count(*given, 'roc_auc', ('nodes',))
  return jax.lax.psum(counts, 'nodes')

parted = jax.jit(jax.shard_map(
  count, mesh=mesh, in_specs=P('nodes'), out_specs=P(), check_vma=False))
found = parted(logits, labels, mask)
whole = metrics.count(logits, labels, mask, 'roc_auc')
np.testing.assert_allclose(found.score, whole.score, rtol=1e-6)
np.testing.assert_allclose(found.mean_loss, whole.mean_loss, rtol=1e-6)
"""
  subprocess.run(
    [sys.executable, '-c', code],
    check=True,
    env=os.environ | {'JAX_NUM_CPU_DEVICES': '2'},
  )
