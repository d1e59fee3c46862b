"""Tables as text, and sections of a Markdown file that commands share.

It knows cells and words, not what they mean. Scores are fractions between 0
and 1 in Python and in files for machines; text for people shows them in %.
"""

from collections.abc import Collection, Sequence
import csv
import io
import pathlib
import tempfile
from typing import Any

from rich import box
from rich import cells as rich_cells
from rich import console as rich_console
from rich import table as rich_table

from gat_jax import storage
from gat_jax.runs import workdirs

UNIT = 'fraction'  # of scores in files for machines
SPREAD = 'mean ± sample deviation'


def metric_name(metric: str | None) -> str:
  """What a reader calls it; 'score' before anything has finished."""
  names = {'micro_f1': 'micro-F1', 'roc_auc': 'ROC-AUC'}
  return names.get(metric or '', metric or 'score')


def per_unit(content: dict[str, Any]) -> float:
  """How many of a JSON file's own units make 1: it is read back by dividing.

  Args:
    content: of the file. `unit` is `UNIT`; files of version 0.1 have none, and
      their scores are in %.

  Raises:
    ValueError: if it has another unit.
  """
  if 'unit' not in content:
    return 100.0
  if content['unit'] != UNIT:
    raise ValueError(f'scores have the unit {content["unit"]!r}')
  return 1.0


def per_cent(fraction: float, digits: int = 2, sign: bool = False) -> str:
  """A score for people: 0.8305 is 83.05; the column says that it is in %.

  Args:
    fraction: as files for machines hold it.
    digits: after the point.
    sign: write + as well, as for a difference.
  """
  return f'{100 * fraction:{"+" if sign else ""}.{digits}f}'


def mean_and_deviation(mean: float, std: float | None, digits: int = 2) -> str:
  """For example 83.05 ± 0.71, of fractions; the mean alone without deviation.

  Args:
    mean: a fraction.
    std: sample deviation, a fraction; None if there is none.
    digits: after the point.
  """
  shown = per_cent(mean, digits)
  return shown if std is None else f'{shown} ± {per_cent(std, digits)}'


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
  """Cells as a Markdown table, the header first; no line break at the end."""
  header, *rows = lines
  lines = [header, ['---'] * len(header), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def records_table(records: Sequence[dict[str, str]]) -> str:
  """Records of the same fields, at least one, as such a table."""
  return markdown_table(
    [list(records[0]), *(list(r.values()) for r in records)]
  )


class TerminalTable:
  """A table that stays readable in a narrow terminal: no cell is broken.

  Long names of columns are broken between words. Columns that do not fit are
  left out, the last ones first, and named below the table. Where even the
  important ones do not fit, every row becomes a list of names and values.
  """

  def __init__(
    self,
    title: str,
    lines: Sequence[Sequence[str]],
    *,
    important: Collection[str] = (),
    wraps: Collection[str] = (),
    caption: str = '',
    file: str = '',
  ):
    """Draws nothing yet; rich asks for it, and says how wide it may be.

    Args:
      title: stands above it.
      lines: cells, the header first.
      important: the columns that are always there; all if none is named.
      wraps: columns of words, whose cells may be broken between two of them.
      caption: stands below it.
      file: where the columns are that are left out.
    """
    self._title = title
    self._caption = caption
    self._file = file
    header, *self._rows = [list(line) for line in lines]
    self._columns = [
      _Column(name, [row[i] for row in self._rows], name in wraps)
      for i, name in enumerate(header)
    ]
    self._important = [
      column for column in self._columns if column.name in important
    ] or self._columns

  def __rich_console__(
    self,
    unused_console: rich_console.Console,
    options: rich_console.ConsoleOptions,
  ) -> rich_console.RenderResult:
    width = options.max_width
    kept = list(self._important)
    if _width([column.least for column in kept]) > width:
      yield self._listed(width)
      return
    for column in self._columns:
      more = [*kept, column]
      if column not in kept and _width([c.least for c in more]) <= width:
        kept = more
    yield self._drawn([c for c in self._columns if c in kept], width)

  def _drawn(self, columns: list['_Column'], width: int) -> rich_table.Table:
    table = rich_table.Table(
      title=self._title, caption=self._below(columns), box=box.SIMPLE_HEAD
    )
    spare = width - _width([column.least for column in columns])
    for column in columns:
      more = min(spare, column.most - column.least)
      spare -= more
      table.add_column(
        column.name, justify=column.justify, width=column.least + more
      )
    for cells in zip(*(column.cells for column in columns), strict=True):
      table.add_row(*cells)
    return table

  def _below(self, columns: list['_Column']) -> str:
    """The caption, with what is left out."""
    out = [column.name for column in self._columns if column not in columns]
    said = [self._caption] if self._caption else []
    if out:
      where = f', but in {self._file}' if self._file else ''
      said.append(f'left out here{where}: {", ".join(out)}')
    return '; '.join(said)

  def _listed(self, width: int) -> rich_table.Table:
    """A line for each cell."""
    table = rich_table.Table(
      title=self._title,
      caption=self._caption,
      box=box.SIMPLE_HEAD,
      show_header=False,
    )
    names = _Column('', [column.name for column in self._columns], wraps=True)
    cells = [cell for column in self._columns for cell in column.cells]
    space = width - _width([0, 0])
    cells_width = min(_longest(cells), space - names.least)
    table.add_column(width=min(names.most, space - cells_width))
    table.add_column(width=cells_width)
    for row in self._rows:
      for name, cell in zip(names.cells, row, strict=True):
        table.add_row(name, cell)
      table.add_section()
    return table


class _Column:
  """Cells below a name, and how wide they are at least and at most."""

  def __init__(self, name: str, cells: list[str], wraps: bool):
    self.name = name
    self.cells = cells
    parts = (
      [word for cell in cells for word in cell.split()] if wraps else cells
    )
    self.justify = 'left' if cells and cells[0][:1].isalpha() else 'right'
    self.least = _longest([*name.split(), *parts])
    self.most = _longest([name, *cells])


def _longest(words: Sequence[str]) -> int:
  return max(map(rich_cells.cell_len, words), default=0)


def _width(columns: Sequence[int]) -> int:
  """Of a table with `box.SIMPLE_HEAD`: each column has a margin of three."""
  return sum(columns) + 3 * len(columns) + 1


def as_csv(lines: Sequence[dict[str, Any]]) -> str:
  """Records as CSV, with a column for every name that any of them has.

  Args:
    lines: by name, the values of each record; None leaves a cell empty.

  Returns:
    The text, names first; empty if there is no record.
  """
  names = list(dict.fromkeys(name for line in lines for name in line))
  file = io.StringIO()
  if lines:
    writer = csv.DictWriter(file, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
  return file.getvalue()


def put_section(path: str, name: str, text: str) -> None:
  """Replaces one section of a file, or adds it at the end.

  Args:
    path: of the file; made if it is not there.
    name: marks the section in the file; a reader does not see it.
    text: Markdown.

  Raises:
    WorkdirError: if the file cannot be read or written.
  """
  with workdirs.explained(path, path, 'choose another file'):
    head, section, after = _around(path, name)
    if section is None:
      head = f'{head.rstrip()}\n\n' if head.strip() else ''
    begin, end = _marks(name)
    with storage.whole_file(pathlib.Path(path)) as opened:
      opened.write(f'{head}{begin}\n{text.strip()}\n\n{end}{after}')


def check_file(path: str) -> None:
  """Looks whether `put_section` can write a file, before long work is done.

  Raises:
    WorkdirError: if it cannot be read or written.
  """
  with workdirs.explained(path, path, 'choose another file'):
    _around(path, '')
    tempfile.TemporaryFile(dir=pathlib.Path(path).parent).close()


def section(path: str, name: str) -> str:
  """The text of a section that `put_section` wrote; '' if there is none.

  Raises:
    WorkdirError: if the file cannot be read.
  """
  with workdirs.explained(path, path, 'choose another file'):
    return (_around(path, name)[1] or '').strip()


def with_kept_rows(path: str, name: str, table: str, num_keys: int) -> str:
  """A table, and the rows that a section's last table has and it has not.

  Args:
    path: of the file of the section.
    name: of the section.
    table: Markdown. Rows of a table with other columns are not kept.
    num_keys: how many of the first cells say which row is which. A row takes
      the place of the section's own.

  Raises:
    WorkdirError: if the file cannot be read.
  """
  head, rows = table.splitlines()[:2], table.splitlines()[2:]
  before = section(path, name).partition('\n'.join(head))[2]
  kept = before.strip().splitlines()
  by_key = {tuple(row.split(' | ')[:num_keys]): row for row in (*kept, *rows)}
  return '\n'.join([*head, *by_key.values()])


def _around(path: str, name: str) -> tuple[str, str | None, str]:
  """What stands before, in and after a section; all before if there is none."""
  file = pathlib.Path(path)
  content = file.read_text(encoding='utf-8') if file.exists() else ''
  begin, end = _marks(name)
  head, found, tail = content.partition(begin)
  if not found:
    return content, None, ''
  inside, _, after = tail.partition(end)
  return head, inside, after


def _marks(name: str) -> tuple[str, str]:
  return f'<!-- {name} -->\n', f'<!-- end of {name} -->\n'
