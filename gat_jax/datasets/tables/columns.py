"""Ids, ends and features of the rows of a table.

Shapes: N nodes, E edges, n rows, D features.
"""

from collections.abc import Collection
import dataclasses

import numpy as np

from gat_jax.datasets.tables.table import Table
from gat_jax.datasets.tables.table import library
from gat_jax.datasets.tables.table import listed
from gat_jax.datasets.tables.table import shown

_IDS = ('id', 'node', 'node_id')
_ENDS = (
  ('source', 'target'),
  ('sender', 'receiver'),
  ('src', 'dst'),
  ('from', 'to'),
)
_EXACT = 2**24  # float32 holds every whole number up to here


@dataclasses.dataclass(frozen=True)
class Numbers:
  """The columns of a table that are features.

  Attributes:
    values: [n, D] float32.
    names: of the columns.
    warnings: of columns that were left out, and of numbers that are rounded.
  """

  values: np.ndarray
  names: tuple[str, ...]
  warnings: tuple[str, ...]


def id_column(table: Table) -> str:
  """The name of the column of ids, where no field of the config says it."""
  lower = {name.lower(): name for name in reversed(table.columns)}
  return next(
    (lower[name] for name in _IDS if name in lower), next(iter(table.columns))
  )


def ids_of(table: Table, name: str) -> np.ndarray:
  """The ids of nodes, [N] strings.

  Raises:
    DataError: if one is empty, or there twice.
  """
  ids = table.texts(name)
  _refuse_empty(table, name, ids)
  again = ~ids.is_first_distinct()
  if again.any():
    row = again.arg_max()
    first = table.places[(ids == ids[row]).arg_max()]
    table.fail(
      row,
      f'node {shown(ids[row])} is there for the second time, after'
      f' {table.unit} {first} (column {name!r})',
      'keep one row a node, or name the column of ids in'
      ' `config.dataset.id_column`',
    )
  return ids.to_numpy()


def end_columns(table: Table) -> tuple[str, str]:
  """The names of the columns of senders and receivers.

  Raises:
    DataError: if there is one column.
  """
  lower = {name.lower(): name for name in reversed(table.columns)}
  for sender, receiver in _ENDS:
    if sender in lower and receiver in lower:
      return lower[sender], lower[receiver]
  if len(table.columns) < 2:
    table.fail(
      None,
      f'has one column, {listed(table.columns)}',
      'give the ids of both ends of an edge, source and target',
    )
  first, second, *_ = table.columns
  return first, second


def edges_of(
  table: Table, ends: tuple[str, str], ids: np.ndarray, nodes: Table
) -> np.ndarray:
  """The edges as rows of the table of nodes, [E, 2] int64.

  Args:
    table: of edges.
    ends: its columns.
    ids: [N] of the nodes.
    nodes: their table, for errors.

  Raises:
    DataError: if an end is no id.
  """
  polars = library()
  if set(ends) <= set(ids):
    table.fail(
      None,
      f'has no header: its first line holds the ids {" and ".join(ends)}',
      'put a line with the names of the columns in front: source,target',
    )
  known = polars.DataFrame({'id': ids, 'row': np.arange(len(ids))})
  columns = []
  for end in ends:
    given = table.texts(end)
    _refuse_empty(table, end, given)
    joined = polars.DataFrame({'id': given}).join(
      known, on='id', how='left', maintain_order='left'
    )
    rows = joined['row']
    if rows.null_count():
      row = rows.is_null().arg_max()
      remedy = f'give it a row in {nodes.path}, or take the edge out'
      if given[row].removesuffix('.0') in set(ids):
        remedy = f'write ids alike in both files: {nodes.path} has'
        remedy += f' {shown(given[row].removesuffix(".0"))}'
      table.fail(
        row,
        f'column {end!r} holds {shown(given[row])}, which is no node of'
        f' {nodes.path}',
        remedy,
      )
    columns.append(rows.to_numpy())
  return np.stack(columns, axis=1).astype(np.int64)


def features_of(table: Table, names: Collection[str]) -> Numbers:
  """The numbers of some columns.

  Args:
    table: of nodes or edges.
    names: of those that may be features; those of words are left out.

  Raises:
    DataError: if a column has numbers, and something else.
  """
  found, words, warnings = {}, [], []
  for name in names:
    values = table.numbers(name)
    if values is None:
      words.append(name)
      continue
    found[name] = values.astype(np.float32)
    large = (np.abs(values) > _EXACT) & (values == np.floor(values))
    if large.any():
      warnings.append(
        f'column {name!r} of {table.path.name} has whole numbers beyond'
        f' {_EXACT}, which float32 rounds; the first is'
        f' {values[large.argmax()]:.0f}'
      )
  if words:
    warnings.insert(
      0,
      f'left out of {table.path.name}, as no number is in'
      f' {"it" if len(words) == 1 else "them"}: {listed(words)}',
    )
  values = np.empty((len(table.places), len(found)), np.float32)
  for place, column in enumerate(found.values()):
    values[:, place] = column
  return Numbers(values, tuple(found), tuple(warnings))


def scaled(values: np.ndarray) -> np.ndarray:
  """Columns with mean 0 and deviation 1; those of one number become 0.

  Args:
    values: [n, D] float32.
  """
  found = values.astype(np.float64)
  constant = found.min(axis=0) == found.max(axis=0)
  found -= found.mean(axis=0)
  found /= np.where(constant, 1, found.std(axis=0))
  found[:, constant] = 0
  return found.astype(np.float32)


def refuse_conflicts(
  table: Table, edges: np.ndarray, values: np.ndarray
) -> None:
  """Refuses an edge that is there twice, with different features.

  Args:
    table: of edges.
    edges: [E, 2], rows of the table of nodes.
    values: [E, D_e].

  Raises:
    DataError: names both lines.
  """
  order = np.lexsort((edges[:, 0], edges[:, 1]))  # stable
  ordered, own = edges[order], values[order]
  same = (ordered[1:] == ordered[:-1]).all(axis=1)
  differ = same & (own[1:] != own[:-1]).any(axis=1)
  if differ.any():
    place = int(differ.argmax())
    first, row = order[place], order[place + 1]
    table.fail(
      int(row),
      f'the edge is there for the second time, after {table.unit}'
      f' {table.places[first]}, with other features',
      'keep one of them, or add their features up',
    )


def _refuse_empty(table: Table, name: str, texts) -> None:
  empty = texts == ''
  if empty.any():
    table.fail(
      empty.arg_max(),
      f'column {name!r} is empty',
      'every node has an id, every edge the ids of two nodes',
    )
