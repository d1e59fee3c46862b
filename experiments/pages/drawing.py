"""Charts: one drawing each, for the page and as files for a paper.

Matplotlib draws; on the page, text takes the colour of the theme and the points
of a chart say what they are when somebody points at them.
"""

from collections.abc import Sequence
import dataclasses
import io
import pathlib
import re
from typing import Any

import matplotlib
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np

INK = '#24292f'  # text and lines of axes; on the page, the theme's
QUIET = '#8c959f'  # seen on light and on dark
ACCENT = '#ee6677'
# For the colour-blind too: Paul Tol, Colour Schemes, SRON/EPS/TN/09-002, 2021,
# 'bright'.
COLORS = (
  '#4477aa',
  '#ee6677',
  '#228833',
  '#ccbb44',
  '#66ccee',
  '#aa3377',
  '#bbbbbb',
)
MARKERS = 'os^Dv<>p*h'
SEQUENTIAL = 'cividis'
_POINTS = 72  # an inch; figures have that many dots, so that a dot is a point
_STYLE = {
  'figure.dpi': _POINTS,
  'font.size': 9,
  'text.parse_math': False,  # a dollar in a name is a dollar
  'font.family': 'sans-serif',
  'font.sans-serif': ['DejaVu Sans'],
  'axes.titlesize': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.prop_cycle': matplotlib.cycler(color=COLORS),
  'grid.color': QUIET,
  'grid.alpha': 0.3,
  'axes.grid': True,
  'axes.axisbelow': True,
  'legend.frameon': False,
  'legend.fontsize': 8,
  'text.color': INK,
  'axes.labelcolor': INK,
  'axes.edgecolor': INK,
  'xtick.color': INK,
  'ytick.color': INK,
}


@dataclasses.dataclass(frozen=True)
class Spots:
  """Points that say something when they are pointed at.

  Attributes:
    axes: that they are drawn in.
    x: [n], in data coordinates.
    y: [n].
    texts: n of them.
  """

  axes: Axes
  x: Sequence[float] | np.ndarray
  y: Sequence[float] | np.ndarray
  texts: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Chart:
  """A picture with what it takes to read it.

  Attributes:
    name: of its files, unique on a page.
    title: what it is.
    caption: what to see.
    alt: what it shows, for those who cannot see it.
    figure: made by `figure`.
    spots: what can be pointed at.
    wide: whether it takes a line of the page for itself.
  """

  name: str
  title: str
  caption: str
  alt: str
  figure: Figure
  spots: tuple[Spots, ...] = ()
  wide: bool = False

  def save(self, folder: pathlib.Path) -> None:
    """Writes <name>.png and <name>.svg, on white."""
    with matplotlib.rc_context({'svg.hashsalt': self.name}):
      self.figure.savefig(folder / f'{self.name}.png', dpi=200)
      self.figure.savefig(folder / f'{self.name}.svg', metadata={'Date': None})

  def for_page(self) -> tuple[str, list[tuple[float, float, str]]]:
    """An SVG, and where in its units which text is to be had.

    The SVG has neither a size nor a ground of its own, and its text is text.
    """
    file = io.StringIO()
    options = {'svg.hashsalt': self.name, 'svg.fonttype': 'none'}
    with matplotlib.rc_context(options):
      self.figure.savefig(
        file, format='svg', transparent=True, metadata={'Date': None}
      )
    text = file.getvalue()
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r'\1', text)
    text = re.sub(r' id="[a-zA-Z0-9]+_\d+"', '', text)  # twice on a page
    return text.replace(INK, 'currentColor'), self._places()

  def _places(self) -> list[tuple[float, float, str]]:
    """Of the spots that are in sight, as the last drawing was laid out."""
    height = self.figure.get_size_inches()[1] * _POINTS
    found = []
    for spots in self.spots:
      points = np.column_stack([spots.x, spots.y])
      inside = spots.axes.get_window_extent().padded(3)
      for (x, y), text in zip(
        spots.axes.transData.transform(points), spots.texts, strict=True
      ):
        if inside.contains(x, y):
          found.append((round(float(x), 1), round(float(height - y), 1), text))
    return found


def style() -> Any:
  """The context in which charts are drawn and saved."""
  return matplotlib.rc_context(_STYLE)


def figure(width: float = 4.8, height: float = 3.4) -> tuple[Figure, Axes]:
  """A figure of that many inches, and its axes."""
  drawn = Figure(figsize=(width, height), layout='constrained')
  return drawn, drawn.subplots()


def sample(count: int, most: int) -> np.ndarray:
  """Indices below `count`, in order: all, or that many, always the same."""
  if count <= most:
    return np.arange(count)
  return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def use_log_scale(axes: Axes) -> None:
  """For x, with plain numbers, also where all are within one power of ten."""
  axes.set_xscale('log')
  low, high = axes.get_xlim()
  plain = ticker.StrMethodFormatter('{x:,g}')
  axes.xaxis.set_major_formatter(plain)
  axes.xaxis.set_minor_formatter(
    plain if high < 10 * low else ticker.NullFormatter()
  )


def color(index: int) -> str:
  """Of a class or a line; those after the seventh begin again."""
  return COLORS[index % len(COLORS)]


def marker(index: int) -> str:
  """Tells those of one colour apart."""
  return MARKERS[index // len(COLORS) % len(MARKERS)]


def layer_name(layer: int, depth: int) -> str:
  """As in 'layer 1' and 'output layer'."""
  return 'output layer' if layer == depth - 1 else f'layer {layer + 1}'
