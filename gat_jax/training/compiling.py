"""How runs are compiled, whatever JAX is told for the code around them."""

from collections.abc import Callable, Iterator
import contextlib
from typing import Any

import jax


@contextlib.contextmanager
def own_jax_settings() -> Iterator[None]:
  """A run has the same bits whatever JAX is told for the code around it.

  It is float32 throughout, also where `jax_enable_x64` is on, and promotes
  types and ranks where `jax_numpy_dtype_promotion` or
  `jax_numpy_rank_promotion` forbid that elsewhere. Products of float32 are of
  float32 on a GPU and a TPU as well, where JAX would round their factors to 10
  or 7 bits.
  """
  with (
    jax.enable_x64(False),
    jax.numpy_dtype_promotion('standard'),
    jax.numpy_rank_promotion('allow'),
    jax.default_matmul_precision('highest'),
  ):
    yield


def jit(function: Callable) -> Any:
  """`jax.jit` for programs that give the same bits in every process.

  On a GPU, XLA else times several ways to compute a product and takes what was
  fastest just then, which is another one, of other last bits, the next time.
  """
  options = None
  if jax.default_backend() == 'gpu':
    options = {'xla_gpu_autotune_level': 0}
  return jax.jit(function, compiler_options=options)


def is_off() -> bool:
  """Whether JAX is asked to compile nothing, not even ahead."""
  config: Any = jax.config  # its type does not know its attributes
  return bool(config.jax_disable_jit)
