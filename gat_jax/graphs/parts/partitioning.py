"""A graph in parts of equal shapes, one for each device along an axis.

Shapes: P parts; of the whole graph N nodes, E edges, Z stored non-zeros; of a
part n nodes, m senders, e edges, z non-zeros, fillers included.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.features import Features
from gat_jax.graphs.features import SparseFeatures
from gat_jax.graphs.parts.alike import alike
from gat_jax.graphs.parts.cutting import Cut
from gat_jax.graphs.parts.cutting import Shapes
from gat_jax.graphs.parts.cutting import by_part
from gat_jax.graphs.parts.cutting import filled
from gat_jax.graphs.parts.exchange import Exchange
from gat_jax.graphs.parts.part import Part
from gat_jax.graphs.prepared import PreparedGraph
from gat_jax.graphs.prepared import structure_of


@dataclasses.dataclass(frozen=True)
class Spread:
  """What was cut, and how evenly it is spread.

  Attributes:
    nodes: of each part, [P].
    edges: of each part, those into its nodes, [P].
    edges_cut: edges from one part to another.
    halos: rows of other parts that each part needs, [P].
    sent: rows that each part sends, [P]; to several parts, as often.
    slots: rows that a part sends one other, at most.
  """

  nodes: tuple[int, ...]
  edges: tuple[int, ...]
  edges_cut: int
  halos: tuple[int, ...]
  sent: tuple[int, ...]
  slots: int

  @property
  def imbalance(self) -> float:
    """Edges of the largest part, as a multiple of the mean."""
    return max(self.edges) * len(self.edges) / max(1, sum(self.edges))

  def exchanged_bytes(self, features: int) -> int:
    """What moves between devices in a step of training, of all together.

    Halo rows x features x 4, forward and backward; fillers: `program_bytes`.

    Args:
      features: `sent_features` of all layers, added up.
    """
    return 2 * sum(self.halos) * features * 4

  def program_bytes(
    self,
    features: Sequence[int],
    *,
    padded: bool,
    lanes: int = 1,
    validates: bool = False,
  ) -> int:
    """What the collectives of a step give one device, as it is compiled.

    Args:
      features: `sent_features` of each layer.
      padded: as on a CPU, where each part sends all parts, itself too, as many
        rows. Else the results have room for the largest part's rows.
      lanes: what rows are filled up to a multiple of; 128 on a TPU.
      validates: whether a validation follows, as in an epoch.
    """
    num_parts = len(self.halos)
    there = back = num_parts * self.slots
    if not padded:
      there, back = max(1, *self.halos), max(1, *self.sent)
    filled = sum(-(-count // lanes) * lanes for count in features)
    return (there * (1 + validates) + back) * filled * 4


@dataclasses.dataclass(frozen=True)
class Partition:
  """A graph in P parts.

  Attributes:
    graph: of all parts, every array [P, ...]. That of one part, in
      `jax.shard_map` along the axis, is a graph for the layers.
    nodes: [P, n] int64, ids of the nodes in the whole graph; N for fillers.
    spread: what was cut.
  """

  graph: PreparedGraph
  nodes: np.ndarray
  spread: Spread

  def of_nodes(self, array: np.ndarray) -> np.ndarray:
    """What belongs to the nodes: [N, ...] -> [P, n, ...]; 0 for fillers."""
    filler = np.zeros((1, *array.shape[1:]), array.dtype)
    return np.concatenate([array, filler])[self.nodes]

  def whole(self, of_parts: np.ndarray) -> np.ndarray:
    """What belongs to the nodes: [P, n, ...] -> [N, ...]."""
    num_nodes = sum(self.spread.nodes)
    whole = np.zeros((num_nodes + 1, *of_parts.shape[2:]), of_parts.dtype)
    whole[self.nodes] = of_parts
    return whole[:num_nodes]


def partition(
  graph: jraph.GraphsTuple,
  parts: np.ndarray,
  num_parts: int,
  axis: str = 'nodes',
) -> Partition:
  """Takes a graph apart, on the host.

  A part has its own nodes and all edges into them. Senders that belong to other
  parts, its halo, come after its own nodes; an exchange fetches their rows. A
  node keeps the order of its edges.

  Args:
    graph: prepared.
    parts: [N], the part of each node; see `deal_nodes`.
    num_parts: P.
    axis: of the mesh, which has P devices along it.

  Raises:
    InputError: if the graph is not prepared, or the parts are none.
  """
  structure = structure_of(graph)
  if structure is None or structure.part is not None:
    raise InputError('graph', 'it is not prepared', 'use `graphs.prepare`')
  parts = np.asarray(parts)
  num_nodes = structure.num_receivers
  is_part = (parts >= 0) & (parts < num_parts)
  if parts.shape != (num_nodes,) or not is_part.all():
    raise InputError(
      'parts',
      f'{parts.shape} for {num_nodes} nodes, or not all of [0, {num_parts})',
      'give the part of every node',
    )
  cut = Cut(structure, parts, num_parts)
  shapes = Shapes.of(cut)
  structures = alike([_edges_of(cut, shapes, own) for own in range(num_parts)])
  exchanges = _exchanges(cut, shapes, axis)
  degrees = np.asarray(structure.incoming.degrees)
  structures = [
    own.as_part(_part(cut, shapes, index, degrees, exchange))
    for index, (own, exchange) in enumerate(
      zip(structures, exchanges, strict=True)
    )
  ]
  made = [
    PreparedGraph.of(
      jraph.GraphsTuple(
        nodes=features,
        edges=of_edges,
        senders=None,
        receivers=None,
        n_node=np.array([shapes.n_node], np.int32),
        n_edge=np.array([shapes.n_edge], np.int32),
        globals=None,
      ),
      own,
    )
    for own, features, of_edges in zip(
      structures,
      _features(graph.nodes, cut, shapes),
      _edge_features(graph.edges, cut, shapes),
      strict=True,
    )
  ]
  nodes = [filled(ids, shapes.n_node, num_nodes) for ids in cut.nodes]
  return Partition(
    graph=jax.tree.map(lambda *leaves: np.stack(leaves), *made),
    nodes=np.stack(nodes),
    spread=Spread(
      nodes=tuple(map(len, cut.nodes)),
      edges=tuple(map(len, cut.edges)),
      edges_cut=cut.edges_cut,
      halos=tuple(map(len, cut.halos)),
      sent=tuple(cut.sent.sum(axis=1).tolist()),
      slots=shapes.n_slot,
    ),
  )


def _edges_of(cut: Cut, shapes: Shapes, index: int) -> Edges:
  """The edges into a part, prepared; fillers join the last node to itself."""
  edges, halo = cut.edges[index], cut.halos[index]
  senders, receivers = cut.senders[edges], cut.receivers[edges]
  local = np.where(cut.parts == index, cut.places, -1)
  local[halo] = shapes.n_node + np.arange(len(halo))
  last = shapes.n_node - 1
  return Edges(
    filled(local[senders].astype(np.int32), shapes.n_edge, last),
    filled(local[receivers].astype(np.int32), shapes.n_edge, last),
    shapes.n_node + shapes.n_halo,
    shapes.n_node,
  ).prepared()


def _part(
  cut: Cut,
  shapes: Shapes,
  index: int,
  degrees: np.ndarray,
  exchange: Exchange,
) -> Part:
  own, halo = cut.nodes[index], cut.halos[index]

  def of_senders(of_nodes, dtype):
    return np.concatenate(
      [
        filled(of_nodes[own], shapes.n_node, 0),
        filled(of_nodes[halo], shapes.n_halo, 0),
      ]
    ).astype(dtype)

  return Part(
    sender_ids=of_senders(np.arange(len(cut.parts)), np.uint32),
    edge_ids=filled(cut.edges[index], shapes.n_edge, 0).astype(np.uint32),
    sender_degrees=of_senders(degrees, np.int32),
    exchange=exchange,
  )


def _exchanges(cut: Cut, shapes: Shapes, axis: str) -> list[Exchange]:
  """Of each part; see `Exchange`."""
  sent = cut.sent  # [from, to]
  first_sent = sent.cumsum(axis=1) - sent
  first_got = sent.cumsum(axis=0) - sent
  there = np.stack([sent, first_sent, first_got])  # [3, from, to]
  made = []
  for own, halo in enumerate(cut.halos):
    rows = [cut.places[h[cut.parts[h] == own]] for h in cut.halos]
    owner = cut.parts[halo]
    slot = np.arange(len(halo)) - first_got[owner, own]
    blocks = [there[:, own], there[[0, 2, 1], :, own]]
    made.append(
      Exchange(
        rows=_int32(filled(np.concatenate(rows), shapes.n_sent, shapes.n_node)),
        padded_rows=_int32(
          np.stack([filled(r, shapes.n_slot, shapes.n_node) for r in rows])
        ),
        padded_places=_int32(
          filled(
            owner * shapes.n_slot + slot,
            shapes.n_halo,
            len(sent) * shapes.n_slot,
          )
        ),
        blocks=_int32(np.stack(blocks)),
        axis=axis,
      )
    )
  return made


def _features(
  features: Features, cut: Cut, shapes: Shapes
) -> Sequence[Features]:
  if not isinstance(features, SparseFeatures):
    dense = np.asarray(features)
    return [filled(dense[own], shapes.n_node, 0) for own in cut.nodes]
  rows, columns = np.asarray(features.rows), np.asarray(features.columns)
  values = np.asarray(features.values)
  own_ids = by_part(cut.parts[rows], len(cut.nodes))
  size = max(1, *map(len, own_ids))
  structures = []
  for ids in own_ids:
    # Fillers are zeros of the last node, spread over the columns.
    spare = np.arange(size - len(ids)) % features.shape[1]
    local = cut.places[rows[ids]]
    structure = Edges(
      _int32(np.concatenate([columns[ids], spare])),
      _int32(filled(local, size, shapes.n_node - 1)),
      features.shape[1],
      shapes.n_node,
    )
    structures.append(structure.prepared())
  return [
    SparseFeatures(
      filled(values[ids], size, 0),
      structure.as_part(Part(edge_ids=filled(ids, size, 0).astype(np.uint32))),
    )
    for ids, structure in zip(own_ids, alike(structures), strict=True)
  ]


def _edge_features(
  features: Any, cut: Cut, shapes: Shapes
) -> Sequence[np.ndarray | None]:
  if features is None:
    return [None] * len(cut.edges)
  features = np.asarray(features)
  return [filled(features[own], shapes.n_edge, 0) for own in cut.edges]


def _int32(array: np.ndarray) -> np.ndarray:
  return array.astype(np.int32)
