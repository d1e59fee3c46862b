"""The page of a sweep: heatmaps, what accuracy costs, all axes at once."""

import math
import pathlib
from typing import Any

import matplotlib.colors
import numpy as np

from experiments import documents
from experiments.pages import drawing
from experiments.pages.page import Page
from experiments.pages.page import Section
from experiments.pages.page import Table
from experiments.sweeps import heatmaps
from experiments.sweeps import outputs
from experiments.sweeps import summaries
from experiments.sweeps.summaries import DatasetTable
from experiments.sweeps.summaries import Row
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

_COSTS = {
  'num_parameters': 'number of parameters',
  'seconds': 'seconds of training a seed',
}
_MOST_TICKS = 8  # numbers of an axis that stand in equal distances
_RANKS = matplotlib.colors.LinearSegmentedColormap.from_list(
  'ranks', [drawing.QUIET, drawing.ACCENT]
)  # seen on light and on dark
_UNCHANGED = 'as it is'  # where a row leaves a field to the config


def make(workdir: pathlib.Path) -> Page:
  """The page of all combinations that have a finished trial.

  Raises:
    WorkdirError: if there is none, or a file is damaged.
  """
  content = workdirs.read_json(workdir, summaries.FILE)
  try:
    summary = summaries.Summary.from_json(content)
  except ValueError as error:
    raise WorkdirError(
      workdir / summaries.FILE,
      f'holds {error}',
      'the command of the sweep writes it again',
    ) from error
  found = {name: own for name, own in summary.tables.items() if own.finished}
  if not found:
    raise WorkdirError('workdir', f'{workdir} has no finished trial yet')
  return Page(
    title='Sweep of ' + ', '.join(table.title for table in found.values()),
    lead=(
      'A combination is one choice of values for the swept fields of the'
      ' config, trained once for each seed. The best is the one with the'
      ' highest validation score; the test score is shown and chooses nothing.'
      f' The command of the sweep: {summary.command}'
    ),
    sections=[_section(name, table) for name, table in found.items()],
  )


def _section(name: str, table: DatasetTable) -> Section:
  charts = []
  if heatmaps.can_draw(table):
    charts.append(_heatmap(name, table))
  elif table.axes:
    charts.append(_parallel(name, table))
  charts += [_pareto(name, table, cost) for cost in _COSTS]
  best = table.finished[0]
  words = ', '.join(_setting(best, table))
  return Section(
    table.title,
    f'Best on the validation nodes: {words or "the config as it is"}, with'
    f' {best.val} % {documents.metric_name(table.metric)} there, and'
    f' {best.test} % on the test nodes'
    + ('.' if best.n == 1 else f' ({documents.SPREAD} over {best.n} seeds).'),
    [
      *charts,
      Table(
        f'all combinations, in %: {documents.SPREAD} over the seeds',
        outputs.cells(table),
      ),
    ],
    f'sweep on {table.title}',
  )


def _setting(row: Row, table: DatasetTable) -> list[str]:
  """The fields that differ between rows, as words."""
  axes = [name for name in table.axes if name in row.changes]
  return [f'{heatmaps.short(name)} {row.changes[name]}' for name in axes]


def _describe(row: Row, table: DatasetTable) -> str:
  return (
    ', '.join(_setting(row, table))
    + f'\nvalidation {row.val} %\ntest {row.test} %, n {row.n}'
  )


def _heatmap(name: str, table: DatasetTable) -> drawing.Chart:
  figure = heatmaps.figure(table)
  (down, rows), (across, columns) = table.axes.items()
  texts, x, y = [], [], []
  for row in heatmaps.placed(table):
    x.append(columns.index(row.changes[across]))
    y.append(rows.index(row.changes[down]))
    texts.append(_describe(row, table))
  return drawing.Chart(
    name=f'heatmap-{name}',
    title=f'Scores by {heatmaps.short(down)} and {heatmaps.short(across)}',
    caption=(
      'Mean ± sample deviation over the seeds, in %; light is high, each side'
      ' has a scale of its own. Choose by the left side; the right one tells'
      ' what that choice is worth.'
    ),
    alt=(
      f'Heatmaps of validation and test score over {len(rows)} values of'
      f' {heatmaps.short(down)} and {len(columns)} of {heatmaps.short(across)}.'
    ),
    figure=figure,
    spots=tuple(drawing.Spots(panel, x, y, texts) for panel in figure.axes),
    wide=True,
  )


def _pareto(name: str, table: DatasetTable, cost: str) -> drawing.Chart:
  rows = table.finished
  prices = [getattr(row, cost) for row in rows]
  costs = np.array(prices, float)
  scores = np.array([100 * row.val.mean for row in rows])
  front = pareto_front(costs, scores)
  figure, axes = drawing.figure()
  axes.plot(
    costs,
    scores,
    'o',
    color=drawing.QUIET,
    markersize=5,
    label='a combination, mean of its seeds',
  )
  axes.plot(
    costs[front],
    scores[front],
    'o-',
    color=drawing.COLORS[0],
    label='none is better at this price (Pareto front)',
  )
  figure.legend(loc='outside lower center')
  drawing.use_log_scale(axes)
  axes.set_xlabel(_COSTS[cost])
  metric = documents.metric_name(table.metric)
  axes.set_ylabel(f'validation {metric}, %')
  cheapest, best = front[0], front[-1]
  return drawing.Chart(
    name=f'pareto-{cost.replace("num_", "")}-{name}',
    title=f'Validation {metric} against {_COSTS[cost]}',
    caption=(
      'The line joins the combinations that nothing beats at their price, from'
      f' {_price(prices[cheapest])} {_unit(cost)} ({scores[cheapest]:.1f} %) to'
      f' {_price(prices[best])} ({scores[best]:.1f} %).'
    ),
    alt=(
      f'Scatter plot of {len(rows)} combinations, {len(front)} of them on the'
      ' Pareto front.'
    ),
    figure=figure,
    spots=(
      drawing.Spots(
        axes,
        costs,
        scores,
        [
          f'{_describe(row, table)}\n{_price(price)} {_unit(cost)}'
          for row, price in zip(rows, prices, strict=True)
        ],
      ),
    ),
  )


def _price(value: float) -> str:
  return f'{value:,}' if isinstance(value, int) else f'{value:.1f}'


def _unit(cost: str) -> str:
  return 's a seed' if cost == 'seconds' else 'parameters'


def pareto_front(costs: np.ndarray, scores: np.ndarray) -> list[int]:
  """The Pareto front: what nothing at the same price or below surpasses.

  Args:
    costs: [n].
    scores: [n]; high is good.

  Returns:
    Indices, the cheapest first.
  """
  front: list[int] = []
  for index in np.lexsort((-scores, costs)):
    if not front or scores[index] > scores[front[-1]]:
      front.append(int(index))
  return front


def _parallel(name: str, table: DatasetTable) -> drawing.Chart:
  rows = table.finished
  columns = {
    heatmaps.short(field): [row.changes.get(field, _UNCHANGED) for row in rows]
    for field in table.axes
  }
  columns['validation, %'] = [100 * row.val.mean for row in rows]
  columns['test, %'] = [100 * row.test.mean for row in rows]
  figure, axes = drawing.figure(width=1.5 + 1.5 * len(columns), height=4)
  heights = np.stack(
    [_axis(axes, x, *c) for x, c in enumerate(columns.items())]
  )
  order = np.argsort([row.val.mean for row in rows])
  rank = np.argsort(order) / max(1, len(rows) - 1)
  for index in order:  # the best on top
    axes.plot(heights[:, index], **_line(rank[index]))
  for place, word in ((1.0, 'best'), (0.5, 'middle'), (0.0, 'worst')):
    line = _line(place) | {'label': f'{word} combination on validation'}
    axes.plot([], [], **line)
  figure.legend(loc='outside lower center', ncols=3)
  axes.set_xticks(range(len(columns)), columns)
  axes.set_yticks([])
  axes.set_xlim(-0.3, len(columns) - 0.4)
  axes.grid(visible=False)
  axes.spines[:].set_visible(False)
  texts = [_describe(row, table) for row in rows]
  return drawing.Chart(
    name=f'parallel-{name}',
    title='All swept fields and the scores at once',
    caption=(
      'One line a combination: it crosses each vertical line at the value that'
      ' it has there. The redder and thicker it is, the better on the'
      ' validation nodes. Where thick lines meet, a value matters.'
    ),
    alt=(
      f'Parallel coordinates of {len(rows)} combinations over'
      f' {", ".join(columns)}.'
    ),
    figure=figure,
    spots=tuple(
      drawing.Spots(axes, np.full(len(rows), x), line, texts)
      for x, line in enumerate(heights)
    ),
    wide=True,
  )


def _line(rank: float) -> dict[str, Any]:
  """How a combination is drawn, from the worst, 0, to the best, 1."""
  return {
    'color': _RANKS(rank),
    'alpha': 0.35 + 0.6 * rank,
    'linewidth': 1 + 1.5 * rank**4,
  }


def _axis(axes, x: int, name: str, values: list[Any]) -> np.ndarray:
  """Draws a vertical axis; returns the heights of the values, 0 to 1."""
  axes.axvline(x, color=drawing.QUIET, linewidth=1)
  different = sorted(set(values), key=lambda v: (not _is_number(v), v))
  is_score = name in ('validation, %', 'test, %')
  if (is_score or len(different) > _MOST_TICKS) and all(
    map(_is_number, different)
  ):
    low, high = different[0], different[-1]
    change = math.log if low > 0 and high > 50 * low else float
    span = (change(high) - change(low)) or 1.0
    heights = {v: (change(v) - change(low)) / span for v in different}
    ticks = {low, high}
  else:
    places = np.linspace(0, 1, len(different)) if different[1:] else [0.5]
    heights = dict(zip(different, places, strict=True))
    ticks = set(different)
  for value in ticks:
    word = f'{value:.4g}' if isinstance(value, float) else str(value)
    axes.text(x + 0.04, heights[value], word, size=8, va='bottom')
  return np.array([heights[value] for value in values])


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float)
