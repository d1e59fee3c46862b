"""Initial values of parameters: float32, whatever JAX's settings are."""

from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np


def glorot(rngs: nnx.Rngs, shape: tuple[int, ...], fans: int) -> nnx.Param:
  """Uniform in +-sqrt(6 / fans) (Glorot and Bengio, 2010, equation 16).

  Args:
    rngs: whose stream `params` is drawn from.
    shape: of the parameter.
    fans: fan in + fan out.
  """
  limit = (6 / fans) ** 0.5
  return nnx.Param(
    jax.random.uniform(
      rngs.params(), shape, np.float32, minval=-limit, maxval=limit
    )
  )


def zeros(*shape: int) -> nnx.Param:
  """Zeros, as biases begin."""
  return nnx.Param(jnp.zeros(shape, np.float32))
