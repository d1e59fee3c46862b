r"""Says what an H100 and a TPU v5e would run, on a machine that has neither.

Try:
  python -m benchmarks.accelerators --output=benchmarks/RESULTS.md
  python -m benchmarks.accelerators --chip=h100 --program=cora

XLA compiles for a device that is not there. What this shows is how many kernels
a program launches, how many loops it has, what it holds in memory and reads and
writes, and how long it takes to compile; what it does not show is time. Each
program is compiled twice, with the roads that the library chooses and with the
plain one throughout. It needs what benchmarks/requirements-accelerators.txt
names; data sets are looked for as by experiments.train.

With --most_kernels it ends with exit code 1 if a program has more kernels, a
loop whose number of turns is known, or a sort.
"""

import argparse
import importlib
import json
import sys
import time
from typing import Any, NamedTuple

from benchmarks import elsewhere
from benchmarks import launches
from benchmarks import outputs
from experiments import documents

ROADS = ('chosen', 'plain')


class Chip(NamedTuple):
  """A device that need not be there.

  Attributes:
    name: as people call it.
    environment: what a process needs to compile for it.
    bandwidth: of its memory, bytes a second.
    flops: of its matrix units in bfloat16, operations a second.
  """

  name: str
  environment: dict[str, str]
  bandwidth: float
  flops: float


# Bandwidth and operations are those of the data sheets: NVIDIA H100 Tensor Core
# GPU, SXM5, dense; Google Cloud TPU v5e.
CHIPS = {
  'h100': Chip(
    'H100',
    {'JAX_SKIP_CUDA_CONSTRAINTS_CHECK': '1'},
    bandwidth=3.35e12,
    flops=989e12,
  ),
  'v5e': Chip(
    'TPU v5e',
    {
      'TPU_SKIP_MDS_QUERY': '1',
      'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
      'TPU_WORKER_HOSTNAMES': 'localhost',
    },
    bandwidth=819e9,
    flops=197e12,
  ),
}


class Program(NamedTuple):
  """Something that is compiled.

  Attributes:
    title: what it is.
    config: module of `configs` that it is of.
    changes: to that config.
    seeds: trained at once by vmap; 0 for one without.
    is_step: a step on a batch of graphs, not an epoch with its validation. An
      epoch of batches has all its steps, and puts its batches together.
  """

  title: str
  config: str
  changes: dict[str, Any] = {}  # noqa: RUF012, never changed
  seeds: int = 0
  is_step: bool = False


PROGRAMS = {
  'cora': Program('Cora, an epoch', 'cora'),
  'citeseer': Program('Citeseer, an epoch', 'citeseer'),
  'cora100': Program('Cora, an epoch of 100 seeds', 'cora', seeds=100),
  'ppi': Program('PPI, rebuilt, a step', 'ppi', is_step=True),
  'ppi_epoch': Program(
    # Of ten shapes, as in the config, compiling takes minutes.
    'PPI, rebuilt, an epoch of four shapes',
    'ppi',
    {'batch_shapes': 4},
  ),
  'gatv2': Program(
    'PPI, rebuilt, a step of GATv2',
    'ppi',
    {'model.name': 'gatv2'},
    is_step=True,
  ),
  'edges': Program(
    'drawn graph, 65,000 edges of 8 features, an epoch of GATv2',
    'relations',
    {'dataset.num_nodes': 5000, 'model.name': 'gatv2', 'model.hidden_dim': 64}
    | {'model.num_layers': 2},
  ),
}


def main() -> None:
  """Compiles in processes of their own and prints a table."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--chip', choices=CHIPS, action='append')
  parser.add_argument('--program', choices=PROGRAMS, action='append')
  parser.add_argument('--most_kernels', type=int)
  parser.add_argument('--output', **outputs.FLAG)
  parser.add_argument('--one', nargs=3, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.one:
    from gat_jax import training

    with training.own_jax_settings():
      print(json.dumps(compile_one(*args.one)))
    return
  rows = [
    (chip, program, [measure(chip, program, road) for road in ROADS])
    for chip in args.chip or CHIPS
    for program in args.program or PROGRAMS
  ]
  text = table(rows)
  print(text)
  if args.output:
    write(args.output, text)
  if args.most_kernels is not None:
    complain(rows, args.most_kernels)


def measure(chip: str, program: str, road: str) -> dict[str, Any]:
  """What compiling a program in a process of its own shows."""
  environment = CHIPS[chip].environment
  words = chip, program, road
  return elsewhere.ask('benchmarks.accelerators', words, environment)


def compile_one(chip: str, program: str, road: str) -> dict[str, Any]:
  """Compiles a program for a chip, and reads off what it would do."""
  import jax
  from jax.sharding import SingleDeviceSharding

  sharding = SingleDeviceSharding(elsewhere.devices(chip)[0])
  function, args = build(PROGRAMS[program], road)
  args = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), args
  )
  lowered = jax.jit(function, donate_argnums=0).lower(*args)
  start = time.perf_counter()
  compiled = lowered.compile()
  seconds = time.perf_counter() - start
  costs = compiled.cost_analysis() or {}  # none of CUDA
  counted = launches.count(compiled.as_text())
  return {
    'kernels': counted.kernels,
    'closed_loops': counted.closed_loops,
    'sorts': counted.sorts,
    'workspace': compiled.memory_analysis().temp_size_in_bytes,
    'bytes': costs.get('bytes accessed'),
    'flops': costs.get('flops'),
    'seconds': seconds,
  }


def build(program: Program, road: str) -> tuple[Any, tuple]:
  """A function of a state and what else it needs, and such arguments.

  Args:
    program: what is compiled.
    road: 'plain' for the plain one in every layer, else what layers choose.
  """
  import jax
  import jax.numpy as jnp

  from benchmarks.gpu import programs
  from gat_jax import runs
  from gat_jax import training

  config = importlib.import_module(f'configs.{program.config}').get_config()
  config.update_from_flattened_dict(program.changes)
  dataset = runs.load_dataset(config)
  trained = programs.along(
    config, dataset, 'plain' if road == 'plain' else None
  )
  replica = training.Replica.of(config)[0]
  state, hyper = training.pack(trained.init(replica.seed)), replica.hyper
  train, val, order = dataset.train, dataset.val, None
  if config.batch_size:
    batches = training.Batches.plan(
      train, config.batch_size, config.batch_shapes
    )
    if program.is_step:
      train, val = batches.epoch(seed=0, epoch=0)[:1], []
    else:
      train, order = batches.on_device(), batches.order(seed=0, epoch=0)
      val = training.validation(config, dataset)

  def run(state, hyper, train, val, order):
    state = trained.unpack(state)
    if not val:
      return training.pack(trained.step(state, hyper, train))
    return training.pack(trained.one_epoch(state, hyper, train, val, order))

  if program.seeds:
    state, hyper = jax.tree.map(
      lambda x: jnp.stack([x] * program.seeds), (state, hyper)
    )
    run = jax.vmap(run, in_axes=(0, 0, None, None, None))
  return run, jax.tree.map(jnp.asarray, (state, hyper, train, val, order))


def table(rows: list) -> str:
  """The rows as Markdown; what was chosen stands before what is plain."""
  lines = [
    '| chip | program | kernels | loops | workspace, MB | accessed, GB'
    ' | operations, billions | least time, ms | to compile, s |',
    '|---|---|---|---|---|---|---|---|---|',
  ]
  for chip, program, both in rows:
    least = [least_ms(CHIPS[chip], one) for one in both]
    cells = [
      CHIPS[chip].name,
      PROGRAMS[program].title,
      _pair([one['kernels'] for one in both], 'd'),
      _pair([one['closed_loops'] for one in both], 'd'),
      _pair([one['workspace'] / 1e6 for one in both], '.0f'),
      _pair([one['bytes'] and one['bytes'] / 1e9 for one in both], '.1f'),
      _pair([one['flops'] and one['flops'] / 1e9 for one in both], '.1f'),
      _pair(least, '.2f'),
      _pair([one['seconds'] for one in both], '.0f'),
    ]
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines)


def least_ms(chip: Chip, one: dict[str, Any]) -> float | None:
  """What bytes or operations alone would take, whichever is more."""
  if not one['bytes']:
    return None
  return 1e3 * max(one['bytes'] / chip.bandwidth, one['flops'] / chip.flops)


def _pair(values, form):
  return ' / '.join('-' if v is None else format(v, form) for v in values)


def write(path: str, text: str) -> None:
  """Writes the table into its section of a Markdown file.

  Rows of that section which the table has not stay as they are.
  """
  table = documents.with_kept_rows(path, 'accelerators', text, num_keys=2)
  documents.put_section(
    path,
    'accelerators',
    '# What accelerators would run\n\nWritten by `python -m'
    ' benchmarks.accelerators --output=...`: compiled for, not run on. Roads'
    ' that the library chooses / the plain one. Loops are those whose number of'
    ' turns is known. XLA tells bytes and operations of a TPU alone; the least'
    ' time is what either would take at the rates of the data sheet.'
    f'\n\n{table}',
  )


def complain(rows: list, most_kernels: int) -> None:
  """Ends with exit code 1 if what is chosen became slow again."""
  for chip, program, (one, _) in rows:
    if one['closed_loops'] or one['sorts'] or one['kernels'] > most_kernels:
      sys.exit(
        f'{chip}, {program}: {one["kernels"]} kernels (at most'
        f' {most_kernels}), {one["closed_loops"]} loops and {one["sorts"]}'
        ' sorts (none)'
      )


if __name__ == '__main__':
  main()
