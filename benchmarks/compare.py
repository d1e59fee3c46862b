r"""Times an epoch of gat_jax against another program, in turn, and says so.

Try:
  python -m benchmarks.compare --dataset=cora \
      --peer='.venv-peers/bin/python peers.py pyg cora'
  python -m benchmarks.compare --dataset=cora --seeds=10 --turns=5 \
      --peer='...' --output=benchmarks/RESULTS.md

The other program prints a JSON line that has epoch_ms: one training step on the
whole graph and one evaluation. Ours is seconds.train of results.json over the
epochs that were run. The two take turns, so that a slow minute of the machine
hits both; what counts is the ratio of each pair.
"""

import argparse
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import jax

ROOT = pathlib.Path(__file__).parents[1]


def main() -> None:
  """Runs the turns, prints the rows and adds them to the output file."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--dataset', default='cora')
  parser.add_argument('--peer', required=True, help='command of the other')
  parser.add_argument('--seeds', type=int, default=1)
  parser.add_argument('--epochs', type=int, default=200)
  parser.add_argument('--turns', type=int, default=3)
  parser.add_argument('--output', help='a Markdown file to add a row to')
  args = parser.parse_args()
  ours(args.dataset, args.seeds, args.epochs)  # fills the compilation cache
  pairs = []
  for turn in range(args.turns):
    pair = ours(args.dataset, args.seeds, args.epochs), theirs(args.peer)
    pairs.append(pair)
    print(
      f'turn {turn + 1}: ours {pair[0]:.2f} ms an epoch and seed,'
      f' theirs {pair[1]:.2f} ms, ratio {pair[1] / pair[0]:.1f}',
      flush=True,
    )
  row = summary(args, pairs)
  print(row)
  if args.output:
    add_row(pathlib.Path(args.output), row)


def ours(dataset: str, seeds: int, epochs: int) -> float:
  """Milliseconds an epoch and seed, from `results.json`."""
  with tempfile.TemporaryDirectory() as workdir:
    subprocess.run(
      [
        sys.executable,
        '-m',
        'experiments.train',
        f'--config=configs/{dataset}.py',
        f'--workdir={workdir}/run',
        f'--config.num_seeds={seeds}',
        f'--config.max_epochs={epochs}',
        '--config.stop_rule=none',
      ],
      cwd=ROOT,
      check=True,
      stdout=subprocess.DEVNULL,
    )
    results = json.loads(pathlib.Path(workdir, 'run/results.json').read_text())
  run = sum(seed['epochs'] for seed in results['seeds'])
  return 1e3 * results['seconds']['train'] / run


def theirs(command: str) -> float:
  """Milliseconds an epoch, from the other program's last line."""
  finished = subprocess.run(
    shlex.split(command),
    check=True,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  )
  return json.loads(finished.stdout.splitlines()[-1])['epoch_ms']


def summary(args: argparse.Namespace, pairs: list[tuple[float, float]]) -> str:
  """One row of the table."""
  our, their = (statistics.median(times) for times in zip(*pairs, strict=True))
  ratios = sorted(b / a for a, b in pairs)
  peer = ' '.join(os.path.basename(word) for word in shlex.split(args.peer)[1:])
  return (
    f'| {args.dataset} | {args.seeds} | {peer} | {our:.2f} | {their:.2f} |'
    f' **{statistics.median(ratios):.1f}** ({ratios[0]:.1f} to'
    f' {ratios[-1]:.1f}) | {len(pairs)} | {time.strftime("%Y-%m-%d")},'
    f' {os.cpu_count()} cores, {platform.machine()}, jax {jax.__version__} |'
  )


def add_row(path: pathlib.Path, row: str) -> None:
  """Adds a row to the table of a file, which is begun if need be."""
  if not path.exists():
    path.write_text(
      '# Speed\n\nWritten by `python -m benchmarks.compare --output=...`;'
      ' medians, and the ratio pair by pair.\n\n'
      '| data set | seeds at once | against | ours, ms an epoch and seed |'
      ' theirs, ms an epoch | ratio | pairs | when and where |\n'
      '|---|---|---|---|---|---|---|---|\n'
    )
  with path.open('a') as file:
    file.write(row + '\n')


if __name__ == '__main__':
  main()
