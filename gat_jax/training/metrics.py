"""Masked losses and scores as counts that add up over graphs.

Shapes: N nodes, C classes or labels.
"""

from typing import Literal, NamedTuple

import jax
from jax import numpy as jnp
import optax

from gat_jax.errors import InputError
from gat_jax.graphs import Array

Metric = Literal['accuracy', 'micro_f1', 'roc_auc']
_MOST_RANKED = 2**20  # nodes whose ranks are added up in int32


class Counts(NamedTuple):
  """Sums over the nodes of a split; add those of several graphs, divide once.

  Attributes:
    loss: sum of the cross-entropy over all terms, in nats.
    terms: number of terms of the loss.
    hits: correct nodes; for micro-F1 2 TP; for ROC-AUC the sum of the labels'
      areas, float32.
    total: nodes; for micro-F1 2 TP + FP + FN; for ROC-AUC the labels that have
      an area. Of several graphs, theirs is the mean of the areas of all.
  """

  loss: jax.Array
  terms: jax.Array
  hits: jax.Array
  total: jax.Array

  @property
  def mean_loss(self) -> jax.Array:
    """Cross-entropy, averaged over nodes (and labels); NaN of nothing."""
    return self.loss / self.terms

  @property
  def score(self) -> jax.Array:
    """The score as a fraction; 0 where there is nothing to hit."""
    return self.hits / jnp.maximum(self.total, 1)

  @property
  def exact_score(self) -> float:
    """The score of counts on the host, in double precision."""
    return float(self.hits) / max(1.0, float(self.total))


def count(
  logits: jax.Array,
  labels: Array,
  mask: Array,
  metric: str = '',
  axes: tuple[str, ...] = (),
) -> Counts:
  """Loss and score of the masked nodes.

  Args:
    logits: [N, C].
    labels: [N] class ids, scored by accuracy after a softmax; or [N, C] of 0
      and 1, scored by micro-F1 with threshold 0.5 after a sigmoid, or by the
      mean over the labels of the area under the ROC curve.
    mask: [N] bool.
    metric: what of these scores; '' takes the first.
    axes: of a mesh, over which the nodes of a graph are spread; inside
      `jax.shard_map`. Counts of all devices are to be added. An area is no sum
      over nodes: logits of all are brought together for it.

  Returns:
    Counts, to be added to those of other graphs.
  """
  if labels.ndim == 1:
    return _count_multiclass(logits, labels, mask)
  counts = _count_multilabel(logits, labels, mask)
  if metric != 'roc_auc':
    return counts
  given = jax.lax.stop_gradient(logits), jnp.asarray(labels), jnp.asarray(mask)
  if axes:
    given = jax.lax.all_gather(given, axes, tiled=True)
  # On every device the same, as often as there are devices: a mean stays one.
  areas, are_there = _areas(*given)
  return counts._replace(
    hits=jnp.where(are_there, areas, 0).sum(), total=are_there.sum()
  )


def _count_multiclass(logits, labels, mask) -> Counts:
  losses = optax.softmax_cross_entropy_with_integer_labels(
    logits, jnp.where(mask, labels, 0)
  )  # [N]
  correct = mask & (logits.argmax(axis=-1) == labels)
  nodes = mask.sum()
  return Counts(
    loss=jnp.where(mask, losses, 0.0).sum(),
    terms=nodes,
    hits=correct.sum(),
    total=nodes,
  )


def _count_multilabel(logits, labels, mask) -> Counts:
  losses = optax.sigmoid_binary_cross_entropy(logits, labels)  # [N, C]
  mask = mask[:, None]
  actual = mask & (labels > 0)
  predicted = mask & (logits > 0)
  return Counts(
    loss=jnp.where(mask, losses, 0.0).sum(),
    terms=mask.sum() * labels.shape[1],
    hits=2 * (actual & predicted).sum(),
    total=actual.sum() + predicted.sum(),
  )


def _areas(
  logits: jax.Array, labels: jax.Array, mask: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """The area under each label's ROC curve, and whether it has one.

  It is the probability that a node with the label has the higher logit of two,
  the other one without it; of equal ones half (Fawcett, Pattern Recognition
  Letters 27, 2006). A label that all nodes have, or none, has no curve.

  Args:
    logits: [N, C].
    labels: [N, C] of 0 and 1.
    mask: [N] bool.

  Returns:
    [C] float32 and [C] bool.
  """
  count = logits.shape[0]
  if count > _MOST_RANKED:
    raise InputError(
      'metric',
      f'ROC-AUC of {count:,} nodes, more than {_MOST_RANKED:,}, would overflow',
      'score by another metric',
    )
  positive = (mask[:, None] & (labels > 0)).astype(jnp.int32).T
  negative = (mask[:, None] & (labels <= 0)).astype(jnp.int32).T  # [C, N]
  ranked, positive, negative = jax.lax.sort(
    (logits.T, positive, negative), dimension=1, num_keys=1, is_stable=False
  )
  below = jnp.cumsum(negative, axis=1)  # or equal, in sorted order
  is_first = ranked[:, 1:] != ranked[:, :-1]
  edge = jnp.ones((ranked.shape[0], 1), bool)
  # Twice the nodes that one beats: all that are lower, and half of its equals.
  lower = jax.lax.cummax(
    jnp.where(jnp.concatenate([edge, is_first], 1), below - negative, 0), axis=1
  )
  lower_or_equal = jax.lax.cummin(
    jnp.where(jnp.concatenate([is_first, edge], 1), below, count),
    axis=1,
    reverse=True,
  )
  twice_beaten = jnp.where(positive > 0, lower + lower_or_equal, 0)
  # The sum may be beyond int32: of what is above and below a power of two.
  bits = 31 - count.bit_length()
  high = (twice_beaten >> bits).sum(axis=1).astype(jnp.float32)
  low = (twice_beaten & (2**bits - 1)).sum(axis=1).astype(jnp.float32)
  positives, negatives = positive.sum(axis=1), negative.sum(axis=1)
  are_there = (positives > 0) & (negatives > 0)
  pairs = (
    2.0
    * jnp.maximum(positives, 1)
    * jnp.maximum(negatives, 1).astype(jnp.float32)
  )
  # Rounded, a perfect one may be beyond 1.
  return jnp.minimum((high * 2.0**bits + low) / pairs, 1.0), are_there
