"""A contextual stochastic block model: a graph that needs no file.

Nodes belong to communities; edges prefer the own community, features are the
community's centre under noise (Deshpande, Sen, Montanari, Mossel, NeurIPS 2018,
with more than two communities). Neither tells a community well alone.

Shapes: N nodes, D features.
"""

import hashlib
import math
from typing import NoReturn

import numpy as np

from gat_jax import graphs
from gat_jax.datasets import structures
from gat_jax.errors import DataError

_MAX_SIZE = 10_000  # the draw takes N x N numbers


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
  num_train = train_per_class * num_classes
  sizes = {
    'num_nodes': num_nodes,
    'num_features': num_features,
    'train_per_class': train_per_class,
    'num_val': num_val,
  }
  for field, size in sizes.items():
    if not 1 <= size <= _MAX_SIZE:
      _fail(field, f'{size} is not from 1 to {_MAX_SIZE}')
  if seed < 0:
    _fail('seed', f'{seed} is below 0')
  if not math.isfinite(signal) or signal < 0:
    _fail('signal', f'{signal} is below 0 or not finite')
  if num_classes < 2:
    _fail('num_classes', f'{num_classes} is below 2')
  if num_train + num_val >= num_nodes:
    _fail(
      'num_nodes',
      f'{num_nodes} leave no test node beside {num_train} for training'
      f' ({train_per_class} of each class) and {num_val} for validation',
      'raise it, or lower `config.dataset.num_val`',
    )
  if not 0 <= homophily <= 1:
    _fail('homophily', f'{homophily} is not from 0 to 1')
  if not 0 < average_degree < num_nodes:
    _fail(
      'average_degree',
      f'{average_degree} is not above 0 and below the {num_nodes} nodes',
    )
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.arange(num_nodes) % num_classes).astype(np.int32)
  centres = rng.normal(size=(num_classes, num_features))
  centres *= signal / np.linalg.norm(centres, axis=1, keepdims=True)
  features = centres[labels] + rng.normal(size=(num_nodes, num_features))
  own = num_nodes / num_classes
  within = average_degree * homophily / own
  across = average_degree * (1 - homophily) / (num_nodes - own)
  if max(within, across) > 1:
    _fail(
      'average_degree',
      f'{average_degree} is more than {num_classes} classes of {own:.0f} nodes'
      ' have edges for',
      'lower it',
    )
  same = labels[:, None] == labels[None, :]
  probability = np.where(same, within, across)
  upper = np.triu(rng.random((num_nodes, num_nodes)) < probability, k=1)
  senders, receivers = np.nonzero(upper)
  graph = graphs.from_edges(features.astype(np.float32), senders, receivers)
  graph = graphs.symmetrize(graph)
  graph = graphs.sort_by_receiver(graphs.add_self_loops(graph))
  facts = {
    'source': 'contextual stochastic block model, drawn',
    'homophily': homophily,
    'signal': signal,
    'draw_seed': seed,
    'edges_raw': len(senders),
    'edges_unique': len(senders),
  }
  drawn = hashlib.sha256(features.tobytes() + upper.tobytes()).hexdigest()
  return structures.from_one_graph(
    name,
    graph,
    labels,
    _split(labels, train_per_class, num_val, rng),
    facts,
    {'drawn': drawn},
  )


def _fail(field: str, problem: str, remedy: str = '') -> NoReturn:
  raise DataError(f'config.dataset.{field}', problem, remedy)


def _split(
  labels: np.ndarray,
  train_per_class: int,
  num_val: int,
  rng: np.random.Generator,
) -> dict[str, np.ndarray]:
  order = rng.permutation(len(labels))
  train = np.concatenate(
    [order[labels[order] == c][:train_per_class] for c in np.unique(labels)]
  )
  rest = order[~np.isin(order, train)]
  parts = {'train': train, 'val': rest[:num_val], 'test': rest[num_val:]}
  everyone = np.arange(len(labels))
  return {split: np.isin(everyone, nodes) for split, nodes in parts.items()}
