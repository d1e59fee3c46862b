"""Two swept fields as a grid: in words, and as a picture with its numbers."""

import pathlib
from typing import Any

import numpy as np

from experiments import documents


def metric_name(table: dict[str, Any]) -> str:
  """As a reader knows it."""
  return (table['metric'] or 'score').replace('micro_f1', 'micro-F1')


def score(found: dict[str, Any]) -> str:
  """As in 83.1 ± 0.7, in points."""
  return documents.mean_and_deviation(found['mean'], found['std'], digits=1)


def grid(table: dict[str, Any], split: str) -> list[list[str]]:
  """Scores of `val` or `test`, a line for each value of the first field."""
  (down, rows), (across, columns) = table['axes'].items()
  corner = f'{_short(down)} \\ {_short(across)}'
  lines = [[corner, *map(str, columns)]]
  for row in rows:
    found = [_cell(table, {down: row, across: column}) for column in columns]
    words = [score(cell[split]) if cell else '' for cell in found]
    lines.append([str(row), *words])
  return lines


def draw(name: str, table: dict[str, Any], folder: pathlib.Path) -> None:
  """Writes heatmap-<name>.png and .svg where two fields were swept.

  Args:
    name: of the data set.
    table: see `summaries.make`.
    folder: where they go.
  """
  if len(table['axes']) != 2 or not any(row['n'] for row in table['rows']):
    return
  import matplotlib  # slow to import

  matplotlib.use('Agg')
  from matplotlib import pyplot

  (down, rows), (across, columns) = table['axes'].items()
  figure, panels = pyplot.subplots(
    1, 2, figsize=(2 + 2.2 * len(columns), 1.6 + 0.6 * len(rows))
  )
  for panel, split in zip(panels, ('val', 'test'), strict=True):
    means = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
      for j, column in enumerate(columns):
        cell = _cell(table, {down: row, across: column})
        if cell:
          means[i, j] = cell[split]['mean']
    panel.imshow(means, cmap='cividis', aspect='auto')
    middle = (np.nanmin(means) + np.nanmax(means)) / 2
    for i, line in enumerate(grid(table, split)[1:]):
      for j, word in enumerate(line[1:]):
        color = 'black' if means[i, j] > middle else 'white'
        panel.text(j, i, word, ha='center', va='center', color=color, size=9)
    panel.set_xticks(range(len(columns)), columns)
    panel.set_yticks(range(len(rows)), rows)
    panel.set_xlabel(_short(across))
    panel.set_ylabel(_short(down))
    panel.set_title('validation' if split == 'val' else 'test')
  figure.suptitle(
    f'{table["title"]}: {metric_name(table)} in %, mean ± deviation over seeds'
  )
  figure.tight_layout()
  for suffix in ('png', 'svg'):
    figure.savefig(folder / f'heatmap-{name}.{suffix}', dpi=150)
  pyplot.close(figure)


def _cell(table, wanted) -> dict[str, Any] | None:
  """The row that has those values and at least one finished seed."""
  for row in table['rows']:
    changes = row['changes']
    if row['n'] and all(changes.get(k) == v for k, v in wanted.items()):
      return row
  return None


def _short(field: str) -> str:
  return field.rpartition('.')[2].replace('_', ' ')
