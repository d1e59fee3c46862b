"""CSV and Parquet as tables."""

import csv
import io
import pathlib
from typing import NoReturn

import numpy as np

from gat_jax.datasets.tables.table import Table
from gat_jax.datasets.tables.table import library
from gat_jax.datasets.tables.table import shown
from gat_jax.errors import DataError

_SEPARATORS = {'.csv': ',', '.tsv': '\t'}
_INDEX = '__index_level_'  # that pandas writes into Parquet


def read(field: str, path: pathlib.Path, data: bytes) -> Table:
  """Reads a file.

  Args:
    field: of `config.dataset`, that names it.
    path: its suffix says what it is.
    data: its bytes.

  Raises:
    DataError: if it is no table, or polars is not installed.
  """
  suffix = path.suffix.lower()
  if suffix == '.parquet':
    table = _parquet(path, data)
  elif suffix in _SEPARATORS:
    table = _text(path, data, _SEPARATORS[suffix])
  else:
    raise DataError(
      f'config.dataset.{field}',
      f'{path} ends in neither .csv, .tsv nor .parquet',
      'save it as one of these',
    )
  if not len(table.places):
    table.fail(None, 'has no rows', 'give it some')
  return table


def _parquet(path: pathlib.Path, data: bytes) -> Table:
  polars = library()
  try:
    frame = polars.read_parquet(io.BytesIO(data))
  except Exception as error:  # of many kinds, as damage is
    raise DataError(
      path, f'is no Parquet file, or damaged ({error})', 'write it again'
    ) from error
  columns = {c.name: c for c in frame if not c.name.startswith(_INDEX)}
  return Table(path, columns, np.arange(1, len(frame) + 1), 'row')


def _text(path: pathlib.Path, data: bytes, separator: str) -> Table:
  try:
    data.decode('utf-8')
  except UnicodeDecodeError as error:
    line = data.count(b'\n', 0, error.start) + 1
    raise DataError(
      f'{path}, line {line}',
      f'is no text in UTF-8 ({error.reason})',
      'save it again as CSV in UTF-8',
    ) from error
  if b'\r' in data and b'\n' not in data:
    raise DataError(
      path, 'ends its lines by CR alone', 'save it again with usual lines'
    )
  polars = library()
  try:
    frame = polars.read_csv(
      io.BytesIO(data),
      has_header=False,
      infer_schema=False,
      empty_string_is_null=False,
      separator=separator,
    )
  except polars.exceptions.NoDataError as error:
    raise DataError(path, 'is empty', 'write it again') from error
  except polars.exceptions.PolarsError as error:
    _check_rows(path, data, separator)
    raise DataError(
      path, f'cannot be read ({error})', 'write it again'
    ) from error
  is_blank = polars.all_horizontal(polars.all().str.strip_chars() == '')
  tally = frame.select(
    blank=is_blank,
    lines=1 + polars.sum_horizontal(polars.all().str.count_matches('\n')),
    separators=polars.sum_horizontal(
      polars.all().str.count_matches(separator, literal=True)
    ),
  )
  # A short row seems to end in empty cells, but has too few separators.
  full = int((~tally['blank']).sum()) * (frame.width - 1)
  blank = tally['blank'].to_numpy()
  if data.count(separator.encode()) != full + int(tally['separators'].sum()):
    _check_rows(path, data, separator)
  lines = tally['lines'].to_numpy().cumsum() - tally['lines'].to_numpy() + 1
  frame, lines = frame.filter(~tally['blank']), lines[~blank]
  if not len(frame):
    raise DataError(path, 'is empty', 'write it again')
  names = [name.strip() for name in frame.row(0)]
  _check_header(path, int(lines[0]), names, separator)
  columns = dict(zip(names, frame[1:].get_columns(), strict=True))
  return Table(path, columns, lines[1:], 'line')


def _check_header(
  path: pathlib.Path, line: int, names: list[str], separator: str
) -> None:
  def fail(problem: str, remedy: str) -> NoReturn:
    raise DataError(f'{path}, line {line}', problem, remedy)

  if len(names) == 1:
    other = next((s for s in ',;\t|' if s in names[0]), None)
    if other and other != separator:
      fail(
        f'has one column, {shown(names[0])}',
        f'save it with {"commas" if separator == "," else "tabs"} between'
        ' columns',
      )
  for place, name in enumerate(names):
    if not name:
      fail(
        f'column {place + 1} has no name',
        'name it, or leave it out; pandas writes none with `index=False`',
      )
    if name in names[:place]:
      fail(
        f'columns {names.index(name) + 1} and {place + 1} are both named'
        f' {shown(name)}',
        'rename one',
      )


def _check_rows(path: pathlib.Path, data: bytes, separator: str) -> None:
  """Raises the DataError of the first line that is no row, if there is one."""
  text = io.StringIO(data.decode('utf-8-sig'), newline='')
  rows = csv.reader(text, delimiter=separator, strict=True)
  wanted, line = None, 1
  try:
    for row in rows:
      if any(row):
        wanted = wanted or len(row)
        if len(row) != wanted:
          raise DataError(
            f'{path}, line {line}',
            f'has {len(row)} cells, its header has {wanted}',
            'give every line as many; put "" around text that holds'
            f' {"commas" if separator == "," else "tabs"}',
          )
      line = rows.line_num + 1
  except csv.Error as problem:
    raise DataError(
      f'{path}, line {line}',
      f'cannot be read ({problem})',
      'put "" around text that holds quotation marks, and double them',
    ) from problem
