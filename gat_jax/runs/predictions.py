"""Uses a trained model again, from nothing but its workdir.

Shapes: N nodes, C classes or labels, E edges, K heads, F features a head.
"""

from collections.abc import Collection
import dataclasses
import operator
import os
from typing import Any

from flax import nnx
import jax
from ml_collections import config_dict
import numpy as np

from gat_jax import datasets
from gat_jax import nn
from gat_jax import training
from gat_jax.errors import WorkdirError
from gat_jax.runs import settings
from gat_jax.runs import workdirs
from gat_jax.runs.inputs import load_dataset
from gat_jax.runs.results import read_result
from gat_jax.runs.states import checkpoints


@dataclasses.dataclass(frozen=True)
class GraphPrediction:
  """What a model says of one graph.

  Attributes:
    splits: [N] of 'train', 'val', 'test' or ''.
    labels: [N], or [N, C] if there are several labels a node; -1 for none.
    probabilities: [N, C].
    hidden: [N, K F] for each hidden layer, what it makes of the nodes; empty if
      it was not asked for.
    attention: one entry a layer; empty if it was not asked for.
    node_ids: [N] strings, what the user calls the nodes; None if nothing.
    class_names: [C], what the user calls the classes or labels; None if
      nothing.
  """

  splits: np.ndarray
  labels: np.ndarray
  probabilities: np.ndarray
  hidden: list[np.ndarray]
  attention: list[nn.Attention]
  node_ids: np.ndarray | None = None
  class_names: tuple[str, ...] | None = None

  @property
  def predictions(self) -> np.ndarray:
    """The likeliest class [N], or 0 and 1 [N, C] by the threshold 0.5."""
    if self.labels.ndim == 1:
      return self.probabilities.argmax(axis=-1)
    return (self.probabilities > 0.5).astype(np.int32)

  def name_of_node(self, node: int) -> str:
    """What the user calls a node, else its number."""
    return str(node if self.node_ids is None else self.node_ids[node])

  def name_of_class(self, index: int) -> str:
    """What the user calls a class or label, else its number."""
    return str(index if self.class_names is None else self.class_names[index])


@training.own_jax_settings()
def predict(
  workdir: str | os.PathLike,
  seed: int | None = None,
  data_dir: str | None = None,
  *,
  attention: bool = False,
  hidden: bool = False,
  splits: Collection[str] = datasets.SPLITS,
) -> tuple[int, list[GraphPrediction]]:
  """Applies the kept parameters of one seed to the graphs of its data set.

  Args:
    workdir: the folder of a finished run.
    seed: which one; None takes the one with the best validation score, of
      an interrupted run the first.
    data_dir: where the data are now, if not where training found them.
    attention: return alpha as well; only models that have attention can.
    hidden: return what the hidden layers make of the nodes as well.
    splits: leave out graphs that have no node in any of these.

  Returns:
    The seed, and a prediction for each graph.

  Raises:
    InputError: if the folder, the seed or the data do not fit.
  """
  config, dataset = _config_and_data(workdir, data_dir)
  seed = choose_seed(workdir, config, seed)
  model = restore(workdir, config, seed, *_sizes(dataset))
  return seed, [
    dataclasses.replace(
      _predict_graph(
        model,
        examples,
        attention,
        hidden,
        is_sampled=bool(config.sampler.fan_outs),
      ),
      node_ids=dataset.node_ids,
      class_names=dataset.class_names,
    )
    for examples in _by_graph(dataset)
    if examples.keys() & set(splits)
  ]


@training.own_jax_settings()
def load_trained(
  workdir: str | os.PathLike, data_dir: str | None = None
) -> tuple[datasets.Dataset, dict[int, nn.Model]]:
  """The data of a finished run and its models, for graphs of one's own making.

  `model.forward(graph)` gives the logits of any graph with such features.

  Args:
    workdir: the folder of a finished run.
    data_dir: where the data are now, if not where training found them.

  Returns:
    The data set, and by seed the model with its kept parameters.

  Raises:
    InputError: if the folder or the data do not fit.
  """
  config, dataset = _config_and_data(workdir, data_dir)
  return dataset, _restore_all(workdir, config, *_sizes(dataset))


def _config_and_data(
  workdir: str | os.PathLike, data_dir: str | None
) -> tuple[config_dict.ConfigDict, datasets.Dataset]:
  """What a run was trained with and on."""
  config = read_config(workdir)
  if data_dir is not None:
    config.data_dir = data_dir
  dataset = load_dataset(config)
  _check_same_data(workdir, dataset)
  return config, dataset


def _sizes(dataset: datasets.Dataset) -> tuple[int, int, int]:
  """Of data, what a model is made for."""
  return dataset.num_features, dataset.num_classes, dataset.num_edge_features


def read_config(workdir: str | os.PathLike) -> config_dict.ConfigDict:
  """The config of a run.

  Raises:
    InputError: if the folder holds none, or one that cannot be used.
  """
  content = workdirs.read_json(workdir, workdirs.CONFIG)
  if not isinstance(content, dict):
    raise WorkdirError(f'{workdir}/{workdirs.CONFIG}', 'holds no config')
  config = config_dict.ConfigDict(settings.complete(content))
  settings.check(config, allow_unknown=True)
  return config


def choose_seed(
  workdir: str | os.PathLike, config: Any, seed: int | None
) -> int:
  """The seed whose parameters are asked for.

  Args:
    workdir: the folder of a finished run.
    config: its config.
    seed: None takes the one with the best validation score, of an interrupted
      run the first.

  Raises:
    WorkdirError: if the run has no such seed, or no scores to choose by.
  """
  first, last = config.seed, config.seed + config.num_seeds - 1
  if seed is None:
    seed = _best_seed(workdir) if workdirs.is_finished(workdir) else first
  if not first <= seed <= last:
    raise WorkdirError(
      'seed', f'{workdir} has no seed {seed}', f'it has {first} to {last}'
    )
  return seed


def _best_seed(workdir: str | os.PathLike) -> int:
  try:
    found = read_result(workdir).seeds
  except WorkdirError as error:
    # The parameters are there: a prediction does not need the scores.
    raise WorkdirError(error.field, error.problem, 'name a `seed`') from error
  return max(found, key=lambda result: result.val).seed


def _check_same_data(workdir, dataset: datasets.Dataset) -> None:
  card = workdirs.read_json(workdir, workdirs.DATASET)
  digest = card.get('digest') if isinstance(card, dict) else None
  if digest != dataset.card['digest']:
    raise WorkdirError(
      'workdir',
      f'{workdir} was trained on other data than the {dataset.name} found now',
      'name the folder of the old files with `data_dir`',
    )


def restore(
  workdir: str | os.PathLike,
  config: Any,
  seed: int,
  num_features: int,
  num_classes: int,
  num_edge_features: int,
) -> nn.Model:
  """The model with the kept parameters of one seed.

  Args:
    workdir: the folder of a finished run.
    config: its config.
    seed: one of its seeds.
    num_features: D of nodes.
    num_classes: classes, or labels if a node may have several.
    num_edge_features: D_e of edges, 0 for none.

  Raises:
    InputError: if there are no parameters, or they are of another model.
  """
  sizes = num_features, num_classes, num_edge_features
  return _restore_all(workdir, config, *sizes)[seed]


def _restore_all(
  workdir: str | os.PathLike,
  config: Any,
  num_features: int,
  num_classes: int,
  num_edge_features: int,
) -> dict[int, nn.Model]:
  """By seed, see `restore`."""

  def build() -> nn.Model:
    rngs = nnx.Rngs(params=jax.random.key(0))
    sizes = num_features, num_classes, rngs, num_edge_features
    return nn.Model.from_config(config.model, *sizes)

  graphdef, state = nnx.split(nnx.eval_shape(build))
  stacked = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((config.num_seeds, *x.shape), x.dtype),
    nnx.to_pure_dict(state),
  )
  params = checkpoints.load_best(workdir, stacked)
  models = {}
  for row in range(config.num_seeds):
    own = jax.tree.map(operator.itemgetter(row), params)
    nnx.replace_by_pure_dict(state, own)
    models[config.seed + row] = nnx.merge(graphdef, state)
  return models


def _by_graph(dataset: datasets.Dataset):
  """Groups the examples of all splits that share a graph."""
  groups: dict[int, dict[str, datasets.Example]] = {}
  for split in datasets.SPLITS:
    for example in getattr(dataset, split):
      groups.setdefault(id(example.graph), {})[split] = example
  return list(groups.values())


def _predict_graph(
  model: nn.Model,
  examples: dict[str, datasets.Example],
  attention: bool,
  hidden: bool,
  *,
  is_sampled: bool,
) -> GraphPrediction:
  any_example = next(iter(examples.values()))
  graph, labels = any_example.graph, any_example.labels
  (*hidden_nodes, logits), attentions = training.apply_model(
    model, graph, attention, hidden, is_sampled=is_sampled
  )
  normalize = jax.nn.softmax if labels.ndim == 1 else jax.nn.sigmoid
  splits = np.full(len(labels), '', dtype='U5')
  for split, example in examples.items():
    splits[example.mask] = split
  return GraphPrediction(
    splits=splits,
    labels=labels,
    probabilities=np.asarray(normalize(logits)),
    hidden=jax.device_get(hidden_nodes),
    attention=jax.device_get(attentions),
  )
