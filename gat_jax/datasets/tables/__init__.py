"""A user's own graph in two tables, of nodes and of edges: CSV or Parquet.

The table of nodes has a row a node:

    id        the column `id`, `node` or `node_id`, else the first: text or
              numbers, all different
    label     the name of the node's class, empty where it is not known. If a
              cell holds ';', nodes may have several labels, with ';' between
    split     if the column is there: train, val, test, or empty. Without it,
              nodes that have a label are divided by chance, class by class
    others    numbers, each a feature of the node; true and false are 1 and 0.
              A column without any number is left out, and the card says so

The table of edges has a row an edge: `source` and `target`, `sender` and
`receiver`, `src` and `dst` or `from` and `to`, else the first two columns, are
ids of nodes. Other columns of numbers are features of the edge.

A file of text is UTF-8 with commas (.csv) or tabs (.tsv) and a header. Spaces
around a cell do not count, nor do empty lines. Reverse edges and self-loops are
as in `npz`. Classes are numbered in the order of their names.

Shapes: N nodes, E edges, D features, D_e features of an edge.
"""

import hashlib
import inspect
from typing import Any, NoReturn

import numpy as np

from gat_jax.datasets import fractions
from gat_jax.datasets import own
from gat_jax.datasets import structures
from gat_jax.datasets.tables import columns
from gat_jax.datasets.tables import labels as of_nodes
from gat_jax.datasets.tables import reading
from gat_jax.datasets.tables.table import Table
from gat_jax.datasets.tables.table import listed
from gat_jax.errors import DataError
from gat_jax.errors import did_you_mean


def load(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  edges: str = '',
  nodes: str = '',
  id_column: str = '',
  label_column: str = 'label',
  split_column: str = 'split',
  leave_out: str = '',
  train_fraction: float = 0.6,
  val_fraction: float = 0.2,
  split_seed: int = 0,
  scale_columns: bool = False,
  normalize_features: bool = False,
  directed: bool = False,
  loop_features: str = 'mean',
) -> structures.Dataset:
  """Loads and checks files as the docstring of this package describes them.

  Args:
    name: of the loader.
    data_dir: a folder that holds files of these names, which are read instead.
    progress: not used, nothing is downloaded.
    edges: the file of edges: .csv, .tsv or .parquet.
    nodes: the file of nodes: likewise.
    id_column: the column of nodes that edges name them by; '' takes `id`,
      `node` or `node_id`, else the first.
    label_column: the column of nodes that has their classes.
    split_column: the column of nodes that has train, val, test or nothing; if
      it is not there, or '', splits are drawn.
    leave_out: columns of either file that are no features, with commas between.
    train_fraction: where splits are drawn, how many of the labelled nodes
      train.
    val_fraction: likewise, how many validate; the others test.
    split_seed: where splits are drawn, the seed of that.
    scale_columns: bring each feature of nodes and of edges to mean 0 and
      deviation 1.
    normalize_features: scale the rows of features to sum 1; empty ones stay.
    directed: do not add the reverse edges.
    loop_features: features of self-loops that are added: 'mean' of the edges
      that come in, or a number.

  Raises:
    DataError: names the file, the line and what is wrong there.
  """
  del name, progress
  _check_fields(
    edges,
    nodes,
    train_fraction,
    val_fraction,
    split_seed,
    scale_columns,
    normalize_features,
  )
  sums: dict[str, str] = {}
  of_node = _table('nodes', nodes, data_dir, sums)
  of_edge = _table('edges', edges, data_dir, sums)
  skipped = _left_out(leave_out, [*of_node.columns, *of_edge.columns])
  if id_column:
    of_node.find(id_column, 'id_column', 'the ids')
  else:
    id_column = columns.id_column(of_node)
  of_node.find(label_column, 'label_column', 'the labels')
  if split_column not in ('', 'split'):  # which need not be there
    of_node.find(split_column, 'split_column', 'the splits')
  ids = columns.ids_of(of_node, id_column)
  ends = columns.end_columns(of_edge)
  pairs = columns.edges_of(of_edge, ends, ids, of_node)
  taken = {id_column, label_column, split_column, *skipped}
  features = columns.features_of(
    of_node, [n for n in of_node.columns if n not in taken]
  )
  if not features.names:
    of_node.fail(
      None,
      'has no column of numbers for features',
      'add one, such as the number of edges of a node',
    )
  edge_features = columns.features_of(
    of_edge, [n for n in of_edge.columns if n not in {*ends, *skipped}]
  )
  columns.refuse_conflicts(of_edge, pairs, edge_features.values)
  labels, classes = of_nodes.labels_of(of_node, label_column)
  masks, origin = _splits(
    of_node, split_column, labels, train_fraction, val_fraction, split_seed
  )
  scale = columns.scaled if scale_columns else lambda values: values
  facts: dict[str, Any] = {
    'id_column': id_column,
    'label_column': label_column,
    'edge_columns': f'{ends[0]} -> {ends[1]}',
    'feature_columns': listed(features.names),
  }
  if edge_features.names:
    facts['edge_feature_columns'] = listed(edge_features.names)
  if skipped:
    facts['left_out'] = ', '.join(skipped)
  facts |= {'scale_columns': scale_columns, 'splits': origin}

  def fail(part: str, problem: str, remedy: str):
    table = of_edge if part.startswith('edge') else of_node
    table.fail(None, f'{part}: {problem}', remedy)

  return own.dataset(
    of_node.path.stem,
    own.Content(
      features=scale(features.values),
      edges=pairs,
      labels=labels,
      masks=masks,
      edge_features=scale(edge_features.values)
      if edge_features.names
      else None,
      node_ids=ids,
      class_names=classes,
      feature_names=features.names,
    ),
    fail,
    normalize_features=normalize_features,
    directed=directed,
    loop_features=loop_features,
    facts=facts,
    sums=sums,
    warnings=[
      *features.warnings,
      *edge_features.warnings,
      *of_nodes.doubtful(classes),
    ],
  )


def _left_out(leave_out: str, known: list[str]) -> list[str]:
  words = [word.strip() for word in leave_out.split(',') if word.strip()]
  for word in words:
    if word not in known:
      _fail(
        'leave_out',
        f'no file has a column {word!r}',
        did_you_mean(word, known, f'there are {listed(known)}'),
      )
  return words


def _splits(
  table: Table,
  column: str,
  labels: np.ndarray,
  train_fraction: float,
  val_fraction: float,
  seed: int,
) -> tuple[dict[str, np.ndarray], str]:
  """A mask [N] for each split, and where they come from."""
  if column not in table.columns:
    known = of_nodes.is_known(labels)
    masks = fractions.masks(labels, known, train_fraction, val_fraction, seed)
    way = 'class by class' if labels.ndim == 1 else 'regardless of labels'
    parts = f'{train_fraction:g} train, {val_fraction:g} val'
    return masks, f'drawn {way}, {parts}, seed {seed}'
  masks = of_nodes.given_masks(table, column, labels)
  for field, value in (
    ('train_fraction', train_fraction),
    ('val_fraction', val_fraction),
    ('split_seed', seed),
  ):
    default = inspect.signature(load).parameters[field].default
    if value != default:
      _fail(
        field,
        f'{value!r} changes nothing: the nodes have a column {column!r}',
        f"leave it at {default!r}, or set `config.dataset.split_column` to ''",
      )
  return masks, f'column {column}'


def _fail(field: str, problem: str, remedy: str = '') -> NoReturn:
  raise DataError(f'config.dataset.{field}', problem, remedy)


def _check_fields(
  edges: str,
  nodes: str,
  train_fraction: float,
  val_fraction: float,
  split_seed: int,
  scale_columns: bool,
  normalize_features: bool,
) -> None:
  for field, path in (('nodes', nodes), ('edges', edges)):
    if not path:
      _fail(
        field,
        'is not set',
        'name the tables of your graph in `config.dataset.nodes` and'
        ' `config.dataset.edges`, or an .npz file in `config.dataset.name`',
      )
  fractions.check(train_fraction, val_fraction)
  if split_seed < 0:
    _fail('split_seed', f'{split_seed} is below 0')
  if scale_columns and normalize_features:
    _fail(
      'normalize_features',
      'rows cannot be scaled to sum 1 where columns have mean 0',
      'leave it or `config.dataset.scale_columns` at False',
    )


def _table(
  field: str, given: str, data_dir: str | None, sums: dict[str, str]
) -> Table:
  path = own.find(given, data_dir)
  data = own.read(field, path)
  sums[f'{field}: {path.name}'] = hashlib.sha256(data).hexdigest()
  return reading.read(field, path, data)
