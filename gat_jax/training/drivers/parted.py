"""Data sets whose graphs several devices share, and the counts of a split.

Shapes: P devices along the axis `nodes` of the mesh.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from flax import nnx
import jax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import Dataset
from gat_jax.datasets import Example
from gat_jax.errors import ConfigError
from gat_jax.errors import InputError
from gat_jax.training import batching
from gat_jax.training import compiling
from gat_jax.training import memory
from gat_jax.training import meshes
from gat_jax.training.metrics import Counts
from gat_jax.training.program import Program


def take_apart(config: Any, dataset: Dataset) -> Dataset:
  """Gives each of the devices that share a graph a part of it, on the host.

  Args:
    config: `config.mesh` says how many they are, and who deals the nodes.
    dataset: whole, or in parts already.

  Returns:
    The data set, if `config.mesh.nodes` is above 1 with every array of an
    example [P, ...], and a card that says what was cut.

  Raises:
    ConfigError: if training is in batches, or nothing is there that deals the
      nodes.
  """
  num_parts = config.mesh.nodes
  if num_parts <= 1 or dataset.num_parts > 1 or config.sampler.fan_outs:
    return dataset  # a driver that samples says that it has no use for parts
  if batching.is_in_batches(config, dataset):
    raise ConfigError(
      'config.mesh.nodes',
      f'{num_parts} devices share one graph, and training is in batches of'
      ' several',
      'set `config.mesh.batch` instead, or `config.batch_size` to 0, which'
      ' trains on all graphs at once',
    )
  cuts: dict[int, graphs.Partition] = {}  # splits may share a graph

  def part(example: Example) -> Example:
    graph = example.graph
    if id(graph) not in cuts:
      try:
        dealt = graphs.deal_nodes(graph, num_parts, config.mesh.partitioner)
      except InputError as error:
        raise ConfigError(
          'config.mesh.partitioner', error.problem, error.remedy
        ) from error
      cuts[id(graph)] = graphs.partition(graph, dealt, num_parts, meshes.NODES)
    cut = cuts[id(graph)]
    of_nodes = map(cut.of_nodes, (example.labels, example.mask))
    return Example(cut.graph, *of_nodes)

  train, val, test = (
    [*map(part, split)] for split in (dataset.train, dataset.val, dataset.test)
  )
  spreads = [cut.spread for cut in cuts.values()]
  facts = {
    'parts': num_parts,
    'partitioner': config.mesh.partitioner,
    'edges_cut': sum(spread.edges_cut for spread in spreads),
    'halo_rows': sum(sum(spread.halos) for spread in spreads),
    'imbalance': round(max(spread.imbalance for spread in spreads), 3),
  }
  return dataclasses.replace(
    dataset,
    train=train,
    val=val,
    test=test,
    card=dataset.card | facts,
    num_parts=num_parts,
  )


class Counter:
  """Loss and score of the validation and the test split.

  A data set in parts is on the devices that share its graphs for as long as a
  split is counted: training has its own copy there.
  """

  def __init__(
    self, config: Any, dataset: Dataset, num_replicas: int, params: nnx.State
  ):
    """Compiles ahead. It runs nothing that spans hosts.

    Args:
      config: makes the model.
      dataset: has the splits.
      num_replicas: as for the driver, so that the devices are the same.
      params: of the shapes and types of all that are counted later.

    Raises:
      ConfigError: if the memory is too small for it, beside what is there.
    """
    splits = {'val': dataset.val, 'test': dataset.test}
    self._splits: Mapping[str, Sequence[Example]] = splits
    self._everywhere = self._parts = None
    axes: tuple[str, ...] = ()
    if dataset.num_parts > 1:
      mesh = meshes.make(config, num_replicas)
      axes = meshes.part_axes(mesh)
      self._everywhere = NamedSharding(mesh, PartitionSpec())
      self._parts = NamedSharding(mesh, PartitionSpec(*axes))
    count = Program.from_config(config, dataset, axes).count
    if self._everywhere is not None:
      count = meshes.over_parts(count, mesh)
    count = compiling.jit(count)
    if compiling.is_off():
      self._counts: dict[str, Any] = dict.fromkeys(splits, count)
      return
    params = _put(params, self._everywhere)
    self._counts = {
      split: count.lower(params, _put(examples, self._parts)).compile()
      for split, examples in self._splits.items()
    }
    if self._parts is not None:
      needed = max(map(memory.needed, self._counts.values()))
      memory.check(dict.fromkeys(mesh.local_devices, needed))

  def count(self, params: nnx.State, split: str) -> Counts:
    """Of `val` or `test`; on several hosts, all must call it."""
    counts = self._counts[split](
      _put(params, self._everywhere), _put(self._splits[split], self._parts)
    )
    return jax.tree.map(np.asarray, counts)


def _put(tree: Any, sharding: NamedSharding | None) -> Any:
  return tree if sharding is None else meshes.put(tree, sharding)
