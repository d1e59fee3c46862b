"""Small .npz files of our own, as a user would write them."""

import io

import numpy as np
import scipy.sparse

from gat_jax import datasets


def good():
  """Six nodes, two classes, a path of edges one way, one unlabelled node."""
  return {
    'edges': np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 4]]),
    'features': np.arange(18.0).reshape(6, 3),
    'labels': np.array([0, 1, 0, 1, 0, -1]),
    'train_mask': np.array([1, 1, 0, 0, 0, 0], bool),
    'val_mask': np.array([0, 0, 1, 1, 0, 0], bool),
    'test_mask': np.array([0, 0, 0, 0, 1, 0], bool),
  }


def indexed():
  content = {k: v for k, v in good().items() if not k.endswith('mask')}
  return content | {
    'train_index': np.array([0, 1]),
    'val_index': np.array([3, 2]),
    'test_index': np.array([4]),
  }


def sparse():
  matrix = scipy.sparse.csr_matrix(good()['features'])
  content = {k: v for k, v in good().items() if k != 'features'}
  return content | {
    'features_data': matrix.data,
    'features_indices': matrix.indices,
    'features_indptr': matrix.indptr,
    'features_shape': np.array(matrix.shape),
  }


def change(**changes):
  """What a file becomes when some keys are replaced, or left out by None."""
  return lambda content: {
    k: v for k, v in (content | changes).items() if v is not None
  }


def load(tmp_path, content, **options):
  path = tmp_path / 'graph.npz'
  np.savez(path, **content)
  return datasets.load(str(path), **options)


def packed(content):
  file = io.BytesIO()
  np.savez(file, **content)
  return file.getvalue()
