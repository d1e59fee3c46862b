"""What all tests share.

Two CPU devices, so that seeds are really spread. What is compiled twice, by
whatever process of a session, is compiled once. The first tier compiles without
LLVM's optimisations, which take a third of its time; the second has them. JAX
is not started yet.
"""

import atexit
import os
import shutil
import tempfile

import pytest

_SETTINGS = {
  'JAX_NUM_CPU_DEVICES': '2',
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.05',
}
os.environ.update(_SETTINGS)
# Workers of pytest-xdist and the commands that tests start inherit the folder.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _cache = tempfile.mkdtemp(prefix='gat_jax-tests-')
  atexit.register(shutil.rmtree, _cache, ignore_errors=True)
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _cache


def pytest_configure(config):
  """Before any test, and so JAX, is imported; workers have the same options."""
  if config.option.markexpr == 'not slow':
    quick = '--xla_backend_optimization_level=0'
    os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {quick}'


# Of the slow files those that take longest. A worker takes a file whole: begun
# last, one of them would run alone at the end.
_LONGEST = (
  'test_slurm.py',
  'test_survival.py',
  'test_benchmarks.py',
  'test_endings.py',
  'test_hosts.py',
  'test_export.py',
  'test_reproduce.py',
  'test_site.py',
)


def pytest_collection_modifyitems(items):
  """Puts the longest files first, where pytest-xdist leaves the order alone."""
  places = {name: place for place, name in enumerate(_LONGEST)}
  items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope='session')
def environment(tmp_path_factory):
  """For commands: a home of their own."""
  cache = tmp_path_factory.mktemp('cache')
  return os.environ | {'XDG_CACHE_HOME': str(cache), 'COLUMNS': '120'}
