"""Two swept fields as a grid: in words, and as a picture with its numbers."""

import itertools
import pathlib
from typing import Any

import numpy as np

from experiments import documents


def score(found: dict[str, Any]) -> str:
  """As in 83.1 ± 0.7, in points."""
  return documents.mean_and_deviation(found['mean'], found['std'], digits=1)


def has_grid(table: dict[str, Any]) -> bool:
  """Whether the rows are most of the combinations of two fields."""
  if len(table['axes']) != 2:
    return False
  down, across = table['axes'].values()
  return 2 * len(_placed(table)) > len(down) * len(across)


def finished(table: dict[str, Any]) -> list[dict[str, Any]]:
  """The rows that have a place in the grid and a finished seed."""
  return [row for row in _placed(table) if row['n']]


def _placed(table: dict[str, Any]) -> list[dict[str, Any]]:
  fields = table['axes'].keys()
  return [row for row in table['rows'] if fields <= row['changes'].keys()]


def grid(table: dict[str, Any], split: str) -> list[list[str]]:
  """Scores of `val` or `test`, a line for each value of the first field."""
  (down, rows), (across, columns) = table['axes'].items()
  corner = f'{short(down)} \\ {short(across)}'
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
  if can_draw(table):
    drawn = figure(table)
    for suffix in ('png', 'svg'):
      drawn.savefig(folder / f'heatmap-{name}.{suffix}', dpi=150)


def can_draw(table: dict[str, Any]) -> bool:
  """Whether it has a grid and anything in it has finished."""
  return has_grid(table) and bool(finished(table))


def figure(table: dict[str, Any]) -> Any:
  """A matplotlib figure: validation and test side by side, with the numbers."""
  from matplotlib.figure import Figure  # slow to import

  (down, rows), (across, columns) = table['axes'].items()
  drawn = Figure(
    figsize=(2 + 2.2 * len(columns), 1.6 + 0.6 * len(rows)),
    layout='constrained',
  )
  for panel, split in zip(drawn.subplots(1, 2), ('val', 'test'), strict=True):
    _draw_panel(panel, table, split)
    panel.set_xticks(range(len(columns)), columns)
    panel.set_yticks(range(len(rows)), rows)
    panel.set_xlabel(short(across))
    panel.set_ylabel(short(down))
    panel.set_title('validation' if split == 'val' else 'test')
  drawn.suptitle(
    f'{table["title"]}: {documents.metric_name(table["metric"])} in %, mean ±'
    ' deviation over seeds',
    parse_math=False,  # a dollar in a name is a dollar
  )
  return drawn


def _draw_panel(panel, table, split) -> None:
  (down, rows), (across, columns) = table['axes'].items()
  means = np.full((len(rows), len(columns)), np.nan)
  for (i, row), (j, column) in itertools.product(
    enumerate(rows), enumerate(columns)
  ):
    cell = _cell(table, {down: row, across: column})
    if cell:
      means[i, j] = cell[split]['mean']
  panel.imshow(means, cmap='cividis', aspect='auto')
  panel.grid(visible=False)
  middle = (np.nanmin(means) + np.nanmax(means)) / 2
  for i, line in enumerate(grid(table, split)[1:]):
    for j, word in enumerate(line[1:]):
      color = 'black' if means[i, j] > middle else 'white'
      panel.text(j, i, word, ha='center', va='center', color=color, size=9)


def _cell(table, wanted) -> dict[str, Any] | None:
  """The finished row that has those values."""
  for row in finished(table):
    if all(row['changes'][k] == v for k, v in wanted.items()):
      return row
  return None


def short(field: str) -> str:
  """The last part of its name, as words."""
  return field.rpartition('.')[2].replace('_', ' ')
