"""Graphs that are ready for the layers: checked, sorted, structure made.

Shapes: N nodes, D features, E edges, E0 edges that the caller gave.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.groups import Array
from gat_jax.graphs.items import make_items


class InGivenOrder(NamedTuple):
  """Something of every edge, in the order in which the caller gave the edges.

  Attributes:
    given: [E0, ...], of the edges that were given.
    reverse: [E0, ...], of the reverse of each; None if none were added.
    self_loops: [N, ...], of each node's edge to itself; None if none were
      added.
  """

  given: Array
  reverse: Array | None
  self_loops: Array | None


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('given', 'reverse', 'self_loops'),
  meta_fields=(),
)
@dataclasses.dataclass(frozen=True)
class Places:
  """Where the caller's edges are among the prepared ones; see InGivenOrder."""

  given: Array
  reverse: Array | None
  self_loops: Array | None


class Ungrouped:
  """Edges that are sorted and checked, and grouped when that is asked for.

  A graph that no device holds is sampled, which needs no groups; they would
  take more memory than its edges.

  Attributes:
    senders: [E] int32.
    receivers: [E] int32.
  """

  def __init__(self, edges: Edges):
    """Args: edges: what `Edges.prepared` takes."""
    self._edges = edges
    self.senders, self.receivers = edges.senders, edges.receivers

  @functools.cached_property
  def grouped(self) -> Edges:
    """The prepared edges."""
    return self._edges.prepared()


class PreparedGraph(jraph.GraphsTuple):
  """A `jraph.GraphsTuple` that also has the structure of its edges.

  It is made by `prepare`, `batch` and `pad`. Wherever a GraphsTuple goes, it
  goes. With `_replace`, other nodes, edges or globals keep the structure; other
  senders or receivers lose it, and what comes out is slower and still right.

  Attributes:
    structure: of the edges; `senders` and `receivers` are its own.
  """

  _structure: Edges | Ungrouped | None = None  # of one not made by `of`
  _places: Places | None = None
  _make = jraph.GraphsTuple._make  # of the seven fields alone

  @classmethod
  def of(
    cls,
    graph: jraph.GraphsTuple,
    structure: Edges | Ungrouped | None,
    places: Places | None = None,
  ) -> 'PreparedGraph':
    """The graph with a structure, whose senders and receivers it takes."""
    own = graph._asdict()
    for name in ('senders', 'receivers'):
      ids = getattr(structure, name)
      if own[name] is None or not isinstance(ids, np.ndarray):
        # `jraph.unbatch_np` changes those of its graph.
        own[name] = ids.copy() if isinstance(ids, np.ndarray) else ids
    made = cls(**own)
    made._structure, made._places = structure, places
    return made

  @property
  def structure(self) -> Edges | None:
    """See the class."""
    own = self._structure
    return own.grouped if isinstance(own, Ungrouped) else own

  def _replace(self, /, **fields: Any) -> jraph.GraphsTuple:
    """As that of any named tuple; see the class."""
    plain = jraph.GraphsTuple(*self)._replace(**fields)
    if {'senders', 'receivers', 'n_node', 'n_edge'} & set(fields):
      return plain
    return PreparedGraph.of(plain, self._structure, self._places)

  def __reduce__(self):
    """Pickles and copies it with its structure."""
    plain = jraph.GraphsTuple(*self)
    return PreparedGraph.of, (plain, self._structure, self._places)

  def in_given_order(self, of_edges: Array) -> InGivenOrder:
    """Puts something of every edge in the order that `prepare` was given.

    Args:
      of_edges: [E, ...], as the attention of a layer.

    Raises:
      InputError: if the graph was joined or padded since, or the length is not
        E.
    """
    if self._places is None:
      raise InputError(
        'graph',
        'it is not as `prepare` made it, so the order that was given is lost',
        'use a graph that was not joined, padded or changed since',
      )
    if of_edges.shape[:1] != self.senders.shape:
      raise InputError(
        'of_edges',
        f'{of_edges.shape} for a graph of {len(self.senders)} edges',
        'its first axis must be that of the edges',
      )
    places = self._places
    return InGivenOrder(
      of_edges[places.given],
      None if places.reverse is None else of_edges[places.reverse],
      None if places.self_loops is None else of_edges[places.self_loops],
    )


def structure_of(graph: jraph.GraphsTuple) -> Edges | None:
  """The structure of a prepared graph's edges; None of any other graph."""
  return getattr(graph, 'structure', None)


def with_items(graph: jraph.GraphsTuple) -> PreparedGraph:
  """Adds what layers need on the road 'fused', on the host.

  It comes last: `batch` and `pad` leave it behind. Its shapes depend on the
  degrees, so a function is compiled anew for each graph.

  Args:
    graph: prepared.

  Raises:
    InputError: if it is not prepared, or traced.
  """
  edges = structure_of(graph)
  if edges is None or isinstance(edges.senders, jax.core.Tracer):
    raise InputError(
      'graph',
      'not prepared, or traced',
      'use `graphs.prepare`, and give it to compiled functions with its items',
    )
  ends = np.asarray(edges.senders), np.asarray(edges.receivers)
  items = make_items(*ends, edges.num_senders, edges.num_receivers)
  places = getattr(graph, '_places', None)
  return PreparedGraph.of(graph, edges._with(items=items), places)


_LEAVES = ('nodes', 'edges', 'globals', 'n_node', 'n_edge')


def _flatten(graph):
  own = tuple(getattr(graph, name) for name in _LEAVES)
  return (*own, graph.structure, graph._places), None


def _flatten_with_keys(graph):
  children, aux = _flatten(graph)
  names = (*_LEAVES, 'structure', '_places')
  keys = map(jax.tree_util.GetAttrKey, names)
  return tuple(zip(keys, children, strict=True)), aux


def _unflatten(unused_aux, children):
  *own, structure, places = children
  # Whatever a transformation puts in the place of a structure is kept as it is.
  made = PreparedGraph(
    senders=getattr(structure, 'senders', None),
    receivers=getattr(structure, 'receivers', None),
    **dict(zip(_LEAVES, own, strict=True)),
  )
  made._structure, made._places = structure, places
  return made


jax.tree_util.register_pytree_with_keys(
  PreparedGraph, _flatten_with_keys, _unflatten, _flatten
)
