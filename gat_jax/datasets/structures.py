"""What every data set becomes, whatever file it came from.

Shapes: N nodes, D features, L labels.
"""

from collections.abc import Sequence
import dataclasses
import functools
from typing import Any

import jax
import jraph
import numpy as np
import scipy.sparse

from gat_jax import machine
from gat_jax.datasets import cards
from gat_jax.datasets import doubts
from gat_jax.errors import DataError

SPLITS = ('train', 'val', 'test')


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('graph', 'labels', 'mask'),
  meta_fields=(),
)
@dataclasses.dataclass(frozen=True)
class Example:
  """One graph and the nodes of one split.

  Attributes:
    graph: nodes are [N, D] float32, dense or sparse; one self-loop a node;
      edges sorted by receiver.
    labels: [N] int32 class ids, -1 for none; or [N, L] int32 of 0 and 1.
    mask: [N] bool, the nodes of the split.
  """

  graph: jraph.GraphsTuple
  labels: np.ndarray
  mask: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dataset:
  """Three splits, each a list of examples.

  Attributes:
    name: `cora`, or the stem of a user's file.
    train: training examples.
    val: validation examples.
    test: test examples.
    num_classes: classes, or labels when a node has several.
    multilabel: whether a node has several labels.
    card: what to know about the data, fit for JSON; `warnings` lists what may
      be wrong with them or meant otherwise.
    node_ids: [N] strings, what the user calls the nodes; None if nothing.
    class_names: what the user calls the classes or labels, in the order of
      their ids; None if nothing.
    metric: what scores are: `accuracy`, `micro_f1` or `roc_auc`; '' takes
      micro-F1 where a node has several labels, else accuracy.
    num_parts: devices that share each graph. If they are several, examples are
      as `graphs.partition` makes them, and every array is [parts, ...].
  """

  name: str
  train: list[Example]
  val: list[Example]
  test: list[Example]
  num_classes: int
  multilabel: bool
  card: dict[str, Any]
  node_ids: np.ndarray | None = None
  class_names: tuple[str, ...] | None = None
  metric: str = ''
  num_parts: int = 1

  def __post_init__(self):
    """Fills in the usual metric."""
    if not self.metric:
      usual = 'micro_f1' if self.multilabel else 'accuracy'
      object.__setattr__(self, 'metric', usual)

  @property
  def num_features(self) -> int:
    """D."""
    return self.train[0].graph.nodes.shape[-1]

  @property
  def num_edge_features(self) -> int:
    """D_e; 0 if edges have none."""
    features = self.train[0].graph.edges
    return 0 if features is None else features.shape[-1]

  def without_edge_features(self) -> 'Dataset':
    """The same with bare edges."""
    bare: dict[int, jraph.GraphsTuple] = {}  # splits may share a graph

    def strip(example: Example) -> Example:
      graph = example.graph
      stripped = bare.setdefault(id(graph), graph._replace(edges=None))
      return dataclasses.replace(example, graph=stripped)

    return dataclasses.replace(
      self,
      train=[*map(strip, self.train)],
      val=[*map(strip, self.val)],
      test=[*map(strip, self.test)],
    )


def from_one_graph(
  name: str,
  graph: jraph.GraphsTuple,
  labels: np.ndarray,
  masks: dict[str, np.ndarray],
  facts: dict[str, Any],
  sums: dict[str, str],
  warnings: Sequence[str] = (),
  *,
  node_ids: np.ndarray | None = None,
  class_names: tuple[str, ...] | None = None,
  num_classes: int = 0,
  metric: str = '',
  card: dict[str, Any] | None = None,
) -> Dataset:
  """Makes a transductive data set: one graph, three masks.

  Args:
    name: of the data set.
    graph: with self-loops, sorted by receiver.
    labels: [N] or [N, L].
    masks: [N] bool for 'train', 'val' and 'test'.
    facts: what only the loader knows for the card.
    sums: SHA-256 of what the data were read from, by name.
    warnings: what the loader doubts, for the card.
    node_ids: see `Dataset`.
    class_names: see `Dataset`.
    num_classes: where the labels may not show all classes.
    metric: see `Dataset`.
    card: what was made of all this before; None makes it.

  Returns:
    The data set with its card.
  """
  multilabel = labels.ndim == 2
  shown = labels.shape[1] if multilabel else int(labels.max()) + 1
  num_classes = num_classes or shown
  if card is None:
    card = cards.of_one_graph(
      name,
      graph,
      labels,
      masks,
      facts,
      sums,
      warnings,
      num_classes,
      node_ids,
      class_names,
    )
  return Dataset(
    name=name,
    train=[Example(graph, labels, masks['train'])],
    val=[Example(graph, labels, masks['val'])],
    test=[Example(graph, labels, masks['test'])],
    num_classes=num_classes,
    multilabel=multilabel,
    card=card,
    node_ids=node_ids,
    class_names=class_names,
    metric=metric,
  )


def from_graphs(
  name: str,
  title: str,
  splits: dict[str, list[Example]],
  facts: dict[str, Any],
  sums: dict[str, str],
) -> Dataset:
  """Makes an inductive data set of several labels a node: graphs of their own.

  Args:
    name: of the data set.
    title: what to call it where its figures are quoted.
    splits: examples of 'train', 'val' and 'test', all of whose nodes count.
    facts: what only the loader knows for the card.
    sums: SHA-256 of what the data were read from, by name.

  Returns:
    The data set with its card.
  """
  everything = [example.graph for split in splits.values() for example in split]
  features = np.concatenate([graph.nodes for graph in everything])
  labels = {
    split: np.concatenate([example.labels for example in examples])
    for split, examples in splits.items()
  }
  num_classes = splits['train'][0].labels.shape[1]
  card: dict[str, Any] = {
    'name': title,
    'nodes': sum(len(graph.nodes) for graph in everything),
    **facts,
    **cards.measures(everything),
    'labels': num_classes,
  }
  for split, examples in splits.items():
    num_nodes, num_labels = len(labels[split]), int(labels[split].sum())
    card |= {
      split: num_nodes,
      f'{split}_graphs': len(examples),
      f'{split}_edges_with_loops': sum(len(e.graph.senders) for e in examples),
      f'{split}_labels_per_node': round(num_labels / num_nodes, 2),
    }
  card |= {
    'warnings': [
      *doubts.of_splits(labels, num_classes),
      *doubts.of_features(
        features,
        np.concatenate([cards.isolated(graph) for graph in everything]),
        np.ones(len(features), bool),
      ),
    ],
    'sha256': sums,
    'digest': cards.digest(sums, facts),
  }
  return Dataset(
    name=name,
    train=splits['train'],
    val=splits['val'],
    test=splits['test'],
    num_classes=num_classes,
    multilabel=True,
    card=card,
  )


def require_memory(num_bytes: float, what: str) -> None:
  """Refuses what the memory that is free does not hold, before it begins.

  Args:
    num_bytes: that are needed, about.
    what: needs them, in words.

  Raises:
    DataError: says both numbers.
  """
  free = machine.free_memory()
  if num_bytes > free:
    raise DataError(
      'memory',
      f'{what} takes about {num_bytes / 1e9:.1f} GB, and'
      f' {free / 1e9:.1f} GB are free',
      'free some of it, take a smaller graph or a larger machine',
    )


def scale_rows(
  features: np.ndarray | scipy.sparse.csr_matrix,
  dtype: np.typing.DTypeLike | None = None,
) -> np.ndarray | scipy.sparse.csr_matrix:
  """Scales the rows of a feature matrix to sum 1; rows of zeros stay.

  Args:
    features: [N, D], an array or a `scipy.sparse` matrix; none is negative.
    dtype: of the sums; by default that of the features.

  Returns:
    [N, D], of the same kind.
  """
  sums = np.asarray(features.sum(axis=1, dtype=dtype)).ravel()
  scales = np.divide(1, sums, out=np.zeros_like(sums), where=sums != 0)
  if scipy.sparse.issparse(features):
    return (scipy.sparse.diags_array(scales) @ features).tocsr()
  return features * scales[:, None]
