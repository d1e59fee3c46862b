"""The edges of a graph by receiver, as a sampler reads them.

Shapes: N nodes, E edges.
"""

import dataclasses
import weakref

import jraph
import numpy as np

from gat_jax.errors import DataError

# Edges that are looked at together; more are mapped from files.
_MOST_EDGES = 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class Csr:
  """Compressed sparse rows; the arrays may be mapped from files.

  Attributes:
    indptr: [N + 1] int64, where the edges of each receiver start.
    indices: [E] int32, senders, sorted for each receiver.
    receivers: [E] int32, as the graph has them.
  """

  indptr: np.ndarray
  indices: np.ndarray
  receivers: np.ndarray

  @property
  def num_nodes(self) -> int:
    """N."""
    return len(self.indptr) - 1

  @property
  def degrees(self) -> np.ndarray:
    """[N] int64, how many edges come in."""
    return np.diff(self.indptr)

  @classmethod
  def of(cls, graph: jraph.GraphsTuple) -> 'Csr':
    """The edges of a graph as `graphs.prepare` sorts them, without a copy.

    All who ask for those of the same arrays get the same.

    Raises:
      DataError: if they are sorted otherwise.
    """
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    key = graph.nodes.shape[0], id(senders), id(receivers)
    found = _KNOWN.get(key)
    if found is None:
      indptr = _indptr(senders, receivers, graph.nodes.shape[0])
      found = _KNOWN[key] = cls(indptr, senders, receivers)
    return found


# While one is in use its arrays are there, and no others have their ids.
_KNOWN: weakref.WeakValueDictionary[tuple[int, int, int], Csr] = (
  weakref.WeakValueDictionary()
)


def _indptr(
  senders: np.ndarray, receivers: np.ndarray, num_nodes: int
) -> np.ndarray:
  """Where the edges of each receiver start; raises as `Csr.of`."""
  indptr = np.zeros(num_nodes + 1, np.int64)
  for start in range(0, len(receivers), _MOST_EDGES):
    own = slice(start, start + _MOST_EDGES + 1)  # and the first of the next
    s, r = senders[own], receivers[own]
    rises = r[1:] > r[:-1]
    in_row = (r[1:] == r[:-1]) & (s[1:] >= s[:-1])
    if not (rises | in_row).all():
      raise DataError(
        'graph',
        'its edges are not sorted by receiver, then by sender',
        'make it with `graphs.prepare`',
      )
    counts = np.bincount(r[:_MOST_EDGES] - r[0])
    first = int(r[0]) + 1
    indptr[first : first + len(counts)] += counts
  return np.cumsum(indptr, out=indptr)
