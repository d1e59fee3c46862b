"""The chart of growth."""

from collections.abc import Sequence
import json
import pathlib

import matplotlib
from matplotlib.figure import Figure

from benchmarks import speed
from benchmarks.comparison import cases
from benchmarks.comparison import tables
from experiments.pages import drawing

GROWTH = speed.ROOT / 'docs' / 'pictures' / 'growth.svg'


def save(rows: Sequence[speed.Row], path: pathlib.Path) -> bool:
  """Draws the chart if there are points; its file carries its numbers."""
  found = tables.curves(rows)
  if not found:
    return False
  path.parent.mkdir(parents=True, exist_ok=True)
  with drawing.style(), matplotlib.rc_context({'svg.hashsalt': path.name}):
    about = {'Date': None, 'Description': json.dumps(found)}
    growth(found).savefig(path, metadata=about)
  return True


def growth(found: dict[str, list[tuple[int, float, float]]]) -> Figure:
  """Two log-log panels, time and memory; see `tables.curves`.

  Everybody has a colour that the colour-blind can tell, and a marker, the same
  in every chart.
  """
  figure = Figure(figsize=(8.4, 3.6), layout='constrained')
  both = figure.subplots(1, 2)
  everybody = [tables.OURS, *cases.PEERS.values()]
  for place, axes, label in (
    (1, both[0], 'an epoch, ms'),
    (2, both[1], 'peak memory, MB'),
  ):
    for name, points in found.items():
      index = everybody.index(name) if name in everybody else len(everybody)
      edges = [point[0] for point in points]
      values = [point[place] for point in points]
      fitted = tables.exponent(edges, values)
      axes.loglog(
        edges,
        values,
        label=name if fitted is None else f'{name} (exponent {fitted:.2f})',
        color=drawing.color(index),
        marker=drawing.MARKERS[index % len(drawing.MARKERS)],
        markersize=4,
        linewidth=2.5 if name == tables.OURS else 1.2,
        zorder=3 if name == tables.OURS else 2,
      )
    axes.set_xlabel('edges')
    axes.set_ylabel(label)
    axes.legend(loc='upper left')
  return figure
