"""A user's own graph, whatever file it came from: what is checked of all.

Shapes: N nodes, E edges, D features, D_e features of an edge.
"""

from collections.abc import Sequence
import dataclasses
import os
import pathlib
from typing import Any, NoReturn, Protocol

import numpy as np
import scipy.sparse

from gat_jax import graphs
from gat_jax.datasets import doubts
from gat_jax.datasets import structures
from gat_jax.errors import DataError
from gat_jax.errors import InputError
from gat_jax.graphs import LoopFeatures


class Fail(Protocol):
  """Raises a DataError that names the file and a part of it."""

  def __call__(self, part: str, problem: str, remedy: str, /) -> NoReturn:
    """Of the part of that name."""


@dataclasses.dataclass
class Content:
  """What files hold, checked as far as one part of them goes.

  Attributes:
    features: [N, D] float32, dense or CSR.
    edges: [E, 2] int64, senders and receivers, at least one.
    labels: [N] classes, -1 for none; or [N, L] of 0 and 1.
    masks: [N] bool of each split.
    edge_features: [E, D_e] float32, or None.
    node_ids: [N] what the user calls the nodes, or None.
    class_names: what the user calls the classes or labels, or None.
    feature_names: what the user calls the features, or None.
  """

  features: np.ndarray | scipy.sparse.csr_matrix
  edges: np.ndarray
  labels: np.ndarray
  masks: dict[str, np.ndarray]
  edge_features: np.ndarray | None = None
  node_ids: np.ndarray | None = None
  class_names: tuple[str, ...] | None = None
  feature_names: Sequence[str] | None = None


def dataset(
  name: str,
  content: Content,
  fail: Fail,
  *,
  normalize_features: bool,
  directed: bool,
  loop_features: str,
  facts: dict[str, Any],
  sums: dict[str, str],
  warnings: Sequence[str],
) -> structures.Dataset:
  """Makes the data set.

  Args:
    name: of the data set.
    content: of the files.
    fail: how an error names them.
    normalize_features: scale the rows of features to sum 1; empty ones stay.
    directed: do not add the reverse edges.
    loop_features: of self-loops that are added: 'mean', or a number.
    facts: what only the reader of the files knows for the card.
    sums: their SHA-256, by name.
    warnings: what the reader doubts, for the card.

  Raises:
    DataError: if the graph cannot be made of them.
  """
  edges, features = content.edges, content.features
  n_node = features.shape[0]
  if (edges[:, 0] == edges[:, 1]).all():
    fail('edges', 'has self-loops alone', 'a graph needs another edge')
  of_loops = _loop_features(loop_features)
  if normalize_features:
    features = _normalized(fail, features)
  if content.edge_features is None and loop_features != 'mean':
    raise DataError(
      'config.dataset.loop_features',
      f'{loop_features!r} changes nothing: edges have no features',
      "leave it at 'mean'",
    )
  try:
    graph = graphs.prepare(
      features,
      *edges.T,
      reverse=not directed,
      duplicates='merge',
      edge_features=content.edge_features,
      loop_features=of_loops,
    )
  except InputError as error:  # what is left to be wrong is named as a part is
    fail(error.field, error.problem, error.remedy)
  loops = len(np.unique(edges[edges[:, 0] == edges[:, 1], 0]))
  own: dict[str, Any] = {
    'edges_raw': len(edges),
    'self_loops_in_file': loops,
    'edges_unique': _num_pairs(edges, n_node) - loops,
    'directed': directed,
    'normalize_features': normalize_features,
  }
  if content.edge_features is not None:
    own |= {
      'edge_features': content.edge_features.shape[1],
      'loop_features': loop_features,
    }
  repeated = len(edges) - (len(graph.senders) - n_node + loops)
  if directed and repeated:
    own['edges_repeated'] = repeated
  doubted = list(warnings)
  if not directed:
    doubted += doubts.of_directions(edges, n_node)
  if not normalize_features:
    doubted += doubts.of_scales(features, content.feature_names)
  return structures.from_one_graph(
    name,
    graph,
    content.labels,
    content.masks,
    own | facts,
    sums,
    doubted,
    node_ids=content.node_ids,
    class_names=content.class_names,
  )


def find(path: str | os.PathLike, data_dir: str | None) -> pathlib.Path:
  """Where a user's file is.

  Args:
    path: as the user gave it; shells leave the ~ of --flag=~/graph.npz.
    data_dir: a folder that holds a file of that name, which is read instead.
  """
  found = pathlib.Path(os.path.expanduser(path))
  if data_dir:
    found = pathlib.Path(os.path.expanduser(data_dir)) / found.name
  return found


def read(field: str, path: pathlib.Path) -> bytes:
  """The bytes of a user's file.

  Args:
    field: of `config.dataset`, that names it.
    path: where it is.

  Raises:
    DataError: if it is not there or cannot be read.
  """
  try:
    return path.read_bytes()
  except FileNotFoundError as error:
    raise DataError(
      f'config.dataset.{field}',
      f'there is no file {path}',
      'check the path, or name its folder in `config.data_dir`',
    ) from error
  except OSError as error:
    raise DataError(path, f'cannot be read ({error})') from error


def _num_pairs(edges: np.ndarray, n_node: int) -> int:
  """How many pairs of nodes edges join, in whatever direction."""
  keys = np.sort(edges.min(axis=1) * n_node + edges.max(axis=1))
  return 1 + int(np.count_nonzero(np.diff(keys)))


def _normalized(fail: Fail, features):
  values = features.data if scipy.sparse.issparse(features) else features
  if values.min(initial=0) < 0:
    fail(
      'features',
      'has negative entries, whose rows cannot be scaled to sum 1',
      'set `config.dataset.normalize_features` to False',
    )
  # Sums of large float32 numbers would overflow.
  return structures.scale_rows(features, np.float64).astype(np.float32)


def _loop_features(given: str) -> LoopFeatures:
  if given == 'mean':
    return 'mean'
  try:
    number = float(given)
  except ValueError:
    number = np.nan
  if not np.isfinite(number):
    raise DataError(
      'config.dataset.loop_features',
      f'{given!r} is none of a self-loop',
      "choose 'mean', or a number",
    )
  return number
