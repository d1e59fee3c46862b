"""Node features, dense or sparse.

Shapes: N nodes, D features, Z stored non-zeros.
"""

import dataclasses
import functools

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.groups import Array


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('values', 'edges'),
  meta_fields=(),
)
@dataclasses.dataclass(frozen=True)
class SparseFeatures:
  """A feature matrix given by its non-zeros.

  `from_csr` makes one that is fast. Made by hand, its non-zeros may be in any
  order, and those outside the matrix are as if they were not there.

  Attributes:
    values: [Z], the non-zeros; [Z, K] once each of K heads has dropped its own.
    edges: from the D columns to the N rows, one for each non-zero.
  """

  values: Array
  edges: Edges

  @property
  def rows(self) -> Array:
    """[Z] int32, the node of each non-zero."""
    return self.edges.receivers

  @property
  def columns(self) -> Array:
    """[Z] int32, the feature of each non-zero."""
    return self.edges.senders

  @property
  def shape(self) -> tuple[int, int]:
    """(N, D), static under `jax.jit`."""
    return self.edges.num_receivers, self.edges.num_senders

  @classmethod
  def from_csr(cls, matrix) -> 'SparseFeatures':
    """Takes over a `scipy.sparse` matrix [N, D], as float32.

    Raises:
      InputError: if it has no two axes, or its entries are not real numbers.
    """
    if len(matrix.shape) != 2 or not is_real(matrix.dtype):
      raise InputError(
        'features',
        f'a sparse array {matrix.shape} of {matrix.dtype}',
        'it must be [N, D], of real numbers',
      )
    matrix = matrix.astype(np.float32).tocsr().sorted_indices()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    n_node, n_feature = matrix.shape
    rows = np.repeat(np.arange(n_node, dtype=np.int32), np.diff(matrix.indptr))
    edges = Edges(matrix.indices, rows, int(n_feature), int(n_node))
    return cls(matrix.data, edges.prepared())


def dense_rows(features: SparseFeatures, ids: np.ndarray) -> np.ndarray:
  """Rows of prepared features on the host, with their zeros: [R, D].

  Args:
    features: of a graph that `prepare` made.
    ids: [R], which rows.
  """
  rows = np.asarray(features.rows)
  firsts = np.searchsorted(rows, ids)
  counts = np.searchsorted(rows, ids, side='right') - firsts
  owners = np.repeat(np.arange(len(ids)), counts)
  places = np.arange(len(owners)) - np.repeat(counts.cumsum() - counts, counts)
  places += np.repeat(firsts, counts)
  dense = np.zeros((len(ids), features.shape[1]), features.values.dtype)
  dense[owners, np.asarray(features.columns)[places]] = features.values[places]
  return dense


def is_real(dtype: jax.typing.DTypeLike) -> bool:
  """Whether features may be of it: floats, bfloat16 as well, and integers."""
  is_float = jnp.issubdtype(dtype, np.floating)
  return is_float or np.dtype(dtype).kind in 'biu'


Features = jax.Array | np.ndarray | SparseFeatures
