"""Measures against loops, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from experiments.pages import measures
from experiments.pages import sweep
from gat_jax.nn.models import Attention

N, K, C = 12, 3, 4


@pytest.fixture
def attention():
  """Random alpha over a random graph with self-loops; node 11 is alone."""
  rng = np.random.default_rng(0)
  adjacency = np.eye(N, dtype=bool)
  adjacency[:11, :11] |= rng.random((11, 11)) < 0.3
  receivers, senders = np.nonzero(adjacency)
  alpha = rng.random((len(senders), K))
  for node in range(N):
    alpha[receivers == node] /= alpha[receivers == node].sum(axis=0)
  return Attention(senders, receivers, alpha)


@pytest.fixture
def labels():
  found = np.random.default_rng(1).integers(0, C, N)
  found[5] = -1
  return found


def test_entropy_is_that_of_scipy(attention):
  found = measures.entropy(attention, N)
  for node in range(N):
    own = np.asarray(attention.alpha)[attention.receivers == node]
    np.testing.assert_allclose(found[node], stats.entropy(own), atol=1e-12)


def test_uniform_attention_has_the_logarithm_of_the_degree(attention):
  degrees = measures.degrees(attention, N)
  uniform = attention._replace(
    alpha=1 / degrees[attention.receivers][:, None].repeat(K, axis=1)
  )
  np.testing.assert_allclose(
    measures.entropy(uniform, N), np.log(degrees)[:, None].repeat(K, axis=1)
  )
  assert (measures.entropy(attention, N) <= np.log(degrees)[:, None]).all()


def star(*alpha):
  """A node with so many edges into it, and nodes with their own loop alone."""
  alpha = np.array(alpha, np.float32).reshape(len(alpha), -1)
  loops = np.ones((len(alpha) - 1, alpha.shape[1]), np.float32)
  senders = [*range(len(alpha)), *range(1, len(alpha))]
  receivers = [0] * len(alpha) + [*range(1, len(alpha))]
  return Attention(
    np.array(senders), np.array(receivers), np.concatenate([alpha, loops])
  )


@pytest.mark.parametrize(
  ('alpha', 'near', 'far', 'word'),
  [
    ((0.25, 0.25, 0.25, 0.25), 1, 0, 'close to uniform'),
    ((0.225, 0.275, 0.25, 0.25), 1, 0, 'close to uniform'),  # on the border
    ((0.97, 0.01, 0.01, 0.01), 0, 1, 'selective'),
    ((0.9, 0.1), 0, 1, 'selective'),
    ((0.75, 0.25), 0, 0, 'mixed'),  # on the other border
    ((0.7, 0.1, 0.1, 0.1), 0, 1, 'selective'),
    ((0.4, 0.2, 0.2, 0.2), 0, 0.25, 'mixed'),
    ((1.0,), np.nan, np.nan, None),
  ],
)
def test_evenness_is_counted_where_there_is_a_choice(alpha, near, far, word):
  assert measures.evenness([star(*alpha)]) == pytest.approx(
    (near, far, word), nan_ok=True
  )


def test_evenness_counts_every_head_of_every_graph():
  two = np.array([[0.5, 0.99], [0.5, 0.01]])
  found = measures.evenness([star(*two), star(0.5, 0.5)])
  assert found == (pytest.approx(4 / 6), pytest.approx(2 / 6), 'mixed')


def test_agreement_is_spearmans_of_each_node(attention):
  """Node by node with SciPy; equal weights share a rank."""
  weights = np.random.default_rng(2).integers(0, 4, (3, len(attention.alpha)))
  found = measures.rank_agreement(attention.receivers, weights)
  for pair, (i, j) in zip(found, [(0, 1), (0, 2), (1, 2)], strict=True):
    own = []
    for node in range(N):
      of_node = weights[:, attention.receivers == node]
      if of_node.shape[1] >= 3 and np.ptp(of_node[[i, j]], axis=1).all():
        own.append(stats.spearmanr(of_node[i], of_node[j]).statistic)
    assert len(own) > 3
    assert pair == pytest.approx(np.mean(own))


def test_the_same_ranking_agrees_and_the_reverse_does_not(attention):
  first = attention.alpha[:, 0]
  weights = np.stack([first, first, -first, np.ones_like(first)])
  found = measures.rank_agreement(attention.receivers, weights)
  assert found == pytest.approx(
    [1, -1, np.nan, -1, np.nan, np.nan], nan_ok=True
  )


def test_uniform_attention_is_1_exactly_whatever_float32_has_rounded():
  layer = star(*np.full((7, 3), 1 / 7))
  np.testing.assert_array_equal(measures.relative(layer), np.ones(13))


def share_by_loops(attention, labels, weights):
  shares = []
  for node in range(N):
    total = own = 0.0
    for e, (s, r) in enumerate(
      zip(attention.senders, attention.receivers, strict=True)
    ):
      if r == node and s != r and labels[s] >= 0 and labels[r] >= 0:
        total += weights[e]
        own += weights[e] * (labels[s] == labels[r])
    if total:
      shares.append(own / total)
  return np.mean(shares)


def test_share_within_the_own_class_is_that_of_loops(attention, labels):
  heads, uniform = measures.within_class(attention, labels)
  for head in range(K):
    weights = np.asarray(attention.alpha)[:, head]
    assert heads[head] == pytest.approx(
      share_by_loops(attention, labels, weights)
    )
  ones = np.ones(len(attention.senders))
  assert uniform == pytest.approx(share_by_loops(attention, labels, ones))


def test_one_class_a_node_is_several_labels_of_which_it_has_one(attention):
  labels = np.random.default_rng(2).integers(0, C, N)
  one_hot = np.eye(C, dtype=np.int32)[labels]
  heads, uniform = measures.within_class(attention, labels)
  others, other = measures.within_class(attention, one_hot)
  np.testing.assert_allclose(heads, others)
  assert uniform == pytest.approx(other)


def test_confusion_and_f1_are_those_of_scikit_learn():
  rng = np.random.default_rng(3)
  labels, guesses = rng.integers(0, C, (2, 200))
  np.testing.assert_array_equal(
    measures.confusion(labels, guesses, C),
    metrics.confusion_matrix(labels, guesses),
  )
  many, taken = rng.integers(0, 2, (2, 200, C))
  np.testing.assert_allclose(
    measures.label_f1(many, taken), metrics.f1_score(many, taken, average=None)
  )


def test_probabilities_that_come_true_are_calibrated():
  rng = np.random.default_rng(4)
  probabilities = rng.random((100_000, 2))
  labels = (rng.random((100_000, 2)) < probabilities).astype(int)
  found = measures.reliability(probabilities, labels)
  np.testing.assert_allclose(found.confidence, found.frequency, atol=0.02)
  assert found.error < 0.01
  assert found.count.sum() == 200_000


def test_a_model_that_is_always_sure_and_half_right_is_not():
  probabilities = np.array([[1.0, 0.0]] * 10)
  found = measures.reliability(probabilities, np.array([0, 1] * 5))
  assert found.error == pytest.approx(0.5)
  np.testing.assert_array_equal(found.count, [10])


def test_embedding_separates_what_is_apart_and_repeats_itself():
  rng = np.random.default_rng(5)
  features = rng.normal(size=(60, 8)) + 20 * np.eye(8)[np.arange(60) % 2]
  once, again = measures.embed(features), measures.embed(features)
  np.testing.assert_array_equal(once, again)
  middles = [once[part::2].mean(axis=0) for part in (0, 1)]
  spread = max(once[part::2].std() for part in (0, 1))
  assert np.linalg.norm(middles[0] - middles[1]) > spread


def test_nothing_beats_the_front_at_its_price():
  rng = np.random.default_rng(6)
  costs, scores = rng.integers(1, 9, 40), rng.integers(1, 9, 40).astype(float)
  front = sweep.pareto_front(costs, scores)
  for index in range(40):
    beaten = any(
      costs[o] <= costs[index]
      and scores[o] >= scores[index]
      and (costs[o] < costs[index] or scores[o] > scores[index])
      for o in range(40)
    )
    same = any(
      costs[o] == costs[index] and scores[o] == scores[index] for o in front
    )
    assert beaten != same


def test_where_no_edge_joins_labels_there_is_no_share(attention):
  heads, uniform = measures.within_class(attention, np.full(N, -1))
  assert np.isnan(heads).all()
  assert np.isnan(uniform)


def test_one_feature_is_enough_to_embed():
  assert measures.embed(np.arange(20.0)[:, None]).shape == (20, 2)
