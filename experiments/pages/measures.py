"""What a trained model's predictions and attention come to, in numbers.

Shapes: N nodes, E edges, K heads, C classes or labels.
"""

from collections.abc import Sequence
import itertools
from typing import NamedTuple

import numpy as np
import threadpoolctl

from gat_jax.nn import Attention

# What `evenness` calls near and far, and how many weights must be so.
NEAR, FAR = 0.1, 0.5
MOST, HALF = 0.9, 0.5


def degrees(attention: Attention, num_nodes: int) -> np.ndarray:
  """[N]: edges into each node, its self-loop among them."""
  return np.bincount(attention.receivers, minlength=num_nodes)


def entropy(attention: Attention, num_nodes: int) -> np.ndarray:
  """[N, K]: of alpha over the edges into each node, in nats.

  That of uniform attention is the logarithm of the degree.
  """
  alpha = np.asarray(attention.alpha, np.float64)
  terms = -alpha * np.log(np.where(alpha > 0, alpha, 1))
  return _sums(terms, attention.receivers, num_nodes)


class Evenness(NamedTuple):
  """How near attention is to giving each neighbour the same weight.

  Counted are all weights alpha, of every head, into nodes that have more than
  one edge. Each is compared with 1 / degree, what uniform attention gives.

  Attributes:
    near: the share of them that differs from it by at most a tenth of it.
    far: the share that differs from it by more than half of it.
    word: 'close to uniform' if at least 90 % are near, 'selective' if at least
      half are far, else 'mixed'; None if no node has more than one edge.
  """

  near: float
  far: float
  word: str | None


def evenness(attentions: Sequence[Attention]) -> Evenness:
  """Of one layer on one or more graphs."""
  parts = []
  for attention in attentions:
    degree = np.bincount(attention.receivers)[attention.receivers]
    ratio = np.asarray(attention.alpha, np.float64) * degree[:, None]
    parts.append(np.abs(ratio[degree > 1] - 1).ravel())
  off = np.concatenate(parts)
  if not len(off):
    return Evenness(np.nan, np.nan, None)
  # What lies on a border is inside, whatever float32 has rounded.
  near = float(np.mean(off <= NEAR + 1e-6))
  far = float(np.mean(off > FAR + 1e-6))
  if near >= MOST:
    return Evenness(near, far, 'close to uniform')
  return Evenness(near, far, 'selective' if far >= HALF else 'mixed')


def agreement(attention: Attention, labels: np.ndarray) -> np.ndarray:
  """How much the labels of the two ends of each edge agree.

  Args:
    attention: names the edges.
    labels: [N], or [N, C] if there are several labels a node.

  Returns:
    [E]. Of one class a node: 1 if it is the same, else 0, and nan if an end has
    none. Of several labels: their Jaccard index, see `overlap`.
  """
  ends = labels[attention.senders], labels[attention.receivers]
  if labels.ndim == 2:
    return overlap(*ends)
  same = (ends[0] == ends[1]).astype(float)
  return np.where((ends[0] < 0) | (ends[1] < 0), np.nan, same)


def overlap(labels: np.ndarray, others: np.ndarray) -> np.ndarray:
  """The Jaccard index of [..., C] labels and others; nan if there are none.

  Returns:
    [...]: how many labels both have, over how many either has.
  """
  both = (labels & others).sum(axis=-1)
  either = (labels | others).sum(axis=-1)
  return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def within_class(
  attention: Attention, labels: np.ndarray
) -> tuple[np.ndarray, float]:
  """The share of a node's attention that goes to nodes of its own class.

  Self-loops are left out, and alpha is scaled to sum to 1 over the other edges.
  Nodes without a label or without another edge do not count.

  Args:
    attention: of one layer.
    labels: [N], or [N, C] if there are several labels a node.

  Returns:
    The mean over nodes: [K] of the heads, and one of uniform attention. nan if
    no node counts.
  """
  same = agreement(attention, labels)
  counted = (attention.senders != attention.receivers) & ~np.isnan(same)
  receivers, same = attention.receivers[counted], same[counted]
  alpha = np.asarray(attention.alpha, np.float64)[counted]
  weights = np.column_stack([alpha, np.ones(len(alpha))])  # the last: uniform
  num_nodes = len(labels)
  total = _sums(weights, receivers, num_nodes)
  own = _sums(weights * same[:, None], receivers, num_nodes)
  has_edges = total[:, -1] > 0
  own, total = own[has_edges], total[has_edges]
  shares = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
  means = shares.mean(axis=0) if len(shares) else np.full(len(shares.T), np.nan)
  return means[:-1], float(means[-1])


def relative(attention: Attention) -> np.ndarray:
  """[E]: alpha times the degree of the receiver, the mean over heads.

  It is 1 where attention is uniform, whatever the degree. Rounded to what
  float32 tells apart, so that uniform attention has no first and no last.
  """
  alpha = np.asarray(attention.alpha, np.float64).mean(axis=1)
  receivers = np.asarray(attention.receivers)
  return np.round(alpha * np.bincount(receivers)[receivers], 5)


def rank_agreement(
  receivers: np.ndarray, weights: np.ndarray, least: int = 3
) -> np.ndarray:
  """Whether several weightings rank the edges into a node alike.

  Args:
    receivers: [E], the node of each edge.
    weights: [S, E].
    least: nodes with fewer edges do not count, nor do those whose edges all
      weigh the same in one of the two weightings.

  Returns:
    One number for each pair of weightings: Spearman's rank correlation over the
    edges into a node, as the mean over nodes; nan if no node counts.
  """
  counted = np.bincount(receivers)[receivers] >= least
  nodes, inverse = np.unique(receivers[counted], return_inverse=True)
  n = len(nodes)
  scaled, varies = [], []
  for own in weights[:, counted]:
    ranks = _ranks(own, inverse)
    ranks -= (np.bincount(inverse, ranks, n) / np.bincount(inverse))[inverse]
    norm = np.sqrt(np.bincount(inverse, ranks**2, n))
    scaled.append(ranks / np.where(norm > 0, norm, 1)[inverse])
    varies.append(norm > 0)
  pairs = itertools.combinations(range(len(weights)), 2)
  return np.array(
    [
      scaled[i] @ scaled[j] / both if both else np.nan
      for i, j in pairs
      for both in [(varies[i] & varies[j]).sum()]
    ]
  )


def _ranks(values: np.ndarray, segments: np.ndarray) -> np.ndarray:
  """[E]: places within a segment, up to a constant; equal values share one."""
  order = np.lexsort((values, segments))
  ordered = np.stack([segments[order], values[order]])
  begins = np.ones(len(values), bool)
  begins[1:] = (np.diff(ordered) != 0).any(axis=0)
  of_tie = np.cumsum(begins) - 1
  places = np.bincount(of_tie, np.arange(len(values))) / np.bincount(of_tie)
  ranks = np.empty(len(values))
  ranks[order] = places[of_tie]
  return ranks


def confusion(
  labels: np.ndarray, predictions: np.ndarray, n: int
) -> np.ndarray:
  """How many nodes of each class were predicted as each class.

  Args:
    labels: [N].
    predictions: [N].
    n: C.

  Returns:
    [C, C], a row for each class and a column for each prediction.
  """
  return np.bincount(n * labels + predictions, minlength=n * n).reshape(n, n)


def label_f1(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """[C]: F1 of each label over all nodes; 0 where it is nowhere."""
  hits = (labels & predictions).sum(axis=0)
  total = labels.sum(axis=0) + predictions.sum(axis=0)
  return 2 * hits / np.maximum(total, 1)


class Reliability(NamedTuple):
  """Predicted probabilities against what happened, in bins of equal width.

  Attributes:
    confidence: mean predicted probability of each bin that has any.
    frequency: how often the predictions of a bin were right.
    count: how many predictions each bin has.
    error: the expected calibration error (Naeini et al., AAAI 2015).
  """

  confidence: np.ndarray
  frequency: np.ndarray
  count: np.ndarray
  error: float


def reliability(
  probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 10
) -> Reliability:
  """Compares predicted probabilities with how often they came true.

  Args:
    probabilities: [N, C].
    labels: [N], and the likeliest class of each node counts; or [N, C], and
      every label of every node counts.
    num_bins: of equal width, from 0 to 1.
  """
  if labels.ndim == 1:
    predicted = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
  else:
    predicted, right = probabilities.ravel(), labels.ravel() > 0
  bins = np.minimum((predicted * num_bins).astype(int), num_bins - 1)
  count = np.bincount(bins, minlength=num_bins)
  used = count > 0
  confidence, frequency = (
    np.bincount(bins, values, num_bins)[used] / count[used]
    for values in (predicted, right)
  )
  gaps = np.abs(confidence - frequency)
  error = float((gaps * count[used]).sum() / count.sum())
  return Reliability(confidence, frequency, count[used], error)


def embed(features: np.ndarray) -> np.ndarray:
  """[N, 2]: t-SNE of [N, D] (van der Maaten and Hinton, JMLR 2008)."""
  from sklearn.manifold import TSNE  # slow to import

  perplexity = min(30.0, max(1.0, (len(features) - 1) / 3))
  # Its threads wait for each other so eagerly that on a machine that does
  # anything else one thread is several times faster than two.
  with threadpoolctl.threadpool_limits(1):
    return TSNE(
      init='pca' if features.shape[1] > 1 else 'random',
      perplexity=perplexity,
      random_state=0,
    ).fit_transform(features)


def _sums(
  values: np.ndarray, segments: np.ndarray, num_segments: int
) -> np.ndarray:
  """[num_segments, K] of [E, K]."""
  columns = [np.bincount(segments, v, num_segments) for v in values.T]
  return np.stack(columns, axis=1).astype(float)  # of no value it is integer
