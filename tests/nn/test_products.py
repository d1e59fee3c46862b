"""Dense products against einsum, with their gradients."""

import jax
from jax import numpy as jnp
import numpy as np
import pytest

from gat_jax.nn import operations
from gat_jax.nn.products import dot_per_head
from gat_jax.nn.products import product

# A kernel as wide as the features, one so narrow that its gradient is
# transposed, and features of each head's own.
SHAPES = {
  'wide': ((30, 40), (40, 3, 16), 'nd,dkf->nkf'),
  'narrow': ((30, 40), (40, 1, 2), 'nd,dkf->nkf'),
  'own': ((30, 3, 40), (40, 3, 16), 'nkd,dkf->nkf'),
  'no nodes': ((0, 40), (40, 3, 16), 'nd,dkf->nkf'),
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
  """With bfloat16 factors, dz one of them, sums are as exact as float32."""
  features, kernel, equation = SHAPES[name]
  narrow = [
    jnp.asarray(random(shape, np.float32, seed), jnp.bfloat16)
    for seed, shape in enumerate((features, kernel))
  ]
  wide = [np.float64(x) for x in narrow]
  result, gradient = jax.vjp(lambda h, w: product(h, w, jnp.float32), *narrow)
  np.testing.assert_allclose(
    result, np.einsum(equation, *wide), rtol=1e-5, atol=1e-5
  )
  cotangent = jnp.asarray(random(result.shape, np.float32, 2), jnp.bfloat16)
  with jax.enable_x64(True):
    _, exact_gradient = jax.vjp(lambda h, w: jnp.einsum(equation, h, w), *wide)
    exact = exact_gradient(np.float64(cotangent))
  for ours, theirs in zip(
    gradient(cotangent.astype(jnp.float32)), exact, strict=True
  ):
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float64(ours), theirs, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize('dtype', [np.int32, np.bool_, jnp.bfloat16])
def test_features_of_any_dtype_give_the_gradient_of_float32(dtype):
  """One-hot features are often integers, which must not round dz."""
  features = np.eye(5, dtype=np.float32)[[0, 2, 2, 4]]
  kernel = random((5, 2, 3), np.float32, 0)
  cotangent = random((4, 2, 3), np.float32, 1)

  def gradient(features):
    return jax.vjp(lambda w: operations.project(features, w), kernel)[1](
      cotangent
    )[0]

  np.testing.assert_array_equal(
    gradient(jnp.asarray(features, dtype)), gradient(features)
  )


@pytest.mark.skipif(
  jax.default_backend() != 'cpu', reason='accelerators transpose at no cost'
)
def test_the_gradient_of_a_kernel_comes_out_as_it_is_stored():
  """XLA on a CPU copies h^T or dz^T column by column for that of einsum."""

  def program(product):
    def loss(h, w):
      return (product(h, w) ** 2).sum()

    h, w = jnp.ones((300, 256)), jnp.ones((256, 4, 64))
    gradient = jax.jit(jax.grad(loss, argnums=1)).lower(h, w)
    return gradient.compile().as_text()

  transposed = 'f32[256,300]'
  assert transposed in program(lambda h, w: jnp.einsum('nd,dkf->nkf', h, w))
  assert transposed not in program(lambda h, w: product(h, w, jnp.float32))


def test_dot_per_head_equals_einsum():
  rng = np.random.default_rng(4)
  x = rng.normal(size=(11, 3, 5)).astype(np.float32)
  vectors = rng.normal(size=(3, 5, 2)).astype(np.float32)
  np.testing.assert_allclose(
    dot_per_head(x, vectors),
    np.einsum('mkf,kfv->mkv', x, vectors),
    rtol=1e-5,
    atol=1e-6,
  )
