r"""Measures gat_jax against everybody, writes the tables and draws the charts.

Try:
  python -m benchmarks.run --quick --peers=jraph --rows=cora,growth-4
  python -m benchmarks.run --quick --peers=pyg,pyg-compiled,dgl,jraphx --build
  python -m benchmarks.run --peers=pyg,pyg-compiled,dgl,jraphx

Each peer runs in an environment of its own, .venv-peers-*, which --build makes
of benchmarks/requirements-*.txt. Ours and theirs take turns, in processes of
their own with the same cores. `jraph`, the plain formula in JAX, needs no
environment and is always among them. Start it where nothing else runs.

Rows: cora, citeseer, pubmed, ppi, cora-10-seeds, growth-4 to growth-7 (powers
of ten of edges), bound-cora, bound-ppi, bound-largest, cora-100-seeds; all if
none is named. An epoch's process gives a forward pass and the memory as well.

Rows are added to benchmarks/results/; benchmarks/RESULTS.md, README.md and the
charts in docs/pictures/ are written anew from all that are kept. --output
writes rows, RESULTS.md and the chart of growth into another folder instead, and
nothing else; --quick does so too (runs/benchmark), as nothing that it measures
counts. Ctrl-C ends it and keeps what was measured.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

import psutil

from benchmarks import readme
from benchmarks import speed
from benchmarks.comparison import cases
from benchmarks.comparison import environments
from benchmarks.comparison import pages
from benchmarks.comparison import summaries
from benchmarks.comparison import tables
from benchmarks.comparison import turns

_BASELINE = 'jraph'
_QUICK = speed.ROOT / 'runs' / 'benchmark'
_BUSY = 0.2  # of the cores: more than a quiet machine does by itself


def main() -> None:
  """Builds, measures, keeps and shows."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--peers', default='', help=f'of {", ".join(cases.PEERS)}; by commas'
  )
  parser.add_argument('--rows', default='', help='by commas; all if left out')
  parser.add_argument(
    '--build', action='store_true', help='make environments that are missing'
  )
  parser.add_argument(
    '--quick', action='store_true', help='every row once, to see that it runs'
  )
  parser.add_argument('--minutes', type=float, help='90, or 5 if quick')
  parser.add_argument(
    '--rounds', type=int, default=0, help='at most; 5 of most rows'
  )
  parser.add_argument(
    '--threads', type=int, default=0, help='cores for each program; all'
  )
  parser.add_argument(
    '--memory', type=float, default=0.75, help='part of it that one may take'
  )
  parser.add_argument('--output', type=pathlib.Path, help='another folder')
  args = parser.parse_args()
  names = [name for name in args.peers.split(',') if name]
  for name in names:
    if name not in cases.PEERS:
      parser.error(f'--peers: there is no {name!r}; see --help')
  try:
    chosen = cases.chosen(
      [name for name in args.rows.split(',') if name], args.quick
    )
  except KeyError as error:
    parser.error(f'--rows: there is no {error}; see --help')
  cores = sorted(os.sched_getaffinity(0))
  if not 0 <= args.threads <= len(cores):
    parser.error(f'--threads: there are {len(cores)} cores')
  peers = tuple(dict.fromkeys([*names, _BASELINE]))
  if not args.build:
    for peer in peers:
      try:
        environments.command(peer)
      except environments.MissingPeerError as error:
        parser.error(f'--peers: {peer}: {error}')
  else:
    _build(peers)
  with tempfile.TemporaryDirectory() as folder:
    settings = turns.Settings(
      peers=peers,
      minutes=args.minutes or (5 if args.quick else 90),
      rounds=args.rounds,
      is_quick=args.quick,
      cores=tuple(cores[: args.threads or None]),
      num_bytes=int(args.memory * psutil.virtual_memory().total),
      folder=pathlib.Path(folder),
    )
    is_whole = _measure(chosen, settings, args.output)
  if not is_whole:
    sys.exit(130)


def _build(peers: tuple[str, ...]) -> None:
  """Goes on where one cannot be built: its rows will say so."""
  for peer in peers:
    start = time.monotonic()
    try:
      if environments.build(peer):
        _tell(f'built for {peer} in {time.monotonic() - start:.0f} s')
    except environments.MissingPeerError as error:
      _tell(f'{peer}: {error}')


def _measure(
  chosen: list[cases.Case],
  settings: turns.Settings,
  output: pathlib.Path | None,
) -> bool:
  """Takes the turns and keeps what they came to; False after Ctrl-C."""
  about = summaries.facts(len(settings.cores))
  others = psutil.cpu_percent(1) / 100
  if others > _BUSY:
    _tell(f'warning: others keep {others:.0%} of the cores busy: rows say so')
  session = turns.Turns(chosen, settings, _tell)
  is_whole = True
  try:
    session.run()
  except KeyboardInterrupt:
    is_whole = False
    _tell('stopped: what was measured is kept')
  rows = summaries.rows(chosen, session.taken, session.told, about)
  bounds = summaries.bounds(chosen, session.taken, session.told, about)
  if not session.taken:
    return is_whole
  if output is None and settings.is_quick:
    output = _QUICK
  if output:
    speed.keep(rows, bounds, output)
    pages.write(output, output / 'RESULTS.md', output / 'growth.svg')
  else:
    speed.keep(rows, bounds)
    readme.main()
  _tell(shown(rows, bounds))
  if settings.is_quick:
    _tell('quick: it is only seen that all runs; no time here counts')
  _tell(f'kept in {output or "benchmarks/results, RESULTS.md and README.md"}')
  return is_whole


def shown(rows: list[speed.Row], bounds: list[speed.Bound]) -> str:
  """Rows for a terminal, a line each."""
  lines = []
  for row in rows:
    size = f', {cases.exponent(row.edges)} edges' if row.edges else ''
    seeds = f', {row.seeds} seeds' if row.seeds > 1 else ''
    name = f'{row.dataset}{size}{seeds}, {row.task}, ours:{row.recipe}'
    if row.error:
      lines.append(f'{name}, {row.peer}: {row.error}')
      continue
    spread = 'a projection'
    if not row.is_projected:
      spread = f'{row.lowest:.1f} to {row.highest:.1f}, {row.pairs} pairs'
    lines.append(
      f'{name} {tables.milliseconds(row.our_ms)}, {row.peer}'
      f' {tables.milliseconds(row.their_ms)}: {row.ratio:.1f} times ({spread})'
    )
  for bound in bounds:
    size = f', {cases.exponent(bound.edges)} edges' if bound.edges else ''
    said = bound.error or (
      f'{bound.times_products:.1f} times its products,'
      f' {bound.times_bytes:.1f} times its bytes'
    )
    lines.append(f'{bound.dataset}{size}, a step: {said}')
  return '\n'.join(lines)


def _tell(line: str) -> None:
  print(line, flush=True)


if __name__ == '__main__':
  main()
