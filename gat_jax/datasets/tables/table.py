"""A file as columns of cells; every error names file and line.

Shapes: n rows.
"""

from collections.abc import Collection
import dataclasses
import pathlib
import shlex
from typing import Any, NoReturn

import numpy as np

from gat_jax.errors import DataError
from gat_jax.errors import did_you_mean

INSTALL = "pip install 'polars>=2.0,<3'"
_TRUTH = {'true': '1', 'false': '0'}
_MAX_SHOWN = 60  # characters of a cell


@dataclasses.dataclass(frozen=True)
class Table:
  """What a file holds, below its header.

  Attributes:
    path: of the file.
    columns: a series of polars each, by name: of strings if the file is text.
    places: [n], the line of a text file, or the row, counted from 1.
    unit: 'line' or 'row', of these places.
  """

  path: pathlib.Path
  columns: dict[str, Any]
  places: np.ndarray
  unit: str

  def fail(self, row: int | None, problem: str, remedy: str) -> NoReturn:
    """Raises the DataError of a row, or of the file."""
    where = '' if row is None else f', {self.unit} {self.places[row]}'
    raise DataError(f'{self.path}{where}', problem, remedy)

  def find(self, name: str, field: str, what: str) -> str:
    """The name of a column, which must be there.

    Raises:
      DataError: says which columns there are.
    """
    if name not in self.columns:
      meant = did_you_mean(name, self.columns)
      self.fail(
        None,
        f'has no column {name!r}, {what}; it has {listed(self.columns)}',
        f'name it in `config.dataset.{field}`'
        + (f': {meant}' if meant else ''),
      )
    return name

  def texts(self, name: str) -> Any:
    """A column as a series of strings, without spaces around; '' for none.

    Raises:
      DataError: if what it holds has no text.
    """
    polars = library()
    column = self.columns[name]
    try:
      if column.dtype.is_float():
        column = column.fill_nan(None)
        # Of whole numbers with gaps, pandas makes 1.0 and 2.0.
        whole = column.drop_nulls().cast(polars.Int64, strict=False)
        if (whole == column.drop_nulls()).fill_null(False).all():
          column = column.cast(polars.Int64)
      return column.cast(polars.String).fill_null('').str.strip_chars()
    except polars.exceptions.PolarsError as error:
      self._refuse(name, error)

  def numbers(self, name: str) -> np.ndarray | None:
    """A column as [n] float64, all finite as float32; None if it is words.

    Words are a column without any number in it. True and false are 1 and 0.

    Raises:
      DataError: names the first cell that is no number, of a column of them.
    """
    polars = library()
    column = self.columns[name]
    if column.dtype.is_numeric() or column.dtype == polars.Boolean:
      found = column.cast(polars.Float64)
      texts = column
    else:
      texts = self.texts(name)
      found = texts.cast(polars.Float64, strict=False)
      if found.null_count() == len(found):
        words = texts.str.to_lowercase()
        found = words.replace_strict(_TRUTH, default=None).cast(polars.Float64)
      if found.null_count() == len(found):
        with_points = texts.str.replace(',', '.', literal=True)
        points = with_points.cast(polars.Float64, strict=False)
        if points.null_count() == len(points):
          return None
    values = found.fill_null(np.nan).to_numpy()
    with np.errstate(over='ignore'):  # becomes infinity, which is refused
      bad = ~np.isfinite(values.astype(np.float32))
    if bad.any():
      row = int(bad.argmax())
      cell = texts[row]
      leave = f'leave it out: {_leave_out(name)}'
      if cell is None or cell == '':
        self.fail(
          row,
          f'column {name!r} is empty',
          f'fill it, or, if the column is no feature, {leave}',
        )
      why = 'no number'
      if not np.isnan(values[row]):
        why = 'too large for float32'
      elif isinstance(cell, str) and cell.replace(',', '.', 1) != cell:
        why += ' (decimals have a point)'
      self.fail(
        row,
        f'column {name!r} holds {shown(cell)}, {why}',
        f'mend it, or, if the column is no feature, {leave}',
      )
    return values

  def is_whole(self, name: str) -> bool:
    """Whether a column has integers alone, written as such."""
    polars = library()
    column = self.columns[name]
    if column.dtype == polars.String:
      column = self.texts(name).cast(polars.Int64, strict=False)
    return column.dtype.is_integer() and not column.null_count()

  def _refuse(self, name: str, error: Exception) -> NoReturn:
    self.fail(
      None,
      f'column {name!r} is of type {self.columns[name].dtype} ({error})',
      'a cell must be one number or one text: make columns of it, or leave it'
      f' out: {_leave_out(name)}',
    )


def library(
  field: str = 'config.dataset.nodes',
  otherwise: str = ', or save the graph as .npz',
) -> Any:
  """The module polars.

  Args:
    field: that asks for it.
    otherwise: what else can be done.

  Raises:
    DataError: if it is not installed.
  """
  try:
    import polars
  except ImportError as error:
    raise DataError(
      field,
      f'tables are read with polars, which cannot be imported ({error})',
      f'do `{INSTALL}`{otherwise}',
    ) from error
  return polars


def _leave_out(name: str) -> str:
  return f'`config.dataset.leave_out`={shlex.quote(name)}'


def listed(names: Collection[str], most: int = 20) -> str:
  """Names in a row, and how many more there are."""
  first = ', '.join(list(names)[:most])
  more = len(names) - most
  return first + (f' and {more:,} more' if more > 0 else '')


def shown(cell: object) -> str:
  """A cell, as an error quotes it."""
  text = str(cell)
  return repr(text if len(text) <= _MAX_SHOWN else f'{text[:_MAX_SHOWN]}...')
