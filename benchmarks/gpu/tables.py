"""Results as Markdown: a table for each part, then what matters most."""

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
      row['by_bytes_ms'] = moving


def _rows(results):
  return [row for part in results['parts'].values() for row in part['rows']]


def markdown(results: dict[str, Any]) -> str:
  """Everything; the comparison last, where a terminal shows it."""
  lines = ['# On a GPU', '']
  lines += [f'- {name}: {value}' for name, value in results['about'].items()]
  for name, part in results['parts'].items():
    lines += ['', f'## {name}', '']
    if part['error']:
      lines += [part['error'], '']
    if part['rows']:
      lines += _table(part['rows'])
  again = _again(results)
  if again:
    lines += ['', '## The same bits again', '', *again]
  ratios = _ratios(results)
  if ratios:
    lines += ['', '## Against PyTorch', '', *_table(ratios)]
  return '\n'.join(lines) + '\n'


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


def _again(results):
  """Which digests are the same in both processes."""
  parts = results['parts']
  if not {'bits', 'bits_again'} <= set(parts):
    return []

  def digests(name):
    return {
      (row['what'], row['road'], row['options']): row['digest']
      for row in parts[name]['rows']
      if 'digest' in row
    }

  first, second = digests('bits'), digests('bits_again')
  rows = [
    {
      'what': case[0],
      'road': case[1],
      'options': case[2],
      'same in another process': own == second[case],
    }
    for case, own in first.items()
    if case in second
  ]
  return _table(rows) if rows else []


def _ratios(results):
  """Rows of ours and PyTorch's that have the same name."""
  theirs = [row for row in _rows(results) if 'by' in row and row.get('ms')]
  ours = [row for row in _rows(results) if 'road' in row and row.get('ms')]
  return [
    {
      'what': our['what'],
      'road': our['road'],
      'recipe': our.get('recipe', ''),
      'precision': f'{our.get("precision", "default")} /'
      f' {their.get("precision", "highest")}',
      'ours, ms': our['ms'],
      'theirs, ms': their['ms'],
      'times': their['ms'] / our['ms'],
      'our MB': our.get('needs_mb', ''),
      'their MB': their.get('peak_mb', ''),
    }
    for their in theirs
    for our in ours
    if our['what'] == their['what'] and 'digest' not in our
  ]
