"""Two swept fields as a grid: in words, and as a picture with its numbers."""

import io
import itertools
import pathlib
from typing import Any

import numpy as np

from experiments import documents
from experiments.sweeps.summaries import DatasetTable
from experiments.sweeps.summaries import Row
from gat_jax import storage
from gat_jax.runs import workdirs


def has_grid(table: DatasetTable) -> bool:
  """Whether the rows are most of the combinations of two fields."""
  if len(table.axes) != 2:
    return False
  down, across = table.axes.values()
  return 2 * len(_placed(table.rows, table)) > len(down) * len(across)


def can_draw(table: DatasetTable) -> bool:
  """Whether it has a grid with a finished trial in it."""
  return has_grid(table) and bool(placed(table))


def placed(table: DatasetTable) -> list[Row]:
  """The rows that have a place in the grid and a finished trial."""
  return _placed(table.finished, table)


def _placed(rows: tuple[Row, ...], table: DatasetTable) -> list[Row]:
  return [row for row in rows if table.axes.keys() <= row.changes.keys()]


def grid(table: DatasetTable, split: str) -> list[list[str]]:
  """Scores as words, a line for each value of the first field.

  Args:
    table: one that `has_grid`.
    split: `val` or `test`.

  Returns:
    The header, then the lines; a cell without a finished trial is empty.
  """
  (down, rows), (across, columns) = table.axes.items()
  corner = f'{short(down)} \\ {short(across)}'
  lines = [[corner, *map(str, columns)]]
  for row in rows:
    found = [_cell(table, {down: row, across: column}) for column in columns]
    words = [str(getattr(cell, split)) if cell else '' for cell in found]
    lines.append([str(row), *words])
  return lines


def write(name: str, table: DatasetTable, folder: pathlib.Path) -> None:
  """Writes heatmap-<name>.png and .svg if the table can be drawn.

  Args:
    name: of the data set.
    table: its combinations.
    folder: where the files go.

  Raises:
    WorkdirError: if one cannot be written.
  """
  if can_draw(table):
    drawn = figure(table)
    for kind in ('png', 'svg'):
      picture = io.BytesIO()
      drawn.savefig(picture, format=kind, dpi=150)
      path = folder / f'heatmap-{name}.{kind}'
      with (
        workdirs.explained(folder),
        storage.whole_file(path, binary=True) as file,
      ):
        file.write(picture.getbuffer())


def figure(table: DatasetTable) -> Any:
  """A matplotlib figure: validation and test side by side, with the numbers.

  Args:
    table: one that `can_draw` admits.
  """
  from matplotlib.figure import Figure  # slow to import

  (down, rows), (across, columns) = table.axes.items()
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
    f'{table.title}: {documents.metric_name(table.metric)} in %,'
    f' {documents.SPREAD} over seeds',
    parse_math=False,  # a dollar in a name is a dollar
  )
  return drawn


def _draw_panel(panel: Any, table: DatasetTable, split: str) -> None:
  (down, rows), (across, columns) = table.axes.items()
  means = np.full((len(rows), len(columns)), np.nan)
  for (i, row), (j, column) in itertools.product(
    enumerate(rows), enumerate(columns)
  ):
    cell = _cell(table, {down: row, across: column})
    if cell:
      means[i, j] = getattr(cell, split).mean
  panel.imshow(means, cmap='cividis', aspect='auto')
  panel.grid(visible=False)
  middle = (np.nanmin(means) + np.nanmax(means)) / 2
  for i, line in enumerate(grid(table, split)[1:]):
    for j, word in enumerate(line[1:]):
      color = 'black' if means[i, j] > middle else 'white'
      panel.text(j, i, word, ha='center', va='center', color=color, size=9)


def _cell(table: DatasetTable, wanted: dict[str, Any]) -> Row | None:
  """The finished row that has those values."""
  for row in placed(table):
    if all(row.changes[k] == v for k, v in wanted.items()):
      return row
  return None


def short(field: str) -> str:
  """The last part of a field's name, as words."""
  return field.rpartition('.')[2].replace('_', ' ')
