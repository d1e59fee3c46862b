"""Against tables of Student's t and cases that a hand can compute."""

import numpy as np
import pytest

from experiments.reproduction.verdicts import Published
from experiments.reproduction.verdicts import Sample
from experiments.reproduction.verdicts import compare
from experiments.reproduction.verdicts import judge

# Quantiles of Student's t as printed in textbooks.
T10_975, T10_95, T4_975 = 2.228139, 1.812461, 2.776445


def sample(mean, std, n):
  return Sample(mean, std, n, None)


def test_sample_of_scores():
  found = Sample.of([1.0, 2.0, 3.0, 4.0])
  assert (found.mean, found.n) == (2.5, 4)
  assert found.std == pytest.approx((5 / 3) ** 0.5)
  assert found.interval[0] < 2.5 < found.interval[1]
  assert Sample.of([5.0]) == Sample(5.0, None, 1, None)


def test_bootstrap_interval_of_many_scores_is_that_of_the_normal():
  scores = np.random.default_rng(1).normal(80, 2, 400)
  low, high = Sample.of(scores).interval
  assert low == pytest.approx(scores.mean() - 1.96 * 0.1, abs=0.02)
  assert high == pytest.approx(scores.mean() + 1.96 * 0.1, abs=0.02)
  assert Sample.of(scores).interval == (low, high)


def test_welch_with_equal_deviations_and_sizes_has_ten_degrees_of_freedom():
  error = 0.7 * (2 / 6) ** 0.5
  found = judge(
    sample(83 + T10_975 * error, 0.7, 6), Published(83, 0.7, 6), 0.1
  )
  assert found.welch_p == pytest.approx(0.05, abs=1e-6)
  assert found.difference == pytest.approx(T10_975 * error)


def test_tost_is_at_its_level_where_the_margin_is_the_quantile():
  error = 0.7 * (2 / 6) ** 0.5
  found = judge(sample(83, 0.7, 6), Published(83, 0.7, 6), T10_95 * error)
  assert found.tost_p == pytest.approx(0.05, abs=1e-6)
  assert found.welch_p == pytest.approx(1.0)


def test_figure_without_deviation_is_taken_as_exact():
  error = 0.5 / 5**0.5
  found = judge(sample(81.5 - T4_975 * error, 0.5, 5), Published(81.5), 0.01)
  assert found.welch_p == pytest.approx(0.05, abs=1e-6)
  assert found.tost_p > 0.9


@pytest.mark.parametrize(
  ('mean', 'std', 'n', 'word'),
  [
    (83.1, 0.7, 100, 'reproduced'),
    (83.8, 0.3, 400, 'reproduced'),  # a difference, but below the margin
    (84.5, 0.7, 100, 'better'),
    (81.5, 0.7, 100, 'worse'),
    (83.0, 3.0, 4, 'undecided'),
    (83.0, None, 1, 'undecided'),
  ],
)
def test_words(mean, std, n, word):
  assert (
    judge(sample(mean, std, n), Published(83.0, 0.7, 100), 1.0).word == word
  )


def test_seeds_needed_are_the_fewest_that_decide():
  published = Published(83.0, 0.7, 100)
  needed = judge(sample(83.2, 3.0, 4), published, 1.0).seeds_needed
  assert needed > 4
  assert judge(sample(83.2, 3.0, needed), published, 1.0).word == 'reproduced'
  assert judge(sample(83.2, 3.0, needed - 1), published, 1.0).word == (
    'undecided'
  )


def test_no_number_of_seeds_decides_below_what_the_paper_can_tell():
  """Five runs of the paper leave its own mean too uncertain."""
  found = judge(sample(83.5, 0.7, 10), Published(83.0, 2.0, 5), 0.1)
  assert (found.word, found.seeds_needed) == ('undecided', None)


def test_scores_without_spread():
  exactly = judge(sample(81.5, 0.0, 3), Published(81.5), 1.0)
  assert (exactly.welch_p, exactly.tost_p) == (1.0, 0.0)
  assert exactly.word == 'reproduced'
  assert judge(sample(84.0, 0.0, 3), Published(81.5), 1.0).word == 'better'


def test_differences_of_shared_seeds():
  """Differences 1, 2, 3: t = 2 sqrt 3 with two degrees of freedom."""
  found = compare({0: 2, 1: 4, 2: 6, 9: 50}, {0: 1, 1: 2, 2: 3, 7: 0}, 2.0)
  assert (found.pairs.mean, found.pairs.std, found.pairs.n) == (2, 1, 3)
  assert found.difference == 2
  assert found.p == pytest.approx(1 - 12**0.5 / 14**0.5)
  # As likely as not, where the difference is the margin.
  assert found.tost_p == pytest.approx(0.5)
  assert not found.equivalent
  assert compare({0: 2}, {1: 1}, 1.0) is None
  only = compare({0: 2}, {0: 1}, 1.0)
  assert (only.p, only.tost_p, only.equivalent) == (None, None, False)


def test_equal_where_the_margin_is_a_quantile_away():
  """Differences -1, 0, 1: an error of 1 / sqrt 3, and t of two degrees."""
  scores, others = {0: 1, 1: 2, 2: 3}, {0: 2, 1: 2, 2: 2}
  t2_95 = 2.919986
  found = compare(scores, others, t2_95 / 3**0.5)
  assert found.tost_p == pytest.approx(0.05, abs=1e-6)
  assert found.p == pytest.approx(1)
  assert compare(scores, others, 3 / 3**0.5).equivalent
  assert not compare(scores, others, 2.8 / 3**0.5).equivalent
