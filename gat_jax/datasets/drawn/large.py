"""A large graph with hubs: degrees of a power law, planted classes.

A degree-corrected block model (Karrer and Newman, Physical Review E 83, 2011):
every node has a weight of a power law, edges join nodes by their weights and
prefer the own class. Features are the class's centre under noise. Time and
memory grow with edges and features alone, so that it can stand for the data
sets that no device holds, or that are not at hand.

Shapes: N nodes, D features, P pairs of nodes that an edge joins.
"""

import hashlib

import numpy as np

from gat_jax import graphs
from gat_jax.datasets import fractions
from gat_jax.datasets import structures
from gat_jax.datasets.drawn.splits import check_degree
from gat_jax.datasets.drawn.splits import check_draw
from gat_jax.datasets.drawn.splits import check_extent
from gat_jax.datasets.drawn.splits import check_homophily
from gat_jax.datasets.drawn.splits import draw_centres
from gat_jax.datasets.drawn.splits import fail

_MAX_NODES = 10**8
_MAX_CLASSES = 1000
_MAX_NUMBERS = 10**10  # N x D
_MAX_EDGES = 5 * 10**8  # P
_ROUNDS = 100  # of drawing what was drawn twice again
_BLOCK = 2**16  # rows of features that are drawn at a time


def load(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  num_nodes: int = 20_000,
  average_degree: float = 20.0,
  exponent: float = 2.5,
  num_features: int = 64,
  num_classes: int = 10,
  homophily: float = 0.6,
  signal: float = 1.0,
  train_fraction: float = 0.1,
  val_fraction: float = 0.05,
  seed: int = 0,
) -> structures.Dataset:
  """Draws the graph; the same arguments give the same one.

  Args:
    name: of the data set.
    data_dir: not used, no file is read.
    progress: not used, nothing is downloaded.
    num_nodes: N.
    average_degree: neighbours of a node; 2 P / N.
    exponent: a node has k neighbours with a probability like k to the minus
      this; the lower, the larger the hubs.
    num_features: D.
    num_classes: all of the same size but for one node.
    homophily: expected fraction of a node's edges within its class; less
      where hubs already know most of theirs.
    signal: length of a class's centre; the noise has deviation 1.
    train_fraction: of the nodes, for training.
    val_fraction: of the nodes, for validation; the test nodes are the rest.
    seed: of the draw, not of the training.

  Raises:
    DataError: names the field that makes the graph impossible.
  """
  del data_dir, progress
  sizes = {
    'num_nodes': (num_nodes, _MAX_NODES),
    'num_features': (num_features, 10_000),
    'num_classes': (num_classes, _MAX_CLASSES),
  }
  check_draw(sizes, seed, signal, num_classes)
  fractions.check(train_fraction, val_fraction)
  if num_nodes < 2 * num_classes:
    fail('num_nodes', f'{num_nodes} are too few for {num_classes} classes')
  check_homophily(homophily)
  if not 2 < exponent <= 100:
    fail(
      'exponent',
      f'{exponent} is not above 2 and up to 100',
      'degrees have no mean at 2 and below',
    )
  check_degree(average_degree, num_nodes)
  num_pairs = max(1, round(num_nodes * average_degree / 2))
  limits = (
    ('features', num_nodes * num_features, _MAX_NUMBERS),
    ('edges', num_pairs, _MAX_EDGES),
  )
  check_extent(num_nodes, limits)
  structures.require_memory(
    4 * num_nodes * num_features + 150 * num_nodes + 80 * num_pairs,
    f'to draw {num_nodes:,} nodes and {num_pairs:,} pairs of them',
  )
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.arange(num_nodes, dtype=np.int32) % num_classes)
  # Of Pareto's distribution, whose density falls as x ** -exponent.
  weights = (1 - rng.random(num_nodes)) ** (-1 / (exponent - 1))
  pairs = draw_pairs(rng, labels, weights, num_pairs, homophily)
  centres = draw_centres(rng, num_classes, num_features, signal)
  centres = centres.astype(np.float32)
  features = np.empty((num_nodes, num_features), np.float32)
  for start in range(0, num_nodes, _BLOCK):
    block = features[start : start + _BLOCK]
    rng.standard_normal(dtype=np.float32, out=block)
    block += centres[labels[start : start + _BLOCK]]
  sha256 = hashlib.sha256(features.data)
  sha256.update(pairs.data)
  masks = fractions.masks(
    labels, np.ones(num_nodes, bool), train_fraction, val_fraction, rng
  )
  graph = graphs.prepare(features, *pairs, reverse=True)
  facts = {
    'source': 'degrees of a power law and planted classes, drawn',
    'exponent': exponent,
    'homophily': homophily,
    'signal': signal,
    'draw_seed': seed,
    'edges_raw': num_pairs,
    'edges_unique': num_pairs,
  }
  return structures.from_one_graph(
    name,
    graph,
    labels,
    masks,
    facts,
    {'drawn': sha256.hexdigest()},
  )


def draw_pairs(
  rng: np.random.Generator,
  labels: np.ndarray,
  weights: np.ndarray,
  num_pairs: int,
  homophily: float,
) -> np.ndarray:
  """Draws so many different pairs of different nodes.

  Args:
    rng: source of randomness.
    labels: [N], the class of each node, from 0; at least two.
    weights: [N], above 0; a node is drawn in proportion to its own.
    num_pairs: P.
    homophily: probability that both ends are of one class.

  Returns:
    [2, P] int32, sorted.

  Raises:
    DataError: if the hubs have no room for so many.
  """
  order = np.argsort(labels, kind='stable').astype(np.int32)
  chances = weights / weights.sum()
  starts = np.cumsum(np.bincount(labels)) - np.bincount(labels)
  of_class = [
    (own, weights[own] / weights[own].sum())
    for own in np.split(order, starts[1:])
  ]
  num_nodes = len(labels)
  keys = np.zeros(0, np.int64)  # a pair as one number
  for _ in range(_ROUNDS):
    missing = num_pairs - len(keys)
    if not missing:
      return np.stack(np.divmod(keys, num_nodes)).astype(np.int32)
    first = _repeated(
      rng, np.arange(num_nodes, dtype=np.int32), chances, missing
    )
    classes = labels[first]
    leaves = rng.random(missing, np.float32) >= homophily
    away = rng.integers(1, len(of_class), np.count_nonzero(leaves), np.int32)
    classes[leaves] = (classes[leaves] + away) % len(of_class)
    by_class = np.argsort(classes.astype(np.int16), kind='stable')
    counts = np.bincount(classes, minlength=len(of_class))
    drawn = [
      rng.permutation(_repeated(rng, *own, count))
      for own, count in zip(of_class, counts, strict=True)
    ]
    second = np.empty_like(first)
    second[by_class] = np.concatenate(drawn)
    made = np.minimum(first, second).astype(np.int64) * num_nodes
    made += np.maximum(first, second)
    keys = np.concatenate([keys, made[first != second]])
    keys.sort()
    keys = keys[np.diff(keys, prepend=-1) != 0]
  fail(
    'average_degree',
    f'{num_pairs} pairs are more than hubs have room for',
    'lower it, or raise `config.dataset.exponent` or'
    ' `config.dataset.num_nodes`',
  )


def _repeated(
  rng: np.random.Generator, nodes: np.ndarray, chances: np.ndarray, count: int
) -> np.ndarray:
  """So many nodes by their chances, each as often as drawn, in their order."""
  return np.repeat(nodes, rng.multinomial(count, chances))
