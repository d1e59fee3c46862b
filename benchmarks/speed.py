"""Rows of speed that are kept: JSON lines, and the table made of them."""

from collections.abc import Iterable
import dataclasses
import json
import pathlib

from experiments import documents

ROOT = pathlib.Path(__file__).parents[1]
KEPT = ROOT / 'benchmarks' / 'results' / 'speed.jsonl'
TABLE = ROOT / 'benchmarks' / 'RESULTS.md'
PEERS = {'pyg': 'PyTorch Geometric', 'dgl': 'DGL', 'jraphx': 'jraphx'}


@dataclasses.dataclass(frozen=True)
class Row:
  """What some pairs of runs, ours and theirs in turn, came to.

  Attributes:
    dataset: the name on its card.
    seeds: that ours trained in one program.
    peer: the command of the other, without its interpreter.
    our_ms: median time of an epoch, for each seed.
    their_ms: median time of an epoch.
    ratio: median over the pairs of their time by ours.
    lowest: of these ratios.
    highest: of these ratios.
    our_peak_mb: median of the resident memory at its peak.
    their_peak_mb: the same of the other.
    pairs: how many there were.
    day: as in 2026-01-31.
    machine: cores and architecture.
    jax: the version.
  """

  dataset: str
  seeds: int
  peer: str
  our_ms: float
  their_ms: float
  ratio: float
  lowest: float
  highest: float
  our_peak_mb: float
  their_peak_mb: float
  pairs: int
  day: str
  machine: str
  jax: str

  @property
  def peer_name(self) -> str:
    """For people; the command itself if it names none that is known."""
    words = self.peer.split()
    return next((PEERS[word] for word in words if word in PEERS), self.peer)


def read() -> list[Row]:
  """All rows that were kept, the oldest first."""
  lines = KEPT.read_text(encoding='utf-8').splitlines()
  return [Row(**json.loads(line)) for line in lines]


def keep(row: Row) -> None:
  """Adds a row to those that are kept and writes the table anew."""
  with KEPT.open('a', encoding='utf-8') as file:
    file.write(json.dumps(dataclasses.asdict(row)) + '\n')
  documents.put_section(str(TABLE), 'speed', markdown(read()))


def newest(rows: Iterable[Row]) -> dict[tuple[str, int, str], Row]:
  """The last row of each data set, number of seeds and peer."""
  return {(row.dataset, row.seeds, row.peer_name): row for row in rows}


def markdown(rows: Iterable[Row]) -> str:
  """A section: every row, the oldest first."""
  lines = [
    [
      'data set',
      'seeds at once',
      'against',
      'ours, ms an epoch and seed',
      'theirs, ms an epoch',
      'ratio',
      'our peak, MB',
      'their peak, MB',
      'pairs',
      'when and where',
    ]
  ]
  lines += [
    [
      row.dataset,
      str(row.seeds),
      row.peer,
      f'{row.our_ms:.2f}',
      f'{row.their_ms:.2f}',
      f'**{row.ratio:.1f}** ({row.lowest:.1f} to {row.highest:.1f})',
      f'{row.our_peak_mb:.0f}',
      f'{row.their_peak_mb:.0f}',
      str(row.pairs),
      f'{row.day}, {row.machine}, jax {row.jax}',
    ]
    for row in rows
  ]
  return (
    '# Speed on a CPU\n\nWritten by `python -m benchmarks.compare --keep`;'
    ' medians, and the ratio pair by pair. An epoch of PPI is ten training'
    ' steps, elsewhere one step and its validation.\n\n'
    f'{documents.markdown_table(lines)}'
  )
