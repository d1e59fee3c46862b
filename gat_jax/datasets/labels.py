"""Labels, splits and names of a user's .npz file.

Shapes: N nodes, L labels.
"""

import numpy as np

from gat_jax.datasets import structures
from gat_jax.datasets.arrays import Arrays


def labels_of(arrays: Arrays, n_node: int) -> np.ndarray:
  """Labels [N], -1 for none, or [N, L] of 0 and 1.

  Raises:
    DataError: if they are something else.
  """
  labels = arrays.get(
    'labels',
    (1, 2),
    'biu',
    'integers [nodes], -1 for none, or 0 and 1 [nodes, labels]',
  )
  if len(labels) != n_node:
    arrays.fail(
      'labels',
      f'has {len(labels)} rows, the features have {n_node}',
      'give every node a row',
    )
  if labels.ndim == 2:
    remedy = 'its entries must be 0 or 1, as it is two-dimensional'
    if labels.shape[1] < 1:
      arrays.fail('labels', 'has no columns', 'give at least one')
    if labels.shape[1] == 1:
      remedy += '; for classes, save labels=labels[:, 0]'
    arrays.check('labels', labels, ~np.isin(labels, (0, 1)), remedy)
    return labels.astype(np.int32)
  remedy = (
    'classes count from 0 and -1 means none; there cannot be more classes than'
    f' the {n_node} nodes'
  )
  arrays.check('labels', labels, (labels < -1) | (labels >= n_node), remedy)
  labels = labels.astype(np.int32)
  if labels.max() < 1:
    arrays.fail('labels', 'has fewer than two classes', 'add the others')
  absent = np.setdiff1d(np.arange(labels.max()), labels)
  if len(absent):
    remedy = 'number the classes from 0 without a gap'
    if absent.tolist() == [0]:
      remedy += ': save labels=numpy.where(labels < 0, labels, labels - 1)'
    elif labels.min() >= 0:
      remedy += ': save labels=numpy.unique(labels, return_inverse=True)[1]'
    arrays.fail(
      'labels',
      f'reaches to {labels.max()} but no node has class {absent[0]}',
      remedy,
    )
  return labels


def masks_of(arrays: Arrays, labels: np.ndarray) -> dict[str, np.ndarray]:
  """A mask [N] for each split, of nodes that have a label.

  Raises:
    DataError: if a split is empty, or shares a node with another.
  """
  n_node = len(labels)
  masks: dict[str, np.ndarray] = {}
  for split in structures.SPLITS:
    key, mask = _mask(arrays, split, n_node)
    if not mask.any():
      arrays.fail(key, 'is empty', 'every split needs a node')
    if labels.ndim == 1 and (labels[mask] < 0).any():
      node = int(np.flatnonzero(mask & (labels < 0))[0])
      arrays.fail(
        key,
        f'has node {node}, which has no label',
        'take it out or label it',
      )
    for other, other_mask in masks.items():
      if (mask & other_mask).any():
        node = int(np.flatnonzero(mask & other_mask)[0])
        arrays.fail(
          key,
          f'shares node {node} with the {other} split',
          'give every node to one split',
        )
    masks[split] = mask
  return masks


def _mask(arrays: Arrays, split: str, n_node: int) -> tuple[str, np.ndarray]:
  mask_key, index_key = f'{split}_mask', f'{split}_index'
  if index_key not in arrays.keys:
    mask = arrays.get(
      mask_key, 1, 'b', f'booleans [nodes], or {index_key} instead'
    )
    if len(mask) != n_node:
      arrays.fail(
        mask_key,
        f'has {len(mask)} entries, there are {n_node} nodes',
        'give every node one',
      )
    return mask_key, mask
  if mask_key in arrays.keys:
    arrays.fail(mask_key, f'is there beside {index_key}', 'leave one out')
  index = arrays.get(index_key, 1, 'iu', 'integers, the nodes of the split')
  arrays.check_range(index_key, index, n_node)
  index = index.astype(np.int64)
  counts = np.bincount(index, minlength=n_node)
  if counts.max() > 1:
    arrays.fail(
      index_key, f'names node {counts.argmax()} twice', 'name every node once'
    )
  mask = counts > 0
  return index_key, mask


def node_ids_of(arrays: Arrays, n_node: int) -> np.ndarray | None:
  """What the file calls its nodes, [N] strings; None if nothing.

  Raises:
    DataError: if these are not as many names as nodes, all different.
  """
  key = 'node_ids'
  if key not in arrays.keys:
    return None
  return _names(arrays, key, 'iuU', 'strings or integers [nodes]', n_node)


def class_names_of(
  arrays: Arrays, labels: np.ndarray
) -> tuple[str, ...] | None:
  """What the file calls its classes or labels; None if nothing.

  Raises:
    DataError: if these are not as many names as classes, all different.
  """
  key = 'class_names'
  if key not in arrays.keys:
    return None
  number = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
  return tuple(_names(arrays, key, 'U', 'strings [classes]', number).tolist())


def _names(
  arrays: Arrays, key: str, kinds: str, wanted: str, number: int
) -> np.ndarray:
  found = arrays.get(key, 1, kinds, wanted)
  if len(found) != number:
    what = 'nodes' if key == 'node_ids' else 'classes'
    arrays.fail(
      key,
      f'has {len(found)} names, there are {number} {what}',
      f'give one each, or leave {key} out',
    )
  names = found.astype(str).astype(object)
  places: dict[str, int] = {}
  for place, name in enumerate(names):
    if not name.strip():
      arrays.fail(key, f'has an empty name at [{place}]', 'name it')
    if places.setdefault(name, place) != place:
      arrays.fail(
        key,
        f'has {name!r} at [{places[name]}] and at [{place}]',
        'names must be different',
      )
  return names
