"""Which nodes, edges and rows of a graph belong to which part.

Shapes: P parts; of the whole graph N nodes, E edges.
"""

import dataclasses
from typing import Any

import numpy as np

from gat_jax.graphs.edges import Edges


class Cut:
  """Which nodes and edges belong to which part.

  Attributes:
    senders: [E], of the whole graph.
    receivers: [E], of the whole graph.
    parts: [N], the part of each node.
    places: [N], which of its part's nodes each is.
    nodes: of each part, ids of its nodes, ascending.
    edges: of each part, ids of its edges, ascending.
    halos: of each part, ids of the nodes that it lacks, by part, then id.
    sent: [P, P], rows that a part (first) sends another.
    edges_cut: edges between two parts.
  """

  def __init__(self, structure: Edges, parts: np.ndarray, num_parts: int):
    self.senders = np.asarray(structure.senders)
    self.receivers = np.asarray(structure.receivers)
    self.parts = parts
    num_nodes = len(parts)
    self.nodes = by_part(parts, num_parts)
    self.edges = by_part(parts[self.receivers], num_parts)
    self.places = np.zeros(num_nodes, np.int64)
    for own in self.nodes:
      self.places[own] = np.arange(len(own))
    self.halos, self.edges_cut = [], 0
    self.sent = np.zeros((num_parts, num_parts), np.int64)
    for index, edges in enumerate(self.edges):
      senders = self.senders[edges]
      lacking = senders[parts[senders] != index]
      self.edges_cut += len(lacking)
      is_lacking = np.zeros(num_nodes, bool)
      is_lacking[lacking] = True
      ids = np.flatnonzero(is_lacking)
      ids = ids[np.argsort(parts[ids], kind='stable')]
      self.halos.append(ids)
      self.sent[:, index] = np.bincount(parts[ids], minlength=num_parts)


@dataclasses.dataclass(frozen=True)
class Shapes:
  """Sizes that all parts have: nodes, halo, edges; rows sent, and to one."""

  n_node: int
  n_halo: int
  n_edge: int
  n_sent: int
  n_slot: int

  @classmethod
  def of(cls, cut: Cut) -> 'Shapes':
    """What the largest of each needs."""
    return cls(
      n_node=max(map(len, cut.nodes)) + 1,  # fillers of edges need a node
      n_halo=max(1, *map(len, cut.halos)),
      n_edge=max(map(len, cut.edges)),
      n_sent=max(1, int(cut.sent.sum(axis=1).max())),
      n_slot=max(1, int(cut.sent.max())),
    )


def by_part(parts: np.ndarray, num_parts: int) -> list[np.ndarray]:
  """Which entries are of each part, ascending."""
  order = np.argsort(parts, kind='stable')
  ends = np.bincount(parts, minlength=num_parts).cumsum()
  return np.split(order, ends[:-1])


def filled(array: np.ndarray, size: int, filler: Any) -> np.ndarray:
  """Rows and then fillers: [n, ...] -> [size, ...]."""
  rest = np.full((size - len(array), *array.shape[1:]), filler, array.dtype)
  return np.concatenate([array, rest])
