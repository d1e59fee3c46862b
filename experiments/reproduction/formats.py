"""A report as text: Markdown, LaTeX, CSV, JSON, and a table for the terminal.

It computes nothing; the numbers come from `reports`.
"""

import json
import os
import pathlib

from experiments import documents
from experiments.reproduction import summaries
from experiments.reproduction import verdicts
from experiments.reproduction.reports import Report
from experiments.reproduction.reports import RowResult
from experiments.reproduction.reports import TableResult
from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

_NAME = 'reproduction'
FILE = f'{_NAME}.json'
_RULES = {
  'both': 'both',
  'accuracy': 'score',
  'loss': 'loss',
  'none': 'last epoch',
}
_EXPLAINED = """# Results

{summary}

## How to read the tables

Test scores in %; ± is the sample deviation over n seeds. Differences are in
points of %.

- 95 % interval: of the mean, by bootstrap.
- validation: mean score of the validation nodes in the epochs that were kept.
- Welch p: of no difference to the paper's figure, by Welch's t-test.
- TOST p: of a difference of at least {margin:g} in %, by two one-sided t-tests.
- verdict: reproduced where TOST p is below {alpha:g}; else better or worse
  where Welch p is below {alpha:g}; else undecided.
- seeds needed: how many would decide it, if mean and deviation stay as they
  are.
- against: the mean difference to that row over the seeds that both have, its
  interval, and p of no difference. Equal: it is below {margin:g} in %, by two
  one-sided t-tests over the pairs.

reproduction.json and .csv hold the same as fractions between 0 and 1.
"""


def write(
  report: Report, workdir: str | os.PathLike, output: str | None
) -> None:
  """Writes all formats, each file whole or not at all.

  Args:
    report: what they say.
    workdir: where reproduction.json, .csv, .md and .tex go.
    output: a Markdown file that gets each table as a section of its own, so
      that the tables of another workdir stay in it.

  Raises:
    WorkdirError: if one of them cannot be written.
  """
  texts = {
    FILE: json.dumps(report.to_json(), indent=2, allow_nan=False),
    f'{_NAME}.csv': as_csv(report),
    f'{_NAME}.md': markdown(report),
    f'{_NAME}.tex': latex(report),
  }
  for name, text in texts.items():
    path = pathlib.Path(workdir, name)
    with workdirs.explained(path, path), storage.whole_file(path) as file:
      file.write(text.rstrip('\n') + '\n')
  if output:
    for name, text in _sections(report).items():
      documents.put_section(output, name, text)


def read_margin(workdir: str | os.PathLike) -> float | None:
  """The margin of the last report that was written, a fraction, if one was.

  Raises:
    WorkdirError: if its file is damaged.
  """
  path = pathlib.Path(workdir, FILE)
  if not path.exists():
    return None
  try:
    content = workdirs.read_json(workdir, FILE)
    margin = float(content['margin']) / documents.per_unit(content)
    if not 0 <= margin < 1:
      raise ValueError(f'a margin of {margin:g} is no fraction')
    return margin
  except (KeyError, TypeError, ValueError) as error:
    raise WorkdirError(
      path, 'is damaged', 'experiments.reproduce writes it again'
    ) from error


def markdown(report: Report) -> str:
  """All tables with what they mean and what they were made with."""
  return '\n'.join(_sections(report).values())


def _sections(report: Report) -> dict[str, str]:
  """What the tables mean, then each table, by the names of their sections."""
  sections = {
    _NAME: _EXPLAINED.format(
      summary=summaries.summary(report),
      margin=100 * report.margin,
      alpha=verdicts.ALPHA,
    )
  }
  for name, table in report.tables.items():
    text = documents.markdown_table(cells(table))
    rules = _rules_text(table)
    sections[f'{_NAME} of {name}'] = (
      f'## {table.title}\n\n`{report.command(name)}`\n\n{text}\n{rules}\n'
      f'{_made_with(table)}\n'
    )
  return sections


def latex(report: Report) -> str:
  """All tables for `booktabs`."""
  parts = []
  for table in report.tables.values():
    header, *rows = (
      [_latex_escape(cell) for cell in line] for line in cells(table)
    )
    body = ' \\\\\n'.join(' & '.join(row) for row in rows)
    title = _latex_escape(f'{table.title}, {documents.SPREAD}, n seeds')
    parts.append(
      f'\\begin{{tabular}}{{l{"r" * (len(header) - 1)}}}\n'
      f'\\toprule\n\\multicolumn{{{len(header)}}}{{l}}{{{title}}} \\\\\n'
      f'\\midrule\n{" & ".join(header)} \\\\\n\\midrule\n{body} \\\\\n'
      '\\bottomrule\n\\end{tabular}\n'
    )
  return '\n'.join(parts)


def as_csv(report: Report) -> str:
  """One line a row, numbers in full."""
  lines = [
    {'table': name} | _record(row)
    for name, table in report.tables.items()
    for row in table.rows
  ]
  return documents.as_csv(lines)


def _record(row: RowResult) -> dict[str, str | float | None]:
  """A row as one flat record; None where there is no number."""
  published, verdict, against = row.row.published, row.verdict, row.against
  low, high = row.sample.interval or (None, None)
  return {
    'row': row.row.name,
    'mean': row.sample.mean,
    'std': row.sample.std,
    'n': row.sample.n,
    'low': low,
    'high': high,
    'validation': row.validation,
    'paper_mean': published and published.mean,
    'paper_std': published and published.std,
    'difference': verdict and verdict.difference,
    'welch_p': verdict and verdict.welch_p,
    'tost_p': verdict and verdict.tost_p,
    'verdict': verdict and verdict.word,
    'seeds_needed': verdict and verdict.seeds_needed,
    'against_baseline': against and against.difference,
    'against_baseline_p': against and against.p,
    'against_baseline_tost_p': against and against.tost_p,
    **{f'rule_{rule}': row.rules.get(rule) for rule in _RULES},
    'mean_epochs': row.mean_epochs,
    'hours': row.hours,
  }


def terminal(table: TableResult) -> documents.TerminalTable:
  """One table for the terminal; a narrow one shows what it is read for."""
  told = [f'against {table.baseline}']
  return documents.TerminalTable(
    table.title,
    cells(table),
    important=[
      *('model', 'here', 'n'),
      *(told if table.departures else ('paper', 'difference', 'verdict')),
    ],
    caption=f'{documents.SPREAD}, n seeds',
    file=f'{_NAME}.md',
  )


def cells(table: TableResult) -> list[list[str]]:
  """A table as words, its header first; columns without a word are left out."""
  lines = [_words(row, table.baseline) for row in table.rows]
  header = [name for name in lines[0] if any(line[name] for line in lines)]
  return [header, *([line[name] for name in header] for line in lines)]


def _words(row: RowResult, baseline: str) -> dict[str, str]:
  """A row by the names of its columns; empty where there is nothing to say."""
  published, verdict, sample = row.row.published, row.verdict, row.sample
  return {
    'model': row.row.name,
    'here': documents.mean_and_deviation(sample.mean, sample.std),
    'n': str(sample.n),
    '95 % interval': _interval(sample.interval),
    'validation': documents.per_cent(row.validation),
    'paper': documents.mean_and_deviation(published.mean, published.std)
    if published
    else '',
    'difference': documents.per_cent(verdict.difference, sign=True)
    if verdict
    else '',
    'Welch p': _p(verdict and verdict.welch_p),
    'TOST p': _p(verdict and verdict.tost_p),
    'verdict': verdict.word if verdict else '',
    'seeds needed': f'{verdict.seeds_needed:,}'
    if verdict and verdict.seeds_needed
    else '',
    f'against {baseline}': _against(row),
    'epochs': f'{row.mean_epochs:,.0f}',
    'hours': f'{row.hours:.2f}',
  }


def _interval(interval: tuple[float, float] | None) -> str:
  return ' to '.join(documents.per_cent(end) for end in interval or ())


def _p(value: float | None) -> str:
  if value is None:
    return ''
  return f'{value:.3f}' if value >= 0.001 else '< 0.001'


def _against(row: RowResult) -> str:
  against = row.against
  if not against:
    return ''
  text = documents.per_cent(against.difference, sign=True)
  if against.p is None:
    return text
  text += f' ({_interval(against.pairs.interval)}), p {_p(against.p)}'
  return f'{text}, equal' if against.equivalent else text


def _rules_text(table: TableResult) -> str:
  """What each rule would have reported, as a second Markdown table."""
  rows = [row for row in table.rows if row.rules]
  if not rows:
    return ''
  lines = [['model', *(f'stopped by {name}' for name in _RULES.values())]]
  for row in rows:
    told = {r: documents.per_cent(value) for r, value in row.rules.items()}
    lines.append([row.row.name, *(told.get(rule, '') for rule in _RULES)])
  said = (
    'What early stopping would have reported by another rule, mean test score'
    ' in %; both is the rule of the authors: score and loss together.'
  )
  return f'\n{said}\n\n{documents.markdown_table(lines)}\n'


def _made_with(table: TableResult) -> str:
  made = []
  for row in table.rows:
    made += [version for version in row.versions if version not in made]
  words = '; '.join(
    ', '.join(
      value if key == 'machine' else f'{key} {value}'
      for key, value in version.items()
    )
    for version in made
  )
  return f'Last seed on {max(row.finished for row in table.rows)}; {words}.'


def _latex_escape(text: str) -> str:
  for char in '&%_#':
    text = text.replace(char, '\\' + char)
  return text.replace('±', '$\\pm$').replace('<', '$<$')
