"""Which drawn nodes train, validate and test.

Shapes: N nodes.
"""

from typing import NoReturn

import numpy as np

from gat_jax.errors import DataError


def fail(field: str, problem: str, remedy: str = '') -> NoReturn:
  """Raises the DataError of a field of `config.dataset`."""
  raise DataError(f'config.dataset.{field}', problem, remedy)


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
