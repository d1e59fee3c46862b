"""What a layer reads off a graph, prepared or as it is.

Shapes: N nodes, D features, E edges.
"""

from typing import Any

import jax
from jax import numpy as jnp
import jraph
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.features import Features
from gat_jax.graphs.features import SparseFeatures
from gat_jax.graphs.features import is_real
from gat_jax.graphs.ids import ends_of
from gat_jax.graphs.prepared import structure_of


def from_edges(
  features: Features, senders: Any, receivers: Any
) -> jraph.GraphsTuple:
  """One graph as it is: nothing added or sorted, and no id held against N.

  Layers are right on it, and slower than on what `prepare` makes.

  Args:
    features: [N, D], dense or sparse.
    senders: [E], the node where each directed edge starts.
    receivers: [E], the node where it ends.

  Raises:
    InputError: if the ids are no integers or their numbers differ.
  """
  senders, receivers = ends_of(senders, receivers)
  return jraph.GraphsTuple(
    nodes=features,
    edges=None,
    senders=senders,
    receivers=receivers,
    n_node=np.array([features.shape[0]], np.int32),
    n_edge=np.array([len(senders)], np.int32),
    globals=None,
  )


def nodes_of(graph: jraph.GraphsTuple) -> Features:
  """The features of a graph's nodes, [N, D], of real numbers.

  Raises:
    InputError: if they are something else.
  """
  if not isinstance(graph, jraph.GraphsTuple):
    raise InputError(
      'graph',
      f'of {type(graph).__name__}',
      'give a `jraph.GraphsTuple`, as `graphs.prepare` makes',
    )
  nodes = graph.nodes
  values = nodes.values if isinstance(nodes, SparseFeatures) else nodes
  is_masked = isinstance(values, np.ma.MaskedArray)
  if is_masked or not isinstance(values, jax.Array | np.ndarray):
    raise InputError(
      'graph',
      f'its nodes are of {type(values).__name__}',
      'they must be an array [N, D] or `SparseFeatures`; `graphs.prepare` takes'
      ' lists and SciPy matrices as well',
    )
  if not is_real(values.dtype):
    raise InputError(
      'graph',
      f'its nodes are of {values.dtype}, no real numbers',
      'give floats',
    )
  if isinstance(nodes, SparseFeatures):
    num_nonzeros = nodes.edges.senders.shape[0]
    if values.shape[:1] != (num_nonzeros,):
      raise InputError(
        'graph',
        f'its nodes have values {values.shape} for {num_nonzeros} non-zeros',
        'their shape must be [Z]',
      )
  return nodes


def edges_of(
  graph: jraph.GraphsTuple, num_features: int | None = None
) -> Edges:
  """The edges of a graph for `gat_jax.nn`, prepared if the graph is.

  Args:
    graph: with or without features of edges, [E, D_e].
    num_features: the D_e that is wanted, 0 for none; None takes any.

  Raises:
    InputError: if the ids are no integers or their numbers differ, if a
      prepared graph was given another number of nodes, or if its edges have
      other features.
  """
  edges, features = _ends_of(graph), graph.edges
  if features is None:
    if num_features:
      raise InputError(
        'graph',
        f'its edges have no features, and {num_features} are wanted',
        'give `graphs.prepare` its `edge_features`',
      )
    return edges
  is_masked = isinstance(features, np.ma.MaskedArray)
  if is_masked or not isinstance(features, jax.Array | np.ndarray):
    raise InputError(
      'graph',
      f'its edges have features of {type(features).__name__}',
      'they must be an array [E, D]',
    )
  num_edges = edges.senders.shape[0]
  if features.ndim != 2 or features.shape[0] != num_edges:
    raise InputError(
      'graph',
      f'its {num_edges} edges have features {features.shape}',
      'their shape must be [E, D]',
    )
  if num_features not in (None, features.shape[1]):
    raise InputError(
      'graph',
      f'its edges have {features.shape[1]} features, and'
      f' {num_features or "none"} are wanted',
      f'leave them out: `graph._replace(edges=None)`; attention layers take'
      f' them with `edge_features={features.shape[1]}`',
    )
  if not is_real(features.dtype):
    raise InputError(
      'graph',
      f'its edges have features of {features.dtype}, no real numbers',
      'give floats',
    )
  if not features.shape[1]:
    return edges
  if not edges.is_prepared:  # what is no edge may have any
    is_edge = edges.receivers < edges.num_receivers
    features = jnp.where(is_edge[:, None], features, 0)
  return edges._with(features=features)


def _ends_of(graph: jraph.GraphsTuple) -> Edges:
  n_node = graph.nodes.shape[0]
  structure = structure_of(graph)
  if structure is None:
    return Edges(graph.senders, graph.receivers, n_node, n_node).checked()
  if structure.num_senders < structure.num_receivers:
    raise InputError(
      'graph',
      f'{structure.num_senders} senders and {structure.num_receivers}'
      ' receivers',
      'the receivers of a part must be the first of its senders',
    )
  if structure.num_inputs != n_node:
    raise InputError(
      'graph',
      f'it was prepared with {structure.num_inputs} nodes and has {n_node}',
      'prepare it again',
    )
  return structure.checked()
