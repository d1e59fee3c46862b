"""Rows as tables, for a page and for a terminal."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks import speed
from benchmarks.comparison import cases
from experiments import documents

OURS = 'gat_jax'
_TASKS = {
  'epoch': 'an epoch',
  'inference': 'a forward pass',
  'table': 'from nothing to the table',
}
_FIT_FROM = 10**5  # edges: below, what a call costs hides the growth


def speeds(rows: Iterable[speed.Row]) -> str:
  """A section: every row but those of growth, the oldest first."""
  lines = [
    [
      'data set',
      'seeds at once',
      'what',
      'our recipe',
      'against',
      'ours, an epoch and seed',
      'theirs',
      'ratio',
      'our peak, MB',
      'their peak, MB',
      'to compile, s',
      'pairs',
      'when and where',
    ]
  ]
  lines += [_speed(row) for row in rows if not row.edges]
  return (
    '# Speed on a CPU\n\nWritten by `python -m benchmarks.run`; rows without a'
    ' commit are of an earlier command. Ours and theirs took turns, each in a'
    ' process of its own with the same cores. Medians; the ratio is that of'
    ' pairs of turns (lowest to highest). An epoch of PPI is ten training'
    ' steps, elsewhere one step and its validation. A forward pass drops'
    ' nothing; on PPI it is of two graphs. Compiling, ours / theirs, counts in'
    ' no time. Our recipe *authors* draws a dropout mask for each head and'
    ' drops values as well, which no peer does; *pyg* does the same work as'
    ' they. *Plain JAX* is the formula with `jraph.segment_softmax` and dense'
    f' features.\n\n{documents.markdown_table(lines)}'
  )


def _speed(row: speed.Row) -> list[str]:
  theirs = (
    f'not measured: {row.error}' if row.error else milliseconds(row.their_ms)
  )
  if row.is_projected and not row.error:
    theirs += ', a projection'
  compiling = [
    '-' if x is None else f'{x:.1f}'
    for x in (row.our_compile_s, row.their_compile_s)
  ]
  peer = row.peer_name if row.commit else row.peer
  return [
    row.dataset,
    str(row.seeds),
    _TASKS[row.task],
    row.recipe,
    f'{peer} ({row.style})' if row.style else peer,
    milliseconds(row.our_ms),
    theirs,
    _ratio(row),
    number(row.our_peak_mb),
    number(row.their_peak_mb),
    ' / '.join(compiling) if set(compiling) != {'-'} else '',
    str(row.pairs),
    where(row),
  ]


def where(row: speed.Row | speed.Bound) -> str:
  """When and where a row was measured, and of what."""
  said = f'{row.day}, {row.machine}, jax {row.jax}'
  if row.commit:
    said += f', {row.commit}, {row.threads} threads'
  if isinstance(row, speed.Row) and row.version:
    said += f'; {row.version}'
  if row.busy and row.busy > 0.1:
    said += f'; others kept up to {row.busy:.0%} of the cores busy'
  return said


def _ratio(row: speed.Row) -> str:
  if row.ratio is None:
    return ''
  if row.is_projected:
    return f'**{row.ratio:.1f}**'
  return f'**{row.ratio:.1f}** ({row.lowest:.1f} to {row.highest:.1f})'


def milliseconds(value: float | None) -> str:
  """A time for people, without an exponent."""
  if value is None:
    return ''
  if value >= 600_000:
    return f'{value / 60_000:.0f} min'
  if value >= 1000:
    return f'{value / 1000:.1f} s'
  if value >= 10:
    return f'{value:.0f} ms'
  return f'{value:.2g} ms'


def number(value: float | None) -> str:
  """Without digits after the point."""
  return '' if value is None else f'{value:.0f}'


def curves(
  rows: Iterable[speed.Row],
) -> dict[str, list[tuple[int, float, float]]]:
  """By who: edges, milliseconds and megabytes of the newest drawn graphs."""
  grown = sorted(
    (row for row in speed.newest(rows).values() if row.edges),
    key=lambda row: row.edges,
  )
  found: dict[str, list[tuple[int, float, float]]] = {}
  ours = {}
  for row in grown:
    if row.our_ms is not None:
      ours[row.edges] = row.edges, row.our_ms, row.our_peak_mb
    if row.their_ms is not None:
      point = row.edges, row.their_ms, row.their_peak_mb
      found.setdefault(row.peer_name, []).append(point)
  return ({OURS: [ours[e] for e in sorted(ours)]} if ours else {}) | found


def exponent(edges: Sequence[float], values: Sequence[float]) -> float | None:
  """Of a power of the edges: a line through logarithms, from 10^5 on.

  Returns:
    None of fewer than three points.
  """
  pairs = [(e, v) for e, v in zip(edges, values, strict=True) if e >= _FIT_FROM]
  if len(pairs) < 3:
    return None
  slope, _ = np.polyfit(*np.log(np.array(pairs)).T, 1)
  return float(slope)


def growth(rows: Sequence[speed.Row], picture: str) -> str:
  """A section: drawn graphs by size, the newest row of each; '' without.

  Args:
    rows: all that are kept.
    picture: where the chart is, from the page.
  """
  grown = [row for row in speed.newest(rows).values() if row.edges]
  if not grown:
    return ''
  sizes = sorted({row.edges for row in grown})
  found = curves(grown)
  peers = list(dict.fromkeys(row.peer_name for row in grown))
  lost = {
    (row.peer_name, row.edges): row.error for row in grown if not row.their_ms
  }
  header = ['who', *map(cases.exponent, sizes), 'exponent']
  texts = []
  for place, unit in ((1, milliseconds), (2, lambda mb: f'{mb:.0f} MB')):
    lines = [header]
    for name in [OURS, *peers]:
      points = found.get(name, [])
      known = {point[0]: unit(point[place]) for point in points}
      fitted = exponent(
        [point[0] for point in points], [point[place] for point in points]
      )
      lines.append(
        [
          name,
          *(known.get(e) or lost.get((name, e), '') for e in sizes),
          '' if fitted is None else f'{fitted:.2f}',
        ]
      )
    texts.append(documents.markdown_table(lines))
  newest = max(grown, key=lambda row: row.day)
  return (
    '# Growth on a CPU\n\n![Lines: time and memory against edges, a line for'
    f' each library]({picture})\n\nAn epoch (a step and a'
    ' validation) on graphs with 20 neighbours a node, degrees of a power law'
    ' and 64 features (`configs/large.py`), by the number of their edges; 8'
    ' heads of 8 features, the work that all do alike (*pyg*). The exponent is'
    f' fitted from 10^5 edges on. {where(newest)}.\n\nTime:\n\n{texts[0]}\n\n'
    f'Peak of the resident memory:\n\n{texts[1]}'
  )


def bounds(rows: Iterable[speed.Bound]) -> str:
  """A section: how far steps are from the machine's limits; '' without."""
  shown = list(speed.newest(rows).values())
  if not shown:
    return ''
  lines = [
    [
      'a training step of',
      'takes',
      'operations, billions',
      'times as long as these in dense products',
      'least bytes, MB',
      'times as long as these streamed',
      'when and where',
    ]
  ]
  for row in shown:
    name = f'{cases.exponent(row.edges)} edges, drawn' if row.edges else ''
    name = name or row.dataset
    if row.error:
      lines.append([name, f'not measured: {row.error}', *[''] * 4, where(row)])
      continue
    lines.append(
      [
        name,
        milliseconds(row.step_ms),
        f'{row.flops / 1e9:#.2f}',
        f'{row.times_products:.1f}, at {row.product_rate / 1e9:.0f} billion/s',
        f'{row.bytes / 1e6:.0f}',
        f'{row.times_bytes:.1f}, at {row.stream_rate / 1e9:.1f} GB/s',
        where(row),
      ]
    )
  return (
    '# How far from the machine\n\nWhat a step must compute and move at least'
    ' (counted from shapes: `benchmarks/gpu/limits.py`), at the rates that this'
    ' machine reaches: a product of two large matrices, and a loop over an'
    ' array that no cache holds. What a cache holds may take less than its'
    f' bytes.\n\n{documents.markdown_table(lines)}'
  )
