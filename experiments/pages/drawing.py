"""Charts: one drawing each, for the page and as files for a paper.

Matplotlib draws. On the page, text takes the colour of the theme, and a point
of a chart says what it is when somebody points at it. A file stands alone: it
has its title in it, and what it was drawn of.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import io
import pathlib
import textwrap
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib import ticker
from matplotlib.axes import Axes
import matplotlib.colors
from matplotlib.figure import Figure
import numpy as np

from gat_jax import storage

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
_LETTER = 5.8  # points that a letter of a title takes, with some room
_LINE = 13  # points between the lines of a title
_POINTS = 72  # an inch; figures have that many dots, so that a dot is a point
_SVG = 'http://www.w3.org/2000/svg'
ElementTree.register_namespace('', _SVG)
ElementTree.register_namespace('xlink', 'http://www.w3.org/1999/xlink')
_STYLE = {
  'figure.dpi': _POINTS,
  'font.size': 9,
  'text.parse_math': False,  # a dollar in a name is a dollar
  'font.family': 'sans-serif',
  'font.sans-serif': ['DejaVu Sans'],
  'axes.titlesize': 9,
  'figure.titlesize': 10,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.prop_cycle': matplotlib.cycler(color=COLORS),
  'grid.color': QUIET,
  'grid.alpha': 0.3,
  'axes.grid': True,
  'axes.axisbelow': True,
  'axes.formatter.useoffset': False,
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
  """Points of a chart, and what each says when somebody points at it.

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
    wide: whether it takes the whole width of the page.
  """

  name: str
  title: str
  caption: str
  alt: str
  figure: Figure
  spots: tuple[Spots, ...] = ()
  wide: bool = False

  def save(self, folder: pathlib.Path, subject: str = '') -> None:
    """Writes <name>.png and <name>.svg, on white, each whole or not at all.

    The title stands in them, and their metadata say what to see.

    Args:
      folder: where they go.
      subject: what the chart was drawn of, as in 'GAT on cora, seed 0'; stands
        below the title.

    Raises:
      OSError: if one cannot be written.
    """
    told = {'Title': f'{self.title}: {subject}', 'Description': self.caption}
    with (
      _titled(self.figure, self.title, subject),
      matplotlib.rc_context({'svg.hashsalt': self.name}),
    ):
      for kind, options in (
        ('png', {'dpi': 200, 'metadata': told}),
        ('svg', {'metadata': {'Date': None} | told}),
      ):
        path = folder / f'{self.name}.{kind}'
        with storage.whole_file(path, binary=True) as file:
          self.figure.savefig(file, format=kind, **options)

  def for_page(self) -> tuple[str, list[tuple[float, float, str]]]:
    """The chart as an SVG for a page, and what its spots say.

    The SVG takes the size of what surrounds it and the colour of its text, and
    has no background. Its words can be selected.

    Returns:
      The SVG, and for each spot in sight x and y in units of the SVG, and text.
    """
    file = io.StringIO()
    options = {'svg.hashsalt': self.name, 'svg.fonttype': 'none'}
    with matplotlib.rc_context(options):
      self.figure.savefig(
        file, format='svg', transparent=True, metadata={'Date': None}
      )
    text = file.getvalue()
    root = ElementTree.fromstring(text)  # noqa: S314, of matplotlib
    root.remove(root.find('{*}metadata'))
    del root.attrib['width'], root.attrib['height']
    for element in root.iter():
      if f'#{element.get("id")}' not in text:  # else the same on every chart
        element.attrib.pop('id', None)
      for name, value in element.attrib.items():
        element.set(name, value.replace(INK, 'currentColor'))
    return ElementTree.tostring(root, encoding='unicode'), self._places()

  def _places(self) -> list[tuple[float, float, str]]:
    """The spots in sight, where the last drawing put them."""
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


@contextlib.contextmanager
def _titled(drawn: Figure, title: str, subject: str) -> Iterator[None]:
  """Puts lines above a figure, which grows by them, and takes them away."""
  before = drawn.get_suptitle()
  width, height = map(float, drawn.get_size_inches())
  lines = [
    part
    for text in (title, subject, before)
    for line in text.splitlines()
    for part in textwrap.wrap(line, int(width * _POINTS / _LETTER))
  ]
  more = len(lines) - len(before.splitlines())
  drawn.set_size_inches(width, height + more * _LINE / _POINTS)
  written = drawn.suptitle('\n'.join(lines), parse_math=False)
  written.set_in_layout(True)
  try:
    yield
  finally:
    written.set_text(before)
    written.set_in_layout(bool(before))
    drawn.set_size_inches(width, height)


def style() -> Any:
  """The context in which charts are drawn and saved."""
  return matplotlib.rc_context(_STYLE)


def figure(width: float = 4.8, height: float = 3.4) -> tuple[Figure, Axes]:
  """A figure of that many inches, and its axes."""
  drawn = Figure(figsize=(width, height), layout='constrained')
  return drawn, drawn.subplots()


def sample(count: int, most: int) -> np.ndarray:
  """Indices below `count`, in order: all of them, or `most` drawn at random.

  The draw is the same every time.
  """
  if count <= most:
    return np.arange(count)
  return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def use_log_scale(axes: Axes) -> None:
  """Makes the x axis logarithmic, labelled with plain numbers.

  They stand even where all values lie within one power of ten.
  """
  axes.set_xscale('log')
  low, high = axes.get_xlim()
  plain = ticker.StrMethodFormatter('{x:,g}')
  axes.xaxis.set_major_formatter(plain)
  axes.xaxis.set_minor_formatter(
    plain if high < 10 * low else ticker.NullFormatter()
  )


def widen(axes: Axes, span: float) -> None:
  """Shows at least that much of y: noise must not look like a finding."""
  low, high = axes.get_ylim()
  more = max(0.0, span - (high - low)) / 2
  axes.set_ylim(low - more, high + more)


def color(index: int) -> str:
  """The colour of a class or a line; after the seventh they begin again."""
  return COLORS[index % len(COLORS)]


def printable(name: str) -> str:
  """A name that somebody gave, on one line and without control characters."""
  seen = ''.join(c if c.isprintable() else ' ' for c in name)
  return ' '.join(seen.split())


def label(name: str, most: int = 16) -> str:
  """A name that somebody gave, as text of a chart: short, and as it stands.

  Matplotlib takes what is between two dollars for mathematics, and leaves out
  of legends what begins with an underscore.
  """
  short = printable(name)
  short = short if len(short) <= most else f'{short[: most - 3]}...'
  return short.replace('$', r'\$').replace('_', '\u200b_', 1)


def marker(index: int) -> str:
  """The marker of a class; it tells classes of one colour apart."""
  return MARKERS[index // len(COLORS) % len(MARKERS)]


def shade(value: float) -> str:
  """The colour of a number from 0 to 1; the larger, the lighter."""
  return matplotlib.colors.to_hex(
    matplotlib.colormaps[SEQUENTIAL](float(value))
  )


def ink_on(ground: str) -> str:
  """Black or white, whichever is read more easily on a colour."""
  red, green, blue = matplotlib.colors.to_rgb(ground)
  light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
  return 'black' if light > 0.18 else 'white'


def share(value: float) -> str:
  """A fraction in words, as in '97.3 %'; 0 % and 100 % are exact."""
  if value in (0, 1):
    return f'{100 * value:.0f} %'
  text = f'{100 * value:.1f} %'
  return {'100.0 %': 'more than 99.9 %', '0.0 %': 'less than 0.1 %'}.get(
    text, text
  )


def layer_name(layer: int, depth: int) -> str:
  """What a layer is called, counted from 0: 'layer 1', 'layer 2 (output)'."""
  return f'layer {layer + 1}' + (' (output)' if layer == depth - 1 else '')
