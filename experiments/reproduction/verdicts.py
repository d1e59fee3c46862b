"""Statistics: scores against a published figure, and rows against rows.

It knows neither tables nor files. Scores, deviations, differences and margins
are fractions between 0 and 1; any other unit would do, if all have the same.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

ALPHA = 0.05
_MOST_SEEDS = 100_000
_RESAMPLES = 9999


@dataclasses.dataclass(frozen=True)
class Published:
  """A figure of a paper.

  Attributes:
    mean: the figure.
    std: sample deviation; None where none was given, and the figure is then
      taken as exact.
    n: runs that it is the mean of.
  """

  mean: float
  std: float | None = None
  n: int | None = None


@dataclasses.dataclass(frozen=True)
class Sample:
  """What is known of measured scores.

  Attributes:
    mean: of the scores.
    std: sample deviation; None for one score.
    n: how many there are.
    interval: bootstrap 95 % interval of the mean; None for one score.
  """

  mean: float
  std: float | None
  n: int
  interval: tuple[float, float] | None

  @classmethod
  def of(cls, scores: Sequence[float]) -> 'Sample':
    """Of scores, at least one; the bootstrap always draws the same."""
    values = np.asarray(scores, float)
    if len(values) == 1:
      return cls(float(values[0]), None, 1, None)
    from scipy import stats  # slow to import

    low, high = stats.bootstrap(
      (values,),
      np.mean,
      n_resamples=_RESAMPLES,
      method='percentile',
      random_state=np.random.default_rng(0),
    ).confidence_interval
    return cls(
      mean=float(values.mean()),
      std=float(values.std(ddof=1)),
      n=len(values),
      interval=(float(low), float(high)),
    )


@dataclasses.dataclass(frozen=True)
class Verdict:
  """A sample against a published figure.

  Attributes:
    difference: the sample's mean minus the published one.
    welch_p: of no difference, two-sided (Welch's t-test; Student's for one
      sample where the paper gives no deviation).
    tost_p: of a difference of at least the margin (two one-sided tests).
    word: `reproduced` (the difference is below the margin), `better` or `worse`
      (there is a difference), `undecided`.
    seeds_needed: how many would decide it if mean and deviation stayed as they
      are; None where it is decided, no number would, or one seed has no
      deviation.
  """

  difference: float
  welch_p: float | None
  tost_p: float | None
  word: str
  seeds_needed: int | None


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Scores against other measured scores, seed by seed.

  Attributes:
    pairs: the differences.
    p: of no difference, two-sided (Student's t-test over the pairs); None where
      there is one pair.
    tost_p: of a difference of at least the margin (two one-sided tests over the
      pairs); None where there is one pair.
  """

  pairs: Sample
  p: float | None
  tost_p: float | None

  @property
  def difference(self) -> float:
    """The mean of the differences."""
    return self.pairs.mean

  @property
  def equivalent(self) -> bool:
    """Whether the difference is below the margin, at a level of 5 %."""
    return self.tost_p is not None and self.tost_p < ALPHA


def judge(sample: Sample, published: Published, margin: float) -> Verdict:
  """Tests a sample against a published figure.

  Args:
    sample: measured.
    published: what the paper says.
    margin: differences below it count as none.

  Returns:
    The verdict, at a level of 5 %.
  """
  difference = sample.mean - published.mean
  if sample.n < 2:
    return Verdict(difference, None, None, 'undecided', None)
  welch_p, tost_p = _tests(sample, sample.n, published, margin)
  word = _word(difference, welch_p, tost_p)
  needed = None
  if word == 'undecided':
    needed = _seeds_needed(sample, published, margin)
  return Verdict(difference, welch_p, tost_p, word, needed)


def _tests(
  sample: Sample, n: int, published: Published, margin: float
) -> tuple[float, float]:
  """Welch's p and that of the equivalence test, were the sample of size n."""
  from scipy import stats  # slow to import

  def p_value(shift: float, alternative: str) -> float:
    first = sample.mean + shift, sample.std, n
    if published.std is None:
      return _one_sample_p(*first, published.mean, alternative)
    second = published.mean, published.std, published.n
    return stats.ttest_ind_from_stats(
      *first, *second, equal_var=False, alternative=alternative
    ).pvalue

  tost = max(p_value(margin, 'greater'), p_value(-margin, 'less'))
  return float(p_value(0.0, 'two-sided')), float(tost)


def _one_sample_p(
  mean: float, std: float, n: int, expected: float, alternative: str
) -> float:
  """Student's t-test of a mean against an exact figure."""
  from scipy import stats  # slow to import

  difference = mean - expected
  if std == 0:
    certain = {
      'two-sided': difference != 0,
      'greater': difference > 0,
      'less': difference < 0,
    }[alternative]
    return 0.0 if certain else 1.0
  t = stats.t(n - 1)
  score = difference / (std / n**0.5)
  return {
    'two-sided': 2 * t.sf(abs(score)),
    'greater': t.sf(score),
    'less': t.cdf(score),
  }[alternative]


def _word(difference: float, welch_p: float, tost_p: float) -> str:
  if tost_p < ALPHA:
    return 'reproduced'
  if welch_p < ALPHA:
    return 'better' if difference > 0 else 'worse'
  return 'undecided'


def _seeds_needed(
  sample: Sample, published: Published, margin: float
) -> int | None:
  """The fewest seeds with which the same mean and deviation would decide."""

  def decides(n: int) -> bool:
    return min(_tests(sample, n, published, margin)) < ALPHA

  if not decides(_MOST_SEEDS):
    return None
  low, high = sample.n, _MOST_SEEDS  # undecided, decided
  while high - low > 1:
    middle = (low + high) // 2
    if decides(middle):
      high = middle
    else:
      low = middle
  return high


def compare(
  scores: dict[int, float], others: dict[int, float], margin: float
) -> Comparison | None:
  """Differences seed by seed, over the seeds that both have.

  Args:
    scores: by seed.
    others: by seed, what is subtracted.
    margin: differences below it count as none.

  Returns:
    The comparison; None if they share no seed.
  """
  seeds = sorted(scores.keys() & others.keys())
  if not seeds:
    return None
  pairs = Sample.of([scores[seed] - others[seed] for seed in seeds])
  if pairs.n < 2:
    return Comparison(pairs, None, None)
  return Comparison(pairs, *_tests(pairs, pairs.n, Published(0.0), margin))
