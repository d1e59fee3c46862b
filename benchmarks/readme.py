"""Writes the tables of speed and the figures of README.md from what is kept.

Run it after any of them has changed:

    python -m benchmarks.readme

Scores come from the finished seeds in results/, which experiments.reproduce
trains; times from benchmarks/results/, which benchmarks.run keeps; those of
a GPU from benchmarks/gpu/results/. The tables and the chart of growth stand in
benchmarks/RESULTS.md. A test fails where one of them says something else.
"""

import functools
import json
from typing import Any, NamedTuple

import matplotlib
from matplotlib import patches
from matplotlib.figure import Figure

from benchmarks import speed
from benchmarks.comparison import cases
from benchmarks.comparison import charts
from benchmarks.comparison import pages
from benchmarks.comparison import tables as comparison_tables
from benchmarks.gpu import tables as gpu_tables
from experiments import documents
from experiments.pages import drawing
from experiments.reproduction import reports
from experiments.reproduction import tables

README = speed.ROOT / 'README.md'
SEEDS = speed.ROOT / 'results'
GPU = speed.ROOT / 'benchmarks' / 'gpu' / 'results'
CHART = speed.ROOT / 'docs' / 'pictures' / 'speed.svg'
_MODEL, _EQUAL = 'GAT', 'Const-GAT'
_PYG = 'PyTorch Geometric'
# Of `speed.Row`: the data set, seeds, task, and what a reader calls it.
_TIMED = {
  ('cora', 1, 'epoch'): 'Cora, an epoch (a step and its validation)',
  ('cora', 10, 'epoch'): 'Cora, 10 seeds at once, an epoch of one',
  ('cora', 100, 'table'): 'Cora, the table of 100 seeds (others: projected)',
  ('citeseer', 1, 'epoch'): 'Citeseer, an epoch',
  ('pubmed', 1, 'epoch'): 'Pubmed, an epoch',
  ('PPI, rebuilt', 1, 'epoch'): 'PPI, rebuilt, ten training steps',
}
# Of a file of `benchmarks.gpu`: what was timed, and what a reader calls it.
_ON_A_GPU = {
  ('h100-2026-11-27', 'cora, an epoch'): 'Cora, an epoch, on an H100 (TF32)',
  (
    'h100-2026-11-27',
    'cora, an epoch of 100 seeds',
  ): 'Cora, an epoch of 100 seeds, on an H100 (TF32)',
  (
    'h200-2026-11-26',
    'ppi, gat, a step',
  ): 'PPI, rebuilt, a training step, on an H200',
}


def main() -> None:
  """Rewrites the marked sections and draws the charts."""
  pages.write(speed.RESULTS, speed.TABLE, charts.GROWTH)
  for name, make in SECTIONS.items():
    documents.put_section(str(README), name, make())
  with drawing.style(), matplotlib.rc_context({'svg.hashsalt': CHART.name}):
    about = {'Date': None, 'Description': described()}
    chart().savefig(CHART, metadata=about)


def scores() -> str:
  """The paper's figure for GAT and ours, a line a data set.

  Once GAT with equal weights was trained, a column says what is left.
  """
  report = reports.collect(SEEDS, reports.MARGIN)
  lines = [
    [
      *('test score, %', 'paper', 'here', 'seeds', 'verdict'),
      'without attention',
    ]
  ]
  for name in tables.PAPER:
    table = tables.TABLES[name]
    (published,) = (r.published for r in table.rows if r.name == _MODEL)
    found = report.tables.get(name)
    title = found.title if found else table.title.format(dataset='PPI')
    trained = found.rows if found else ()
    by_name = {row.row.name: row for row in trained}
    row, equal = by_name.get(_MODEL), by_name.get(_EQUAL)
    lines.append(
      [
        title.removesuffix(' in %'),
        documents.mean_and_deviation(published.mean, published.std, 1),
        documents.mean_and_deviation(row.sample.mean, row.sample.std, 1)
        if row
        else 'not measured yet',
        str(row.sample.n) if row else '',
        row.verdict.word if row else '',
        _without_attention(equal) if equal and equal.against else '',
      ]
    )
  if not any(line[-1] for line in lines[1:]):
    lines = [line[:-1] for line in lines]
  return documents.markdown_table(lines)


def _without_attention(row: reports.RowResult) -> str:
  """The score with equal weights, and whether it is that of GAT."""
  word = ', equal' if row.against.equivalent else ''
  shown = documents.mean_and_deviation(row.sample.mean, row.sample.std, 1)
  return f'{shown}{word}'


class Measured(NamedTuple):
  """Something that was timed.

  Attributes:
    name: for people.
    milliseconds: of ours.
    ratios: by peer, how many times as long it takes.
    spreads: by peer, the lowest and highest ratio of all days and machines.
  """

  name: str
  milliseconds: float
  ratios: dict[str, float]
  spreads: dict[str, tuple[float, float]]


def measured() -> list[Measured]:
  """What was timed.

  On the CPU it is the newest row of each, where there is one with the recipe
  that does the peer's work. On the GPU both sides round products alike: to
  float32 on PPI, to TF32 on Cora.
  """
  kept = speed.read()
  newest, spreads = speed.newest(kept), speed.spread(kept)
  found = []
  for (dataset, seeds, task), name in _TIMED.items():
    ratios, spread, own = {}, {}, {}
    for recipe in ('authors', 'pyg'):  # the last one stands
      for peer in cases.PEERS.values():
        key = dataset, 0, seeds, task, recipe, peer
        row = newest.get(key)
        if row and row.ratio is not None:
          own.setdefault(recipe, row.our_ms)
          ratios[peer] = row.ratio
          if key in spreads:
            spread[peer] = spreads[key]
    if own:
      milliseconds = own.get('pyg', own.get('authors'))
      found.append(Measured(name, milliseconds, ratios, spread))
  for (file, what), name in _ON_A_GPU.items():
    row = _on_a_gpu(file)[what]
    found.append(Measured(name, row['ms'], {_PYG: row['x PyTorch']}, {}))
  return found


@functools.cache
def _on_a_gpu(file: str) -> dict[str, dict[str, Any]]:
  """What the library's own roads took, by its name."""
  content = (GPU / f'{file}.json').read_text(encoding='utf-8')
  return {
    row['what']: row  # of two precisions, the exact one stands last
    for row in gpu_tables.with_ratios(json.loads(content))
    if row.get('road') == 'chosen' and row.get('recipe') != 'pyg'
  }


def _peers(rows: list[Measured]) -> list[str]:
  """Those that anything was timed against."""
  return [
    p for p in cases.PEERS.values() if any(p in row.ratios for row in rows)
  ]


def times() -> str:
  """What an epoch takes here, and how many times longer elsewhere."""
  rows = measured()
  peers = _peers(rows)
  lines = [['time of (x: times as long as gat_jax)', 'gat_jax', *peers]]
  for row in rows:
    cells = [_ratio(row, peer) for peer in peers]
    lines.append(
      [row.name, comparison_tables.milliseconds(row.milliseconds), *cells]
    )
  pictures = {'Bars: how many times as long others take': CHART}
  if charts.GROWTH.exists():
    pictures['Lines: time and memory by the number of edges'] = charts.GROWTH
  shown = ' '.join(
    f'![{what}]({path.relative_to(speed.ROOT)})'
    for what, path in pictures.items()
  )
  return f'{documents.markdown_table(lines)}\n\n{shown}'


def _ratio(row: Measured, peer: str) -> str:
  """The newest ratio, and between which it was on all days and machines."""
  if peer not in row.ratios:
    return ''
  said = f'{row.ratios[peer]:.1f} x'
  if peer in row.spreads:
    low, high = row.spreads[peer]
    said += f' ({low:.1f} to {high:.1f})'
  return said


# What stands between the marks of README.md, by their names.
SECTIONS = {'results': scores, 'speed': times}


def described() -> str:
  """The numbers of the chart, which its file carries for a test to read."""
  return json.dumps([row._asdict() for row in measured()])


def chart() -> Figure:
  """Bars: how many times as long the others take."""
  rows = list(reversed(measured()))
  peers = _peers(rows)
  num_bars = sum(len(row.ratios) for row in rows)
  figure, axes = drawing.figure(7.2, 0.16 * num_bars + 0.2 * len(rows) + 1.0)
  ticks, top = [], 0.0  # in bars, from below
  for row in rows:
    shown = [peer for peer in reversed(peers) if peer in row.ratios]
    for place, peer in enumerate(shown):
      color = charts.look(peer)['color']
      ratio = row.ratios[peer]
      bars = axes.barh(top + place, ratio - 1, 0.9, left=1, color=color)
      axes.bar_label(bars, [f'{ratio:.1f}'], padding=3)
    ticks.append(top + (len(shown) - 1) / 2)
    top += len(shown) + 1
  axes.axvline(1, color=drawing.INK, linewidth=1)
  axes.set_yticks(ticks, [row.name for row in rows])
  axes.grid(axis='y', visible=False)
  axes.set_xscale('log', base=2)
  axes.xaxis.set_major_formatter('{x:g}')
  axes.set_xlabel('times as long as gat_jax (each line twice the one before)')
  axes.margins(y=0.02)
  figure.legend(
    handles=[
      patches.Patch(color=charts.look(peer)['color'], label=peer)
      for peer in peers
    ],
    loc='outside upper center',
    ncols=3,
  )
  return figure


if __name__ == '__main__':
  main()
