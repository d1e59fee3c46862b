"""What is read as it stands although something may be wrong with it.

Each is a line on the card.

Shapes: N nodes, D features, L labels.
"""

from collections.abc import Sequence

import numpy as np

from gat_jax import graphs

_MISSING = {
  'train': 'no training node has {}, which cannot be learned',
  'val': 'no validation node has {}, which early stopping does not see',
  'test': 'no test node has {}, of which the test score says nothing',
}
_MAX_SHOWN = 5  # classes in a warning
# Features of deviation 1, as scaled ones are, are never told to be unlike.
_LARGE, _UNLIKE = 10.0, 10.0
_BLOCK = 256  # features that are copied at a time


def of_splits(
  labels: dict[str, np.ndarray],
  num_classes: int,
  names: Sequence[str] | None = None,
) -> list[str]:
  """Says which classes, or labels, no node of a split has.

  Args:
    labels: [n] or [n, L] of the n nodes of each split.
    num_classes: how many there are.
    names: of the classes or labels, if they have any.
  """
  found = []
  for split, own in labels.items():
    has = np.flatnonzero(own.any(axis=0)) if own.ndim == 2 else own
    missing = np.setdiff1d(np.arange(num_classes), has)
    if not len(missing):
      continue
    shown = ', '.join(
      str(names[c] if names else c) for c in missing[:_MAX_SHOWN]
    )
    if len(missing) > _MAX_SHOWN:
      shown += f' and {len(missing) - _MAX_SHOWN} more'
    words = 'label', 'labels', 'class', 'classes'
    word = words[2 * (own.ndim == 1) + (len(missing) > 1)]
    found.append(_MISSING[split].format(f'{word} {shown}'))
  return found


def of_features(
  features: graphs.Features,
  isolated: np.ndarray,
  used: np.ndarray,
  names: np.ndarray | None = None,
) -> list[str]:
  """Says which nodes no feature tells apart.

  Args:
    features: [N, D], dense or sparse.
    isolated: [N] bool, nodes without a neighbour.
    used: [N] bool, nodes of any split; nothing depends on an isolated other.
    names: [N] of the nodes, if they have any.
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
  place = empty.argmax()
  first = place if names is None else names[place]
  return [
    f'nodes with features that are all 0: {empty.sum():,} (the first is node'
    f' {first}), of which {(empty & used).sum():,} are in a split and'
    f' {(empty & isolated).sum():,} have no neighbours'
  ]


def of_scales(
  features: np.ndarray | graphs.Features, names: Sequence[str] | None = None
) -> list[str]:
  """Says where features are measured on very different scales.

  Args:
    features: [N, D]; nothing is said of sparse ones, which are counts.
    names: [D] of the features, if they have any.
  """
  if not isinstance(features, np.ndarray):
    return []
  blocks = range(0, features.shape[1], _BLOCK)
  deviations = np.concatenate(
    [
      features[:, start : start + _BLOCK].std(axis=0, dtype=np.float64)
      for start in blocks
    ]
  )
  largest = int(deviations.argmax())
  smallest = int(np.where(deviations > 0, deviations, np.inf).argmin())
  high, low = deviations[largest], deviations[smallest]
  if high <= _LARGE or high <= _UNLIKE * low:
    return []
  many, few = (
    f'{i}' if names is None else f'{names[i]!r}' for i in (largest, smallest)
  )
  return [
    f'features are not scaled: the standard deviation of feature {many} is'
    f' {high:.3g}, that of feature {few} {low:.3g}; bring them to mean 0 and'
    ' deviation 1'
  ]


def of_directions(edges: np.ndarray, n_node: int) -> list[str]:
  """Says where reverse edges are added to edges that seem to go one way.

  Who lists each pair of nodes once, or always both ways, means both ways. Who
  lists a few both ways may mean that the others go one way.

  Args:
    edges: [E, 2], senders and receivers, as the file has them.
    n_node: N.
  """
  edges = edges[edges[:, 0] != edges[:, 1]]
  edges = np.sort(edges[:, 0] * n_node + edges[:, 1])
  edges = edges[np.diff(edges, prepend=-1) != 0]
  reverse = np.sort(edges % n_node * n_node + edges // n_node)
  both = np.intersect1d(edges, reverse, assume_unique=True).size // 2
  pairs = len(edges) - both
  if not 0 < both < pairs / 2:
    return []
  return [
    f'edges were taken both ways; the file has {both:,} of {pairs:,} pairs of'
    ' nodes both ways, so that the others may be meant one way: then set'
    ' config.dataset.directed'
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
