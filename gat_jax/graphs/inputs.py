"""What a caller gives for a graph: read, checked, and one clear error.

Shapes: N nodes, E edges, D features.
"""

from typing import Any

import jax
import numpy as np
import scipy.sparse

from gat_jax.errors import InputError
from gat_jax.graphs.features import Features
from gat_jax.graphs.features import SparseFeatures
from gat_jax.graphs.features import is_real
from gat_jax.graphs.ids import require_same_number

MOST_EDGES = 2**31 - 1


def features_of(given: Any) -> Features:
  """Features [N, D] as the layers take them.

  Args:
    given: an array, nested lists, a SciPy sparse matrix or `SparseFeatures`.

  Returns:
    `SparseFeatures`, or a float array; integers and booleans become float32.

  Raises:
    InputError: if they have no two axes or are no real numbers.
  """
  if isinstance(given, SparseFeatures):
    return given
  if scipy.sparse.issparse(given):
    return SparseFeatures.from_csr(given)
  array = on_host('features', given)
  if array.ndim != 2:
    raise InputError(
      'features',
      f'an array of shape {array.shape}',
      'it must have two axes, nodes and features: [N, D]',
    )
  return as_floats('features', array)


def edges_of(
  senders: Any, receivers: Any, n_node: int
) -> tuple[np.ndarray, np.ndarray, bool]:
  """Senders and receivers as int32 in [0, N), in the caller's order.

  Args:
    senders: [E] ids; or, without receivers, a SciPy sparse matrix [N, N] with
      an edge from each row to each column of a stored one; or a networkx graph,
      whose nodes are counted in its own order.
    receivers: [E] ids, or None.
    n_node: N.

  Returns:
    Senders, receivers, and whether each stands for both directions, as in a
    networkx graph without them.

  Raises:
    InputError: names the first entry that is wrong.
  """
  undirected = False
  if receivers is None:
    if scipy.sparse.issparse(senders):
      senders, receivers = _of_matrix(senders, n_node)
    elif hasattr(senders, 'is_directed') and hasattr(senders, 'edges'):
      undirected = not senders.is_directed()
      senders, receivers = _of_networkx(senders, n_node)
    else:
      raise InputError(
        'receivers',
        'missing',
        'give `senders` and `receivers`, or a SciPy sparse matrix or a networkx'
        ' graph in the place of `senders`',
      )
  senders = _ids('senders', senders, n_node)
  receivers = _ids('receivers', receivers, n_node)
  require_same_number(senders, receivers)
  return senders, receivers, undirected


def _ids(name: str, given: Any, n_node: int) -> np.ndarray:
  array = on_host(name, given)
  if array.ndim != 1:
    hint = ''
    if array.ndim == 2 and 2 in array.shape:
      hint = 'give its two rows or columns as `senders` and `receivers`'
    raise InputError(name, f'an array of shape {array.shape}, not [E]', hint)
  if not len(array):
    return np.zeros(0, np.int32)
  if len(array) > MOST_EDGES:
    raise InputError(name, f'{len(array)} edges, more than {MOST_EDGES}')
  if array.dtype.kind not in 'iu':
    raise InputError(
      name,
      f'entry 0 is {array[0]!r}, of {array.dtype}',
      'ids of nodes are integers',
    )
  wrong = (array < 0) | (array >= n_node)
  if wrong.any():
    first = int(wrong.argmax())
    remedy = f'ids of {n_node} nodes are 0 to {n_node - 1}'
    if array.min() >= 1 and array.max() == n_node:
      remedy = 'count from 0: subtract 1 from all `senders` and `receivers`'
    if not n_node:
      remedy = 'a graph of no nodes has no edges'
    raise InputError(name, f'entry {first} is {array[first]}', remedy)
  return array.astype(np.int32)


def as_floats(name: str, array: np.ndarray) -> np.ndarray:
  """Real numbers as floats; integers and booleans become float32.

  Raises:
    InputError: if they are something else.
  """
  if not is_real(array.dtype):
    raise InputError(
      name, f'{array.dtype} is no real number', 'give a float array'
    )
  return array.astype(np.float32) if array.dtype.kind in 'biu' else array


def on_host(name: str, given: Any) -> np.ndarray:
  """An array or nested lists as an array of NumPy.

  Raises:
    InputError: if it is traced, masked or ragged.
  """
  if isinstance(given, jax.core.Tracer):
    raise InputError(
      name,
      'traced by a transformation of JAX, and a graph is prepared on the host',
      'prepare it before `jax.jit` and give the result as an argument; a layer'
      ' also takes a `jraph.GraphsTuple` as it is',
    )
  if isinstance(given, np.ma.MaskedArray):
    raise InputError(
      name,
      'a masked array, and its mask is not used',
      'leave out what is masked',
    )
  try:
    return np.asarray(given)
  except ValueError as error:  # lists of different lengths
    raise InputError(name, f'no array ({error})') from error


def _of_matrix(matrix: Any, n_node: int) -> tuple[np.ndarray, np.ndarray]:
  if matrix.shape != (n_node, n_node):
    raise InputError(
      'senders',
      f'an adjacency matrix {matrix.shape} for {n_node} nodes',
      'it must be [N, N]',
    )
  matrix = matrix.tocoo()
  _refuse_weights(matrix.data, lambda e: f'entry {e}')
  return (
    matrix.coords if hasattr(matrix, 'coords') else (matrix.row, matrix.col)
  )


def _of_networkx(graph: Any, n_node: int) -> tuple[np.ndarray, np.ndarray]:
  if graph.number_of_nodes() != n_node:
    raise InputError(
      'senders',
      f'a graph of {graph.number_of_nodes()} nodes for {n_node} rows of'
      ' features',
      'rows must be in the order of `graph.nodes`',
    )
  place = {node: index for index, node in enumerate(graph.nodes)}
  found = list(graph.edges(data='weight', default=1))
  _refuse_weights(
    np.array([weight for *_, weight in found]),
    lambda e: f'edge {found[e][:2]}',
  )
  pairs = [(place[sender], place[receiver]) for sender, receiver, _ in found]
  both = np.array(pairs, np.int64).reshape(-1, 2)
  return both[:, 0], both[:, 1]


def _refuse_weights(weights: np.ndarray, name: Any) -> None:
  wrong = weights != 1
  if wrong.any():
    first = int(wrong.argmax())
    raise InputError(
      'senders',
      f'{name(first)} has the weight {weights[first]}, and weights of edges are'
      ' not used',
      'set them to 1 and give them as `edge_features`; leave out what is no'
      ' edge',
    )
