"""Writes the graphs of a case where peers read them: see `peers.common`.

A process of its own, `python -m benchmarks.comparison.exporting CASE FILE`, so
that loading costs the memory of no other. A third word asks for a quick case.
"""

import dataclasses
import json
import pathlib
import sys
from typing import Any

import numpy as np

from benchmarks.comparison import cases
from gat_jax import Dataset
from gat_jax import graphs
from gat_jax import runs


def write(case: cases.Case, path: pathlib.Path) -> dict[str, Any]:
  """Writes the training graphs, in the batches of two that peers take of PPI.

  Returns:
    What a program is told besides, and the data set's name and size.
  """
  config = case.settings()
  dataset = cut(case, config, runs.load_dataset(config))
  parts = [[example] for example in dataset.train]
  if config.batch_size:
    size = config.batch_size
    parts = [
      dataset.train[start : start + size]
      for start in range(0, len(dataset.train), size)
    ]
  arrays: dict[str, np.ndarray] = {'count': np.array(len(parts))}
  for index, examples in enumerate(parts):
    firsts = np.cumsum([0, *(len(example.mask) for example in examples)])
    pairs = list(zip(examples, firsts[:-1], strict=True))
    labels = np.concatenate([example.labels for example in examples])
    made = {
      'x': np.concatenate([dense(e.graph.nodes) for e in examples]),
      'labels': labels.astype(np.float32 if dataset.multilabel else np.int64),
      'senders': _joined('senders', pairs),
      'receivers': _joined('receivers', pairs),
      'train': np.flatnonzero(np.concatenate([e.mask for e in examples])),
    }
    arrays |= {f'{name}{index}': array for name, array in made.items()}
  np.savez(path, **arrays)
  return {
    'data': str(path),
    'classes': dataset.num_classes,
    'is_multilabel': dataset.multilabel,
    'name': dataset.card['name'],
    **_sizes(dataset),
  }


def cut(case: cases.Case, config: Any, dataset: Dataset) -> Dataset:
  """Two batches alone of graphs in batches, if it is quick."""
  if not (case.is_quick and config.batch_size):
    return dataset
  train = dataset.train[: 2 * config.batch_size]
  return dataclasses.replace(dataset, train=train)


def dense(nodes: Any) -> np.ndarray:
  """Features as an array, whatever they were."""
  if isinstance(nodes, graphs.SparseFeatures):
    made = np.zeros(nodes.shape, np.float32)
    made[nodes.rows, nodes.columns] = nodes.values
    return made
  return np.asarray(nodes, np.float32)


def _joined(name, pairs):
  return np.concatenate(
    [getattr(e.graph, name).astype(np.int64) + first for e, first in pairs]
  )


def _sizes(dataset: Dataset) -> dict[str, int]:
  return {
    'nodes': sum(len(example.mask) for example in dataset.train),
    'edges': sum(len(example.graph.senders) for example in dataset.train),
  }


if __name__ == '__main__':
  name, path, *quick = sys.argv[1:]
  print(json.dumps(write(cases.find(name, bool(quick)), pathlib.Path(path))))
