r"""Times an epoch on one device and on several that share its work, in pairs.

Try:
  python -m benchmarks.devices --dataset=cora
  python -m benchmarks.devices --dataset=large --nodes=100000 --epochs=1
  python -m benchmarks.devices --dataset=ppi --axis=batch --epochs=1 --pairs=5

They share a graph, or the graphs of a batch (--axis). Both are processes of
their own that stay, and train in turn, never at the same time: what else the
machine does strikes both alike. Devices that wait for each other suffer more of
it: with --realtime they come first, which needs root. An epoch has its
validation. The table has medians, and the median of the ratios of the pairs.
"""

import argparse
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from benchmarks import speed


def main() -> None:
  """Starts the processes and prints a table."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--dataset', default='cora', help='a module of configs')
  parser.add_argument('--nodes', type=int, help='of a drawn graph')
  parser.add_argument('--devices', type=int, default=2)
  parser.add_argument('--axis', choices=('nodes', 'batch'), default='nodes')
  parser.add_argument('--epochs', type=int, default=20, help='at a time')
  parser.add_argument('--pairs', type=int, default=10)
  parser.add_argument('--realtime', action='store_true')
  parser.add_argument('--one', type=int, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.one:
    train(args)
    return
  counts = (1, args.devices)
  children = [_start(count) for count in counts]
  try:
    cards = [json.loads(child.stdout.readline()) for child in children]
    times = [[_ask(child) for child in children] for _ in range(args.pairs)]
  finally:
    for child in children:
      child.kill()
  print(f'{args.dataset}: {cards[1]}')
  print('| devices | wall ms an epoch | CPU ms an epoch |\n|---|---|---|')
  for index, count in enumerate(counts):
    wall, cpu = (
      statistics.median(pair[index][which] for pair in times)
      for which in range(2)
    )
    print(f'| {count} | {wall:.1f} | {cpu:.1f} |')
  for which, what in enumerate(('wall', 'CPU')):
    ratio = statistics.median(b[which] / a[which] for a, b in times)
    print(f'{what}: {ratio:.2f} x one device')


def _start(count):
  command = [sys.executable, '-m', 'benchmarks.devices', f'--one={count}']
  return subprocess.Popen(
    [*command, *sys.argv[1:]],
    env=os.environ | {'JAX_NUM_CPU_DEVICES': str(count)},
    cwd=speed.ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )


def _ask(child):
  child.stdin.write('\n')
  child.stdin.flush()
  return json.loads(child.stdout.readline())


def train(args: argparse.Namespace) -> None:
  """Trains some epochs for every line that comes, and says how long."""
  from gat_jax import runs
  from gat_jax import training

  config = importlib.import_module(f'configs.{args.dataset}').get_config()
  if args.nodes:
    config.dataset.num_nodes = args.nodes
  config.sampler.fan_outs = ()
  config.mesh[args.axis], config.max_epochs = args.one, 10**6
  config.stop_rule = 'none'
  with training.own_jax_settings():
    dataset = training.take_apart(config, runs.load_dataset(config))
    replicas = training.Replica.of(config)
    driver = training.choose_driver(config, dataset, replicas)
    driver.compile()
    epoch = args.epochs
    driver.advance(epoch)
    driver.fetch('epoch')
    names = ('nodes', 'edges_with_loops', 'edges_cut', 'halo_rows', 'imbalance')
    if args.realtime:
      for thread in os.listdir('/proc/self/task'):
        os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(1))
    _say({name: dataset.card.get(name) for name in names})
    for _ in sys.stdin:
      start, cpu, epoch = time.perf_counter(), _cpu(), epoch + args.epochs
      driver.advance(epoch)
      driver.fetch('epoch')
      spent = time.perf_counter() - start, _cpu() - cpu
      _say([1e3 * seconds / args.epochs for seconds in spent])


def _cpu():
  used = resource.getrusage(resource.RUSAGE_SELF)
  return used.ru_utime + used.ru_stime


def _say(what):
  print(json.dumps(what), flush=True)


if __name__ == '__main__':
  main()
