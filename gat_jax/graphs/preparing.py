"""What makes a graph ready: checks, reverse edges, self-loops, order.

Shapes: N nodes, D features, E edges, E0 edges that the caller gave, D_e
features of an edge.
"""

from typing import Any, Literal

import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs import inputs
from gat_jax.graphs.edge_features import LoopFeatures
from gat_jax.graphs.edge_features import edge_features as make_edge_features
from gat_jax.graphs.edge_features import edge_features_of
from gat_jax.graphs.edge_features import is_mean
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.groups import stable_order
from gat_jax.graphs.inputs import MOST_EDGES
from gat_jax.graphs.prepared import Places
from gat_jax.graphs.prepared import PreparedGraph
from gat_jax.graphs.prepared import Ungrouped


def prepare(
  features: Any,
  senders: Any,
  receivers: Any = None,
  *,
  reverse: bool = False,
  self_loops: bool = True,
  duplicates: Literal['refuse', 'merge', 'keep'] = 'refuse',
  edge_features: Any = None,
  loop_features: LoopFeatures = 'mean',
) -> PreparedGraph:
  """Makes one graph ready for the layers, on the host.

  It checks everything, adds what is asked for, sorts the edges by receiver and
  sender, and makes the structure that layers are fast with. It remembers the
  order of the edges: see `PreparedGraph.in_given_order`.

  Args:
    features: [N, D], an array, nested lists, a SciPy sparse matrix or
      `SparseFeatures`.
    senders: [E0], the node where each directed edge starts, in [0, N). Instead
      of both, a SciPy sparse matrix [N, N] with a 1 in row s and column r for
      an edge from s to r; or a networkx graph whose nodes are in the order of
      the features. One without directions gets its reverse edges always.
    receivers: [E0], the node where it ends.
    reverse: adds the reverse of every edge where it is not given.
    self_loops: gives every node that has none an edge to itself, without which
      it does not see its own features (Velickovic et al., section 2.1).
    duplicates: what becomes of an edge that is given twice: an error, one edge,
      or two edges that each count. The last goes with no reverse edges; two
      that become one must have the same features.
    edge_features: [E0, D_e], or [E0] for one, of the edges that are given, in
      the order of `senders`, of a matrix's `tocoo()` or of a graph's `edges`.
      Reverse edges that are added have those of theirs.
    loop_features: what self-loops that are added have: the mean of the edges
      that come in (0 where none does), a number, or one number a feature.

  Returns:
    The graph; its edges are those that were given and those that were added.

  Raises:
    InputError: if something does not fit; it names the first entry that is
      wrong.
  """
  features = inputs.features_of(features)
  n_node = features.shape[0]
  senders, receivers, undirected = inputs.edges_of(senders, receivers, n_node)
  if duplicates not in ('refuse', 'merge', 'keep'):
    raise InputError(
      'duplicates',
      f'there is no {duplicates!r}',
      'choose refuse, merge or keep',
    )
  reverse |= undirected
  given_features = None
  if edge_features is not None:
    given_features = edge_features_of(edge_features, len(senders))
  elif not is_mean(loop_features):
    raise InputError(
      'loop_features',
      'edges have no features, so self-loops have none',
      'give `edge_features` as well',
    )
  # Both ends of all that may become edges: of those that are given, of their
  # reverses, of self-loops.
  ends = np.stack([receivers, senders])
  if reverse:
    ends = np.concatenate([ends, ends[::-1]], axis=1)
  adds_loop = np.zeros(n_node, bool)
  if self_loops:
    adds_loop[:] = True
    adds_loop[receivers[senders == receivers]] = False
    nodes = np.flatnonzero(adds_loop).astype(np.int32)
    ends = np.concatenate([ends, np.stack([nodes, nodes])], axis=1)
  if ends.shape[1] > MOST_EDGES:
    raise InputError(
      'senders',
      f'{ends.shape[1]} edges with those that are added, more than'
      f' {MOST_EDGES}',
      'leave some out',
    )
  order = _in_order(ends, n_node)
  ends = ends[:, order]
  is_first = np.append(True, (ends[:, 1:] != ends[:, :-1]).any(axis=0))
  is_first = is_first[: len(order)]  # of those with the same ends
  is_given = order < len(senders)
  if (~is_first[1:] & is_given[1:] & is_given[:-1]).any():
    if duplicates == 'refuse' or (duplicates == 'keep' and reverse):
      _refuse_duplicates(senders, receivers, n_node, reverse)
    if duplicates == 'keep':
      is_first[:] = True
    elif given_features is not None:
      _refuse_conflicts(senders, receivers, n_node, given_features)
  place = np.empty(len(order), np.int32)
  place[order] = np.cumsum(is_first, dtype=np.int32) - 1
  if not is_first.all():
    ends = ends[:, is_first]
  structure = Edges(ends[1], ends[0], n_node, n_node)
  places = Places(
    given=place[: len(senders)],
    reverse=place[len(senders) : 2 * len(senders)] if reverse else None,
    self_loops=_loops_among(ends) if self_loops else None,
  )
  of_edges = None
  if given_features is not None:
    of_edges = make_edge_features(
      given_features,
      np.asarray(structure.receivers),
      places,
      adds_loop,
      loop_features,
    )
  graph = jraph.GraphsTuple(
    nodes=features,
    edges=of_edges,
    senders=None,
    receivers=None,
    n_node=np.array([n_node], np.int32),
    n_edge=np.array([ends.shape[1]], np.int32),
    globals=None,
  )
  return PreparedGraph.of(graph, Ungrouped(structure), places)


def _in_order(ends: np.ndarray, n_node: int) -> np.ndarray:
  """What sorts edges by receiver, then by sender; equal ones stay in order.

  Args:
    ends: [2, E], receivers and senders.
    n_node: N.
  """
  order = stable_order(ends[1], n_node)
  return order[stable_order(ends[0, order], n_node)]


def _loops_among(ends: np.ndarray) -> np.ndarray:
  """[N], where each node's first edge to itself is among sorted edges."""
  found = np.flatnonzero(ends[0] == ends[1]).astype(np.int32)
  return found[np.diff(ends[0, found], prepend=-1) != 0]


def _refuse_duplicates(senders, receivers, n_node, reverse) -> None:
  order, is_again = _repeated(senders, receivers, n_node)
  again = np.flatnonzero(is_again)
  first = again[order[again + 1].argmin()]  # of those, the first in their order
  one, two = order[first : first + 2]
  remedy = "choose `duplicates='merge'` for one edge"
  if not reverse:
    remedy += ", or 'keep' for two that each count"
  raise InputError(
    'senders',
    f'entry {two}, the edge from {senders[two]} to {receivers[two]}, is the'
    f' same as entry {one}',
    remedy,
  )


def _refuse_conflicts(senders, receivers, n_node, features) -> None:
  """Two edges that become one must have the same features."""
  order, is_again = _repeated(senders, receivers, n_node)
  differs = (features[order[1:]] != features[order[:-1]]).any(axis=1)
  wrong = np.flatnonzero(is_again & differs)
  if len(wrong):
    one, two = order[wrong[0] : wrong[0] + 2]
    raise InputError(
      'edge_features',
      f'entries {one} and {two}, both the edge from {senders[two]} to'
      f' {receivers[two]}, have different ones',
      'an edge that is given twice counts once: give it once',
    )


def _repeated(senders, receivers, n_node) -> tuple[np.ndarray, np.ndarray]:
  """[E0], what sorts edges; and [E0 - 1], which of them repeats the last."""
  ends = np.stack([receivers, senders])
  order = _in_order(ends, n_node)
  ends = ends[:, order]
  return order, (ends[:, 1:] == ends[:, :-1]).all(axis=0)
