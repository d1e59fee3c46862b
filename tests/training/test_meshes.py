import dataclasses
import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from test_drivers import PLAIN
from test_drivers import make_config

from gat_jax.errors import ConfigError
from gat_jax.training import meshes

HERE = pathlib.Path(__file__).parent


def sizes(num_replicas=1, batch_size=1, **asked):
  config = make_config(**{f'mesh.{axis}': n for axis, n in asked.items()})
  return dict(meshes.make(config, num_replicas, batch_size).shape)


@dataclasses.dataclass(frozen=True)
class Device:
  platform: str
  process_index: int
  number: int


def eight(monkeypatch, platform, num_hosts=1):
  """Eight devices that are not there."""
  devices = [Device(platform, i * num_hosts // 8, i) for i in range(8)]
  monkeypatch.setattr(jax, 'devices', lambda: devices)
  monkeypatch.setattr(jax, 'process_count', lambda: num_hosts)
  monkeypatch.setattr(meshes, 'Mesh', FakeMesh)


def test_replicas_come_first_then_the_graphs_of_a_batch(monkeypatch):
  for platform, num_replicas, batch_size, asked, expected in (
    ('gpu', 1, 1, {}, (1, 1, 1)),
    ('gpu', 3, 1, {}, (3, 1, 1)),
    ('gpu', 100, 1, {}, (8, 1, 1)),
    ('gpu', 1, 2, {}, (1, 2, 1)),
    ('gpu', 1, 20, {}, (1, 8, 1)),
    ('gpu', 3, 20, {}, (3, 2, 1)),
    ('gpu', 100, 20, {}, (8, 1, 1)),
    ('gpu', 100, 20, {'batch': 4}, (2, 4, 1)),
    ('gpu', 100, 20, {'runs': 1}, (1, 8, 1)),
    ('gpu', 1, 20, {'runs': 4}, (1, 8, 1)),
    ('gpu', 3, 20, {'nodes': 4}, (2, 1, 4)),
    ('cpu', 3, 20, {}, (3, 1, 1)),
    ('cpu', 3, 20, {'batch': 2}, (3, 2, 1)),
  ):
    eight(monkeypatch, platform)
    found = sizes(num_replicas, batch_size, **asked)
    assert tuple(found.values()) == expected, (num_replicas, batch_size, asked)


def test_all_devices_of_several_hosts_take_part(monkeypatch):
  eight(monkeypatch, 'gpu', 2)
  for num_replicas, batch_size, asked, expected in (
    (1, 1, {}, (8, 1, 1)),
    (1, 3, {}, (4, 2, 1)),
    (3, 20, {}, (4, 2, 1)),
    (100, 20, {}, (8, 1, 1)),
    (1, 20, {'runs': 2}, (2, 4, 1)),
    (1, 20, {'nodes': 8}, (1, 1, 8)),
  ):
    found = sizes(num_replicas, batch_size, **asked)
    assert tuple(found.values()) == expected, (num_replicas, batch_size, asked)
  with pytest.raises(ConfigError, match='runs 2 x batch 2 x nodes 1 is 4 dev'):
    sizes(2, 20, runs=2, batch=2)


def test_cpus_of_different_hosts_share_a_batch(monkeypatch):
  """Those of one host share its cores in any case; accelerators do not."""
  for platform, expected in (('cpu', [0, 4]), ('gpu', [0, 1])):
    eight(monkeypatch, platform, 2)
    devices = meshes.make(make_config(), 1, 2).devices
    assert [device.number for device in devices[0, :, 0]] == expected


class FakeMesh:
  def __init__(self, devices, names):
    self.devices = devices
    self.shape = dict(zip(names, devices.shape, strict=True))


def test_what_does_not_fit_is_refused_with_what_would():
  for batch_size, asked, words in (
    (1, {'runs': 3}, r'runs 3 x batch 1 x nodes 1 is 3 devices, and there are'),
    (4, {'runs': 2, 'batch': 2}, 'whose product is at most 2'),
    (1, {'batch': 2}, 'and there are no batches'),
    (2, {'batch': 3}, '3 devices share a batch of 2 graphs'),
  ):
    with pytest.raises(ConfigError, match=words):
      sizes(2, batch_size, **asked)


# One of two hosts.
HOST = """
import sys
import jax
port, index, runs, path = sys.argv[1:]
jax.distributed.initialize(f'127.0.0.1:{port}', 2, int(index))
import test_meshes
kinds = test_meshes.KINDS[int(runs)]
found = [test_meshes.digest(test_meshes.trained(*kind)) for kind in kinds]
with open(path, 'w') as file:
  file.write(' '.join(found))
"""

# By the number of devices: drivers and sizes of the mesh along `runs` and
# `batch`. Of the three replicas the third, and a filler if there is one, are on
# the second host.
KINDS = {
  2: (
    ('ResidentDriver', 2, 1),
    ('BatchDriver', 2, 1),
    ('BatchDriver', 1, 2),
  ),
  3: (('ResidentDriver', 3, 1), ('BatchDriver', 3, 1)),
}


def trained(kind, runs, batch):
  """What a host sees, with a step back on the way."""
  import test_drivers

  from gat_jax.training import drivers

  fields = {'mesh.runs': runs, 'mesh.batch': batch, 'batch_shapes': 1}
  config = make_config(max_epochs=6, **fields, **PLAIN)
  hyper = test_drivers.Hyperparameters.from_config(config)
  replicas = [drivers.Replica(seed, hyper) for seed in (0, 3, 7)]
  driver = getattr(drivers, kind)(config, test_drivers.DATASET, replicas)
  driver.compile()
  driver.advance(2)
  states = [driver.state(i) for i in range(3)]
  driver.advance(4)
  driver.restore(states)
  driver.advance(6)
  names = 'stopped', 'epoch', 'train_loss', 'val_loss', 'val_score'
  fetched = [driver.fetch(name) for name in names]
  return states, fetched, [driver.state(i) for i in range(3)]


def digest(tree):
  from gat_jax.runs.states import stored

  leaves = map(np.asarray, jax.tree.leaves(tree))
  return stored.digest_of({str(i): leaf for i, leaf in enumerate(leaves)})


@pytest.mark.slow
@pytest.mark.parametrize('num_devices', KINDS)
def test_two_hosts_see_what_one_sees(tmp_path, num_devices):
  """The same bits, of all replicas, on both; also if one has more devices."""
  path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1])])
  environment = os.environ | {'PYTHONPATH': path}
  with socket.create_server(('127.0.0.1', 0)) as server:
    port = server.getsockname()[1]
  places = [tmp_path / 'first', tmp_path / 'second']
  hosts = []
  for index, own in enumerate(('1', str(num_devices - 1))):
    words = map(str, (port, index, num_devices, places[index]))
    host = subprocess.Popen(
      [sys.executable, '-c', HOST, *words],
      env=environment | {'JAX_NUM_CPU_DEVICES': own},
      stdout=subprocess.DEVNULL,
    )
    hosts.append(host)
  assert [host.wait(timeout=300) for host in hosts] == [0, 0]
  # On one host there are two devices, and a replica has the same bits on any.
  expected = [
    digest(trained(kind, min(2, runs), batch))
    for kind, runs, batch in KINDS[num_devices]
  ]
  for place in places:
    assert place.read_text().split() == expected


def test_devices_are_told_in_words():
  mesh = meshes.make(make_config(**{'mesh.batch': 2}), 1, 4)
  assert meshes.describe(mesh, [3_000_000, 1]) == (
    '2 cpu devices (batch 2), 0.003 GB on each'
  )
  alone = meshes.make(make_config(**{'mesh.batch': 1}), 1, 4)
  assert meshes.describe(alone, [0]) == '1 cpu device'
