r"""Compares the bytes that devices exchange with the formula, on any chip.

Try:
  python -m benchmarks.exchange --chip=cpu
  python -m benchmarks.exchange --dataset=cora --output=benchmarks/RESULTS.md

The program that trains on a graph in parts is compiled, for devices that need
not be there, and the collectives of an epoch are read off it: what each gives a
device. The formula is `graphs.Spread.program_bytes`; `exchanged_bytes`, halo
rows x features x 4, is what a step moves between all devices. A TPU fills rows
up to 128 numbers. It ends with exit code 1 if they differ. --output puts a
section into a Markdown file. `benchmarks.accelerators` says what it needs to be
installed.
"""

import argparse
import json
import re
import sys
from typing import Any

from benchmarks import accelerators
from benchmarks import elsewhere
from benchmarks import outputs
from experiments import documents

# Devices, by chip; those of one host.
DEVICES = {'cpu': 2, 'h100': 8, 'v5e': 8}
ENVIRONMENT = {
  'cpu': {'JAX_NUM_CPU_DEVICES': '2'},
  'h100': accelerators.CHIPS['h100'].environment,
  'v5e': accelerators.CHIPS['v5e'].environment
  | {'TPU_ACCELERATOR_TYPE': 'v5litepod-8'},
}
CONFIGS = ('cora', 'large')
_ABOUT = (
  '# What devices that share a graph exchange\n\nWritten by `python -m'
  ' benchmarks.exchange --output=...`: compiled for, not run on. An epoch has a'
  ' step and its validation: rows go there, back, and there again.'
)
_SIZES = {'f32': 4, 'bf16': 2}


def main() -> None:
  """Compiles in processes of their own and prints a table."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--chip', choices=DEVICES, action='append')
  parser.add_argument('--dataset', choices=CONFIGS, action='append')
  parser.add_argument('--model', default='gat')
  parser.add_argument('--output', **outputs.FLAG)
  parser.add_argument('--one', nargs=3, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.one:
    print(json.dumps(compile_one(*args.one)))
    return
  rows = [
    measure(chip, dataset, args.model)
    for dataset in args.dataset or CONFIGS
    for chip in args.chip or DEVICES
  ]
  text = table(rows)
  print(text)
  if args.output:
    documents.put_section(args.output, 'exchange', f'{_ABOUT}\n\n{text}')
  for row in rows:
    if row['found'] != row['expected']:
      sys.exit(f'{row["chip"]}: {row["found"]} and not {row["expected"]} bytes')


def measure(chip: str, dataset: str, model: str) -> dict[str, Any]:
  """What a process of its own says."""
  words = chip, dataset, model
  return elsewhere.ask('benchmarks.exchange', words, ENVIRONMENT[chip])


def compile_one(chip: str, name: str, model: str) -> dict[str, Any]:
  """Compiles epochs for the devices, and reads off what they exchange."""
  import importlib

  from flax import nnx
  import jax
  from jax.sharding import Mesh
  import numpy as np

  from gat_jax import graphs
  from gat_jax import runs
  from gat_jax import training

  count = DEVICES[chip]
  config = importlib.import_module(f'configs.{name}').get_config()
  config.model.name = model
  if name == 'large':
    config.dataset.num_nodes, config.sampler.fan_outs = 100_000, ()
  config.mesh.nodes = count
  whole = runs.load_dataset(config)
  graph = whole.train[0].graph
  dealt = graphs.deal_nodes(graph, count, config.mesh.partitioner)
  spread = graphs.partition(graph, dealt, count).spread
  dataset = training.take_apart(config, whole)
  mesh = Mesh(
    np.array(_devices(chip)[:count]).reshape(1, 1, count),
    ('runs', 'batch', 'nodes'),
  )
  with training.own_jax_settings():
    compiled = trace(config, dataset, mesh).lower().compile()
    program = training.Program.from_config(config, dataset)
  layers = nnx.merge(
    program.graphdef, jax.eval_shape(program.init, 0).params
  ).layers
  features = [layer.sent_features for layer in layers]
  how = {'padded': chip == 'cpu', 'lanes': 128 if chip == 'v5e' else 1}
  memory = compiled.memory_analysis()
  return {
    'chip': chip,
    'dataset': name,
    'devices': count,
    'nodes': sum(spread.nodes),
    'halo': sum(spread.halos),
    'features': sum(features),
    'collectives': exchanges(compiled.as_text()),
    'expected': spread.program_bytes(features, validates=True, **how),
    'found': sum(exchanges(compiled.as_text())),
    'moved': spread.exchanged_bytes(sum(features)),
    'held': memory.argument_size_in_bytes + memory.temp_size_in_bytes,
  }


def trace(config: Any, dataset: Any, mesh: Any) -> Any:
  """The epochs of all seeds, as the driver of a graph in parts has them.

  Args:
    config: of a run.
    dataset: in parts.
    mesh: of devices, which need not be there.
  """
  import jax
  from jax.sharding import NamedSharding
  from jax.sharding import PartitionSpec
  import numpy as np

  from gat_jax import training

  program = training.Program.from_config(config, dataset, ('nodes',))
  hypers = [replica.hyper for replica in training.Replica.of(config)]
  runs, nodes, everywhere = (
    NamedSharding(mesh, PartitionSpec(*axes))
    for axes in (('runs',), ('nodes',), ())
  )

  def abstract(tree, sharding):
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(
        np.shape(x),
        jax.dtypes.canonicalize_dtype(x.dtype),
        sharding=sharding,
      ),
      tree,
    )

  states = jax.eval_shape(jax.vmap(program.init), np.zeros(len(hypers), int))
  epochs = training.epochs_of_all(program, mesh, config.seed_loop)
  return jax.jit(epochs).trace(
    (
      abstract(np.int32(0), everywhere),
      abstract((dataset.train, dataset.val), nodes),
    ),
    (
      abstract(states, runs),
      abstract(jax.tree.map(lambda *of_each: np.stack(of_each), *hypers), runs),
      None,
    ),
  )


def _devices(chip):
  import jax

  if chip == 'cpu':
    return jax.devices()
  return elsewhere.devices(chip, DEVICES[chip])


def exchanges(text: str) -> list[int]:
  """Bytes of what each exchange of rows in a program gives a device."""
  found = []
  for line in text.splitlines():
    match = re.search(
      r'= (\(?)(.*?) (?:ragged-)?all-to-all(-start|-done)?\(', line
    )
    if match is None or match[3] == '-start':
      continue
    shapes = re.findall(r'(f32|bf16)\[([\d,]*)\]', match[2])
    total = 0
    for kind, sizes in shapes:
      size = _SIZES[kind]
      for number in filter(None, sizes.split(',')):
        size *= int(number)
      total += size
    found.append(total)
  return found


def table(rows: list[dict[str, Any]]) -> str:
  """As Markdown."""
  header = ['graph', 'devices', 'halo rows', 'features sent']
  header += ['exchanges of an epoch', 'formula, bytes a device']
  header += ['program, bytes a device', 'a step moves in all, MB']
  lines = [header]
  for row in rows:
    cells = [
      f'{row["dataset"]}, {row["nodes"]:,} nodes',
      f'{row["devices"]} {row["chip"]}',
      f'{row["halo"]:,}',
      str(row['features']),
      str(len(row['collectives'])),
      f'{row["expected"]:,}',
      f'{row["found"]:,}',
      f'{row["moved"] / 1e6:.2f}',
    ]
    lines.append(cells)
  return documents.markdown_table(lines)


if __name__ == '__main__':
  main()
