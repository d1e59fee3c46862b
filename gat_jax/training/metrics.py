"""Masked losses and scores as counts that add up over graphs.

Shapes: N nodes, C classes or labels.
"""

from typing import NamedTuple

import jax
from jax import numpy as jnp
import optax

from gat_jax.graphs import Array


class Counts(NamedTuple):
  """Sums over the nodes of a split; add those of several graphs, divide once.

  Attributes:
    loss: sum of the cross-entropy over all terms, in nats.
    terms: number of terms of the loss.
    hits: correct nodes; for micro-F1 2 TP.
    total: nodes; for micro-F1 2 TP + FP + FN.
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
    """Accuracy or micro-F1 as a fraction; 0 where there is nothing to hit."""
    return self.hits / jnp.maximum(self.total, 1)


def count(logits: jax.Array, labels: Array, mask: Array) -> Counts:
  """Loss and score of the masked nodes.

  Args:
    logits: [N, C].
    labels: [N] class ids, scored by accuracy after a softmax; or [N, C] of 0
      and 1, scored by micro-F1 with threshold 0.5 after a sigmoid.
    mask: [N] bool.

  Returns:
    Counts, to be added to those of other graphs.
  """
  if labels.ndim == 1:
    return _count_multiclass(logits, labels, mask)
  return _count_multilabel(logits, labels, mask)


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
