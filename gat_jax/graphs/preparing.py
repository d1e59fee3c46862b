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
from gat_jax.graphs.prepared import Places
from gat_jax.graphs.prepared import PreparedGraph


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
    edge_features: [E0, D_e], or [E0] for one, of the edges that are given.
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
  # An edge as one number, in the order of receivers, then of senders.
  given = receivers.astype(np.int64) * n_node + senders
  backward = senders.astype(np.int64) * n_node + receivers
  loops = np.arange(n_node, dtype=np.int64) * (n_node + 1)
  keys = _unique(given)
  if len(keys) < len(given):
    if duplicates == 'refuse' or (duplicates == 'keep' and reverse):
      _refuse_duplicates(given, senders, receivers, reverse)
    if duplicates == 'keep':
      keys = given
    elif given_features is not None:
      _refuse_conflicts(given, senders, receivers, given_features)
  if reverse:
    keys = _unique(np.concatenate([keys, backward]))
  adds_loop = np.zeros(n_node, bool)
  if self_loops:
    adds_loop[:] = True
    adds_loop[receivers[senders == receivers]] = False
    keys = np.concatenate([keys, loops[adds_loop]])
  keys = np.sort(keys)
  made = np.divmod(keys, max(1, n_node))
  structure = Edges(
    made[1].astype(np.int32), made[0].astype(np.int32), n_node, n_node
  )
  places = Places(
    given=_places_of(keys, given),
    reverse=_search(keys, backward) if reverse else None,
    self_loops=_search(keys, loops) if self_loops else None,
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
    n_edge=np.array([len(keys)], np.int32),
    globals=None,
  )
  return PreparedGraph.of(graph, structure.prepared(), places)


def _unique(keys: np.ndarray) -> np.ndarray:
  """As np.unique, which since NumPy 2.3 hashes, ten times as slowly."""
  keys = np.sort(keys)
  return keys[np.diff(keys, prepend=-1) != 0]


def _refuse_duplicates(given, senders, receivers, reverse) -> None:
  order = np.argsort(given, kind='stable')
  again = np.flatnonzero(np.diff(given[order]) == 0)
  if not len(again):
    return
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


def _refuse_conflicts(given, senders, receivers, features) -> None:
  """Two edges that become one must have the same features."""
  order = np.argsort(given, kind='stable')
  is_again = np.diff(given[order]) == 0
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


def _search(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
  return np.searchsorted(keys, wanted).astype(np.int32)


def _places_of(keys: np.ndarray, given: np.ndarray) -> np.ndarray:
  """Where the given keys are among the sorted ones, equal ones in order."""
  first = _search(keys, given)
  if (keys[1:] != keys[:-1]).all():
    return first
  order = np.argsort(given, kind='stable')
  in_order = given[order]
  first[order] += np.arange(len(given)) - np.searchsorted(in_order, in_order)
  return first.astype(np.int32)
