"""The devices of a run as a mesh with named axes, and what lies on them.

`runs`: seeds, or trials that share a program; devices along it have nothing to
say to each other. `batch`: the graphs of a batch. `nodes`: one graph in parts.
Where JAX runs on several hosts (`jax.distributed`), the mesh has the devices of
all of them, and all call the same functions in the same order.
"""

from collections.abc import Callable, Iterable, Sequence
import functools
import itertools
import math
from typing import Any

import jax
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from gat_jax.errors import ConfigError
from gat_jax.training.hosts import Hosts

AXES = RUNS, BATCH, NODES = 'runs', 'batch', 'nodes'


def make(config: Any, num_replicas: int, batch_size: int = 1) -> Mesh:
  """The mesh that `config.mesh` asks for; 0 there takes what suits.

  Replicas come first: each device gets as few of them as can be. What is left
  over goes to the graphs of a batch; but not on a CPU, whose devices are its
  cores: they share what one device computes, and a seed keeps its last bits.
  On one host devices may remain idle. On several, each takes part, if only with
  a replica that trains no epoch.

  Args:
    config: its `mesh` has the sizes of the axes.
    num_replicas: how many replicas there are to be spread.
    batch_size: graphs in a batch; 1 where training is not in batches.

  Returns:
    A mesh with the axes `runs`, `batch` and `nodes`. Accelerators of a host are
    next to each other, closest along the last axis; of CPUs neighbours are on
    different hosts.

  Raises:
    ConfigError: if the sizes do not fit the devices or the batches.
  """
  devices, asked = jax.devices(), config.mesh
  several_hosts = jax.process_count() > 1
  is_cpu = devices[0].platform == 'cpu'
  if is_cpu and several_hosts:
    devices = _host_by_host(devices)
  if asked.batch > max(1, batch_size):
    raise ConfigError(
      'config.mesh.batch',
      f'{asked.batch} devices share a batch of {batch_size} graphs'
      if batch_size > 1
      else f'{asked.batch} devices share a batch, and there are no batches',
      'choose at most as many devices as `config.batch_size`, which is below'
      ' the number of training graphs where there are batches',
    )
  least = [max(1, asked[axis]) for axis in AXES]
  if math.prod(least) > len(devices):
    raise _misfit(least, len(devices), 'at most')
  most = 1 if is_cpu and not several_hosts else batch_size
  sizes = _sizes(asked, len(devices), num_replicas, most)
  used = math.prod(sizes)
  if several_hosts and used != len(devices):
    raise _misfit(sizes, len(devices), 'exactly')
  return Mesh(np.array(devices[:used]).reshape(sizes), AXES)


def _host_by_host(devices: Sequence[jax.Device]) -> list[jax.Device]:
  """The first of each host, then the second of each, and so on."""
  by_host: dict[int, list[jax.Device]] = {}
  for device in devices:
    by_host.setdefault(device.process_index, []).append(device)
  turns = itertools.zip_longest(*by_host.values())
  return [device for turn in turns for device in turn if device is not None]


def _misfit(sizes: Sequence[int], num_devices: int, how: str) -> ConfigError:
  by_axis = dict(zip(AXES, sizes, strict=True))
  shown = ' x '.join(f'{axis} {size}' for axis, size in by_axis.items())
  first = next((axis for axis, size in by_axis.items() if size > 1), RUNS)
  return ConfigError(
    f'config.mesh.{first}',
    f'{shown} is {math.prod(sizes)} devices, and there are {num_devices}',
    f'choose sizes whose product is {how} {num_devices}, or 0 for what suits',
  )


def _sizes(
  asked: Any, num_devices: int, num_replicas: int, most_parts: int
) -> tuple[int, int, int]:
  nodes = asked.nodes or 1
  left = num_devices // nodes
  if jax.process_count() == 1:
    runs = min(asked.runs or left // max(1, asked.batch), num_replicas)
    return runs, asked.batch or min(most_parts, left // runs), nodes
  # All devices: `runs` takes what the other two leave.
  most = min(most_parts, max(1, left // (asked.runs or num_replicas)))
  batch = asked.batch or max(d for d in range(1, most + 1) if left % d == 0)
  return asked.runs or left // batch, batch, nodes


def describe(mesh: Mesh, num_bytes: Iterable[int]) -> str:
  """Which devices, and what they need.

  Args:
    mesh: of the devices.
    num_bytes: of each device of this host; zero where that is not known.

  Returns:
    As in "2 of 8 gpu devices (runs 2), 0.4 GB on each".
  """
  devices = list(mesh.devices.flat)
  there = f'{mesh.size}'
  if mesh.size < jax.device_count() and devices[0].platform != 'cpu':
    there += f' of {jax.device_count()}'  # of a CPU no core is idle
  hosts = len({device.process_index for device in devices})
  sizes = ' x '.join(f'{axis} {n}' for axis, n in mesh.shape.items() if n > 1)
  most = max(num_bytes, default=0)
  return (
    f'{there} {devices[0].platform} device{"s" if there != "1" else ""}'
    + (f' of {hosts} hosts' if hosts > 1 else '')
    + (f' ({sizes})' if sizes else '')
    + (f', {most / 1e9:.2g} GB{" on each" if sizes else ""}' if most else '')
  )


def over_parts(function: Callable, mesh: Mesh) -> Callable:
  """Spreads `function(*shared, own)` over devices that share a batch or graph.

  Args:
    function: takes what all of them share, and last what is a device's own. It
      adds up over `part_axes` what it computes: all have the same result.
    mesh: of the devices.

  Returns:
    The function, whose last argument has the devices along its first axis; as
    it was given where one device has the whole.
  """
  axes = part_axes(mesh)
  if not axes:
    return function

  def on_one_device(*args):
    *shared, parts = args
    return function(*shared, own_part(parts))

  def spread(*args):
    return jax.shard_map(
      on_one_device,
      mesh=mesh,
      in_specs=(PartitionSpec(),) * (len(args) - 1) + (PartitionSpec(*axes),),
      out_specs=PartitionSpec(),
      check_vma=False,
    )(*args)

  return spread


def part_axes(mesh: Mesh) -> tuple[str, ...]:
  """The axis along which batches or graphs are in parts; none if whole."""
  return tuple(axis for axis in (BATCH, NODES) if mesh.shape[axis] > 1)


def own_part(parts: Any) -> Any:
  """What a device has of arrays that are spread: [1, ...] -> [...]."""
  return jax.tree.map(lambda array: array.reshape(array.shape[1:]), parts)


def put(tree: Any, sharding: NamedSharding) -> Any:
  """Arrays of this host, the same on all hosts, as arrays of the devices."""
  if sharding.is_fully_addressable:
    return jax.device_put(tree, sharding)

  def put_one(array):
    array = np.asarray(array, jax.dtypes.canonicalize_dtype(array.dtype))
    return jax.make_array_from_callback(
      array.shape, sharding, lambda index: array[index]
    )

  return jax.tree.map(put_one, tree)


def get(array: jax.Array) -> np.ndarray:
  """An array of the devices, whole on this host; all hosts must call it."""
  if array.is_fully_addressable:
    return np.asarray(array)
  sharding: Any = array.sharding
  everywhere = NamedSharding(sharding.mesh, PartitionSpec())
  return np.asarray(_whole(everywhere)(array))


def row(tree: Any, index: int, mesh: Mesh) -> Any:
  """One row of stacked arrays [R, ...], on this host; all hosts must call it.

  Args:
    tree: of arrays.
    index: of the row.
    mesh: where they are.
  """
  if not mesh.is_multi_process:
    return jax.tree.map(lambda array: np.asarray(array)[index], tree)
  everywhere = NamedSharding(mesh, PartitionSpec())
  return jax.device_get(_row(everywhere)(tree, index))


def of_hosts(tree: Any) -> Any:
  """What each host has, stacked [hosts, ...]; all call it with equal shapes."""
  hosts = Hosts.here()
  return jax.tree.map(
    lambda array: hosts.stacked(np.asarray(array)), jax.device_get(tree)
  )


@functools.cache
def _whole(everywhere: NamedSharding) -> Callable:
  return jax.jit(lambda array: array, out_shardings=everywhere)


@functools.cache
def _row(everywhere: NamedSharding) -> Callable:
  def row(tree, index):
    return jax.tree.map(lambda array: array[index], tree)

  return jax.jit(row, out_shardings=everywhere)
