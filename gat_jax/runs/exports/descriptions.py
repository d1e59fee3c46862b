"""What stands beside an artefact: what it takes, returns and was trained on.

Shapes: N nodes, E edges, D features, D_e features of an edge, C classes or
labels.
"""

import os
from typing import Any, NamedTuple

from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

_INPUTS = {
  'features': 'of the nodes; see prepare.scale_rows',
  'senders': 'the node where each edge starts, from 0',
  'receivers': 'the node where it ends; edges may be in any order',
  'edge_features': 'of each edge, in the order of senders',
}


class Sizes(NamedTuple):
  """What a model was made for.

  Attributes:
    features: D.
    classes: C.
    edge_features: D_e, 0 for none.
  """

  features: int
  classes: int
  edge_features: int


def read_card(workdir: str | os.PathLike) -> dict[str, Any]:
  """The card of the data that a run was trained on.

  Raises:
    WorkdirError: if it is missing or damaged.
  """
  card = workdirs.read_json(workdir, workdirs.DATASET)
  numbers = ['nodes', 'features', 'edges_with_loops']
  if isinstance(card, dict):
    numbers += ['labels' if 'labels' in card else 'classes']
    numbers += ['edge_features'] * ('edge_features' in card)
    texts = [card.get('name'), card.get('digest')]
    if all(type(card.get(name)) is int for name in numbers) and all(
      isinstance(text, str) for text in texts
    ):
      return card
  raise WorkdirError(
    workdirs.folder(workdir) / workdirs.DATASET, 'is no card of a data set'
  )


def sizes_of(config: Any, card: dict[str, Any]) -> Sizes:
  """What the model of a run was made for."""
  return Sizes(
    features=card['features'],
    classes=card['labels' if 'labels' in card else 'classes'],
    edge_features=(
      card.get('edge_features', 0) if config.model.edge_features else 0
    ),
  )


def of_calls(exported: Any) -> dict[str, Any]:
  """The arguments of an artefact, in order, and its outputs by name."""
  names = list(_INPUTS)[: len(exported.in_avals)]
  outputs = exported.out_tree.unflatten(exported.out_avals)
  in_order = sorted(outputs, key=lambda n: (n != 'logits', len(n), n))
  return {
    'inputs': [
      {'name': name, **_array(aval), 'about': _INPUTS[name]}
      for name, aval in zip(names, exported.in_avals, strict=True)
    ],
    'outputs': [{'name': name, **_array(outputs[name])} for name in in_order],
  }


def _array(aval: Any) -> dict[str, Any]:
  """Shape and dtype; what is left open is 'N' or 'E'."""
  shape = [
    size if isinstance(size, int) else str(size)[0] for size in aval.shape
  ]
  return {'shape': shape, 'dtype': str(aval.dtype)}


def of_training(config: Any, card: dict[str, Any]) -> dict[str, Any]:
  """The task, what was done to the graph before training, and the data."""
  sizes = sizes_of(config, card)
  kind = 'labels' if 'labels' in card else 'classes'
  prepare = {
    'scale_rows': bool(config.dataset.get('normalize_features', False)),
    'reverse_edges': _goes_both_ways(card),
    'self_loops': True,  # as every data set has them
  }
  if sizes.edge_features:
    prepare['loop_features'] = card.get('loop_features')
  names = {'class_names': names} if (names := card.get('class_names')) else {}
  return {
    'probabilities': 'sigmoid' if kind == 'labels' else 'softmax',
    kind: sizes.classes,
    **names,
    'prepare': prepare,
    'model': config.model.to_dict(),
    'dataset': {'name': card['name'], 'digest': card['digest']},
  }


def _goes_both_ways(card: dict[str, Any]) -> bool | None:
  """Whether every edge was there in both directions; None if nobody knows."""
  if not isinstance(card.get('edges_unique'), int):
    return None
  return card['edges_with_loops'] - card['nodes'] == 2 * card['edges_unique']
