"""The chart of growth."""

from collections.abc import Sequence
import json
import pathlib
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks import speed
from benchmarks.comparison import cases
from benchmarks.comparison import tables
from experiments.pages import drawing

POWERS = {'text.parse_math': True}  # of ten, on the axes
GROWTH = speed.ROOT / 'docs' / 'pictures' / 'growth.svg'


def save(rows: Sequence[speed.Row], path: pathlib.Path) -> bool:
  """Draws the chart if there are points; its file carries its numbers."""
  found = tables.curves(rows)
  if not found:
    return False
  path.parent.mkdir(parents=True, exist_ok=True)
  plain = {'svg.hashsalt': path.name}
  with drawing.style(), matplotlib.rc_context(plain | POWERS):
    about = {'Date': None, 'Description': json.dumps(found)}
    growth(found).savefig(path, metadata=about)
  return True


def look(name: str) -> dict[str, Any]:
  """Colour and marker, the same for a library in every chart.

  The colours are ones that the colour-blind can tell from each other.
  """
  everybody = [tables.OURS, *cases.PEERS.values()]
  index = everybody.index(name) if name in everybody else len(everybody)
  marker = drawing.MARKERS[index % len(drawing.MARKERS)]
  return {'color': drawing.color(index), 'marker': marker}


def growth(found: dict[str, list[tuple[int, float, float]]]) -> Figure:
  """Two log-log panels, time and memory; see `tables.curves`."""
  figure = Figure(figsize=(7.2, 4.2), layout='constrained')
  both = figure.subplots(1, 2)
  for name, points in found.items():
    edges, *measures = zip(*points, strict=True)
    fitted = [tables.exponent(edges, values) for values in measures]
    label = name
    if None not in fitted:
      label += f' ({fitted[0]:.2f}, {fitted[1]:.2f})'
    for axes, values in zip(both, measures, strict=True):
      is_ours = name == tables.OURS
      axes.loglog(
        edges,
        values,
        label=label,
        markersize=4,
        linewidth=2.5 if is_ours else 1.2,
        zorder=3 if is_ours else 2,
        **look(name),
      )
  for axes, title in zip(
    both, ('an epoch, ms', 'peak memory, MB'), strict=True
  ):
    axes.set_title(title)
    axes.set_xlabel('edges')
  figure.legend(
    handles=both[0].get_lines(),
    loc='outside lower center',
    ncols=2,
    title='in brackets: exponents of time and of memory',
    title_fontsize=8,
  )
  return figure
