"""Labels and splits of a table of nodes.

Shapes: N nodes, L labels, m nodes that have a label.
"""

import re

import numpy as np

from gat_jax.datasets import structures
from gat_jax.datasets.tables.table import Table
from gat_jax.datasets.tables.table import library
from gat_jax.datasets.tables.table import shown
from gat_jax.errors import did_you_mean

SEPARATOR = ';'  # between several labels of a node
# What is written where a label is not known; here, an empty cell is.
_UNKNOWN = {'', '-', '-1', '?', 'n/a', 'na', 'nan', 'none', 'null', 'unknown'}


def labels_of(table: Table, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
  """The labels of nodes, and the names of classes.

  Args:
    table: of nodes.
    name: of the column. If a cell has a ';', nodes have several labels.

  Returns:
    [N] int32 ids of classes, -1 for none, or [N, L] int32 of 0 and 1; and the
    names in the order of the ids: of numbers, or of the alphabet.

  Raises:
    DataError: if there are fewer than two classes.
  """
  polars = library()
  cells = table.texts(name)
  several = cells.str.contains(SEPARATOR, literal=True).any()
  parts = cells.str.split(SEPARATOR) if several else cells
  rows = polars.DataFrame({'node': np.arange(len(cells)), 'name': parts})
  rows = rows.explode('name') if several else rows
  rows = rows.with_columns(polars.col('name').str.strip_chars())
  rows = rows.filter(polars.col('name') != '')
  names = rows['name'].unique().to_list()
  are_numbers = all(re.fullmatch(r'-?[0-9]{1,18}', n) for n in names)
  names.sort(key=(lambda n: (int(n), n)) if are_numbers else None)
  if len(names) < 2:
    table.fail(
      None,
      f'column {name!r} has {"one class" if names else "no label"}'
      + (f' alone, {shown(names[0])}' if names else ''),
      'give nodes of two classes their labels; empty cells are unknown ones',
    )
  if len(names) == len(rows) > 2:
    table.fail(
      None,
      f'column {name!r} has a class of its own for each of {len(rows)} nodes',
      'name a column of classes in `config.dataset.label_column`; numbers that'
      ' are measured must be made classes, such as low and high',
    )
  ids = rows['name'].replace_strict(names, range(len(names))).to_numpy()
  nodes = rows['node'].to_numpy()
  if several:
    sets = np.zeros((len(cells), len(names)), np.int32)
    sets[nodes, ids] = 1
    return sets, tuple(names)
  labels = np.full(len(cells), -1, np.int32)
  labels[nodes] = ids
  return labels, tuple(names)


def doubtful(names: tuple[str, ...]) -> list[str]:
  """Says which classes may be no classes, but mean that nothing is known."""
  odd = [name for name in names if name.lower() in _UNKNOWN]
  return [
    f'a class is named {name!r}: if it means that the label is not known, leave'
    ' these cells empty'
    for name in odd
  ]


def is_known(labels: np.ndarray) -> np.ndarray:
  """Which nodes have a label, [N] bool."""
  return np.asarray(labels.any(axis=1) if labels.ndim == 2 else labels >= 0)


def given_masks(
  table: Table, name: str, labels: np.ndarray
) -> dict[str, np.ndarray]:
  """The splits that a column names, a mask [N] each.

  Raises:
    DataError: if a word is unknown, a split empty, or a node without a label.
  """
  words = table.texts(name)
  wrong = ~words.is_in(['', *structures.SPLITS])
  if wrong.any():
    row = wrong.arg_max()
    remedy = 'write train, val or test, or nothing'
    meant = did_you_mean(words[row].lower(), structures.SPLITS)
    table.fail(
      row,
      f'column {name!r} holds {shown(words[row])}, which is no split',
      f'{remedy}; {meant}' if meant else remedy,
    )
  words = words.to_numpy()
  bare = (words != '') & ~is_known(labels)
  if bare.any():
    row = int(bare.argmax())
    table.fail(
      row,
      f'the node is in the split {words[row]} and has no label',
      'label it, or take it out of the split',
    )
  masks = {split: words == split for split in structures.SPLITS}
  for split, mask in masks.items():
    if not mask.any():
      table.fail(
        None,
        f'column {name!r} has no {split} node',
        'every split needs a node; to have them drawn, set'
        " `config.dataset.split_column` to ''",
      )
  return masks
