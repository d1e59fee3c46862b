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
from experiments.reproduction import verdicts
from experiments.reproduction.reports import RowResult
from experiments.reproduction.reports import TableResult
from experiments.reproduction.verdicts import Published
from experiments.reproduction.verdicts import Sample
from gat_jax.errors import WorkdirError


def is_one(workdir: pathlib.Path) -> bool:
  """Whether the folder is that of a reproduction."""
  return (workdir / ledger.FOLDER).is_dir()


def make(workdir: pathlib.Path) -> Page:
  """The page of all rows that have a finished seed.

  Raises:
    WorkdirError: if there is none, or a file is damaged.
  """
  margin = formats.read_margin(workdir)
  report = reports.collect(
    workdir, reports.MARGIN if margin is None else margin
  )
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
  margin = _points(report.margin)
  return Page(
    title='Does the paper hold?',
    lead=(
      f'Rows with a published figure: {lead or "none"}. A difference to the'
      f' paper below {margin} counts as none.'
    ),
    sections=[
      Section('How to read it', _explanation(margin)),
      *(
        _section(name, table, report.margin)
        for name, table in report.tables.items()
      ),
    ],
  )


def _explanation(margin: str) -> str:
  """What the words of the tables mean, a paragraph a line."""
  level = f'{verdicts.ALPHA:g}'
  return '\n'.join(
    [
      'A row is one model on one data set, trained n times, each time from'
      ' another seed (its random numbers). Scores are those of the test nodes,'
      ' in %. After ± stands the sample deviation over the n seeds, of the'
      " paper over its own runs. A difference is the mean here less the paper's"
      ' figure, in percentage points.',
      'The 95 % interval holds the means of 95 of 100 draws of n seeds from'
      ' those that were trained, with repetition (bootstrap). A p is how likely'
      ' such numbers would be by chance: Welch p if there were no difference,'
      f' TOST p if there were one of {margin} or more.',
      f'The verdict is reproduced where TOST p is below {level}: the difference'
      f' is smaller than {margin}. Else it is better or worse where Welch p is'
      f' below {level}: there is a difference. Else it is undecided, and the'
      ' table says how many seeds are needed to decide it, if any number would.'
      ' In a column "against" stands the difference to another row, the'
      ' baseline, over the seeds that both have, with its interval and the p of'
      ' no difference; it is called equal where two one-sided tests say that it'
      f' is below {margin}. Epochs are the mean of a seed, hours those of all'
      ' seeds together.',
    ]
  )


def _section(name: str, table: TableResult, margin: float) -> Section:
  charts = [_seeds(name, table.rows)]
  published = [row for row in table.rows if row.verdict]
  compared = [row for row in table.rows if row.against]
  if table.departures:
    if compared:
      charts.append(_ablations(name, compared, table.baseline))
  elif published:
    charts.insert(0, _forest(name, published, margin))
  return Section(
    table.title,
    items=[
      Table(f'rows, in %: {documents.SPREAD}, n seeds', formats.cells(table)),
      *charts,
    ],
    subject=table.title,
  )


def _rows_figure(rows: Sequence[RowResult]):
  """A line for each row, the first on top, named with its number of seeds."""
  figure, axes = drawing.figure(height=1.5 + 0.36 * len(rows))
  names = [f'{row.row.name} (n = {row.sample.n})' for row in rows]
  axes.set_yticks(range(len(rows)), names)
  axes.set_ylim(len(rows) - 0.4, -0.6)
  axes.grid(visible=False, axis='y')
  return figure, axes


def _draw_means(axes, means, intervals, what: str) -> None:
  """A dot for each row, on its interval if it has one, and its legend."""
  color = drawing.COLORS[0]
  interval = ', 95 % bootstrap interval' if any(intervals) else ''
  axes.plot(
    [],
    [],
    'o-' if interval else 'o',
    color=color,
    linewidth=2,
    markersize=5,
    label=what + interval,
  )
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
    -100 * margin,
    100 * margin,
    color=drawing.ACCENT,
    alpha=0.15,
    linewidth=0,
    label=f'± {_points(margin)}',
  )
  differences = [100 * row.verdict.difference for row in rows]
  intervals = [
    row.sample.interval
    and [100 * (x - row.row.published.mean) for x in row.sample.interval]
    for row in rows
  ]
  _draw_means(axes, differences, intervals, 'mean of n seeds')
  axes.set_xlabel("test score less the paper's figure, percentage points")
  figure.legend(loc='outside lower center', ncols=2)
  texts = [
    f'{row.row.name}\nhere {_score(row.sample)} %, n {row.sample.n}'
    f'\npaper {_score(row.row.published)} %: {row.verdict.word}'
    for row in rows
  ]
  return drawing.Chart(
    name=f'forest-{name}',
    title='Test scores against those of the paper',
    caption=(
      'Dots are means over n seeds less the published ones, with bootstrap 95 %'
      f' intervals; shaded is what is within {_points(margin)} of the paper.'
      ' The verdict is that of the test in the table.'
    ),
    alt='Forest plot: ' + '; '.join(t.replace('\n', ', ') for t in texts),
    figure=figure,
    spots=(drawing.Spots(axes, differences, range(len(rows)), texts),),
  )


def _points(fraction: float) -> str:
  number = f'{100 * fraction:g}'
  return f'{number} point' if number == '1' else f'{number} points'


def _score(found: Sample | Published) -> str:
  return documents.mean_and_deviation(found.mean, found.std)


def _seeds(name: str, rows: Sequence[RowResult]) -> drawing.Chart:
  figure, axes = _rows_figure(rows)
  spots = []
  for y, row in enumerate(rows):
    # The same jitter for a seed in every row.
    jitter = [(seed * 0.618) % 1 * 0.5 - 0.25 for seed in row.scores]
    heights = y + np.array(jitter)
    values = [100 * score for score in row.scores.values()]
    axes.plot(
      values,
      heights,
      'o',
      color=drawing.COLORS[0],
      markersize=3,
      alpha=0.5,
      label=None if y else 'one seed',
    )
    axes.vlines(
      np.median(values),
      y - 0.36,
      y + 0.36,
      color=drawing.INK,
      label=None if y else 'median of a row',
    )
    texts = [
      f'{row.row.name}, seed {seed}: {100 * score:.2f} %'
      for seed, score in row.scores.items()
    ]
    spots.append(drawing.Spots(axes, values, heights, texts))
  axes.set_xlabel('test score, %')
  figure.legend(loc='outside lower center', ncols=2)
  return drawing.Chart(
    name=f'seeds-{name}',
    title='Test score of every seed',
    caption=(
      'One dot a seed; the line is the median, with half of the seeds on either'
      ' side. What one seed alone reports may lie anywhere in its row.'
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
  means = [100 * row.against.difference for row in rows]
  intervals = [row.against.pairs.interval for row in rows]
  _draw_means(
    axes,
    means,
    [i and [100 * x for x in i] for i in intervals],
    'mean of n seeds',
  )
  texts = [
    f'{row.row.name}: {mean:+.2f} percentage points\n'
    + ', '.join(f'{k}={v}' for k, v in row.row.changes.items())
    for row, mean in zip(rows, means, strict=True)
  ]
  axes.set_xlabel(f'test score less that of {baseline}, percentage points')
  figure.legend(loc='outside lower center')
  return drawing.Chart(
    name=f'ablations-{name}',
    title=f'Test scores against those of {baseline}, seed by seed',
    caption=(
      'A departure is the baseline with one thing changed. Drawn is the mean'
      f' difference to the baseline, {baseline}, over the seeds that both have,'
      ' with its bootstrap 95 % interval. Left of zero a departure costs'
      ' accuracy; an interval over zero cannot tell.'
    ),
    alt='Forest plot: ' + '; '.join(t.partition('\n')[0] for t in texts),
    figure=figure,
    spots=(drawing.Spots(axes, means, range(len(rows)), texts),),
  )
