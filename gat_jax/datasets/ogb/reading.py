"""Tables of numbers as OGB writes them, csv.gz without a header.

They are unpacked, parsed and checked some megabytes at a time, so that no more
than the numbers themselves is ever in memory.
"""

import numpy as np

from gat_jax.datasets.ogb.source import Source
from gat_jax.datasets.tables.table import library

_BLOCK = 2**26  # bytes of text that are parsed at once


def numbers(
  source: Source,
  member: str,
  out: np.ndarray,
  *,
  low: int | None = None,
  stop: int | None = None,
) -> None:
  """Reads a table into an array, which says its size and kind.

  Args:
    source: that has the member.
    member: its name.
    out: [rows, columns], of int32 or float32; is filled.
    low: the least that a whole number may be.
    stop: what whole numbers stay below.

  Raises:
    DataError: if the table is missing, damaged, of another size, or one of its
      numbers is none or not in range; it names the line.
  """
  rest, row = b'', 0
  with source.open(member) as file:
    while block := file.read(_BLOCK):
      text = rest + block
      end = text.rfind(b'\n') + 1
      rest = text[end:]
      row = _parse(source, member, text[:end], out, row, low, stop)
    row = _parse(source, member, rest, out, row, low, stop)
  if row != len(out):
    source.fail(member, f'has {row:,} rows, not {len(out):,}')


def number(source: Source, member: str) -> int:
  """The one number of a table, above 0.

  Raises:
    DataError: if there is another, or none.
  """
  found = np.zeros((1, 1), np.int32)
  numbers(source, member, found, low=1)
  return int(found[0, 0])


def column(source: Source, member: str, stop: int) -> np.ndarray:
  """A table of one column, however long: [rows] int32 from 0 to below `stop`.

  Raises:
    DataError: as `numbers`.
  """
  found = np.zeros((stop, 1), np.int32)
  with source.open(member) as file:
    text = file.read()
  rows = _parse(source, member, text, found, 0, 0, stop)
  return found[:rows, 0]


def _parse(
  source: Source,
  member: str,
  text: bytes,
  out: np.ndarray,
  row: int,
  low: int | None,
  stop: int | None,
) -> int:
  """Fills rows from one on, and says which comes next."""
  if not text.strip():
    return row
  polars = library('config.dataset.name', '')
  is_whole = out.dtype.kind == 'i'
  # As pandas does, whose numbers the package `ogb` rounds to float32.
  kind = polars.Int64 if is_whole else polars.Float64
  schema = {str(i): kind for i in range(out.shape[1])}
  wanted = f'{out.shape[1]} {"whole " if is_whole else ""}numbers a line'
  try:
    frame = polars.read_csv(
      text, has_header=False, schema=schema, quote_char=None
    )
  except (Exception, polars.exceptions.PanicException) as error:
    first = str(error).splitlines()[0][:100]
    source.fail(
      member, f'does not hold {wanted} from line {row + 1:,} on ({first})'
    )
  found = frame.to_numpy()
  rows = slice(row, row + len(found))
  if rows.stop > len(out):
    source.fail(member, f'has more than {len(out):,} rows')
  is_wrong = np.zeros(found.shape, bool)
  for place, name in enumerate(schema):
    is_wrong[:, place] = frame[name].is_null().to_numpy()
  why = f'does not hold {wanted}'
  if not is_wrong.any() and is_whole:
    is_wrong = (found < (low if low is not None else -(2**31))) | (
      found >= (stop if stop is not None else 2**31)
    )
    why = 'has a number out of range'
    if low is not None and stop is not None:
      why = f'has a number that is not in {low}..{stop - 1}'
  elif not is_wrong.any():
    with np.errstate(over='ignore'):  # becomes infinity, which is refused
      found = found.astype(np.float32)
    is_wrong = ~np.isfinite(found)
    why = 'has NaN, infinity or a number too large for float32'
  if is_wrong.any():
    place = int(is_wrong.any(axis=1).argmax())
    source.fail(member, f'{why}: line {row + place + 1:,}')
  out[rows] = found
  return rows.stop
