"""A report as Markdown, LaTeX, CSV, JSON and for the terminal."""

import json
import os
import pathlib
from typing import Any

from rich import box
from rich.table import Table

from experiments import documents
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

NAME = 'reproduction'
FILE = f'{NAME}.json'
_RULES = {
  'both': 'both',
  'accuracy': 'score',
  'loss': 'loss',
  'none': 'last epoch',
}


def write(
  report: dict[str, Any], workdir: str | os.PathLike, output: str | None
) -> None:
  """Writes all formats, each whole or not at all.

  Args:
    report: see `reports.collect`.
    workdir: where reproduction.json, .csv, .md and .tex go.
    output: a Markdown file that gets each table as a section of its own, so
      that those of another workdir stay.

  Raises:
    WorkdirError: if one of them cannot be written.
  """
  files = {
    f'{workdir}/{FILE}': json.dumps(report, indent=2, allow_nan=False),
    f'{workdir}/{NAME}.csv': as_csv(report),
    f'{workdir}/{NAME}.md': markdown(report),
    f'{workdir}/{NAME}.tex': latex(report),
  }
  for path, text in files.items():
    try:
      workdirs.write_text(pathlib.Path(path), text.rstrip('\n') + '\n')
    except OSError as error:
      raise WorkdirError(f'{path} cannot be written: {error}') from error
  if output:
    for name, text in _sections(report).items():
      documents.put_section(output, name, text)


def markdown(report: dict[str, Any]) -> str:
  """All tables with what they mean and what they were made with."""
  return '\n'.join(_sections(report).values())


def _sections(report: dict[str, Any]) -> dict[str, str]:
  """What the tables mean, then each table, by the names of their sections."""
  sections = {
    NAME: '# Reproduction\n\nWritten by `python -m experiments.reproduce`:'
    ' means and sample deviations of test scores over seeds, in points;'
    " bootstrap 95 % intervals of the mean; Welch's test against the paper's"
    ' figure; TOST is the p of two one-sided tests of a difference of'
    f' {report["margin"]:g} points or more.\n'
  }
  for name, table in report['tables'].items():
    text = documents.markdown_table(cells(table))
    rules = _rules_text(table)
    sections[f'{NAME} of {name}'] = (
      f'## {table["title"]}\n\n`python -m experiments.reproduce --table={name}`'
      f'\n\n{text}\n{rules}\n{_made_with(table)}\n'
    )
  return sections


def latex(report: dict[str, Any]) -> str:
  """All tables for `booktabs`."""
  parts = []
  for table in report['tables'].values():
    header, *rows = (
      [_latex_escape(cell) for cell in line] for line in cells(table)
    )
    body = ' \\\\\n'.join(' & '.join(row) for row in rows)
    parts.append(
      f'% {table["title"]}\n\\begin{{tabular}}{{l{"r" * (len(header) - 1)}}}\n'
      f'\\toprule\n{" & ".join(header)} \\\\\n\\midrule\n{body} \\\\\n'
      '\\bottomrule\n\\end{tabular}\n'
    )
  return '\n'.join(parts)


def as_csv(report: dict[str, Any]) -> str:
  """One line a row, numbers in full."""
  lines = []
  for name, table in report['tables'].items():
    for row in table['rows']:
      published, verdict = row['published'] or {}, row['verdict'] or {}
      other = row.get('against_baseline') or row.get('paired') or {}
      low, high = row['interval'] or (None, None)
      lines.append(
        {
          'table': name,
          'row': row['name'],
          'mean': row['mean'],
          'std': row['std'],
          'n': row['n'],
          'low': low,
          'high': high,
          'paper_mean': published.get('mean'),
          'paper_std': published.get('std'),
          'difference': verdict.get('difference'),
          'welch_p': verdict.get('welch_p'),
          'tost_p': verdict.get('tost_p'),
          'verdict': verdict.get('word'),
          'seeds_needed': verdict.get('seeds_needed'),
          'against_baseline': other.get('difference', other.get('mean')),
          'against_baseline_p': other.get('p'),
          **{f'rule_{rule}': row['rules'].get(rule) for rule in _RULES},
          'mean_epochs': row['mean_epochs'],
          'hours': row['hours'],
        }
      )
  return documents.as_csv(lines)


def terminal(table: dict[str, Any]) -> Table:
  """One table for the terminal."""
  header, *rows = cells(table)
  shown = Table(title=table['title'], box=box.SIMPLE_HEAD)
  for index, name in enumerate(header):
    shown.add_column(name, justify='left' if index == 0 else 'right')
  for row in rows:
    shown.add_row(*row)
  return shown


def cells(table: dict[str, Any]) -> list[list[str]]:
  """A table as words, its header first; columns without a word are left out."""
  columns: dict[str, list[str]] = {'model': [r['name'] for r in table['rows']]}
  for name, show in _columns(table['baseline']).items():
    words = [show(row) for row in table['rows']]
    if any(words):
      columns[name] = words
  return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def _columns(baseline):
  return {
    'here': lambda r: documents.mean_and_deviation(r['mean'], r['std']),
    'n': lambda r: str(r['n']),
    '95 % interval': lambda r: _interval(r['interval']),
    'paper': lambda r: (
      (
        r['published']
        and documents.mean_and_deviation(
          r['published']['mean'], r['published']['std']
        )
      )
      or ''
    ),
    'difference': lambda r: _of(r, 'verdict', 'difference', '{:+.2f}'),
    'Welch p': lambda r: _p(_get(r, 'verdict', 'welch_p')),
    'TOST p': lambda r: _p(_get(r, 'verdict', 'tost_p')),
    'verdict': _verdict,
    f'against {baseline}': _against,
    'epochs': lambda r: f'{r["mean_epochs"]:,.0f}',
    'hours': lambda r: f'{r["hours"]:.2f}',
  }


def _get(row, part, name):
  return (row.get(part) or {}).get(name)


def _of(row, part, name, form):
  value = _get(row, part, name)
  return '' if value is None else form.format(value)


def _interval(interval):
  return '' if interval is None else f'{interval[0]:.2f} to {interval[1]:.2f}'


def _p(value):
  if value is None:
    return ''
  return f'{value:.3f}' if value >= 0.001 else '< 0.001'


def _verdict(row):
  if not row['verdict']:
    return ''
  word, needed = row['verdict']['word'], row['verdict']['seeds_needed']
  return f'{word} ({needed:,} seeds would decide)' if needed else word


def _against(row):
  if row.get('paired'):
    pair = row['paired']
    text = f'{pair["mean"]:+.2f}'
    if pair['interval']:
      text += f' ({_interval(pair["interval"])})'
  elif row.get('against_baseline'):
    pair = row['against_baseline']
    text = f'{pair["difference"]:+.2f}'
  else:
    return ''
  return text if pair['p'] is None else f'{text}, p {_p(pair["p"])}'


def _rules_text(table):
  """What each rule would have reported, as a second Markdown table."""
  rows = [row for row in table['rows'] if row['rules']]
  if not rows:
    return ''
  lines = [['model', *(f'stopped by {name}' for name in _RULES.values())]]
  for row in rows:
    told = {rule: f'{value:.2f}' for rule, value in row['rules'].items()}
    lines.append([row['name'], *(told.get(rule, '') for rule in _RULES)])
  return f'\n{documents.markdown_table(lines)}\n'


def _made_with(table):
  rows = table['rows']
  made = []
  for row in rows:
    made += [version for version in row['versions'] if version not in made]
  words = '; '.join(
    ', '.join(
      value if key == 'machine' else f'{key} {value}'
      for key, value in version.items()
    )
    for version in made
  )
  return f'Last seed on {max(row["finished"] for row in rows)}; {words}.'


def _latex_escape(text):
  for char in '&%_#':
    text = text.replace(char, '\\' + char)
  return text.replace('±', '$\\pm$').replace('<', '$<$')
