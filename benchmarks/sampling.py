r"""Times training on sampled neighbourhoods against DGL, in pairs.

    python -m benchmarks.sampling --peer=.venv-peers/bin/python --pairs=6 --keep

draws a graph of 10^6 nodes and 10^7 edges with hubs (the data set `large`, 64
features) once, into --folder. Then it lets this project and DGL, whose Python
--peer is, train on it in turn, DGL first in every second pair: 2 layers, 8
heads of 8 features and one of the classes, fan-outs 10 and 10, 1,024 seed nodes
a batch, no dropout. Each is a process of its own that samples alone first, then
trains. --keep adds a row to benchmarks/results/sampling.jsonl and a section to
benchmarks/RESULTS.md.

The threads of DGL wait by turning in circles, which takes other work's time on
a busy machine. OMP_WAIT_POLICY=PASSIVE, which is set here, makes them sleep.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import jax
import jraph
import numpy as np

from benchmarks import speed
from experiments import documents
from gat_jax import datasets
from gat_jax import runs
from gat_jax import training

KEPT = speed.ROOT / 'benchmarks' / 'results' / 'sampling.jsonl'
_PEER = speed.ROOT / 'benchmarks' / 'peers' / 'dgl_sampling.py'
_ARRAYS = ('senders', 'receivers', 'features', 'labels', 'seeds')
_RATES = ('sampled_seeds_per_second', 'trained_seeds_per_second')


def draw(folder: pathlib.Path) -> None:
  """Draws the graph, if it is not there, and writes its arrays."""
  if all((folder / f'{name}.npy').exists() for name in _ARRAYS):
    return
  dataset = datasets.load(
    'large', num_nodes=10**6, average_degree=10.0, train_fraction=0.5
  )
  (example,) = dataset.train
  seeds = np.flatnonzero(example.mask)
  arrays = {
    'senders': example.graph.senders,
    'receivers': example.graph.receivers,
    'features': example.graph.nodes,
    'labels': example.labels,
    'seeds': np.random.default_rng(0).permutation(seeds),
  }
  folder.mkdir(parents=True, exist_ok=True)
  for name, array in arrays.items():
    np.save(folder / f'{name}.npy', array)


def measure(folder: pathlib.Path, batches: int, workers: int) -> dict:
  """Samples alone, then trains, as the peer does; see `dgl_sampling.py`."""
  training.memory.share_heap()  # as a run does
  read = {name: np.load(folder / f'{name}.npy') for name in _ARRAYS}
  labels = read['labels']
  graph = jraph.GraphsTuple(
    nodes=read['features'],
    edges=None,
    senders=read['senders'],
    receivers=read['receivers'],
    n_node=np.array([len(labels)]),
    n_edge=np.array([len(read['senders'])]),
    globals=None,
  )
  mask = np.zeros(len(labels), bool)
  mask[read['seeds']] = True
  example = datasets.Example(graph, labels, mask)
  num_classes = int(labels.max()) + 1
  dataset = datasets.Dataset(
    'large', [example], [example], [example], num_classes, False, {}
  )
  config = runs.settings.default_config('large')
  config.sampler.fan_outs = (10, 10)
  config.sampler.batch_size = batch_size = 1024
  config.sampler.workers = workers
  config.model.dropout_rate = 0.0
  (replica,) = training.Replica.of(config)
  with training.own_jax_settings():
    sampling = _sampling(dataset, config, batches)
    driver = training.choose_driver(config, dataset, [replica])
    driver.compile()
    for _ in range(3):
      driver.step(0)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
      driver.step(0)
    jax.block_until_ready(driver.state(0))
    trained, cpu = time.perf_counter() - start, time.process_time() - cpu
  return {
    'peer': 'gat_jax',
    'workers': workers,
    'sampled_seeds_per_second': round(batches * batch_size / sampling),
    'trained_seeds_per_second': round(batches * batch_size / trained),
    'cpu_ms_per_batch': round(1e3 * cpu / batches, 1),
    'peak_rss_mb': round(
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ),
    'waiting_share': driver.facts()['waiting_share'],
  }


def _sampling(dataset: datasets.Dataset, config: Any, batches: int) -> float:
  """Seconds for so many batches without features, with a thread a core."""
  (example,) = dataset.train
  nodes = np.zeros((len(example.labels), 0), np.float32)
  bare = dataclasses.replace(example, graph=example.graph._replace(nodes=nodes))
  driver = training.choose_driver(
    config,
    dataclasses.replace(dataset, train=[bare]),
    training.Replica.of(config),
  )
  neighbours = driver.neighbours
  sampled = neighbours.batches(1, 0, 3 + batches, os.cpu_count() or 1)
  for _ in range(3):
    next(sampled)
  start = time.perf_counter()
  for _ in range(batches):
    next(sampled)
  return time.perf_counter() - start


def _pair(args: argparse.Namespace, place: int) -> tuple[dict, dict]:
  """Runs of ours and of the peer, which begins where `place` is odd."""
  own = [sys.executable, '-m', 'benchmarks.sampling', '--measure']
  sizes = [f'--batches={args.batches}']
  commands = [
    [*own, f'--folder={args.folder}', *sizes, f'--workers={args.workers}'],
    [args.peer, str(_PEER), str(args.folder), *sizes],
  ]
  if place % 2:
    theirs, ours = _run(commands[1]), _run(commands[0])
  else:
    ours, theirs = _run(commands[0]), _run(commands[1])
  return ours, theirs


def _run(command: Sequence[str]) -> dict:
  environment = {**os.environ, 'OMP_WAIT_POLICY': 'PASSIVE'}
  done = subprocess.run(
    command, check=True, capture_output=True, text=True, env=environment
  )
  found = json.loads(done.stdout.strip().splitlines()[-1])
  print(json.dumps(found), flush=True)
  return found


def row_of(pairs: Sequence[tuple[dict, dict]]) -> dict:
  """Medians of what pairs of runs came to, and of their ratios."""
  row: dict = {
    'peer': pairs[0][1]['peer'],
    'pairs': len(pairs),
    'workers': [side['workers'] for side in pairs[0]],
  }
  for name in (*_RATES, 'cpu_ms_per_batch', 'peak_rss_mb'):
    row[name] = [
      statistics.median(pair[side][name] for pair in pairs) for side in (0, 1)
    ]
    ratios = [pair[0][name] / pair[1][name] for pair in pairs]
    row[f'{name}_ratio'] = [
      round(x, 2) for x in (statistics.median(ratios), min(ratios), max(ratios))
    ]
  row['waiting_share'] = statistics.median(p[0]['waiting_share'] for p in pairs)
  row['day'] = datetime.date.today().isoformat()
  row['machine'] = f'{os.cpu_count()} cores, {platform.machine()}'
  row['load'] = round(os.getloadavg()[2], 1)
  row['jax'] = jax.__version__
  return row


def markdown(rows: Sequence[dict]) -> str:
  """A section: every row, the oldest first."""
  header = ['against', 'what', 'ours', 'theirs', 'ratio', 'pairs', 'workers']
  lines = [[*header, 'when and where']]
  names = {
    'trained_seeds_per_second': 'training, seed nodes a second',
    'sampled_seeds_per_second': 'sampling alone, seed nodes a second',
    'cpu_ms_per_batch': 'training, CPU time a batch, ms',
    'peak_rss_mb': 'peak memory, MB',
  }
  for row in rows:
    for name, words in names.items():
      ours, theirs = row[name]
      middle, lowest, highest = row[f'{name}_ratio']
      lines.append(
        [
          row['peer'],
          words,
          f'{ours:,.0f}',
          f'{theirs:,.0f}',
          f'**{middle:.2f}** ({lowest:.2f} to {highest:.2f})',
          str(row['pairs']),
          ' and '.join(map(str, row.get('workers', ['not kept']))),
          f'{row["day"]}, {row["machine"]}, load {row["load"]}',
        ]
      )
  return (
    '# Sampled neighbourhoods on a CPU\n\nWritten by `python -m'
    ' benchmarks.sampling --keep`: 10^6 nodes, 10^7 edges, 64 features, 8 x 8'
    ' heads, fan-outs 10 and 10, 1,024 seed nodes a batch. Medians; the ratio'
    ' is ours by theirs, pair by pair, with its range. Workers are threads of'
    ' ours and processes of theirs that draw ahead. The load is the mean number'
    ' of processes that wanted to run.\n\n' + documents.markdown_table(lines)
  )


def main() -> None:
  """See the module."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--peer', default='.venv-peers/bin/python')
  parser.add_argument(
    '--folder', type=pathlib.Path, default=pathlib.Path('runs/sampling')
  )
  parser.add_argument('--pairs', type=int, default=6)
  parser.add_argument('--batches', type=int, default=100)
  parser.add_argument('--workers', type=int, default=1)
  parser.add_argument('--measure', action='store_true')
  parser.add_argument('--keep', action='store_true')
  args = parser.parse_args()
  if args.measure:
    print(json.dumps(measure(args.folder, args.batches, args.workers)))
    return
  draw(args.folder)
  row = row_of([_pair(args, place) for place in range(args.pairs)])
  print(json.dumps(row))
  if args.keep:
    with KEPT.open('a', encoding='utf-8') as file:
      file.write(json.dumps(row) + '\n')
    rows = [json.loads(line) for line in KEPT.read_text().splitlines()]
    documents.put_section(str(speed.TABLE), 'sampling', markdown(rows))


if __name__ == '__main__':
  main()
