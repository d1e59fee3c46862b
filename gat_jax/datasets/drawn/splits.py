"""What drawn graphs share: checks, centres of classes, and splits.

Shapes: N nodes, C classes, D features.
"""

from collections.abc import Iterable
from typing import NoReturn

import numpy as np

from gat_jax.errors import DataError

_MAX_SIGNAL = 1e30  # far below what float32 holds


def fail(field: str, problem: str, remedy: str = '') -> NoReturn:
  """Raises the DataError of a field of `config.dataset`."""
  raise DataError(f'config.dataset.{field}', problem, remedy)


def check_draw(
  sizes: dict[str, tuple[int, int]], seed: int, signal: float, num_classes: int
) -> None:
  """Refuses numbers that no graph can be drawn with.

  Args:
    sizes: by field, a number and the most that it may be; each is at least 1.
    seed: of the draw.
    signal: how far apart what tells classes lies.
    num_classes: of the nodes.

  Raises:
    DataError: names the field.
  """
  for field, (size, most) in sizes.items():
    if not 1 <= size <= most:
      fail(field, f'{size} is not from 1 to {most}')
  if seed < 0:
    fail('seed', f'{seed} is below 0')
  if not 0 <= signal <= _MAX_SIGNAL:
    fail('signal', f'{signal} is not from 0 to {_MAX_SIGNAL:g}')
  if num_classes < 2:
    fail('num_classes', f'{num_classes} is below 2')


def check_homophily(homophily: float) -> None:
  """Refuses what is no fraction of edges within a class, with a DataError."""
  if not 0 <= homophily <= 1:
    fail('homophily', f'{homophily} is not from 0 to 1')


def check_degree(average_degree: float, num_nodes: int) -> None:
  """Refuses more neighbours than there are nodes, or none, with a DataError."""
  if not 0 < average_degree < num_nodes:
    fail(
      'average_degree',
      f'{average_degree} is not above 0 and below the {num_nodes} nodes',
    )


def check_extent(
  num_nodes: int, limits: Iterable[tuple[str, float, float]]
) -> None:
  """Refuses a graph that is larger than is drawn.

  Args:
    num_nodes: N.
    limits: of what, how many there would be, and the most that there may be.

  Raises:
    DataError: says of what there is too much.
  """
  for what, count, most in limits:
    if count > most:
      fail(
        'num_nodes',
        f'{num_nodes} nodes have {count:.2g} {what}, more than {most:.2g}',
        'lower it',
      )


def draw_centres(
  rng: np.random.Generator, num_classes: int, num_features: int, signal: float
) -> np.ndarray:
  """Draws the centre of each class's features, of length `signal`: [C, D]."""
  centres = rng.normal(size=(num_classes, num_features))
  centres *= signal / np.linalg.norm(centres, axis=1, keepdims=True)
  return centres


def check_split(
  num_nodes: int, num_classes: int, train_per_class: int, num_val: int
) -> None:
  """Refuses numbers that leave no test node.

  Raises:
    DataError: says so.
  """
  num_train = train_per_class * num_classes
  if num_train + num_val >= num_nodes:
    fail(
      'num_nodes',
      f'{num_nodes} leave no test node beside {num_train} for training'
      f' ({train_per_class} of each class) and {num_val} for validation',
      'raise it, or lower `config.dataset.num_val`',
    )


def split(
  labels: np.ndarray,
  train_per_class: int,
  num_val: int,
  rng: np.random.Generator,
) -> dict[str, np.ndarray]:
  """Draws a mask for each split.

  Args:
    labels: [N], classes from 0.
    train_per_class: training nodes of each class.
    num_val: validation nodes; the test nodes are the rest.
    rng: source of randomness.

  Returns:
    [N] booleans for 'train', 'val' and 'test'.
  """
  order = rng.permutation(len(labels))
  by_class = order[np.argsort(labels[order], kind='stable')]
  counts = np.bincount(labels)
  place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
  train = by_class[place < train_per_class]
  rest = order[~np.isin(order, train)]
  parts = {'train': train, 'val': rest[:num_val], 'test': rest[num_val:]}
  everyone = np.arange(len(labels))
  return {split: np.isin(everyone, nodes) for split, nodes in parts.items()}
