"""The library's programs and graphs, as the parts need them.

Shapes: N nodes, E edges, K heads, F features a head.
"""

import dataclasses
import functools
import importlib
import importlib.util
import time
import typing
from typing import Any, NamedTuple

from flax import nnx
import jax
import numpy as np

from gat_jax import graphs
from gat_jax import nn
from gat_jax import runs
from gat_jax import training

# Made for other devices: right on a GPU, but nothing to time there.
_FOR_OTHERS = ('blocks', 'lanes')


def road_names(of_layers: bool = False) -> list[str]:
  """Every road that `nn.aggregate` takes by name, or a layer where it can."""
  takes = nn.HeadsLayer.__init__ if of_layers else nn.aggregate
  hint = typing.get_type_hints(takes)['implementation']
  names = [name for part in _flat(hint) for name in typing.get_args(part)]
  return [n for n in names if n != 'fused' or _has_triton()]


def _has_triton() -> bool:
  on_gpu = jax.default_backend() == 'gpu'
  return on_gpu and importlib.util.find_spec('jax_triton') is not None


def _flat(hint):
  """The Literals of a union."""
  if typing.get_origin(hint) is typing.Literal:
    return [hint]
  return [found for one in typing.get_args(hint) for found in _flat(one)]


def roads(of_layers: bool = False) -> list[str | None]:
  """What is timed: what the library chooses, and every other by name.

  On a CPU those that are made for other devices as well, so that they are
  rehearsed.
  """
  on_cpu = jax.default_backend() == 'cpu'
  names = road_names(of_layers)
  names = [n for n in names if on_cpu or n not in _FOR_OTHERS]
  return [None, *names]


def called(road: str | None) -> str:
  """A road in a row."""
  return road or 'chosen'


class Built(NamedTuple):
  """A training program with all that it is called with.

  Attributes:
    program: of the library.
    state: before the first epoch.
    hyper: hyper-parameters.
    train: the examples of one step.
    val: the validation split.
  """

  program: training.Program
  state: training.ReplicaState
  hyper: Any
  train: Any
  val: Any

  def compile_epochs(self, **options: Any) -> jax.stages.Compiled:
    """A function of a number and the state: trains to that epoch."""
    lowered = jax.jit(self._epochs).lower(np.int32(0), *self[1:])
    return lowered.compile(compiler_options=options or None)

  def compile_step(self, **options: Any) -> jax.stages.Compiled:
    """A function of the state, which it takes: one step."""
    lowered = jax.jit(self._step, donate_argnums=0).lower(*self[1:4])
    return lowered.compile(compiler_options=options or None)

  def _epochs(self, epoch, state, hyper, train, val):
    return self.program.run_until(epoch, state, hyper, train, val)

  def _step(self, state, hyper, train):
    return self.program.step(state, hyper, train)


@functools.cache
def load(name: str) -> Any:
  """The data set of a config."""
  return runs.load_dataset(config(name))


def config(name: str, **changes: Any) -> Any:
  """A config that trains until it is told to stop.

  Args:
    name: module of `configs`.
    **changes: fields and values, a dot written as `__`.
  """
  made = importlib.import_module(f'configs.{name}').get_config()
  changes = {k.replace('__', '.'): v for k, v in changes.items()}
  made.update_from_flattened_dict({'stop_rule': 'none'} | changes)
  return made


def build(config: Any, dataset: Any, road: str | None = None) -> Built:
  """The program of a config along one road in all layers, on the device.

  What has batches of graphs is built for the first of them.
  """
  program = along(config, dataset, road)
  replica = training.Replica.of(config)[0]
  train = dataset.train
  if config.batch_size:
    train = [batch_of(config, dataset)]
  state = jax.jit(program.init)(replica.seed)
  args = replica.hyper, train, dataset.val
  return Built(program, state, *jax.device_put(args))


def along(config: Any, dataset: Any, road: str | None) -> training.Program:
  """The program of a config along one road in all layers; None chooses."""
  program = training.Program.from_config(config, dataset)
  if road is None:
    return program
  model = nn.Model.from_config(
    config.model,
    dataset.num_features,
    dataset.num_classes,
    nnx.Rngs(params=0),
    dataset.num_edge_features,
  )
  for layer in model.layers:
    layer.implementation = road
  return dataclasses.replace(program, graphdef=nnx.graphdef(model))


def batch_of(config: Any, dataset: Any) -> Any:
  """The first batch of the first epoch."""
  batches = training.Batches.plan(
    dataset.train, config.batch_size, config.batch_shapes
  )
  return batches.epoch(0, 0)[0]


def nasty() -> graphs.Edges:
  """A hub, a node alone, edges that are there thrice, and padding."""
  rng = np.random.default_rng(0)
  spokes = np.arange(1, 300)
  zeros = np.zeros_like(spokes)
  pairs = [
    (1, np.zeros((2, 0), int)),
    (3, np.array([[0, 1], [1, 0]])),
    (300, np.concatenate([[spokes, zeros], [zeros, spokes]], axis=1)),
    (3, np.array([[0, 0, 2, 0], [1, 1, 1, 1]])),
    (30, rng.integers(0, 30, (2, 90))),
  ]
  several = [
    graphs.prepare(np.zeros((n, 1)), *ends, duplicates='keep')
    for n, ends in pairs
  ]
  joined = graphs.batch(several)
  padded = graphs.pad(joined, len(joined.nodes) + 5, len(joined.senders) + 70)
  return graphs.edges_of(padded)


class Size(NamedTuple):
  """Of a layer: nodes, edges with self-loops (about), heads, features."""

  nodes: int
  edges: int
  heads: int
  features: int


SIZES = {
  'Cora': Size(2_708, 13_264, 8, 8),
  'Pubmed': Size(19_717, 108_365, 8, 8),
  '100k nodes': Size(100_000, 1_100_000, 8, 8),
  'PPI, hidden': Size(4_590, 128_402, 4, 256),
  'PPI, output': Size(4_590, 128_402, 6, 121),
}


def drawn(size: Size, features: int = 1) -> Any:
  """A prepared graph of a size, whose degrees differ a hundredfold."""
  rng = np.random.default_rng(0)
  num_pairs = (size.edges - size.nodes) // 2
  popular = (size.nodes * rng.random(num_pairs) ** 2).astype(int)
  others = rng.integers(0, size.nodes, num_pairs)
  nodes = rng.normal(size=(size.nodes, features)).astype(np.float32)
  return graphs.prepare(
    nodes, popular, others, reverse=True, duplicates='merge'
  )


def random(shape: tuple[int, ...], seed: int) -> np.ndarray:
  """Normal numbers in float32."""
  rng = np.random.default_rng(seed)
  return rng.normal(size=shape).astype(np.float32)


def compiled(function: Any, *args: Any) -> tuple[Any, dict[str, float]]:
  """A compiled function of such arguments, and what compiling showed."""
  lowered = jax.jit(function).lower(*args)
  start = time.perf_counter()
  made = lowered.compile()
  return made, facts(made) | {'compile_s': time.perf_counter() - start}


def facts(made: jax.stages.Compiled) -> dict[str, float]:
  """Megabytes that a program holds: all, and of these its workspace."""
  stats = made.memory_analysis()
  if stats is None:
    return {}
  held = stats.argument_size_in_bytes + stats.output_size_in_bytes
  held += stats.temp_size_in_bytes - stats.alias_size_in_bytes
  return {
    'needs_mb': held / 1e6,
    'workspace_mb': stats.temp_size_in_bytes / 1e6,
  }


def peak() -> dict[str, float]:
  """The most that this process has held on the device, in megabytes."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if 'peak_bytes_in_use' not in stats:
    return {}
  return {'peak_mb': stats['peak_bytes_in_use'] / 1e6}
