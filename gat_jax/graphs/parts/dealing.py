"""Which part of a graph a node belongs to.

Shapes: N nodes, E edges, P parts.
"""

from collections.abc import Callable

import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.errors import did_you_mean

# The same parts on every host, and today as tomorrow.
_SEED = 0


def deal_nodes(
  graph: jraph.GraphsTuple, num_parts: int, partitioner: str = 'metis'
) -> np.ndarray:
  """Deals the nodes of a graph to parts of about as many edges each.

  Args:
    graph: on the host.
    num_parts: P.
    partitioner: 'metis' cuts few edges; the package pymetis has it. 'ranges'
      takes ids as they come, and cuts few if neighbours have ids that are
      close.

  Returns:
    [N] int32, the part of each node; the same for the same graph.

  Raises:
    InputError: if there is no such partitioner, or it is not installed.
  """
  if partitioner not in PARTITIONERS:
    names = ', '.join(PARTITIONERS)
    raise InputError(
      'partitioner',
      f'there is no {partitioner!r}',
      did_you_mean(partitioner, PARTITIONERS, f'choose one of {names}'),
    )
  n_node = graph.nodes.shape[0]
  if num_parts == 1:
    return np.zeros(n_node, np.int32)
  senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
  return PARTITIONERS[partitioner](senders, receivers, n_node, num_parts)


def _metis(
  senders: np.ndarray, receivers: np.ndarray, n_node: int, num_parts: int
) -> np.ndarray:
  """Karypis and Kumar, SIAM J. Sci. Comput. 20 (1998)."""
  try:
    import pymetis
  except ImportError as error:
    raise InputError(
      'partitioner',
      "'metis' needs the package pymetis, which is not installed",
      'run `pip install pymetis`, or choose `ranges`, which cuts more edges',
    ) from error
  # Neighbours either way, once each and without the node itself.
  ends = np.concatenate([senders, receivers]).astype(np.int64)
  others = np.concatenate([receivers, senders]).astype(np.int64)
  keys = np.sort(ends * n_node + others)
  keys = keys[np.diff(keys, prepend=-1) != 0]
  ends, others = np.divmod(keys, max(1, n_node))
  ends, others = ends[ends != others], others[ends != others]
  starts = np.concatenate([[0], np.bincount(ends, minlength=n_node).cumsum()])
  _, parts = pymetis.part_graph(
    num_parts,
    pymetis.CSRAdjacency(starts, others),
    # An edge is worked on where its receiver is; and so is the node itself.
    vweights=np.bincount(receivers, minlength=n_node) + 1,
    options=pymetis.Options(seed=_SEED),
  )
  return np.asarray(parts, np.int32)


def _ranges(
  senders: np.ndarray, receivers: np.ndarray, n_node: int, num_parts: int
) -> np.ndarray:
  """Ids as they come, weighed alike."""
  del senders
  weights = np.bincount(receivers, minlength=n_node) + 1
  middles = weights.cumsum() - weights / 2
  parts = middles * num_parts // max(1, weights.sum())
  return parts.astype(np.int32)


PARTITIONERS: dict[str, Callable] = {'metis': _metis, 'ranges': _ranges}
