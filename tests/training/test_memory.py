import dataclasses
import gc
import subprocess
import sys
import weakref

import jax
import numpy as np
import pytest
from test_drivers import DATASET
from test_drivers import PLAIN
from test_drivers import make_config

from gat_jax import machine
from gat_jax.errors import ConfigError
from gat_jax.training import drivers
from gat_jax.training import memory
from gat_jax.training.replicas import Replica

FEW = dataclasses.replace(DATASET, train=DATASET.train[:3])


def test_estimate_covers_arguments_results_and_workspace():
  """Two arrays of 4 MB in, one out, one between that cannot be fused away."""
  x = np.ones((1000, 1000), np.float32)
  compiled = jax.jit(lambda a, b: (a @ b) @ b).lower(x, x).compile()
  assert 16e6 <= memory.needed(compiled) <= 20e6


@pytest.mark.parametrize('batch_size', [0, 2])
@pytest.mark.parametrize(
  'num_seeds', [pytest.param(1, marks=pytest.mark.slow), 3]
)
def test_drivers_ask_for_what_grows_with_the_model(
  monkeypatch, batch_size, num_seeds
):
  asked = []
  monkeypatch.setattr(memory, 'check', asked.append)
  for hidden_dim in (4, 400):
    config = make_config(
      batch_size=batch_size,
      num_seeds=num_seeds,
      **PLAIN,
      **{'model.num_layers': 2, 'model.hidden_dim': hidden_dim},
    )
    drivers.choose_driver(config, FEW, Replica.of(config)).compile()
  few, many = asked
  assert set(few) == set(many) == set(jax.local_devices()[:num_seeds])
  for device in few:
    assert many[device] > 5 * few[device] > 0


def test_what_does_not_fit_is_refused_before_a_state_is_made(monkeypatch):
  monkeypatch.setattr(machine, 'free_memory', lambda: 1_000)
  config = make_config(**PLAIN)
  driver = drivers.choose_driver(config, DATASET, Replica.of(config))
  with pytest.raises(ConfigError, match=r'needs about .* GB .* lower `config'):
    driver.compile()
  assert not hasattr(driver, '_states')


def test_what_refers_to_itself_is_given_back_too():
  class Cyclic:
    pass

  own = Cyclic()
  own.itself = own
  alive = weakref.ref(own)
  gc.disable()
  try:
    del own
    memory.give_back()
    assert alive() is None
  finally:
    gc.enable()


_HEAPS = """
import ctypes, sys, threading
from gat_jax.training import memory

library = ctypes.CDLL(None)
for name, arguments in (
  ('fopen', [ctypes.c_char_p] * 2),
  ('malloc_info', [ctypes.c_int, ctypes.c_void_p]),
  ('fclose', [ctypes.c_void_p]),
):
  getattr(library, name).argtypes = arguments
library.fopen.restype = ctypes.c_void_p

def heaps(num_threads):
  all_there, held = threading.Barrier(max(1, num_threads)), []
  def hold():
    all_there.wait()
    held.append(bytes(10_000))
    all_there.wait()
  threads = [threading.Thread(target=hold) for _ in range(num_threads)]
  for thread in threads: thread.start()
  for thread in threads: thread.join()
  file = library.fopen(sys.argv[1].encode(), b'w')
  library.malloc_info(0, file)
  library.fclose(file)
  return open(sys.argv[1]).read().count('<heap ')

if sys.argv[2] == 'shared':
  memory.share_heap()
print(heaps(0), heaps(4))
"""


@pytest.mark.slow
@pytest.mark.skipif(memory._glibc() is None, reason='another C library')
@pytest.mark.parametrize('kind', ['shared', 'own'])
def test_threads_that_start_later_share_one_heap(kind, tmp_path):
  done = subprocess.run(
    [sys.executable, '-c', _HEAPS, str(tmp_path / 'heaps'), kind],
    check=True,
    capture_output=True,
    text=True,
  )
  before, after = map(int, done.stdout.split())
  assert (before == after) == (kind == 'shared')


class Accelerator:
  platform = 'gpu'

  def __init__(self, limit, in_use):
    self.memory_stats = lambda: {'bytes_limit': limit, 'bytes_in_use': in_use}


def test_accelerators_are_checked_one_by_one():
  roomy, small = Accelerator(100, 10), Accelerator(100, 60)
  memory.check({roomy: 90, small: 40})
  with pytest.raises(ConfigError):
    memory.check({roomy: 90, small: 41})
  roomy.memory_stats = lambda: None
  memory.check({roomy: 10**15})


def test_limit_of_the_cgroup_counts(monkeypatch, tmp_path):
  group = tmp_path / 'job/step'
  group.mkdir(parents=True)
  (group / 'memory.max').write_text('max\n')
  (tmp_path / 'job/memory.max').write_text('5000\n')
  (tmp_path / 'job/memory.current').write_text('2000\n')
  monkeypatch.setattr(machine, '_CGROUPS', tmp_path)
  monkeypatch.setattr(machine, '_own_cgroup', lambda: 'job/step')
  assert machine.free_memory() == 3000
  monkeypatch.setattr(machine, '_own_cgroup', lambda: None)
  assert machine.free_memory() > 3000
