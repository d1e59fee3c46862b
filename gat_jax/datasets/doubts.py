"""What is read as it stands although something may be wrong with it.

Each is a line on the card.

Shapes: N nodes, D features, L labels.
"""

import numpy as np

from gat_jax import graphs

_MISSING = {
  'train': 'no training node has {}, which cannot be learned',
  'val': 'no validation node has {}, which early stopping does not see',
  'test': 'no test node has {}, of which the test score says nothing',
}
_MAX_SHOWN = 5  # classes in a warning


def of_splits(labels: dict[str, np.ndarray], num_classes: int) -> list[str]:
  """Says which classes, or labels, no node of a split has.

  Args:
    labels: [n] or [n, L] of the n nodes of each split.
    num_classes: how many there are.
  """
  found = []
  for split, own in labels.items():
    has = np.flatnonzero(own.any(axis=0)) if own.ndim == 2 else own
    missing = np.setdiff1d(np.arange(num_classes), has)
    if not len(missing):
      continue
    shown = ', '.join(str(c) for c in missing[:_MAX_SHOWN])
    if len(missing) > _MAX_SHOWN:
      shown += f' and {len(missing) - _MAX_SHOWN} more'
    words = 'label', 'labels', 'class', 'classes'
    word = words[2 * (own.ndim == 1) + (len(missing) > 1)]
    found.append(_MISSING[split].format(f'{word} {shown}'))
  return found


def of_features(
  features: graphs.Features, isolated: np.ndarray, used: np.ndarray
) -> list[str]:
  """Says which nodes no feature tells apart.

  Args:
    features: [N, D], dense or sparse.
    isolated: [N] bool, nodes without a neighbour.
    used: [N] bool, nodes of any split; nothing depends on an isolated other.
  """
  n_node = features.shape[0]
  if isinstance(features, graphs.SparseFeatures):
    counts = np.bincount(features.rows, minlength=n_node)
    first = counts[0]
    same = (counts == first).all() and all(
      (a.reshape(n_node, first) == a[:first]).all()
      for a in (features.columns, features.values)
    )
    empty = counts == 0  # no zero is stored
  else:
    same = (features.min(axis=0) == features.max(axis=0)).all()
    empty = ~features.any(axis=1)
  if same:
    zeros = ', all 0' if empty.all() else ''
    return [
      f'all nodes have the same features{zeros}: attention over neighbours then'
      ' gives all nodes the same scores'
    ]
  empty &= used | ~isolated
  if not empty.any():
    return []
  return [
    f'nodes with features that are all 0: {empty.sum():,} (the first is node'
    f' {empty.argmax()}), of which {(empty & used).sum():,} are in a split and'
    f' {(empty & isolated).sum():,} have no neighbours'
  ]


def of_labels(labels: np.ndarray, masks: dict[str, np.ndarray]) -> list[str]:
  """Says where several labels a node are learned, but classes may be meant.

  Args:
    labels: [N] classes, or [N, L] of 0 and 1.
    masks: [N] bool of each split; other nodes may have no label.
  """
  if labels.ndim == 1:
    return []
  if labels.shape[1] == 1:
    return [
      'labels are one column: learned as a label that a node has or has not'
      ' (micro-F1); to learn two classes (accuracy), save labels=labels[:, 0]'
    ]
  count = labels.sum(axis=1)
  known = np.any(list(masks.values()), axis=0)
  if count.max() > 1 or (count[known] == 0).any():
    return []
  classes = 'labels.argmax(1)'
  if not count.all():
    classes = f'numpy.where(labels.any(1), {classes}, -1)'
  return [
    f'labels are one-hot rows: learned as {labels.shape[1]} labels, several of'
    ' which a node may have (micro-F1); to learn classes (accuracy), save'
    f' labels={classes}'
  ]
