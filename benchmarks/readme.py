"""Writes the figures of README.md and its chart from the results that are kept.

Run it after any of them has changed:

    python -m benchmarks.readme

Scores come from the finished seeds in results/, which experiments.reproduce
trains; times from benchmarks/results/, which benchmarks.compare keeps; those of
a GPU from benchmarks/gpu/results/. A test fails where README.md says something
else.
"""

import json

import matplotlib
from matplotlib.figure import Figure

from benchmarks import speed
from benchmarks.gpu import tables as gpu_tables
from experiments import documents
from experiments.pages import drawing
from experiments.reproduction import reports
from experiments.reproduction import tables

README = speed.ROOT / 'README.md'
SEEDS = speed.ROOT / 'results'
GPU = speed.ROOT / 'benchmarks' / 'gpu' / 'results' / 'h200-2026-11-26.json'
CHART = speed.ROOT / 'docs' / 'pictures' / 'speed.svg'
_MODEL = 'GAT'
_PEERS = ('PyTorch Geometric', 'DGL')
# Of `speed.Row`: the data set, seeds, and what a reader calls it.
_TIMED = {
  ('cora', 1): 'Cora, an epoch',
  ('cora', 10): 'Cora, 10 seeds at once, an epoch of one',
  ('citeseer', 1): 'Citeseer, an epoch',
  ('PPI, rebuilt', 1): 'PPI, rebuilt, ten training steps',
}
_ON_A_GPU = {
  'cora, an epoch': 'Cora, an epoch, on an H200 (TF32)',
  'ppi, gat, a step': 'PPI, rebuilt, a training step, on an H200',
}


def main() -> None:
  """Rewrites the marked sections and draws the chart."""
  for name, make in SECTIONS.items():
    documents.put_section(str(README), name, make())
  with drawing.style(), matplotlib.rc_context({'svg.hashsalt': CHART.name}):
    about = {'Date': None, 'Description': described()}
    chart().savefig(CHART, metadata=about)


def scores() -> str:
  """The paper's figure for GAT and ours, a line a data set."""
  report = reports.collect(SEEDS, reports.MARGIN)
  lines = [['test score, %', 'paper', 'here', 'seeds', 'verdict']]
  for name in tables.PAPER:
    table = tables.TABLES[name]
    (published,) = (r.published for r in table.rows if r.name == _MODEL)
    found = report.tables.get(name)
    title = found.title if found else table.title.format(dataset='PPI')
    trained = found.rows if found else ()
    row = next((row for row in trained if row.row.name == _MODEL), None)
    lines.append(
      [
        title.removesuffix(' in %'),
        documents.mean_and_deviation(published.mean, published.std, 1),
        documents.mean_and_deviation(row.sample.mean, row.sample.std, 1)
        if row
        else 'not measured yet',
        str(row.sample.n) if row else '',
        row.verdict.word if row else '',
      ]
    )
  return documents.markdown_table(lines)


def measured() -> list[tuple[str, float, dict[str, float]]]:
  """What was timed: a name, our milliseconds, and by peer how many times ours.

  On the CPU it is the newest row of each. On the GPU both sides round products
  alike: to float32 on PPI, to TF32 on Cora.
  """
  newest = speed.newest(speed.read())
  found = []
  for (dataset, seeds), name in _TIMED.items():
    rows = {peer: newest.get((dataset, seeds, peer)) for peer in _PEERS}
    own = rows[_PEERS[0]]
    ratios = {peer: row.ratio for peer, row in rows.items() if row}
    found.append((name, own.our_ms, ratios))
  gpu = json.loads(GPU.read_text(encoding='utf-8'))
  chosen = {
    row['what']: row  # of two precisions, the exact one stands last
    for row in gpu_tables.with_ratios(gpu)
    if row.get('road') == 'chosen' and row.get('recipe') != 'pyg'
  }
  for what, name in _ON_A_GPU.items():
    row = chosen[what]
    found.append((name, row['ms'], {_PEERS[0]: row['x PyTorch']}))
  return found


def times() -> str:
  """What an epoch takes here, and how many times longer elsewhere."""
  lines = [
    ['time of', 'gat_jax', *(f'{peer}, times as long' for peer in _PEERS)]
  ]
  for name, milliseconds, ratios in measured():
    cells = [
      f'{ratios[peer]:.1f} x' if peer in ratios else '' for peer in _PEERS
    ]
    lines.append([name, _time(milliseconds), *cells])
  return documents.markdown_table(lines)


def _time(milliseconds: float) -> str:
  if milliseconds >= 1000:
    return f'{milliseconds / 1000:.1f} s'
  if milliseconds >= 10:
    return f'{milliseconds:.0f} ms'
  return f'{milliseconds:.2g} ms'


# What stands between the marks of README.md, by their names.
SECTIONS = {'results': scores, 'speed': times}


def described() -> str:
  """The numbers of the chart, which its file carries for a test to read."""
  return json.dumps(measured())


def chart() -> Figure:
  """Bars: how many times as long the others take."""
  rows = list(reversed(measured()))
  figure, axes = drawing.figure(7.2, 0.5 * len(rows) + 1.0)
  height = 0.8 / len(_PEERS)
  for index, peer in enumerate(_PEERS):
    places = [
      place + height * (0.5 - index)
      for place, (_, _, ratios) in enumerate(rows)
      if peer in ratios
    ]
    ratios = [found[peer] for _, _, found in rows if peer in found]
    bars = axes.barh(
      places, ratios, height, label=peer, color=drawing.color(index)
    )
    axes.bar_label(bars, [f'{ratio:.1f}' for ratio in ratios], padding=3)
  axes.axvline(1, color=drawing.INK, linewidth=1)
  axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
  axes.grid(axis='y', visible=False)
  axes.set_xlabel('times as long as gat_jax (line at 1: gat_jax)')
  axes.legend(loc='upper right')
  return figure


if __name__ == '__main__':
  main()
