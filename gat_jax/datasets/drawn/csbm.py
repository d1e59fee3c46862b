"""A contextual stochastic block model: a graph that needs no file.

Nodes belong to communities; edges prefer the own community, features are the
community's centre under noise (Deshpande, Sen, Montanari, Mossel, NeurIPS 2018,
with more than two communities). Neither tells a community well alone.

Shapes: N nodes, D features.
"""

import hashlib
import math

import numpy as np

from gat_jax import graphs
from gat_jax.datasets import structures
from gat_jax.datasets.drawn.splits import check_degree
from gat_jax.datasets.drawn.splits import check_draw
from gat_jax.datasets.drawn.splits import check_extent
from gat_jax.datasets.drawn.splits import check_homophily
from gat_jax.datasets.drawn.splits import check_split
from gat_jax.datasets.drawn.splits import draw_centres
from gat_jax.datasets.drawn.splits import fail
from gat_jax.datasets.drawn.splits import split

_DENSE = 10_000  # up to so many nodes the draw takes N x N numbers
_MAX_NODES = 10**7
_MAX_FEATURES = 10_000
_MAX_NUMBERS = 2 * 10**8  # N x D
_MAX_EDGES = 5 * 10**7  # expected, without their reverse


def load(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  num_nodes: int = 600,
  num_classes: int = 4,
  num_features: int = 32,
  average_degree: float = 10.0,
  homophily: float = 0.8,
  signal: float = 1.2,
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
    num_classes: communities, all of the same size but for one node.
    num_features: D.
    average_degree: expected neighbours of a node.
    homophily: expected fraction of a node's edges within its community.
    signal: length of a community's centre; the noise has deviation 1.
    train_per_class: training nodes of each community.
    num_val: validation nodes; the test nodes are the rest.
    seed: of the draw, not of the training.

  Raises:
    DataError: names the field that makes the graph impossible.
  """
  del data_dir, progress
  sizes = {
    'num_nodes': (num_nodes, _MAX_NODES),
    'num_features': (num_features, _MAX_FEATURES),
    'train_per_class': (train_per_class, _MAX_NODES),
    'num_val': (num_val, _MAX_NODES),
  }
  check_draw(sizes, seed, signal, num_classes)
  check_split(num_nodes, num_classes, train_per_class, num_val)
  check_homophily(homophily)
  check_degree(average_degree, num_nodes)
  limits = (
    ('features', num_nodes * num_features, _MAX_NUMBERS),
    ('edges', num_nodes * average_degree / 2, _MAX_EDGES),
  )
  check_extent(num_nodes, limits)
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.arange(num_nodes) % num_classes).astype(np.int32)
  centres = draw_centres(rng, num_classes, num_features, signal)
  features = centres[labels] + rng.normal(size=(num_nodes, num_features))
  own = num_nodes / num_classes
  within = average_degree * homophily / own
  across = average_degree * (1 - homophily) / (num_nodes - own)
  if max(within, across) > 1:
    fail(
      'average_degree',
      f'{average_degree} is more than {num_classes} classes of {own:.0f} nodes'
      ' have edges for',
      'lower it',
    )
  if num_nodes <= _DENSE:
    same = labels[:, None] == labels[None, :]
    probability = np.where(same, within, across)
    upper = np.triu(rng.random((num_nodes, num_nodes)) < probability, k=1)
    pairs = np.stack(np.nonzero(upper))
    drawn = upper
  else:
    drawn = pairs = draw_pairs(rng, labels, within, across)
  sha256 = hashlib.sha256(features.data)
  sha256.update(drawn.data)
  graph = graphs.prepare(features.astype(np.float32), *pairs, reverse=True)
  facts = {
    'source': 'contextual stochastic block model, drawn',
    'homophily': homophily,
    'signal': signal,
    'draw_seed': seed,
    'edges_raw': pairs.shape[1],
    'edges_unique': pairs.shape[1],
  }
  return structures.from_one_graph(
    name,
    graph,
    labels,
    split(labels, train_per_class, num_val, rng),
    facts,
    {'drawn': sha256.hexdigest()},
  )


def draw_pairs(
  rng: np.random.Generator, labels: np.ndarray, within: float, across: float
) -> np.ndarray:
  """Draws the edges of a stochastic block model, with no work for non-edges.

  Args:
    rng: source of randomness.
    labels: [N], the community of each node, from 0.
    within: probability of an edge between two nodes of one community.
    across: that of an edge between two nodes of different communities.

  Returns:
    [2, E] int32: each pair of nodes that an edge joins, once.
  """
  order = np.argsort(labels, kind='stable').astype(np.int32)
  ends = np.cumsum(np.bincount(labels))
  found = []
  for start, end in zip([0, *ends[:-1]], ends, strict=True):
    own, later = order[start:end], order[end:]
    rows, columns = _draw_entries(rng, len(own), len(own), within)
    upper = rows < columns
    found.append([own[rows[upper]], own[columns[upper]]])
    rows, columns = _draw_entries(rng, len(own), len(later), across)
    found.append([own[rows], later[columns]])
  return np.concatenate(found, axis=1)


def _draw_entries(
  rng: np.random.Generator, n_row: int, n_column: int, probability: float
) -> tuple[np.ndarray, np.ndarray]:
  """Rows and columns of the entries of a matrix, each with a probability.

  From one such entry to the next it is a geometric number of steps (Batagelj
  and Brandes, Physical Review E 71, 2005).
  """
  size = n_row * n_column
  if not size or not probability:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
  expected = size * probability
  steps = int(expected + 10 * math.sqrt(expected) + 10)  # reach the end
  places = [np.array([-1])]
  while places[-1][-1] < size:
    gaps = np.minimum(rng.geometric(probability, steps), size + 1)
    places.append(places[-1][-1] + np.cumsum(gaps))
  entries = np.concatenate(places[1:])
  return np.divmod(entries[entries < size], n_column)
