"""The dense product against einsum, with its gradient."""

import jax
from jax import numpy as jnp
import numpy as np
import pytest

from gat_jax.products import product

# A kernel as wide as the features, one so narrow that its gradient is
# transposed, and features of each head's own.
SHAPES = {
  'wide': ((30, 40), (40, 3, 16), 'nd,dkf->nkf'),
  'narrow': ((30, 40), (40, 1, 2), 'nd,dkf->nkf'),
  'own': ((30, 3, 40), (40, 3, 16), 'nkd,dkf->nkf'),
}


def random(shape, dtype, seed):
  return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('name', SHAPES)
def test_product_and_gradient_equal_einsum(name, dtype):
  features, kernel, equation = SHAPES[name]
  with jax.enable_x64(True):
    args = random(features, dtype, 0), random(kernel, dtype, 1)
    result, gradient = jax.vjp(lambda h, w: product(h, w, dtype), *args)
    expected, expected_gradient = jax.vjp(
      lambda h, w: jnp.einsum(equation, h, w, precision='highest'), *args
    )
    cotangent = random(result.shape, dtype, 2)
    pairs = [(result, expected)]
    pairs += zip(gradient(cotangent), expected_gradient(cotangent), strict=True)
    for ours, theirs in pairs:
      assert ours.dtype == dtype
      np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', SHAPES)
def test_narrow_factors_are_summed_in_float32(name):
  features, kernel, equation = SHAPES[name]
  h = jnp.asarray(random(features, np.float32, 0), jnp.bfloat16)
  w = jnp.asarray(random(kernel, np.float32, 1), jnp.bfloat16)
  result, gradient = jax.vjp(lambda h, w: product(h, w, jnp.float32), h, w)
  exact = np.einsum(equation, np.float64(h), np.float64(w))
  np.testing.assert_allclose(result, exact, rtol=1e-5, atol=1e-5)
  d_h, d_w = gradient(jnp.ones_like(result))
  assert d_h.dtype == d_w.dtype == jnp.bfloat16
  _, exact_gradient = jax.vjp(
    lambda h, w: jnp.einsum(equation, h, w),
    jnp.asarray(h, jnp.float32),
    jnp.asarray(w, jnp.float32),
  )
  for ours, exact in zip(
    (d_h, d_w), exact_gradient(jnp.ones_like(result)), strict=True
  ):
    np.testing.assert_allclose(np.float32(ours), exact, rtol=2**-8, atol=1e-5)


def test_the_gradient_of_a_kernel_comes_out_as_it_is_stored():
  """XLA on a CPU would copy dz column by column otherwise."""

  def loss(h, w):
    return (product(h, w, jnp.float32) ** 2).sum()

  h, w = jnp.ones((300, 256)), jnp.ones((256, 4, 64))
  program = jax.jit(jax.grad(loss, argnums=1)).lower(h, w).compile().as_text()
  assert 'f32[256,300]' not in program  # neither h^T nor dz^T
