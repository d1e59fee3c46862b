r"""Compares the same seeds, trained by two machines or twice by one.

Try:
  python -m benchmarks.agreement results results/devices/*
  python -m benchmarks.agreement results results/devices/* --output=RESULTS.md

Each folder is a workdir of experiments.reproduce, or holds its seeds/. Every
row that a later folder shares with the first is a line: of the seeds that both
have, how many agree in every number that was kept (scores, losses, epochs),
how many kept the same epoch, and what test scores differ by.
"""

import argparse
import pathlib

import numpy as np

from benchmarks import outputs
from experiments import documents
from experiments.reproduction import ledger
from gat_jax.errors import InputError
from gat_jax.errors import WorkdirError


def compare(first: pathlib.Path, second: pathlib.Path) -> list[dict[str, str]]:
  """A line for each row that two workdirs share.

  Raises:
    WorkdirError: if a ledger is damaged, if they share none, or if a row of
      theirs was trained with another config or on other data.
  """
  lines: list[dict[str, str]] = []
  for theirs in sorted((second / ledger.FOLDER).glob('*.jsonl')):
    ours = first / ledger.FOLDER / theirs.name
    if ours.exists():
      lines += [
        {'row': ours.stem, 'other': second.name, **line}
        for line in _of_row(ours, theirs)
      ]
  if not lines:
    raise WorkdirError(
      second,
      f'shares no seed with {first}',
      'name workdirs of experiments.reproduce that trained the same rows',
    )
  return lines


def _of_row(ours: pathlib.Path, theirs: pathlib.Path) -> list[dict[str, str]]:
  one, other = ledger.Ledger(ours), ledger.Ledger(theirs)
  if not (one.holds and other.holds):
    return []
  if differing := one.holds.differences(other.holds):
    raise WorkdirError(
      theirs, f'is of another config or of other data: {"; ".join(differing)}'
    )
  pairs = [
    (mine, other.entries[seed])
    for seed, mine in one.entries.items()
    if seed in other.entries
  ]
  if not pairs:
    return []
  apart = [100 * (b.score - a.score) for a, b in pairs]
  return [
    {
      'trained by': _machines(a for a, _ in pairs),
      'other trained by': _machines(b for _, b in pairs),
      'seeds': str(len(pairs)),
      'same in all': str(sum(a.result == b.result for a, b in pairs)),
      'same epoch kept': str(
        sum(a.result.best_epoch == b.result.best_epoch for a, b in pairs)
      ),
      'mean difference, points': f'{np.mean(apart):+.2f}',
      'largest': f'{max(apart, key=abs):+.1f}',
    }
  ]


def _machines(entries) -> str:
  found = {entry.versions.get('machine', 'not told') for entry in entries}
  return '; '.join(sorted(found))


def main() -> None:
  """Prints the table, and puts it into a file."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('first', type=pathlib.Path)
  parser.add_argument('others', nargs='+', type=pathlib.Path)
  parser.add_argument('--output', **outputs.FLAG)
  args = parser.parse_args()
  try:
    lines = [
      line for other in args.others for line in compare(args.first, other)
    ]
  except InputError as error:
    parser.error(str(error))
  text = documents.records_table(lines)
  print(text)
  if args.output:
    said = (
      '## One machine against another\n\nWritten by `python -m'
      ' benchmarks.agreement`: seeds that two machines trained with the same'
      ' config, by the folder of the other. *Same in all*: every score, loss'
      ' and epoch that was kept is the same number. *Difference*: of the test'
      ' score, the other less the first.'
    )
    documents.put_section(args.output, 'agreement', f'{said}\n\n{text}')


if __name__ == '__main__':
  main()
