"""A small release of our own in the format of Planetoid's."""

import collections
import pickle
import struct

import numpy as np
import scipy.sparse

from gat_jax.datasets import files
from gat_jax.datasets import planetoid


def integer(n):
  return b'J' + struct.pack('<i', n)


def array(values, kind):
  """A numpy array as Python 2 pickled it: data as a byte string."""
  values = np.ascontiguousarray(values, kind)
  data = values.tobytes()
  head = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n'
  shape = b''.join(map(integer, values.shape))
  dtype = kind.encode()
  return b''.join(
    (
      head + b'K\x00\x85U\x01btR',
      b'(K\x01(' + shape + b't',
      b'cnumpy\ndtype\n(U' + bytes([len(dtype)]) + dtype + b'K\x00K\x01tR',
      b'(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb',
      b'\x89T' + struct.pack('<i', len(data)) + data + b'tb',
    )
  )


def csr(matrix):
  matrix = scipy.sparse.csr_matrix(matrix)
  parts = b''.join(
    (
      b'U\x06_shape(' + b''.join(map(integer, matrix.shape)) + b't',
      b'U\x04data' + array(matrix.data, 'f4'),
      b'U\x07indices' + array(matrix.indices, 'i4'),
      b'U\x06indptr' + array(matrix.indptr, 'i4'),
    )
  )
  head = b'\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81}('
  return head + parts + b'ub.'


def small_nodes():
  """Features and one-hot labels, in the order of the files."""
  rng = np.random.default_rng(0)
  features = (rng.random((513, 6)) < 0.5).astype(np.float32)
  return features, np.eye(2)[rng.integers(0, 2, 513)]


def small_release():
  """510 + 4 nodes: 2 for training, 500 for validation, ids 513, 510, 512."""
  features, labels = small_nodes()
  neighbours = collections.defaultdict(list)
  neighbours.update({0: [1, 1, 513], 513: [0], 7: [7]})
  return {
    'ind.cora.x': csr(features[:2]),
    'ind.cora.tx': csr(features[510:]),
    'ind.cora.allx': csr(features[:510]),
    'ind.cora.y': b'\x80\x02' + array(labels[:2], 'i4') + b'.',
    'ind.cora.ty': b'\x80\x02' + array(labels[510:], 'i4') + b'.',
    'ind.cora.ally': b'\x80\x02' + array(labels[:510], 'i4') + b'.',
    'ind.cora.graph': pickle.dumps(neighbours, protocol=2, fix_imports=True),
    'ind.cora.test.index': b'513\n510\n512\n',
  }


def parse(release, normalize_features=False):
  contents = files.Contents('folder', release, {})
  return planetoid.parse('cora', contents, normalize_features)
