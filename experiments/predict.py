"""Writes what a trained model says of every node; trains nothing.

Try:
  python -m experiments.predict --workdir=runs/cora
  python -m experiments.predict --workdir=runs/ten --seed=3 --attention

after `experiments.train --config=configs/cora.py --workdir=runs/cora`, and the
same with `--config.num_seeds=10 --workdir=runs/ten`. Writes into the workdir,
or into --output:
  predictions.csv   a line a node: graph, node, split, label, prediction, and
                    probability_0, probability_1, ... of each class, between 0
                    and 1 (with several labels a node, label and prediction hold
                    the ids of all of them, with spaces between, and each
                    probability is that of having the label). Where the data
                    have names, as tables do, node is the id that they give it,
                    label and prediction are names (of several, with ; between),
                    and the probabilities are p_<name>, p_<name>, ...
  attention.npz     with --attention: graph_0_layer_0_senders, _receivers [E]
                    and _alpha [E, heads], and so on; entry e of all three
                    belongs to the same edge
"""

import csv
import pathlib

from absl import flags
import numpy as np

from experiments import cli
from gat_jax import runs
from gat_jax import storage
from gat_jax.errors import WorkdirError

_WORKDIR = cli.path_flag(
  'workdir', 'the folder of a finished run of experiments.train'
)
_OUTPUT = cli.path_flag(
  'output', 'the folder to write to; by default the workdir'
)
_SEED = flags.DEFINE_integer(
  'seed', None, 'which seed; by default the best on the validation nodes'
)
_DATA_DIR = cli.path_flag(
  'data_dir', 'where the data are now, if not where training found them'
)
_ATTENTION = flags.DEFINE_bool(
  'attention', False, 'write the attention of all layers as well'
)


def main() -> None:
  """Writes the files that the flags ask for."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; name the folder of a finished run')
  seed, graphs = runs.predict(
    _WORKDIR.value,
    _SEED.value,
    _DATA_DIR.value,
    attention=_ATTENTION.value,
  )
  output = pathlib.Path(_OUTPUT.value or _WORKDIR.value)
  console = cli.Console()
  try:
    output.mkdir(parents=True, exist_ok=True)
    write_csv(output / 'predictions.csv', graphs)
    console.print(
      f'predictions of seed {seed}: {output / "predictions.csv"}',
      soft_wrap=True,
    )
    if _ATTENTION.value:
      write_attention(output / 'attention.npz', graphs)
      console.print(f'attention: {output / "attention.npz"}', soft_wrap=True)
  except OSError as error:
    raise WorkdirError(output, f'cannot be written ({error})') from error


def write_csv(path: pathlib.Path, graphs: list[runs.GraphPrediction]) -> None:
  """Writes a row a node; the file is there whole or not at all.

  Raises:
    OSError: if it cannot be written.
  """
  num_classes = graphs[0].probabilities.shape[1]
  with storage.whole_file(path) as file:
    writer = csv.writer(file)
    writer.writerow(
      ['graph', 'node', 'split', 'label', 'prediction']
      + [_column(graphs[0], c) for c in range(num_classes)]
    )
    for index, graph in enumerate(graphs):
      given, predicted = graph.labels, graph.predictions
      for node, split in enumerate(graph.splits):
        writer.writerow(
          [index, graph.name_of_node(node), split]
          + [_as_text(graph, labels[node]) for labels in (given, predicted)]
          + [f'{p:.6g}' for p in graph.probabilities[node]]
        )


def write_attention(
  path: pathlib.Path, graphs: list[runs.GraphPrediction]
) -> None:
  """Writes senders, receivers and alpha of every graph and layer.

  Raises:
    OSError: if it cannot be written.
  """
  arrays = {
    f'graph_{index}_layer_{layer}_{name}': value
    for index, graph in enumerate(graphs)
    for layer, attention in enumerate(graph.attention)
    for name, value in attention._asdict().items()
  }
  with storage.whole_file(path, binary=True) as file:
    np.savez_compressed(file, **arrays)


def _column(graph: runs.GraphPrediction, index: int) -> str:
  """The name of the column of a class's probability."""
  is_named = graph.class_names is not None
  return f'{"p" if is_named else "probability"}_{graph.name_of_class(index)}'


def _as_text(graph: runs.GraphPrediction, label: np.ndarray) -> str:
  """The name of a class, '' for none; or those of all labels of a node."""
  if label.ndim:
    between = ' ' if graph.class_names is None else ';'
    return between.join(map(graph.name_of_class, np.flatnonzero(label)))
  return '' if label < 0 else graph.name_of_class(int(label))


if __name__ == '__main__':
  cli.run(main, on_hosts='first')
