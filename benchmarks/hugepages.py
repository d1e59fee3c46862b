r"""Times training with memory in small and in large pages, in turn.

Try:
  python -m benchmarks.hugepages
  python -m benchmarks.hugepages --rows=ppi --rounds=5

Commands ask for large pages when they start (`experiments/hugepages.py`): this
says what it gains. Rows are those of `benchmarks.run`; every turn is a process
of its own. Prints a line for each row: milliseconds of an epoch and megabytes
at the peak, medians over the rounds. Start it where nothing else runs.
"""

import argparse
import json
import os
import statistics
import sys

import psutil

from benchmarks.comparison import cases
from benchmarks.comparison import processes
from experiments import hugepages

_PAGES = {'small': 0, 'large': 1}  # glibc.malloc.hugetlb


def main() -> None:
  """Takes the turns and prints what they came to."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--rows', default='cora,cora-10-seeds,pubmed,ppi')
  parser.add_argument('--rounds', type=int, default=3)
  args = parser.parse_args()
  if (mode := hugepages.mode()) != 'madvise':
    parser.error(f'this system gives large pages by {mode!r}, not to who asks')
  try:
    chosen = cases.chosen(args.rows.split(','), False)
  except KeyError as error:
    parser.error(f'--rows: there is no {error}; see benchmarks.run --help')
  for case in chosen:
    if case.kind != 'epoch' or case.edges:
      parser.error(f'--rows: {case.name} is not an epoch of published data')
  for case in chosen:
    turns = [
      {pages: measured(case, pages) for pages in _PAGES}
      for _ in range(args.rounds)
    ]
    print(line(case.name, turns), flush=True)


def measured(case: cases.Case, pages: str) -> tuple[float, float]:
  """Milliseconds of an epoch and a seed, and megabytes at the peak."""
  cores = tuple(sorted(os.sched_getaffinity(0)))
  # Thrice at least, however long: there are few rounds.
  spec = case.spec('authors', len(cores)) | {'data': '', 'least': 3}
  done = processes.run(
    [sys.executable, '-m', 'benchmarks.comparison.ours', json.dumps(spec)],
    processes.Limits(case.limit_s, psutil.virtual_memory().total, cores),
    {hugepages.VARIABLE: f'glibc.malloc.hugetlb={_PAGES[pages]}'},
  )
  if done.error:
    sys.exit(f'{case.name}: {done.error}')
  return json.loads(done.output)['epoch_ms'], done.peak_mb


def line(name: str, turns: list[dict[str, tuple[float, float]]]) -> str:
  """What the turns of a row came to; the ratio is the median of pairs."""
  said = [
    f'{pages} pages {statistics.median(t[pages][0] for t in turns):.3g} ms,'
    f' {statistics.median(t[pages][1] for t in turns):.0f} MB'
    for pages in _PAGES
  ]
  ratio = statistics.median(t['small'][0] / t['large'][0] for t in turns)
  return f'{name}: {"; ".join(said)}: {ratio:.2f} times as fast'


if __name__ == '__main__':
  main()
