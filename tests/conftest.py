"""Two CPU devices, so that seeds are really spread; what is compiled twice is
taken from a cache of this session's own. JAX is not started yet."""

import atexit
import shutil
import tempfile

import jax

_CACHE = tempfile.mkdtemp(prefix='gat_jax-tests-')
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)

jax.config.update('jax_num_cpu_devices', 2)
jax.config.update('jax_compilation_cache_dir', _CACHE)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.05)
