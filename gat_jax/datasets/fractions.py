"""Splits that are drawn: of every class the same fractions.

Shapes: N nodes, L labels, m nodes that have a label.
"""

import numpy as np

from gat_jax.datasets import structures
from gat_jax.errors import DataError


def check(train: float, val: float) -> None:
  """Refuses fractions that leave a split no node.

  Args:
    train: `config.dataset.train_fraction`.
    val: `config.dataset.val_fraction`; the other nodes test.

  Raises:
    DataError: names the field.
  """
  for field, value in (('train_fraction', train), ('val_fraction', val)):
    if not 0 < value < 1:
      raise DataError(
        f'config.dataset.{field}', f'{value} is not between 0 and 1'
      )
  if train + val >= 1:
    raise DataError(
      'config.dataset.val_fraction',
      f'{val} and {train} for training leave no test node',
      'together they must stay below 1',
    )


def masks(
  labels: np.ndarray,
  known: np.ndarray,
  train: float,
  val: float,
  seed: int | np.random.Generator,
) -> dict[str, np.ndarray]:
  """Draws splits of the nodes that have a label, a mask [N] each.

  Of every class they take the same fractions, as far as nodes can be divided.
  Where a node may have several labels, they are drawn without regard to them.

  Args:
    labels: [N] or [N, L].
    known: [N] bool, which nodes have one.
    train: the fraction of nodes that train.
    val: that validate; the others test.
    seed: of the draw, or its generator.

  Raises:
    DataError: if a split would be empty.
  """
  rng = np.random.default_rng(seed)
  order = rng.permutation(np.flatnonzero(known))  # [m]
  classes = np.zeros(len(labels), int) if labels.ndim == 2 else labels
  order = order[np.argsort(classes[order], kind='stable')]
  counts = np.bincount(classes[order])
  own = np.repeat(counts, counts)
  place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
  ends = np.rint(own * train), np.rint(own * (train + val))
  which = np.where(place < ends[0], 0, np.where(place < ends[1], 1, 2))
  found = {}
  for index, split in enumerate(structures.SPLITS):
    found[split] = np.zeros(len(labels), bool)
    found[split][order[which == index]] = True
    if not found[split].any():
      raise DataError(
        'config.dataset.train_fraction',
        f'{train:g}, and {val:g} for validation, leave no {split} node of'
        f' {len(order)} with a label',
        'change the fractions, or give more nodes a label',
      )
  return found
