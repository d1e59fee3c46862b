"""Rows of speed that are kept, as JSON lines, and read again, old ones too."""

from collections.abc import Iterable
import dataclasses
import json
import pathlib
from typing import Any

from benchmarks.comparison import cases
from gat_jax import storage

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
TABLE = ROOT / 'benchmarks' / 'RESULTS.md'
_PAIRS, _BOUNDS = 'speed.jsonl', 'bounds.jsonl'


@dataclasses.dataclass(frozen=True)
class Row:
  """What some pairs of processes, ours and theirs in turn, came to.

  Attributes:
    dataset: the name on its card.
    seeds: that ours trained in one program.
    peer: a key of `cases.PEERS`; in old rows the other's command.
    our_ms: median time, of an epoch for each seed; None without a pair.
    their_ms: median time; None without a pair.
    ratio: median over the pairs of their time by ours.
    lowest: of these ratios.
    highest: of these ratios.
    our_peak_mb: median of the resident memory at its peak.
    their_peak_mb: the same of the other.
    pairs: how many there were.
    day: as in 2026-01-31.
    machine: cores and architecture.
    jax: the version.
    task: `epoch`, `inference`, or `table`: of all seeds, from nothing to the
      paper's table.
    recipe: of ours: `authors` does more than a peer does, `pyg` the same.
    edges: of a drawn graph; 0 for another.
    commit: of ours; -dirty behind it if files differed.
    threads: of each side.
    our_compile_s: longest, of compiling; in no other time.
    their_compile_s: the same of the other.
    version: of the other.
    style: how the other is written, where there are several ways.
    busy: the largest fraction of the cores that others kept busy before a turn.
    is_projected: whether their time was not measured, but multiplied.
    error: why there is no pair.
  """

  dataset: str
  seeds: int
  peer: str
  our_ms: float | None
  their_ms: float | None
  ratio: float | None
  lowest: float | None
  highest: float | None
  our_peak_mb: float | None
  their_peak_mb: float | None
  pairs: int
  day: str
  machine: str
  jax: str
  task: str = 'epoch'
  recipe: str = 'authors'
  edges: int = 0
  commit: str = ''
  threads: int = 0
  our_compile_s: float | None = None
  their_compile_s: float | None = None
  version: str = ''
  style: str = ''
  busy: float | None = None
  is_projected: bool = False
  error: str = ''

  @property
  def peer_name(self) -> str:
    """For people; the command itself if it names none that is known."""
    words = self.peer.split()
    names = cases.PEERS
    return next((names[word] for word in words if word in names), self.peer)

  @property
  def key(self) -> tuple[Any, ...]:
    """What a later row with the same stands for anew."""
    what = self.dataset, self.edges, self.seeds, self.task, self.recipe
    return *what, self.peer_name


@dataclasses.dataclass(frozen=True)
class Bound:
  """How far a training step is from what the machine can do.

  Attributes:
    dataset: the name on its card.
    edges: of a drawn graph; 0 for another.
    step_ms: median time of a step.
    flops: operations of it at least.
    bytes: that it must move at least.
    product_rate: operations a second that dense products reach.
    stream_rate: bytes a second that are read and written.
    day: as in 2026-01-31.
    machine: cores and architecture.
    jax: the version.
    commit: as in `Row`.
    threads: that compute.
    turns: processes whose medians these are.
    busy: as in `Row`.
    error: why there are no numbers.
  """

  dataset: str
  edges: int
  step_ms: float | None
  flops: float | None
  bytes: float | None
  product_rate: float | None
  stream_rate: float | None
  day: str
  machine: str
  jax: str
  commit: str
  threads: int
  turns: int
  busy: float | None = None
  error: str = ''

  @property
  def key(self) -> tuple[Any, ...]:
    """What a later row with the same stands for anew."""
    return self.dataset, self.edges

  @property
  def times_products(self) -> float:
    """Its time by that of its operations at the rate of dense products."""
    return self.step_ms / (1e3 * self.flops / self.product_rate)

  @property
  def times_bytes(self) -> float:
    """Its time by that of its bytes at the rate of streaming."""
    return self.step_ms / (1e3 * self.bytes / self.stream_rate)


def read(folder: pathlib.Path = RESULTS) -> list[Row]:
  """All rows that were kept, the oldest first."""
  return [Row(**row) for row in _lines(folder / _PAIRS)]


def read_bounds(folder: pathlib.Path = RESULTS) -> list[Bound]:
  """All rows of bounds that were kept, the oldest first."""
  return [Bound(**row) for row in _lines(folder / _BOUNDS)]


def _lines(path: pathlib.Path) -> list[dict[str, Any]]:
  if not path.exists():
    return []
  return [json.loads(x) for x in path.read_text(encoding='utf-8').splitlines()]


def keep(
  rows: Iterable[Row], bounds: Iterable[Bound], folder: pathlib.Path = RESULTS
) -> None:
  """Adds rows to those that are kept."""
  folder.mkdir(parents=True, exist_ok=True)
  for name, more in ((_PAIRS, rows), (_BOUNDS, bounds)):
    added = [dataclasses.asdict(row) for row in more]
    if added:
      lines = [*_lines(folder / name), *added]
      with storage.whole_file(folder / name) as file:
        file.writelines(json.dumps(line) + '\n' for line in lines)


def newest(rows: Iterable[Any]) -> dict[tuple[Any, ...], Any]:
  """The last row of each key; one with an error only if there is no other."""
  found: dict[tuple[Any, ...], Any] = {}
  for row in rows:
    before = found.get(row.key)
    if before is None or before.error or not row.error:
      found[row.key] = row
  return found


def spread(rows: Iterable[Row]) -> dict[tuple[Any, ...], tuple[float, float]]:
  """The lowest and highest ratio of each key, on whatever day and machine."""
  found: dict[tuple[Any, ...], tuple[float, float]] = {}
  for row in rows:
    if row.lowest is not None and row.highest is not None:
      low, high = found.get(row.key, (row.lowest, row.highest))
      found[row.key] = min(low, row.lowest), max(high, row.highest)
  return found
