"""A user's own graph in one .npz file.

    edges           [E, 2] integers, (sender, receiver), from 0
    features        [N, D] numbers; or, for sparse ones, the CSR arrays
                    features_data [Z], features_indices [Z],
                    features_indptr [N + 1] and features_shape [2]
    labels          [N] integers from 0, the class of each node, -1 for none;
                    or [N, L] of 0 and 1 if a node may have several labels
    edge_features   if edges have any: [E, D_e] numbers, or [E], in the order of
                    edges
    train_mask, val_mask, test_mask       [N] booleans; or
    train_index, val_index, test_index    integers, the nodes of each split
    node_ids        if nodes have names: [N] strings or integers, all different
    class_names     if classes, or labels, have names: as many strings

Made by `numpy.savez('graph.npz', edges=..., features=..., ...)`. Reverse edges
are added unless `directed`, with the features of theirs; an edge that is there
twice counts once; every node gets exactly one edge to itself. What can be read
in another way, as one-hot labels can, is named on the card, under `warnings`.

Shapes: N nodes, E edges, D features, Z stored non-zeros, L labels.
"""

import hashlib
import pathlib

import numpy as np
import scipy.sparse

from gat_jax.datasets import own
from gat_jax.datasets import structures
from gat_jax.datasets.arrays import CSR
from gat_jax.datasets.arrays import Arrays
from gat_jax.datasets.labels import class_names_of
from gat_jax.datasets.labels import labels_of
from gat_jax.datasets.labels import masks_of
from gat_jax.datasets.labels import node_ids_of

_CSR_REMEDY = 'take the arrays of one scipy.sparse.csr_matrix'
_MAX_NODES = 2**31 - 2


def load(
  path: pathlib.Path,
  data_dir: str | None = None,
  *,
  normalize_features: bool = False,
  directed: bool = False,
  loop_features: str = 'mean',
) -> structures.Dataset:
  """Loads and checks a file as the docstring of this module describes it.

  Args:
    path: of the file.
    data_dir: a folder that holds a file of that name, which is read instead.
    normalize_features: scale the rows of features to sum 1; empty ones stay.
    directed: do not add the reverse edges.
    loop_features: features of self-loops that are added: 'mean' of the edges
      that come in, or a number.

  Raises:
    DataError: names the file and the key that is missing or malformed.
  """
  path = own.find(path, data_dir)
  data = own.read('name', path)
  arrays = Arrays(path, data)
  features = _features(arrays)
  n_node = features.shape[0]
  labels = labels_of(arrays, n_node)
  content = own.Content(
    features=features,
    edges=_edges(arrays, n_node),
    labels=labels,
    masks=masks_of(arrays, labels),
    edge_features=_edge_features(arrays),
    node_ids=node_ids_of(arrays, n_node),
    class_names=class_names_of(arrays, labels),
  )
  return own.dataset(
    path.stem,
    content,
    arrays.fail,
    normalize_features=normalize_features,
    directed=directed,
    loop_features=loop_features,
    facts={},
    sums={path.name: hashlib.sha256(data).hexdigest()},
    warnings=arrays.warnings,
  )


def _features(arrays: Arrays) -> np.ndarray | scipy.sparse.csr_matrix:
  dense = 'features' in arrays.keys
  parts = [key for key in CSR if key in arrays.keys]
  if dense and parts:
    arrays.fail(
      'features', f'is there beside {parts[0]}', 'leave one of them out'
    )
  if parts:
    return _csr_features(arrays)
  features = arrays.get('features', 2, 'biuf', 'real numbers [nodes, features]')
  if min(features.shape) < 1:
    arrays.fail(
      'features', f'has shape {list(features.shape)}', 'give nodes and features'
    )
  return arrays.as_float32('features', features)


def _csr_features(arrays: Arrays) -> scipy.sparse.csr_matrix:
  data = arrays.get('features_data', 1, 'biuf', 'real numbers [non-zeros]')
  indices, indptr, shape = (
    arrays.get(key, 1, 'iu', f'integers [{length}]')
    for key, length in zip(
      CSR[1:], ('non-zeros', 'nodes + 1', '2'), strict=True
    )
  )
  if len(shape) != 2 or not all(0 < n <= _MAX_NODES for n in shape):
    arrays.fail(
      'features_shape', f'is {shape.tolist()}', 'give nodes, features'
    )
  # Differences of unsigned integers would wrap and seem to rise.
  indptr = indptr.astype(np.int64)
  if len(indptr) != shape[0] + 1:
    arrays.fail(
      'features_indptr',
      f'has {len(indptr)} entries, features_shape asks for {shape[0] + 1}',
      _CSR_REMEDY,
    )
  if indptr[0] != 0 or indptr[-1] != len(data) or (np.diff(indptr) < 0).any():
    arrays.fail(
      'features_indptr',
      f'does not rise from 0 to the {len(data)} non-zeros',
      _CSR_REMEDY,
    )
  if len(indices) != len(data):
    arrays.fail(
      'features_indices',
      f'has {len(indices)} entries, features_data has {len(data)}',
      _CSR_REMEDY,
    )
  arrays.check_range('features_indices', indices, shape[1])
  values = arrays.as_float32('features_data', data)
  matrix = scipy.sparse.csr_matrix(
    (values, indices.astype(np.int64), indptr),
    shape=tuple(int(n) for n in shape),
  )
  matrix.sum_duplicates()
  if not np.isfinite(matrix.data).all():
    arrays.fail(
      'features_data', 'is too large where entries are there twice', _CSR_REMEDY
    )
  return matrix


def _edges(arrays: Arrays, n_node: int) -> np.ndarray:
  edges = arrays.get('edges', 2, 'iu', 'integers [edges, 2]')
  if edges.shape[1] != 2:
    remedy = 'give (sender, receiver)'
    if edges.shape[0] == 2:
      remedy = 'save edges=edges.T'
    elif edges.shape[1] == 3:
      remedy = 'edges have no weights here: save edges=edges[:, :2]'
    arrays.fail(
      'edges', f'has shape {list(edges.shape)} instead of [edges, 2]', remedy
    )
  if not len(edges):
    arrays.fail('edges', 'is empty', 'a graph needs an edge')
  arrays.check_range('edges', edges, n_node)
  return edges.astype(np.int64)


def _edge_features(arrays: Arrays) -> np.ndarray | None:
  key = 'edge_features'
  if key not in arrays.keys:
    return None
  wanted = 'real numbers [edges, features of an edge], or [edges]'
  features = arrays.get(key, (1, 2), 'biuf', wanted)
  features = features[:, None] if features.ndim == 1 else features
  return arrays.as_float32(key, features)
