r"""Says what takes the time of a training step.

Try:
  python -m benchmarks.shares --dataset=ppi
  python -m benchmarks.shares --dataset=cora

A step is one on the whole graph or, where the config has a batch size, on the
first batch of graphs. It keeps to one core, where the parts of a step do not
overlap, and prints the milliseconds and the share of dense products, of loops
over edges and of all the rest, by JAX's profiler.
"""

import argparse
import collections
import gzip
import importlib
import json
import os
import pathlib
import re
import tempfile

import jax

from gat_jax import runs
from gat_jax import training

_INSTRUCTION = re.compile(r'\s+(?:ROOT )?%([\w.\-]+) = .*? (\w[\w\-]*)\(')


def main() -> None:
  """Takes the steps and prints a line for each kind of work."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--dataset', default='ppi')
  parser.add_argument('--steps', type=int, default=10)
  args = parser.parse_args()
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
  step, state, batch = _compiled_step(args.dataset)
  state = jax.block_until_ready(step(state, batch))
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      for _ in range(args.steps):
        state = jax.block_until_ready(step(state, batch))
    milliseconds = by_kind(step.as_text(), pathlib.Path(folder))
  total = sum(milliseconds.values())
  for kind, spent in milliseconds.items():
    print(f'{kind:18}{spent / args.steps:8.1f} ms{spent / total:8.1%}')


def _compiled_step(dataset_name):
  """A step, and the state and the batch that seed 0 begins with."""
  config = importlib.import_module(f'configs.{dataset_name}').get_config()
  dataset = runs.load_dataset(config)
  program = training.Program.from_config(config, dataset)
  batch = dataset.train
  if config.batch_size:
    batches = training.Batches.plan(
      dataset.train, config.batch_size, config.batch_shapes
    )
    batch = batches.epoch(seed=0, epoch=0)[:1]
  batch = jax.device_put(batch)
  hyper = training.Replica.of(config)[0].hyper

  def step(state, batch):
    return program.step(state, hyper, batch)

  state = jax.jit(program.init)(0)
  step = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
  return step, state, batch


def by_kind(program: str, trace: pathlib.Path) -> dict[str, float]:
  """Adds up what the profiler saw.

  Args:
    program: the compiled program as XLA's text.
    trace: the folder that the profiler wrote.

  Returns:
    Milliseconds by kind of work, the most first. Loops count as a whole, so
    instructions inside them do not.
  """
  kinds = {}
  for line in program.partition('\nENTRY ')[2].splitlines():
    if found := _INSTRUCTION.match(line):
      name, operation = found.groups()
      if operation == 'while':
        kinds[name] = 'loops over edges'
      elif 'dot_general"' in line:
        kinds[name] = 'dense products'
      else:
        kinds[name] = 'the rest'
  spent: collections.Counter = collections.Counter()
  (file,) = trace.rglob('*.trace.json.gz')
  with gzip.open(file) as stream:
    for event in json.load(stream)['traceEvents']:
      kind = kinds.get(event.get('args', {}).get('hlo_op'))
      if kind:
        spent[kind] += event['dur'] / 1e3
  return dict(spent.most_common())


if __name__ == '__main__':
  main()
