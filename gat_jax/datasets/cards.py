"""What there is to know about a data set, fit for JSON.

Shapes: N nodes, D features.
"""

from collections.abc import Iterator, Sequence
import hashlib
from typing import Any

import jraph
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import doubts

_MOST_EDGES = 2**24  # that are looked at together


def of_one_graph(
  name: str,
  graph: jraph.GraphsTuple,
  labels: np.ndarray,
  masks: dict[str, np.ndarray],
  facts: dict[str, Any],
  sums: dict[str, str],
  warnings: Sequence[str],
  num_classes: int,
  node_ids: np.ndarray | None,
  class_names: tuple[str, ...] | None,
) -> dict[str, Any]:
  """The card of a transductive data set; see `structures.from_one_graph`."""
  alone = isolated(graph)
  return {
    'name': name,
    'nodes': int(graph.nodes.shape[0]),
    **facts,
    **measures([graph]),
    'isolated_test_nodes': int((alone & masks['test']).sum()),
    'labels' if labels.ndim == 2 else 'classes': num_classes,
    **({'class_names': [*class_names]} if class_names else {}),
    **{split: int(mask.sum()) for split, mask in masks.items()},
    'warnings': [
      *warnings,
      *doubts.of_labels(labels, masks),
      *doubts.of_splits(
        {s: labels[masks[s]] for s in masks}, num_classes, class_names
      ),
      *doubts.of_features(
        graph.nodes, alone, np.any(list(masks.values()), axis=0), node_ids
      ),
    ],
    'sha256': sums,
    'digest': digest(sums, facts),
  }


def measures(several: list[jraph.GraphsTuple]) -> dict[str, int]:
  """What a card says of graphs, taken together."""
  features = [graph.nodes for graph in several]
  values = [
    f.values if isinstance(f, graphs.SparseFeatures) else f for f in features
  ]
  degrees = [_degrees(graph) for graph in several]  # with the self-loops
  return {
    'edges_with_loops': sum(len(graph.senders) for graph in several),
    'max_degree': max(int(np.max(d)) for d in degrees) - 1,
    'isolated_nodes': sum(int(isolated(graph).sum()) for graph in several),
    'features': int(features[0].shape[1]),
    'nonzeros': sum(int(np.count_nonzero(v)) for v in values),
  }


def _degrees(graph: jraph.GraphsTuple) -> np.ndarray:
  """[N] int64, how many edges come in."""
  found = np.zeros(graph.nodes.shape[0], np.int64)
  for _, receivers in _in_turn(graph):
    found += np.bincount(receivers, minlength=len(found))
  return found


def isolated(graph: jraph.GraphsTuple) -> np.ndarray:
  """[N] bool: no edge to or from any other node."""
  alone = np.ones(graph.nodes.shape[0], bool)
  for senders, receivers in _in_turn(graph):
    others = senders != receivers
    alone[senders[others]] = False
    alone[receivers[others]] = False
  return alone


def _in_turn(
  graph: jraph.GraphsTuple,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Senders and receivers, not all of them in memory where they are mapped."""
  for start in range(0, len(graph.senders), _MOST_EDGES):
    part = slice(start, start + _MOST_EDGES)
    yield graph.senders[part], graph.receivers[part]


def digest(sums: dict[str, str], facts: dict[str, Any]) -> str:
  """One SHA-256 of everything that a data set was made from."""
  parts = sorted(sums.items()) + sorted((k, str(v)) for k, v in facts.items())
  return hashlib.sha256(repr(parts).encode()).hexdigest()
