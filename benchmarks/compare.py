r"""Times an epoch of gat_jax against another program, in turn, and says so.

Try:
  python -m benchmarks.compare --dataset=cora \
      --peer='.venv-peers/bin/python peers.py pyg cora'
  python -m benchmarks.compare --dataset=ppi --epochs=5 \
      --peer='.venv-peers/bin/python peers.py dgl ppi --epochs 3'
  python -m benchmarks.compare --dataset=cora --seeds=10 --turns=5 \
      --peer='...' --keep

The other program prints a JSON line that has epoch_ms, and peak_rss_mb of its
process. On a graph that is trained whole an epoch is one training step and one
evaluation, ours seconds.train of results.json over the epochs that were run. On
graphs in batches it is the training steps alone (`benchmarks.steps`); the first
epoch of a process takes some 6 % longer, which the median of five hardly feels.
Our peak is that of `experiments.train`, from loading to testing. The two take
turns, so that a slow minute of the machine hits both; what counts is the ratio
of each pair.
"""

import argparse
import dataclasses
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
from typing import NamedTuple

import jax

from benchmarks import speed


def main() -> None:
  """Runs the turns, prints the row and keeps it if asked to."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--dataset', default='cora')
  parser.add_argument('--peer', required=True, help='command of the other')
  parser.add_argument('--seeds', type=int, default=1)
  parser.add_argument('--epochs', type=int, default=200)
  parser.add_argument('--turns', type=int, default=3)
  parser.add_argument(
    '--keep', action='store_true', help='add the row to benchmarks/results'
  )
  args = parser.parse_args()
  # The first run fills the compilation cache.
  name, _ = ours(args.dataset, args.seeds, args.epochs)
  pairs = []
  for turn in range(args.turns):
    _, our = ours(args.dataset, args.seeds, args.epochs)
    pair = our, theirs(args.peer)
    pairs.append(pair)
    print(
      f'turn {turn + 1}: ours {pair[0].epoch_ms:.2f} ms an epoch and seed,'
      f' theirs {pair[1].epoch_ms:.2f} ms, ratio {_ratio(*pair):.1f}; peak'
      f' {pair[0].peak_mb:.0f} and {pair[1].peak_mb:.0f} MB',
      flush=True,
    )
  row = summary(name, args, pairs)
  print(json.dumps(dataclasses.asdict(row)))
  if args.keep:
    speed.keep(row)


class Cost(NamedTuple):
  """Milliseconds an epoch and seed, megabytes of resident memory."""

  epoch_ms: float
  peak_mb: float


def ours(dataset: str, seeds: int, epochs: int) -> tuple[str, Cost]:
  """What the data set is called, and what a run of ours costs."""
  with tempfile.TemporaryDirectory() as workdir:
    command = [
      sys.executable,
      '-m',
      'experiments.train',
      f'--config=configs/{dataset}.py',
      f'--workdir={workdir}/run',
      f'--config.num_seeds={seeds}',
      f'--config.max_epochs={epochs}',
      '--config.stop_rule=none',
    ]
    _, peak_mb = finish(command)
    folder = pathlib.Path(workdir, 'run')
    results = json.loads((folder / 'results.json').read_text())
    config = json.loads((folder / 'config.json').read_text())
    name = json.loads((folder / 'dataset.json').read_text())['name']
  if config['batch_size']:
    command = [sys.executable, '-m', 'benchmarks.steps']
    output, _ = finish([*command, f'--dataset={dataset}', f'--epochs={epochs}'])
    return name, Cost(json.loads(output)['epoch_ms'], peak_mb)
  run = sum(seed['epochs'] for seed in results['seeds'])
  return name, Cost(1e3 * results['seconds']['train'] / run, peak_mb)


def theirs(command: str) -> Cost:
  """From the other program's last line."""
  output, _ = finish(shlex.split(command))
  measured = json.loads(output.splitlines()[-1])
  return Cost(measured['epoch_ms'], measured['peak_rss_mb'])


def finish(command: list[str]) -> tuple[str, float]:
  """Runs a command: what it printed, and its peak resident memory in MB."""
  with subprocess.Popen(
    command,
    cwd=speed.ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  ) as process:
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
  if process.returncode:
    sys.exit(f'error: exit code {process.returncode}: {shlex.join(command)}')
  unit = 1 if sys.platform == 'darwin' else 1024  # bytes a unit of ru_maxrss
  return output, usage.ru_maxrss * unit / 2**20


def summary(
  name: str, args: argparse.Namespace, pairs: list[tuple[Cost, Cost]]
) -> speed.Row:
  """What the pairs came to."""
  our, their = (
    Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
    for costs in zip(*pairs, strict=True)
  )
  ratios = sorted(_ratio(*pair) for pair in pairs)
  peer = ' '.join(os.path.basename(word) for word in shlex.split(args.peer)[1:])
  return speed.Row(
    dataset=name,
    seeds=args.seeds,
    peer=peer,
    our_ms=round(our.epoch_ms, 2),
    their_ms=round(their.epoch_ms, 2),
    ratio=round(statistics.median(ratios), 2),
    lowest=round(ratios[0], 2),
    highest=round(ratios[-1], 2),
    our_peak_mb=round(our.peak_mb),
    their_peak_mb=round(their.peak_mb),
    pairs=len(pairs),
    day=time.strftime('%Y-%m-%d'),
    machine=f'{os.cpu_count()} cores, {platform.machine()}',
    jax=jax.__version__,
  )


def _ratio(our: Cost, their: Cost) -> float:
  return their.epoch_ms / our.epoch_ms


if __name__ == '__main__':
  main()
