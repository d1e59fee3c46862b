"""Where the kernels can be: a machine with jax-triton, a program for CUDA."""

import sys
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import mlir

from gat_jax.errors import InputError
from gat_jax.graphs import Array


def load() -> Any:
  """The module `jax_triton`.

  Raises:
    InputError: if there is none, or its Triton is too old for it.
  """
  try:
    from triton.backends.nvidia import driver

    if not hasattr(driver, 'TMA_TF32'):
      # jax-triton 0.4 wants this name of Triton 3.7, and where it has none
      # takes it that there are no NVIDIA GPUs. On Triton 3.6, which comes with
      # PyTorch, the kernels ran with nothing else missing.
      if sys.modules.get('jax_triton'):
        raise InputError(
          'implementation',
          "jax-triton was imported before 'fused' was used, and on a Triton"
          ' older than it asks for',
          'import it later, or install Triton 3.7 or newer',
        )
      driver.TMA_TF32 = 0
    import jax_triton
  except ImportError as error:
    raise InputError(
      'implementation',
      f"'fused' needs jax-triton ({error})",
      'do `pip install "jax-triton>=0.4.1,<0.5" "triton>=3.7,<3.8"`, which'
      ' takes Python 3.12 and JAX 0.11 at least, or choose None',
    ) from error
  return jax_triton


def only_on_cuda(x: Array) -> jax.Array:
  """The array itself; lowered for anything but CUDA, an InputError."""
  return _only_on_cuda.bind(x)


_only_on_cuda = Primitive('only_on_cuda')
_only_on_cuda.def_abstract_eval(lambda x: x)


def _refuse(ctx: Any, unused_x: Any) -> Any:
  platforms = ctx.platforms or ctx.module_context.platforms
  raise InputError(
    'implementation',
    f"'fused' is for NVIDIA GPUs, and this is lowered for"
    f' {" and ".join(platforms)}',
    'choose None, which takes what is right there',
  )


mlir.register_lowering(_only_on_cuda, _refuse)
mlir.register_lowering(_only_on_cuda, lambda ctx, x: [x], platform='cuda')
