"""A graph whose classes only the features of its edges tell.

Every node has a colour, drawn without regard to its class. It hears as many
nodes of one colour as of any other, so that its neighbourhood alone tells
nothing. But of its edges some are marked: they come from nodes of the colour
that is its class. The mark is a direction in which the features of an edge lie,
under noise.

Shapes: N nodes, C classes and colours, E edges, D_e features of an edge.
"""

import hashlib

import numpy as np

from gat_jax import graphs
from gat_jax.datasets import structures
from gat_jax.datasets.drawn.splits import check_draw
from gat_jax.datasets.drawn.splits import check_split
from gat_jax.datasets.drawn.splits import fail
from gat_jax.datasets.drawn.splits import split

_MAX_NUMBERS = 2 * 10**8  # E x D_e


def load(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  num_nodes: int = 600,
  num_classes: int = 4,
  num_edge_features: int = 8,
  edges_per_color: int = 3,
  signal: float = 4.0,
  train_per_class: int = 20,
  num_val: int = 150,
  seed: int = 0,
) -> structures.Dataset:
  """Draws the graph; the same arguments give the same one.

  Args:
    name: of the data set.
    data_dir: not used, no file is read.
    progress: not used, nothing is downloaded.
    num_nodes: N.
    num_classes: C.
    num_edge_features: D_e.
    edges_per_color: how many nodes of each colour a node hears.
    signal: how far marked edges lie from others; the noise has deviation 1.
    train_per_class: training nodes of each class.
    num_val: validation nodes; the test nodes are the rest.
    seed: of the draw, not of the training.

  Raises:
    DataError: names the field that makes the graph impossible.
  """
  del data_dir, progress
  sizes = {
    'num_nodes': (num_nodes, 10**6),
    'num_edge_features': (num_edge_features, 1000),
    'edges_per_color': (edges_per_color, 1000),
  }
  check_draw(sizes, seed, signal, num_classes)
  for field, count in (
    ('train_per_class', train_per_class),
    ('num_val', num_val),
  ):
    if count < 1:
      fail(field, f'{count} is below 1')
  check_split(num_nodes, num_classes, train_per_class, num_val)
  if num_nodes < num_classes * (edges_per_color + 1):
    fail(
      'num_nodes',
      f'{num_nodes} are too few to hear {edges_per_color} of each of'
      f' {num_classes} colours',
      'raise it',
    )
  num_edges = num_nodes * num_classes * edges_per_color
  if num_edges * num_edge_features > _MAX_NUMBERS:
    fail(
      'num_nodes',
      f'{num_nodes} nodes have {num_edges * num_edge_features:.2g} features of'
      f' edges, more than {_MAX_NUMBERS:.2g}',
      'lower it',
    )
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.arange(num_nodes) % num_classes).astype(np.int32)
  colors = rng.permutation(np.arange(num_nodes) % num_classes)
  heard = [
    _others(rng, np.flatnonzero(colors == color), num_nodes, edges_per_color)
    for color in range(num_classes)
  ]
  senders = np.stack(heard, axis=1).reshape(-1)  # [N C edges_per_color]
  receivers = np.repeat(np.arange(num_nodes), num_classes * edges_per_color)
  is_marked = colors[senders] == labels[receivers]
  direction = rng.normal(size=num_edge_features)
  direction *= signal / np.linalg.norm(direction)
  edge_features = rng.normal(size=(num_edges, num_edge_features))
  edge_features += np.where(is_marked[:, None], direction / 2, -direction / 2)
  sha256 = hashlib.sha256(senders.data)
  sha256.update(np.ascontiguousarray(edge_features).data)
  graph = graphs.prepare(
    np.eye(num_classes, dtype=np.float32)[colors],
    senders,
    receivers,
    edge_features=edge_features.astype(np.float32),
    loop_features=-direction.astype(np.float32) / 2,
  )
  facts = {
    'source': 'classes that features of edges tell, drawn',
    'signal': signal,
    'draw_seed': seed,
    'edges_raw': num_edges,
    'edges_unique': num_edges,
    'edge_features': num_edge_features,
  }
  return structures.from_one_graph(
    name,
    graph,
    labels,
    split(labels, train_per_class, num_val, rng),
    facts,
    {'drawn': sha256.hexdigest()},
  )


def _others(
  rng: np.random.Generator, nodes: np.ndarray, num_nodes: int, count: int
) -> np.ndarray:
  """For every node, so many different ones of some, itself not: [N, count]."""
  found = np.empty((num_nodes, count), np.int64)
  for node in range(num_nodes):
    others = nodes[nodes != node]
    found[node] = rng.choice(others, count, replace=False)
  return found
