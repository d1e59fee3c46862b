"""Inputs of pages, written by hand."""

import itertools
import json

import numpy as np

from experiments.sweeps import summaries


def several_labels(path):
  """A graph whose nodes have several labels, one of them none at all."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, (120, 3))
  labels[0] = 0
  np.savez(
    path,
    edges=rng.integers(0, 120, (400, 2)),
    features=labels + rng.normal(size=(120, 3)),
    labels=labels,
    train_index=np.arange(60),
    val_index=np.arange(60, 80),
    test_index=np.arange(80, 120),
  )


def grid(folder, axes):
  """The tables of a grid over some fields, as a sweep leaves them."""
  points = itertools.product(*axes.values())
  changes = [dict(zip(axes, point, strict=True)) for point in points]
  rows = [row(own, 70.0 + i) for i, own in enumerate(changes)]
  write_summary(folder, 'csbm', rows, axes)


def row(changes, score, n=2):
  """A combination; its cost grows with its score."""
  if not n:
    return summaries.Row(changes, n=0, failed=0, pruned=0)
  found = summaries.Score(score / 100, 0.005)
  costs = {'num_parameters': int(score), 'epochs': 3.0, 'seconds': score}
  return summaries.Row(
    changes, n=n, failed=0, pruned=0, val=found, test=found, **costs
  )


def write_summary(folder, name, rows, axes):
  """Leaves sweep.json."""
  axes = {field: tuple(values) for field, values in axes.items()}
  table = summaries.DatasetTable(name, 'accuracy', tuple(rows), axes, fixed={})
  content = summaries.Summary('command', {name: table}).to_json()
  folder.mkdir(exist_ok=True)
  (folder / summaries.FILE).write_text(json.dumps(content))


_RUN = {
  *('curve-score', 'curve-loss', 'confusion', 'calibration', 't-sne'),
  *('entropy-1', 'entropy-2', 'own-class', 'degree-entropy'),
  *('neighborhood-1', 'neighborhood-2', 'deletion'),
}
_PRICES = {'pareto-parameters-csbm', 'pareto-seconds-csbm'}
# The charts of each folder of the fixture `made`.
CHARTS = {
  'run': _RUN,
  'labels': _RUN - {'confusion'} | {'label-f1'},
  'reproduction': {
    *('forest-cora', 'seeds-cora', 'ablations-ablations', 'seeds-ablations'),
  },
  'sweep': _PRICES | {'heatmap-csbm'},
  'large_sweep': _PRICES | {'parallel-csbm'},
}
