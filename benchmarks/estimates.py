r"""Estimates a step on the largest graphs of OGB, shared by 8 to 256 GPUs.

Try:
  python -m benchmarks.estimates
  python -m benchmarks.estimates --output=docs/guides/devices.md

Nothing of this was run: neither the graphs nor so many GPUs could be had. What
was measured is one step of PPI on one GPU, in benchmarks/gpu/results, and how a
drawn graph of the same mean degree is cut by METIS. A step takes as long as

  products: of matrices, at the rate that the GPU reached,
  + sums over edges: edges x numbers sent a node, at the rate of PPI's step,
  both divided by the number of GPUs, times the imbalance of the parts,
  + the exchange: `graphs.Spread.exchanged_bytes`, divided by the number of GPUs
    and by what a GPU sends in a second.

Nothing is taken to happen at the same time as something else. What a GPU holds
is taken from the same step of PPI, by the number of activations. Needs pymetis.
"""

import argparse
import functools
import importlib
import json
from typing import Any, NamedTuple

from benchmarks import outputs
from benchmarks import speed
from experiments import documents

MEASURED = 'benchmarks/gpu/results/h200-2026-11-26.json'
COUNTS = (8, 32, 128, 256)
# Bytes a second, each way, of one GPU of a DGX H100, by its data sheet: NVLink
# within eight, else one adapter of 400 Gb/s for each GPU.
NVLINK, NETWORK = 450e9, 50e9
MEMORY = 80e9  # of an H100
DRAWN_NODES = 200_000


class Sizes(NamedTuple):
  """A data set.

  Attributes:
    config: module of `configs` that has the model.
    nodes: of the graph.
    edges: that are stored, loops among them.
    features: of a node.
    classes: that are told apart.
  """

  config: str
  nodes: int
  edges: int
  features: int
  classes: int


# Hu et al., "Open Graph Benchmark", NeurIPS 2020, table 2. Edges of products go
# both ways; those of papers100M one way, as the config has them.
GRAPHS = {
  'ogbn-products': Sizes(
    'products', 2_449_029, 2 * 61_859_140 + 2_449_029, 100, 47
  ),
  'ogbn-papers100M': Sizes(
    'papers100m', 111_059_956, 1_615_685_872 + 111_059_956, 128, 172
  ),
}
PPI = Sizes('ppi', 4977, 142_505, 50, 121)  # two graphs, as in the step


class Work(NamedTuple):
  """What a step of training does.

  Attributes:
    operations: of products of matrices, forward and twice that backward.
    sums: edges x numbers that a layer sends a node, all layers.
    sent: numbers that layers send a node, all layers.
    kept: activations of all nodes and layers.
  """

  operations: float
  sums: float
  sent: int
  kept: float


def work(sizes: Sizes) -> Work:
  """Counts it for a GAT, from its config."""
  module = importlib.import_module(f'configs.{sizes.config}')
  model = module.get_config().model
  inputs, products, sent, outputs = sizes.features, 0, 0, 0
  for layer in range(model.num_layers):
    is_last = layer == model.num_layers - 1
    heads = model.num_output_heads if is_last else model.num_heads
    width = sizes.classes if is_last else model.hidden_dim
    has_skip = model.residual and layer > 0 and not is_last
    products += inputs * heads * width * (1 + has_skip)
    sent += heads * (width + 1)
    outputs += heads * width
    inputs = heads * width
  return Work(
    operations=6 * sizes.nodes * products,
    sums=sizes.edges * sent,
    sent=sent,
    kept=sizes.nodes * outputs,
  )


class Rates(NamedTuple):
  """What a GPU did.

  Attributes:
    operations: of products of float32, a second.
    sums: edges x numbers a second, forward and backward.
    bytes_kept: held in memory for each activation.
  """

  operations: float
  sums: float
  bytes_kept: float


def rates() -> Rates:
  """Of the step of PPI that was measured, with products of float32."""
  parts = json.loads((speed.ROOT / MEASURED).read_text())['parts']
  (operations,) = (
    row['rate']
    for row in parts['machine']['rows']
    if row['what'] == 'matrix product, float32, highest'
  )
  (step,) = (
    row
    for row in parts['ppi']['rows']
    if row['what'] == 'ppi, gat, a step'
    and (row['road'], row['precision']) == ('chosen', 'highest')
  )
  done = work(PPI)
  left = step['ms'] / 1e3 - done.operations / operations
  return Rates(operations, done.sums / left, 1e6 * step['needs_mb'] / done.kept)


@functools.cache
def drawn(degree: float, classes: int) -> Any:
  """A graph that is at hand, and about as dense."""
  from gat_jax import datasets

  dataset = datasets.load(
    'large',
    num_nodes=DRAWN_NODES,
    average_degree=degree,
    num_classes=classes,
    num_features=1,
  )
  return dataset.train[0].graph


def cut(sizes: Sizes, count: int) -> Any:
  """The `graphs.Spread` of the drawn graph in so many parts."""
  from gat_jax import graphs

  degree = sizes.edges / sizes.nodes - 1
  graph = drawn(round(degree, 1), sizes.classes)
  return graphs.partition(graph, graphs.deal_nodes(graph, count), count).spread


def estimate(name: str, count: int, reached: Rates) -> dict[str, Any]:
  """One row."""
  sizes = GRAPHS[name]
  of_step, spread = work(sizes), cut(sizes, count)
  scale = sizes.nodes / DRAWN_NODES
  exchanged = spread.exchanged_bytes(of_step.sent) * scale / count
  link = NVLINK if count <= 8 else NETWORK
  share = spread.imbalance / count
  return {
    'graph': name,
    'gpus': count,
    'halo': sum(spread.halos) / DRAWN_NODES,
    'products': of_step.operations / reached.operations * share,
    'sums': of_step.sums / reached.sums * share,
    'exchanged': exchanged,
    'exchange': exchanged / link,
    # What comes over the link forward, half of it, is held beside its own.
    'held': of_step.kept * reached.bytes_kept / count + exchanged / 2,
  }


def table(rows: list[dict[str, Any]]) -> str:
  """As Markdown."""
  header = ['graph', 'GPUs', 'halo rows a node', 'products, s', 'sums, s']
  header += ['a GPU sends, GB', 'exchange, s', 'a step, s', 'a GPU holds, GB']
  lines = [header]
  for row in rows:
    products, sums, exchange = row['products'], row['sums'], row['exchange']
    held = f'{row["held"] / 1e9:.0f}'
    if row['held'] > MEMORY:
      held += ', too much'
    cells = [row['graph'], str(row['gpus']), f'{row["halo"]:.1f}']
    cells += [f'{products:.3f}', f'{sums:.3f}']
    cells += [f'{row["exchanged"] / 1e9:.1f}', f'{exchange:.3f}']
    cells += [f'{products + sums + exchange:.2f}', held]
    lines.append(cells)
  return documents.markdown_table(lines)


def main() -> None:
  """Prints the table, or puts it into a page."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--graph', choices=GRAPHS, action='append')
  parser.add_argument('--gpus', type=int, action='append')
  parser.add_argument('--output', **outputs.FLAG)
  args = parser.parse_args()
  reached = rates()
  text = table(
    [
      estimate(name, count, reached)
      for name in args.graph or GRAPHS
      for count in args.gpus or COUNTS
    ]
  )
  print(text)
  if args.output:
    documents.put_section(args.output, 'estimates', text)


if __name__ == '__main__':
  main()
