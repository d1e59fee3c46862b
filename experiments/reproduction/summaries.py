"""What all tables say together, in a minute's reading; no file."""

from collections.abc import Iterable

from experiments import documents
from experiments.reproduction import tables
from experiments.reproduction import verdicts
from experiments.reproduction.reports import Report
from experiments.reproduction.reports import RowResult
from experiments.reproduction.reports import TableResult

_WITHOUT = 'Const-GAT'
_VERDICTS = {
  'reproduced': 'The paper holds',
  'better': 'Higher here than in the paper',
  'worse': 'Lower here than in the paper',
  'undecided': 'Not decided yet',
}


def summary(report: Report) -> str:
  """A Markdown list: what holds, what does not, what a detail is worth."""
  lines = [
    f'- **{words}**: {"; ".join(found)}.'
    for word, words in _VERDICTS.items()
    if (found := _with_verdict(report, word))
  ]
  for text in (_without_attention(report), *_departures(report)):
    lines += [f'- {text}'] if text else []
  if missing := list(_missing(report)):
    lines.append(f'- **Not measured yet**: {", ".join(missing)}.')
  return '\n'.join(lines)


def _name(table: TableResult | tables.Table) -> str:
  """The data set alone."""
  return table.title.format(dataset='PPI').rpartition(',')[0]


def _papers(report: Report) -> Iterable[TableResult]:
  return (table for table in report.tables.values() if not table.departures)


def _with_verdict(report: Report, word: str) -> list[str]:
  return [
    f'{row.row.name} on {_name(table)} ({_score(row.sample)} over'
    f' {row.sample.n} {"seed" if row.sample.n == 1 else "seeds"}, there'
    f' {_score(row.row.published)})'
    for table in _papers(report)
    for row in table.rows
    if row.verdict and row.verdict.word == word
  ]


def _score(found: verdicts.Sample | verdicts.Published) -> str:
  return documents.mean_and_deviation(found.mean, found.std, 1)


def _without_attention(report: Report) -> str:
  """GAT with equal weights against GAT, where that was trained."""
  found = [
    f'{_points(row)} on {_name(table)}{_word(row)}'
    for table in _papers(report)
    for row in table.rows
    if row.row.name == _WITHOUT and row.against
  ]
  if not found:
    return ''
  return (
    f'**Without attention** ({_WITHOUT}: all weights equal), in points, over'
    f' the same seeds: {"; ".join(found)}.'
  )


def _points(row: RowResult) -> str:
  return documents.per_cent(row.against.difference, 1, sign=True)


def _word(row: RowResult) -> str:
  if row.against.equivalent:
    return ' (equal)'
  return '' if _is_seen(row) else ' (not decided)'


def _is_seen(row: RowResult) -> bool:
  return row.against.p is not None and row.against.p < verdicts.ALPHA


def _cost(row: RowResult) -> str:
  return f'`{row.row.name}` {_points(row)}'


def _departures(report: Report) -> Iterable[str]:
  """What each table of departures comes to."""
  for table in report.tables.values():
    rows = [row for row in table.rows if row.against]
    if not table.departures or not rows:
      continue
    rows.sort(key=lambda row: row.against.difference)
    tested = [row for row in rows if row.against.p is not None]
    seen = [_cost(row) for row in tested if _is_seen(row)]
    others = [f'`{row.row.name}`' for row in tested if not _is_seen(row)]
    single = [_cost(row) for row in rows if row not in tested]
    text = f'**{table.title.rpartition(",")[0]}**, in points'
    text += f': {", ".join(seen)}.' if seen else '.'
    if others:
      text += f' No difference to be seen: {", ".join(others)}.'
    if single:
      text += f' Not decided yet, one seed: {", ".join(single)}.'
    yield text


def _missing(report: Report) -> Iterable[str]:
  """Rows of the paper's tables that have no seed."""
  for name in tables.PAPER:
    table = report.tables.get(name)
    trained = {row.row.name for row in table.rows} if table else set()
    for row in tables.TABLES[name].rows:
      if row.name not in trained:
        yield f'{row.name} on {_name(tables.TABLES[name])}'
