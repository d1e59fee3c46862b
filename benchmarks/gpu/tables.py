"""Results as Markdown: all of them, and what matters most."""

import re
from typing import Any

_PRODUCT = 'matrix product, float32, default'


def add_least_times(results: dict[str, Any]) -> None:
  """To rows that count bytes and operations: what those alone would take."""
  rates = {
    row['what']: row['rate']
    for row in results['parts'].get('machine', {}).get('rows', [])
    if 'rate' in row
  }
  if not {'copy', _PRODUCT} <= set(rates):
    return
  for row in _rows(results):
    if 'bytes' in row and 'flops' in row:
      moving = 1e3 * row['bytes'] / rates['copy']
      row['least_ms'] = max(moving, 1e3 * row['flops'] / rates[_PRODUCT])
      row['bound_by'] = 'bytes' if row['least_ms'] == moving else 'operations'


def _rows(results):
  return [row for part in results['parts'].values() for row in part['rows']]


def markdown(results: dict[str, Any]) -> str:
  """Everything, a table for each part."""
  lines = ['# On a GPU: every row', '']
  lines += [f'- {name}: {value}' for name, value in results['about'].items()]
  for name, part in results['parts'].items():
    lines += ['', f'## {name}', '']
    if part['error']:
      lines += [part['error'], '']
    if part['rows']:
      lines += _table(part['rows'])
  for title, rows in (
    ('The same bits again', _bits(results['parts'])),
    ('Times side by side', with_ratios(results)),
  ):
    if rows:
      rows = [{k: v for k, v in row.items() if k in _COMPARED} for row in rows]
      lines += ['', f'## {title}', '', *_table(rows)]
  return '\n'.join(lines) + '\n'


def summary(results: dict[str, Any]) -> str:
  """What fits a terminal: rates, errors, times, bits, what went wrong."""
  parts = results['parts']
  about = ', '.join(f'{k} {v}' for k, v in results['about'].items())
  lines = [about, '']
  machine = parts.get('machine', {'rows': []})['rows']
  lines += [
    f'{row["what"]}: {row["rate"]:.4g} {row["unit"]}'
    if 'rate' in row
    else f'{row["what"]}: {1e3 * row["ms"]:.4g} us'
    for row in machine
    if 'ms' in row
  ]
  lines += _titled('Largest errors of roads', _worst(parts))
  timed = [
    {name: row.get(name, '') for name in _SHOWN} for row in with_ratios(results)
  ]
  lines += _titled('Times', timed)
  lines += _titled('The same bits', _bits(parts))
  wrong = [
    {'part': name, **{k: row[k] for k in ('what', 'road') if k in row}}
    | {'error': str(row['error'])[:100]}
    for name, part in parts.items()
    for row in [part, *part['rows']]
    if row.get('error')
  ]
  lines += _titled('Errors, and what was dropped', wrong[:20])
  return '\n'.join(lines) + '\n'


_SHOWN = ('what', 'by', 'recipe', 'precision', 'ms', 'x PyTorch', 'least_ms')
_SHOWN += ('compile_s', 'needs_mb', 'peak_mb')


_COMPARED = {*_SHOWN, 'road', 'options', 'again', 'in another process'}


def _titled(title, rows):
  return ['', title, *_table(rows)] if rows else []


def _worst(parts):
  """Of each operation, road and precision."""
  found: dict[tuple, dict[str, Any]] = {}
  for row in parts.get('roads', {'rows': []})['rows']:
    if 'values' not in row:
      continue
    case = row['what'], row['road'], row.get('precision', '')
    names = 'values', 'gradients', 'values_norm', 'gradients_norm'
    worst = found.setdefault(case, dict.fromkeys(names, 0.0))
    for name in names:
      worst[name] = max(worst[name], row[name])
  return [
    {'what': what, 'road': road, 'precision': precision, **worst}
    for (what, road, precision), worst in found.items()
  ]


def _bits(parts):
  """Of each program: whether again in its process, and in another."""

  def by_case(name):
    return {
      (row['what'], row['road'], row['options']): row
      for row in parts.get(name, {'rows': []})['rows']
      if 'digest' in row
    }

  first, second = by_case('bits'), by_case('bits_again')
  rows = []
  for case in dict.fromkeys([*first, *second]):
    both = [found[case] for found in (first, second) if case in found]
    row = dict(zip(('what', 'road', 'options'), case, strict=True))
    row['ms'] = both[0]['ms']
    row['again'] = all(one['same_in_process'] for one in both)
    if len(both) == 2:
      row['in another process'] = both[0]['digest'] == both[1]['digest']
    rows.append(row)
  return rows


def _table(rows):
  names = list(dict.fromkeys(name for row in rows for name in row))
  if 'error' in names:  # it is long
    names.remove('error')
    names.append('error')
  lines = [f'| {" | ".join(names)} |', '|---' * len(names) + '|']
  for row in rows:
    cells = [_cell(row.get(name, '')) for name in names]
    lines.append(f'| {" | ".join(cells)} |')
  return lines


def _cell(value):
  if isinstance(value, bool):
    return 'yes' if value else 'NO'
  if isinstance(value, float):
    return f'{value:.4g}'
  return str(value).replace('|', ' ').replace('\n', ' ')


def with_ratios(results):
  """All rows of times; ours say how many times PyTorch's time is theirs.

  That is of the same name and precision: what JAX does on its own with float32
  is what PyTorch calls `high`. An epoch of many seeds at once stands against as
  many of its epochs, one after the other.
  """
  timed = [row for row in _rows(results) if 'ms' in row and 'digest' not in row]
  theirs = {
    (row['what'], row.get('precision', 'high')): row['ms']
    for row in timed
    if row.get('by') and 'road' not in row
  }
  found = []
  for row in timed:
    if 'road' in row:
      precision = row.get('precision', 'default')
      alike = 'high' if precision == 'default' else precision
      row = row | {'by': row['road']}
      what, count = _one_seed(row['what'])
      if (what, alike) in theirs:
        row['x PyTorch'] = count * theirs[what, alike] / row['ms']
    if 'by' in row:
      found.append(row)
  return found


def _one_seed(what):
  """What the same of one seed is called, and how many seeds there are."""
  found = re.fullmatch(r'(.*) of (\d+) seeds', what)
  return (found[1], int(found[2])) if found else (what, 1)
