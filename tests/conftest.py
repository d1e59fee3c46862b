"""Two CPU devices, so that seeds are really spread. What is compiled twice, by
whatever process of a session, is compiled once. JAX is not started yet."""

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


@pytest.fixture(scope='session')
def environment(tmp_path_factory):
  """For commands: a home of their own."""
  cache = tmp_path_factory.mktemp('cache')
  return os.environ | {'XDG_CACHE_HOME': str(cache), 'COLUMNS': '120'}
