"""What a part measures: rows as JSON lines, and times that can be believed."""

from collections.abc import Callable
import json
import pathlib
import statistics
import time
import traceback
from typing import Any


class Report:
  """Where a part writes its rows, and how much time it has left.

  Attributes:
    is_rehearsal: small sizes and few repeats, by the same code.
    folder: for whole texts, as a table of kernels.
  """

  def __init__(
    self,
    path: pathlib.Path,
    folder: pathlib.Path,
    seconds: float,
    is_rehearsal: bool,
  ):
    """Writes rows to `path`; the part should end after `seconds`."""
    self._path, self.folder = path, folder
    self._end = time.monotonic() + seconds
    self.is_rehearsal = is_rehearsal

  def size(self, real: int, rehearsed: int) -> int:
    """A size or a number of repeats."""
    return rehearsed if self.is_rehearsal else real

  def add(self, **row: Any) -> None:
    """Writes a row at once, so that a crash later does not lose it."""
    with self._path.open('a') as file:
      file.write(json.dumps(row, default=float) + '\n')
    print(json.dumps(row, default=float), flush=True)

  def attempt(
    self, seconds: float, work: Callable[..., None], **row: Any
  ) -> None:
    """Goes on after an error, and drops what there is no time for.

    Args:
      seconds: that it is likely to take.
      work: is given a function that adds a row with these names.
      **row: names what is tried.
    """
    if not self.is_rehearsal and self._end - time.monotonic() < seconds:
      self.add(**row, error='dropped: no time left')
      return
    try:
      work(lambda **more: self.add(**row, **more))
    except Exception as error:  # a road that fails must not take others along
      traceback.print_exc()
      lines = str(error).strip().splitlines() or ['']
      self.add(**row, error=f'{type(error).__name__}: {lines[0][:200]}')


def times(
  call: Callable[[], Any],
  wait: Callable[[Any], Any],
  *,
  seconds: float = 1.0,
  inner: int = 1,
  most: int = 200,
) -> dict[str, float]:
  """Times calls that are waited for.

  Args:
    call: sends work off.
    wait: returns once what a call returned is there.
    seconds: after which no more repeats begin; three are made in any case.
    inner: calls that are sent off before each wait.
    most: repeats.

  Returns:
    `ms` of a call, the median; `low` and `high`, the quartiles; `n` repeats.
  """
  for _ in range(2):
    wait(call())
  found: list[float] = []
  end = time.perf_counter() + seconds
  while len(found) < 3 or (time.perf_counter() < end and len(found) < most):
    start = time.perf_counter()
    for _ in range(inner):
      made = call()
    wait(made)
    found.append(1e3 * (time.perf_counter() - start) / inner)
  low, middle, high = statistics.quantiles(found, n=4, method='inclusive')
  return {'ms': middle, 'low': low, 'high': high, 'n': len(found)}
