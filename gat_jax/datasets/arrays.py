"""The arrays of a user's .npz file, by their keys; it may hold anything."""

import io
import pathlib
from typing import NoReturn
import zipfile

import numpy as np

from gat_jax.datasets.archives import read_npy
from gat_jax.datasets.structures import SPLITS
from gat_jax.errors import DataError
from gat_jax.errors import did_you_mean

MAX_BYTES = 8 * 2**30  # of all arrays of a file, unpacked
_EXACT = 2**24  # float32 holds every whole number up to here
CSR = tuple(f'features_{p}' for p in ('data', 'indices', 'indptr', 'shape'))
KEYS = (
  'edges',
  'features',
  *CSR,
  'labels',
  'edge_features',
  'node_ids',
  'class_names',
  *(f'{split}_{form}' for split in SPLITS for form in ('mask', 'index')),
)

_ADJACENCY = (
  'scipy.sparse.csr_matrix((adj_data, adj_indices, adj_indptr), adj_shape)'
)
# What numpy.savez is to be given for a key, which stands for {}: the names of
# PyTorch Geometric, DGL, Spektral, OGB, jraph, `scipy.sparse.save_npz` and of
# the files of Shchur et al. (2018) and Platonov et al. (2023).
_SAVED_AS: dict[str, str] = {
  'edges={}.T': 'edge_index',
  'edges=numpy.stack([src, dst], axis=1)': 'src dst',
  'edges=numpy.stack([row, col], axis=1)': 'row col',
  'edges=numpy.stack([senders, receivers], axis=1)': 'senders receivers',
  'edges=numpy.argwhere({})': 'a adj adjacency adj_matrix adjacency_matrix',
  f'edges=numpy.stack({_ADJACENCY}.nonzero(), axis=1)': (
    'adj_data adj_indices adj_indptr adj_shape'
  ),
  'features={}': (
    'x feat feats feature node_feat node_feats node_features nodes attributes'
    ' attr_matrix'
  ),
  'features_data={}': 'attr_data data',
  'features_indices={}': 'attr_indices indices',
  'features_indptr={}': 'attr_indptr indptr',
  'features_shape={}': 'attr_shape shape',
  'labels={}': 'y label target targets node_label node_labels',
  'edge_features={}': (
    'e edge_attr edge_attrs edge_feat edge_feats edge_weight edge_weights weight'
    ' weights'
  ),
  'node_ids={}': 'node_names',
  'train_mask={}[0]': 'train_masks',
  'val_mask={}': 'valid_mask validation_mask',
  'val_mask={}[0]': 'val_masks valid_masks',
  'test_mask={}[0]': 'test_masks',
  'train_index={}': 'train train_idx train_ids train_nid idx_train',
  'val_index={}': (
    'val val_idx val_ids val_nid idx_val valid valid_idx valid_index'
  ),
  'test_index={}': 'test test_idx test_ids test_nid idx_test',
}
# Why a key is to be left out.
_LEFT_OUT: dict[str, str] = {
  'save a column for each type, 0 or 1, as edge_features': 'edge_type',
  'counted from the features and edges': (
    'num_nodes num_edges n_node n_edge num_features num_classes'
  ),
  'a file holds one graph': 'batch ptr graph_id graph_ids',
  'not used': 'attr_names format metadata node_year pos',
}
_SAVE = {key: to for to, keys in _SAVED_AS.items() for key in keys.split()}
_WHY = {key: why for why, keys in _LEFT_OUT.items() for key in keys.split()}


class Arrays:
  """The arrays of a file; every error names file and key.

  Attributes:
    keys: their names.
    warnings: of numbers that are rounded.
  """

  def __init__(self, path: pathlib.Path, data: bytes):
    """Opens a file and looks at its list of keys.

    Args:
      path: for errors.
      data: the bytes of the file.

    Raises:
      DataError: if it is no .npz file, a key is unknown or there twice, or all
        arrays together are too large.
    """
    self._path = path
    self.warnings: list[str] = []
    try:
      self._archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # see read_npy
      raise DataError(
        path, f'is no .npz file ({error})', 'write it with numpy.savez'
      ) from error
    names = [info.filename for info in self._archive.infolist()]
    self.keys = [name.removesuffix('.npy') for name in names]
    self._check_keys()
    for key in self.keys:
      if self.keys.count(key) > 1:
        self.fail(key, 'is there twice', 'write the file again')
    if sum(info.file_size for info in self._archive.infolist()) > MAX_BYTES:
      raise DataError(
        path,
        f'unpacks to more than {MAX_BYTES / 2**30:.0f} GiB',
        'use sparse features (features_data and so on)',
      )

  def fail(self, key: str, problem: str, remedy: str) -> NoReturn:
    """Raises the DataError of a key."""
    raise DataError(f'{self._path}, key {key!r}', problem, remedy)

  def check(
    self, key: str, values: np.ndarray, bad: np.ndarray, remedy: str
  ) -> None:
    """Raises the DataError of a key with bad values, which names the first.

    Args:
      key: its name.
      values: of the key, of any shape.
      bad: bool, of the same shape.
      remedy: what they must be.
    """
    if bad.any():
      place = np.unravel_index(int(bad.argmax()), bad.shape)
      at = ', '.join(str(i) for i in place)
      self.fail(key, f'has {values[place]} at [{at}]', remedy)

  def check_range(self, key: str, values: np.ndarray, stop: int) -> None:
    """Raises the DataError of a key whose values are not in 0..stop - 1."""
    if not values.size or 0 <= values.min() <= values.max() < stop:
      return
    remedy = f'it must stay in 0..{stop - 1}'
    if values.min() >= 1 and values.max() == stop:
      remedy += f'; it seems to count from 1: save {key}={key} - 1'
    self.check(key, values, (values < 0) | (values >= stop), remedy)

  def get(
    self, key: str, ndim: int | tuple[int, ...], kinds: str, wanted: str
  ) -> np.ndarray:
    """Reads the array of a key.

    Args:
      key: its name.
      ndim: how many dimensions the array may have.
      kinds: which kinds of dtype (see `numpy.dtype.kind`).
      wanted: the same in words, for the error.

    Raises:
      DataError: if it is missing, damaged or another array.
    """
    if key not in self.keys:
      close = [k for k in self.keys if k.startswith(key.split('_')[0])]
      found = ', '.join(close or self.keys) or 'nothing'
      self.fail(key, f'is missing (the file has {found})', f'add {wanted}')
    array = self._load(key)
    ndims = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim in ndims and array.dtype.kind in kinds:
      return array
    remedy = f'it must be {wanted}'
    if array.ndim == 2 and ndim == 1:
      remedy += f'; take one column: save {key}={key}[:, 0]'
    elif array.ndim in ndims and array.dtype.kind in 'biuf':
      if 'i' in kinds:
        whole = np.isfinite(array) & (array == np.floor(array))
        self.check(key, array, ~whole, remedy)
        remedy += f'; save {key}={key}.astype(int)'
      elif np.isin(array, (0, 1)).all():
        remedy += f'; save {key}={key}.astype(bool)'
    self.fail(
      key, f'has shape {list(array.shape)} and dtype {array.dtype}', remedy
    )

  def as_float32(self, key: str, values: np.ndarray) -> np.ndarray:
    """The numbers of a key; raises its DataError if one is not finite."""
    with np.errstate(over='ignore'):  # becomes infinity, which is refused
      rounded = values.astype(np.float32)
    self.check(
      key,
      values,
      ~np.isfinite(rounded),
      'replace NaN, infinity and what is too large for float32, by 0 for'
      ' instance',
    )
    large = np.abs(rounded) > _EXACT
    if values.dtype.kind in 'iu' and large.any():
      self.warnings.append(
        f'{key} has whole numbers beyond {_EXACT}, which float32 rounds; the'
        f' first is {values.flat[large.argmax()]}'
      )
    return rounded

  def _load(self, key: str) -> np.ndarray:
    return read_npy(
      self._archive,
      f'{key}.npy',
      lambda problem, remedy: self.fail(key, problem, remedy),
      'write the file again',
    )

  def _check_keys(self) -> None:
    """Refuses a file with a key that is none of `KEYS`.

    Says what to do with all keys whose names are usual elsewhere; without any,
    what a misspelt one may have meant.
    """
    unknown = [key for key in self.keys if key not in KEYS]
    if not unknown:
      return
    named = [key for key in unknown if key.lower() in _SAVE | _WHY]
    if named:
      save = [_SAVE[k.lower()].format(k) for k in named if k.lower() in _SAVE]
      leave = [f'{k} ({_WHY[k.lower()]})' for k in named if k.lower() in _WHY]
      parts = {'save': dict.fromkeys(save), 'leave out': leave}
      first = named[0]
      remedy = ', and '.join(
        f'{verb} {", ".join(what)}' for verb, what in parts.items() if what
      )
    elif 'arr_0' in unknown:
      first = 'arr_0'
      remedy = (
        'name the arrays, as in numpy.savez(path, edges=..., features=...)'
      )
    else:
      first = unknown[0]
      remedy = did_you_mean(first.lower(), KEYS, 'leave it out')
    self.fail(first, f'is none of {", ".join(KEYS)}', remedy)
