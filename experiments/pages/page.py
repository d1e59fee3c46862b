"""A page of sections, written as one HTML file that needs nothing else."""

from collections.abc import Sequence
import dataclasses
import pathlib

import jinja2

from experiments.pages.drawing import Chart
from gat_jax import storage
from gat_jax.runs import workdirs

NAME = 'report.html'
PICTURES = 'pictures'
_HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Table:
  """Cells as words, the header first.

  Attributes:
    title: what it is.
    lines: of cells; an empty first line leaves out the header.
    folded: whether it is closed until a reader opens it.
    wordy: whether the last column holds text, not numbers.
  """

  title: str
  lines: Sequence[Sequence[str]]
  folded: bool = False
  wordy: bool = False


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of a page; the contents on top link to it.

  Attributes:
    title: what it is about.
    text: a paragraph a line, or nothing.
    items: tables and charts, in order.
    subject: what its charts were drawn of; stands in their files, where no page
      is around them.
  """

  title: str
  text: str = ''
  items: Sequence[Table | Chart] = ()
  subject: str = ''

  @property
  def charts(self) -> list[Chart]:
    """Those of its items."""
    return [item for item in self.items if isinstance(item, Chart)]


@dataclasses.dataclass(frozen=True)
class Page:
  """All of it.

  Attributes:
    title: what it is about.
    lead: the most important of it, in a sentence or two.
    sections: in order.
  """

  title: str
  lead: str
  sections: Sequence[Section]

  @property
  def charts(self) -> list[Chart]:
    """Of all sections."""
    return [chart for section in self.sections for chart in section.charts]

  def write(self, folder: pathlib.Path) -> pathlib.Path:
    """Writes report.html, and each chart as PNG and SVG under pictures/.

    Returns:
      The path of the page.

    Raises:
      WorkdirError: if it cannot be written.
    """
    pictures = folder / PICTURES
    html = self.html()
    with workdirs.explained(folder, folder, 'choose another `output`'):
      pictures.mkdir(parents=True, exist_ok=True)
      for section in self.sections:
        for chart in section.charts:
          chart.save(pictures, section.subject)
      with storage.whole_file(folder / NAME) as file:
        file.write(html)
    return folder / NAME

  def html(self) -> str:
    """The page, with its style, its script and all charts in it."""
    environment = jinja2.Environment(
      loader=jinja2.FileSystemLoader(_HERE),
      autoescape=True,
      trim_blocks=True,
      lstrip_blocks=True,
      undefined=jinja2.StrictUndefined,
    )
    environment.tests['chart'] = lambda item: isinstance(item, Chart)
    return environment.get_template('page.html').render(
      page=self,
      css=(_HERE / 'page.css').read_text(encoding='utf-8'),
      script=(_HERE / 'page.js').read_text(encoding='utf-8'),
    )
