"""Batches of graphs that are put together where they are used.

What `batch` and `pad` make on the host, `deal` makes of arrays that are on a
device already, in a compiled function: every array of a batch is some stretches
of one that holds all graphs, and ids count from where their graph begins.

Shapes: G graphs in all, B in a batch.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, NamedTuple

import jax
from jax import numpy as jnp
import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.edge_features import check_same_kind
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.features import SparseFeatures
from gat_jax.graphs.groups import FAN
from gat_jax.graphs.groups import GROUP
from gat_jax.graphs.groups import ROOTS
from gat_jax.graphs.groups import Array
from gat_jax.graphs.groups import Groups
from gat_jax.graphs.groups import fill_groups
from gat_jax.graphs.groups import group
from gat_jax.graphs.prepared import PreparedGraph
from gat_jax.graphs.prepared import structure_of

_ENDS = ('by_receiver', 'by_sender')
_OF_GROUPS = ('edges', 'is_edge', 'others', 'nodes')
_OF_NODES = ('degrees', 'levels', 'roots')
_GIVEN = 'given.'


class Rows(NamedTuple):
  """What all graphs have along one axis, and which rows are whose.

  Attributes:
    arrays: by name, the rows of all graphs, and one more.
    first: [G + 1], where the rows of each graph begin.
    counts: [G + 1], how many they are; 0 of the last, which is no graph.
  """

  arrays: dict[str, Array]
  first: Array
  counts: Array

  @classmethod
  def of(cls, several: Sequence[Mapping[str, Array]]) -> 'Rows':
    """Joins those of several graphs, on the host."""
    arrays: dict[str, Array] = {}
    for name, array in several[0].items():
      one_more = np.zeros((1, *array.shape[1:]), array.dtype)
      arrays[name] = np.concatenate([*(own[name] for own in several), one_more])
    counts = [len(next(iter(own.values()))) for own in several]
    first = np.cumsum([0, *counts], dtype=np.int32)
    return cls(arrays, first, np.array([*counts, 0], np.int32))


class Deck(NamedTuple):
  """Graphs of which `deal` makes batches.

  Attributes:
    nodes: features, what was given of nodes, and what `Groups` has of them.
    edges: senders, receivers and features.
    groups: of either end, the groups and each level of rows above them.
  """

  nodes: Rows
  edges: Rows
  groups: dict[str, list[Rows]]

  @classmethod
  def of(
    cls,
    graphs: Sequence[jraph.GraphsTuple],
    of_nodes: Sequence[Mapping[str, Array]],
  ) -> 'Deck':
    """Takes graphs, on the host.

    Args:
      graphs: at least one, each prepared, neither joined nor padded, with
        dense features of nodes and none of the whole.
      of_nodes: arrays [nodes, ...] of each, by name.

    Raises:
      InputError: if there is none, or one has not that.
    """
    if not graphs:
      raise InputError('graphs', 'there is none', 'give at least one')
    structures = []
    for graph in graphs:
      structure = structure_of(graph)
      is_more = graph.globals is not None
      is_more |= isinstance(graph.nodes, SparseFeatures)
      if structure is None or len(graph.n_node) != 1 or is_more:
        problem = 'one is not prepared, is sparse, or has globals'
        raise InputError('graphs', problem, 'prepare each on its own')
      structures.append(structure)
    nodes: list[dict[str, Array]] = [
      {'features': graph.nodes, **{_GIVEN + k: v for k, v in own.items()}}
      for graph, own in zip(graphs, of_nodes, strict=True)
    ]
    groups = {}
    for end in _ENDS:
      several = [_of_one(getattr(structure, end)) for structure in structures]
      for own, one in zip(nodes, several, strict=True):
        own.update({f'{end}.{k}': getattr(one, k) for k in _OF_NODES})
      levels = [[{k: getattr(g, k) for k in _OF_GROUPS} for g in several]]
      for level in range(max(len(g.above) for g in several)):
        levels.append([{'rows': _level(g.above, level)} for g in several])
      groups[end] = [Rows.of(level) for level in levels]
    check_same_kind([graph.edges for graph in graphs])
    edges = [{'senders': g.senders, 'receivers': g.receivers} for g in graphs]
    for graph, own in zip(graphs, edges, strict=True):
      own |= {} if graph.edges is None else {'features': graph.edges}
    return cls(Rows.of(nodes), Rows.of(edges), groups)


def _level(above, level):
  return above[level] if level < len(above) else np.zeros((0, FAN), np.int32)


def deal(
  deck: Deck, chosen: jax.Array, n_node: int, n_edge: int
) -> tuple[PreparedGraph, dict[str, Any]]:
  """Joins some graphs and pads them, as `batch` and then `pad` do.

  Args:
    deck: all graphs.
    chosen: [B], which of them; G for none, after all others.
    n_node: nodes after padding, at least one more than before.
    n_edge: edges after padding, at least as many as before; nobody checks
      either, since what is chosen is not known when it is compiled.

  Returns:
    The graph, and what the deck was given of nodes, with zeros for padding.
  """
  nodes = _Dealt(deck.nodes, chosen, n_node)
  edges = _Dealt(deck.edges, chosen, n_edge)
  shift = nodes.starts[edges.graph]
  structure = Edges(
    edges.take('senders', nodes.total, shift),
    edges.take('receivers', nodes.total, shift),
    n_node,
    n_node,
  )._with(
    **{
      end: _groups(deck.groups[end], end, chosen, nodes, edges) for end in _ENDS
    }
  )
  has_features = 'features' in deck.edges.arrays
  graph = jraph.GraphsTuple(
    nodes=nodes.take('features', 0),
    edges=edges.take('features', 0) if has_features else None,
    senders=None,
    receivers=None,
    n_node=nodes.counts(),
    n_edge=edges.counts(),
    globals=None,
  )
  given = {
    name.removeprefix(_GIVEN): nodes.take(name, 0)
    for name in deck.nodes.arrays
    if name.startswith(_GIVEN)
  }
  return PreparedGraph.of(graph, structure), given


class _Dealt:
  """Where the rows of a batch come from along one axis, [L] with its padding.

  Attributes:
    total: rows of the graphs.
    padding: rows after them.
    starts: [B], where each graph begins.
    graph: [L], whose row it is, in [0, B).
    place: [L], which row of the padding it is; negative for others.
  """

  def __init__(self, rows: Rows, chosen: jax.Array, size: int):
    self._rows, self._chosen = rows, chosen
    self._count = jnp.asarray(rows.counts)[chosen]
    ends = jnp.cumsum(self._count)
    self.total, self.starts = ends[-1], ends - self._count
    self.padding = size - self.total
    row = jnp.arange(size, dtype=jnp.int32)
    self.graph = (row[:, None] >= ends[:-1]).sum(axis=1)
    self.place = row - self.total
    source = row + (jnp.asarray(rows.first)[chosen] - self.starts)[self.graph]
    self._source = jnp.where(self.place < 0, source, 0)

  def take(
    self, name: str, padding: Any, shift: jax.Array | None = None
  ) -> jax.Array:
    """An array of the batch.

    Args:
      name: of the array.
      padding: what stands in the rows of the padding.
      shift: [L], what is added to the ids of a row; -1 stays.
    """
    taken = jnp.asarray(self._rows.arrays[name])[self._source]
    ones = (1,) * (taken.ndim - 1)
    if shift is not None:
      taken = jnp.where(taken < 0, taken, taken + shift.reshape(-1, *ones))
    is_real = (self.place < 0).reshape(-1, *ones)
    return jnp.where(is_real, taken, padding).astype(taken.dtype)

  def counts(self) -> jax.Array:
    """Rows of each graph, then those of the padding: [B + 1]."""
    num_graphs = (self._chosen < len(self._rows.counts) - 1).sum()
    counts = jnp.append(self._count, 0)
    is_padding = jnp.arange(len(counts)) == num_graphs
    return jnp.where(is_padding, self.padding, counts)


def _groups(
  levels: Sequence[Rows],
  end: str,
  chosen: jax.Array,
  nodes: _Dealt,
  edges: _Dealt,
) -> Groups:
  """The groups of a batch. One node has all edges of the padding.

  Levels are the groups of all graphs, then the rows above; `end` is the end of
  the edges that a group has in common.
  """
  n_node, n_edge = len(nodes.place), len(edges.place)
  sizes = _sizes(n_edge, n_node)
  own = _Dealt(levels[0], chosen, sizes[0])
  # Of the padding: how many rows it has on this level.
  count = -(-edges.padding // GROUP)
  place = GROUP * own.place[:, None] + np.arange(GROUP)
  is_filler = own.place >= count
  filled = jnp.where(
    is_filler[:, None],
    0,
    edges.total + jnp.minimum(place, edges.padding - 1),
  )
  other = jnp.where(is_filler, 0, nodes.total)[:, None]
  common = jnp.where(is_filler, n_node, nodes.total)
  to_nodes = nodes.starts[own.graph]
  arrays = {
    'edges': own.take('edges', filled, edges.starts[own.graph]),
    'is_edge': own.take('is_edge', place < edges.padding),
    'others': own.take('others', other, to_nodes),
    'nodes': own.take('nodes', common, to_nodes),
    'num_groups': own.total + count,
  }
  above, starts = [], [own.starts]
  level, first, roots = jnp.int32(0), own.total, count
  for number, size in enumerate(sizes[1:], 1):
    children = jnp.where(count > ROOTS, count, 0)
    count = -(-children // FAN)
    below = own
    own = _Dealt(
      levels[number] if number < len(levels) else _no_rows(levels[0]),
      chosen,
      size,
    )
    child = FAN * own.place[:, None] + np.arange(FAN)
    rows = jnp.where(child < children, below.total + child, -1)
    above.append(own.take('rows', rows, below.starts[own.graph]))
    starts.append(own.starts)
    level = jnp.where(count > 0, number, level)
    first = jnp.where(count > 0, own.total, first)
    roots = jnp.where(count > 0, count, roots)
  is_first = nodes.place == 0
  own_levels = nodes.take(f'{end}.levels', jnp.where(is_first, level, 0))
  root = np.arange(ROOTS)
  rows = jnp.where(root < roots, first + root, -1)
  return Groups(
    **arrays,
    degrees=nodes.take(f'{end}.degrees', jnp.where(is_first, edges.padding, 0)),
    above=tuple(above),
    levels=own_levels,
    roots=nodes.take(
      f'{end}.roots',
      jnp.where(is_first[:, None], rows, -1),
      jnp.stack(starts)[own_levels, nodes.graph],
    ),
  )


def _of_one(groups: Groups) -> Groups:
  """Those of a graph, with the rows above them that a batch wants."""
  num_groups, num_edges = int(groups.num_groups), int(groups.degrees.sum())
  filled = fill_groups(groups, num_edges)
  made = {k: getattr(filled, k)[:num_groups] for k in _OF_GROUPS}
  above = tuple(rows[(rows >= 0).any(axis=1)] for rows in filled.above)
  return dataclasses.replace(filled, **made, above=above)


def _sizes(num_edges: int, num_nodes: int) -> list[int]:
  """Groups of a batch with fillers, and rows of each level above them."""
  none = np.zeros(0, np.int32)
  filled = fill_groups(group(none, none, num_nodes), num_edges)
  return [len(filled.nodes), *map(len, filled.above)]


def _no_rows(like: Rows) -> Rows:
  none = np.zeros(like.counts.shape, np.int32)
  return Rows({'rows': np.zeros((1, FAN), np.int32)}, none, none)
