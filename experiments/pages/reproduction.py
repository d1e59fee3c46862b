"""The page of a reproduction: forests, seeds, ablations."""

from collections.abc import Sequence
import pathlib

import numpy as np

from experiments import documents
from experiments.pages import drawing
from experiments.pages.page import Page
from experiments.pages.page import Section
from experiments.pages.page import Table
from experiments.reproduction import formats
from experiments.reproduction import ledger
from experiments.reproduction import reports
from experiments.reproduction.reports import RowResult
from experiments.reproduction.reports import TableResult
from experiments.reproduction.verdicts import Published
from experiments.reproduction.verdicts import Sample
from gat_jax.errors import WorkdirError

_MARGIN = 1.0  # points; used before the first tables are written


def is_one(workdir: pathlib.Path) -> bool:
  """Whether the folder is that of a reproduction."""
  return (workdir / ledger.FOLDER).is_dir()


def make(workdir: pathlib.Path) -> Page:
  """The page of all rows that have a finished seed.

  Raises:
    WorkdirError: if there is none, or a file is damaged.
  """
  margin = formats.read_margin(workdir)
  report = reports.collect(workdir, _MARGIN if margin is None else margin)
  if not report.tables:
    raise WorkdirError('workdir', f'{workdir} has no finished seed yet')
  judged = [
    row.verdict.word
    for table in report.tables.values()
    for row in table.rows
    if row.verdict
  ]
  words = sorted(set(judged), key=judged.index)
  lead = ', '.join(f'{judged.count(word)} {word}' for word in words)
  return Page(
    title='Does the paper hold?',
    lead=(
      f'Rows with a published figure: {lead or "none"}; differences below'
      f' {_points(report.margin)} count as none.'
    ),
    sections=[
      _section(name, table, report.margin)
      for name, table in report.tables.items()
    ],
  )


def _section(name: str, table: TableResult, margin: float) -> Section:
  charts = [_seeds(name, table.rows)]
  published = [row for row in table.rows if row.verdict]
  paired = [row for row in table.rows if row.against and row.against.pairs]
  if paired:
    charts.append(_ablations(name, paired, table.baseline))
  elif published:
    charts.insert(0, _forest(name, published, margin))
  return Section(
    table.title,
    items=[Table('rows', formats.cells(table)), *charts],
  )


def _rows_figure(rows: Sequence[RowResult]):
  """A line for each row, the first on top."""
  figure, axes = drawing.figure(height=1.2 + 0.36 * len(rows))
  axes.set_yticks(range(len(rows)), [row.row.name for row in rows])
  axes.set_ylim(len(rows) - 0.4, -0.6)
  axes.grid(visible=False, axis='y')
  return figure, axes


def _draw_means(axes, means, intervals) -> None:
  """A dot for each row, on its interval if it has one."""
  color = drawing.COLORS[0]
  for y, (mean, interval) in enumerate(zip(means, intervals, strict=True)):
    if interval:
      axes.hlines(y, *interval, color=color, linewidth=2)
    axes.plot(mean, y, 'o', color=color, markersize=5)


def _forest(
  name: str, rows: Sequence[RowResult], margin: float
) -> drawing.Chart:
  """Of the rows that have a published figure."""
  figure, axes = _rows_figure(rows)
  axes.axvline(0, color=drawing.ACCENT, linewidth=2, label='the paper')
  axes.axvspan(
    -margin,
    margin,
    color=drawing.ACCENT,
    alpha=0.15,
    linewidth=0,
    label=f'± {_points(margin)}',
  )
  differences = [row.verdict.difference for row in rows]
  intervals = [
    row.sample.interval
    and [end - row.row.published.mean for end in row.sample.interval]
    for row in rows
  ]
  _draw_means(axes, differences, intervals)
  axes.set_xlabel("points above the paper's figure")
  figure.legend(loc='outside upper right', ncols=2)
  texts = [
    f'{row.row.name}\nhere {_score(row.sample)}, n {row.sample.n}'
    f'\npaper {_score(row.row.published)}: {row.verdict.word}'
    for row in rows
  ]
  return drawing.Chart(
    name=f'forest-{name}',
    title='Against the paper',
    caption=(
      'Dots are means over seeds less the published ones, with bootstrap 95 %'
      f' intervals; shaded is what is within {_points(margin)} of the paper.'
      ' The verdict is that of the test in the table.'
    ),
    alt='Forest plot: ' + '; '.join(t.replace('\n', ', ') for t in texts),
    figure=figure,
    spots=(drawing.Spots(axes, differences, range(len(rows)), texts),),
  )


def _points(number: float) -> str:
  return f'{number:g} point' if number == 1 else f'{number:g} points'


def _score(found: Sample | Published) -> str:
  return documents.mean_and_deviation(found.mean, found.std)


def _seeds(name: str, rows: Sequence[RowResult]) -> drawing.Chart:
  figure, axes = _rows_figure(rows)
  spots = []
  for y, row in enumerate(rows):
    # The same jitter for a seed in every row.
    jitter = [(seed * 0.618) % 1 * 0.5 - 0.25 for seed in row.scores]
    heights = y + np.array(jitter)
    values = list(row.scores.values())
    axes.plot(values, heights, 'o', markersize=3, alpha=0.5)
    axes.vlines(np.median(values), y - 0.36, y + 0.36, color=drawing.INK)
    texts = [
      f'{row.row.name}, seed {seed}: {score:.2f}'
      for seed, score in row.scores.items()
    ]
    spots.append(drawing.Spots(axes, values, heights, texts))
  axes.set_xlabel('test score, points')
  return drawing.Chart(
    name=f'seeds-{name}',
    title='Every seed',
    caption=(
      'One dot a seed, the line is the median. What one seed alone reports may'
      ' lie anywhere in its row.'
    ),
    alt='Strip plot of the test scores of all seeds for '
    + ', '.join(f'{row.row.name} ({row.sample.n})' for row in rows),
    figure=figure,
    spots=tuple(spots),
  )


def _ablations(
  name: str, rows: Sequence[RowResult], baseline: str
) -> drawing.Chart:
  figure, axes = _rows_figure(rows)
  axes.axvline(0, color=drawing.QUIET, linewidth=1)
  means = [row.against.difference for row in rows]
  _draw_means(axes, means, [row.against.pairs.interval for row in rows])
  texts = [
    f'{row.row.name}: {mean:+.2f}\n'
    + ', '.join(f'{k}={v}' for k, v in row.row.changes.items())
    for row, mean in zip(rows, means, strict=True)
  ]
  axes.set_xlabel(f'points against {baseline}, seed by seed')
  return drawing.Chart(
    name=f'ablations-{name}',
    title='What each departure costs',
    caption=(
      f'Mean difference to {baseline} over the seeds that both have,'
      ' with its bootstrap 95 % interval. Left of zero a departure costs'
      ' accuracy; an interval over zero cannot tell.'
    ),
    alt='Forest plot: ' + '; '.join(t.partition('\n')[0] for t in texts),
    figure=figure,
    spots=(drawing.Spots(axes, means, range(len(rows)), texts),),
  )
