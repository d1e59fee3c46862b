"""The edges of a graph by receiver, as a sampler reads them.

Shapes: N nodes, E edges.
"""

from typing import NamedTuple

import jraph
import numpy as np

from gat_jax.errors import DataError


class Csr(NamedTuple):
  """Compressed sparse rows; the arrays may be mapped from files.

  Attributes:
    indptr: [N + 1] int64, where the edges of each receiver start.
    indices: [E] int32, senders, sorted for each receiver.
  """

  indptr: np.ndarray
  indices: np.ndarray

  @property
  def num_nodes(self) -> int:
    """N."""
    return len(self.indptr) - 1

  @property
  def degrees(self) -> np.ndarray:
    """[N] int64, how many edges come in."""
    return np.diff(self.indptr)

  @property
  def num_bytes(self) -> int:
    """Of both arrays."""
    return self.indptr.nbytes + self.indices.nbytes

  @classmethod
  def of(cls, graph: jraph.GraphsTuple) -> 'Csr':
    """The edges of a graph as `graphs.prepare` sorts them, without a copy.

    Raises:
      DataError: if they are sorted otherwise.
    """
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    rises = receivers[1:] > receivers[:-1]
    in_row = (receivers[1:] == receivers[:-1]) & (senders[1:] >= senders[:-1])
    if not (rises | in_row).all():
      raise DataError(
        'graph',
        'its edges are not sorted by receiver, then by sender',
        'make it with `graphs.prepare`',
      )
    num_nodes = graph.nodes.shape[0]
    indptr = np.zeros(num_nodes + 1, np.int64)
    np.cumsum(np.bincount(receivers, minlength=num_nodes), out=indptr[1:])
    return cls(indptr, senders)
