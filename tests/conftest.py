"""Two CPU devices, so that seeds are really spread; what is compiled twice is
taken from a cache of this session's own. JAX is not started yet."""

import atexit
import os
import shutil
import tempfile

import jax
import pytest

_CACHE = tempfile.mkdtemp(prefix='gat_jax-tests-')
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)

jax.config.update('jax_num_cpu_devices', 2)
jax.config.update('jax_compilation_cache_dir', _CACHE)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.05)


@pytest.fixture(scope='session')
def environment(tmp_path_factory):
  """For commands: a home of their own, where compiled programs are shared."""
  cache = tmp_path_factory.mktemp('cache')
  return os.environ | {'XDG_CACHE_HOME': str(cache), 'COLUMNS': '120'}
