import jax
import numpy as np
import pytest
import scipy.sparse

from gat_jax.graphs import SparseFeatures
from gat_jax.nn import dropout


@pytest.mark.parametrize('shape', [(), (1,), (7,), (5, 3), (2, 3, 1000)])
def test_bits_are_those_of_jax(shape):
  for seed in range(3):
    key = jax.random.fold_in(jax.random.key(seed), 5)
    np.testing.assert_array_equal(
      dropout.random_bits(key, shape), jax.random.bits(key, shape)
    )


@pytest.mark.parametrize('rate', [0.0, 0.1, 0.6, 0.999])
def test_scales_have_the_rate_and_mean_one(rate):
  n = 200_000
  scales = np.asarray(
    dropout.Dropout(jax.random.key(0), rate).scales((n,)), np.float64
  )
  kept = scales != 0
  deviation = (rate * (1 - rate) / n) ** 0.5
  assert abs(kept.mean() - (1 - rate)) <= 5 * deviation
  np.testing.assert_allclose(
    scales[kept], 1 / (1 - np.float32(rate)), rtol=1e-6
  )


def test_traced_rate_gives_the_same_mask():
  key = jax.random.key(3)
  scales = jax.jit(lambda rate: dropout.Dropout(key, rate).scales((100,)))
  np.testing.assert_array_equal(
    scales(0.6), dropout.Dropout(key, 0.6).scales((100,))
  )


def test_purposes_have_masks_of_their_own():
  parent = dropout.Dropout(jax.random.key(0), 0.5)
  masks = [np.asarray(parent.fold_in(i).scales((4096,))) for i in range(3)]
  for i in range(3):
    for j in range(i):
      assert 0.45 < (masks[i] == masks[j]).mean() < 0.55


@pytest.mark.parametrize(('shared', 'shape'), [(True, (3,)), (False, (3, 2))])
def test_sparse_features_drop_their_non_zeros(shared, shape):
  matrix = scipy.sparse.csr_matrix(np.array([[1.0, 0, 2], [0, 0, 3]]))
  features = SparseFeatures.from_csr(matrix)
  dropped = dropout.drop_features(
    dropout.Dropout(jax.random.key(0), 0.5), features, 2, shared
  )
  assert dropped.values.shape == shape
  ratio = np.asarray(dropped.values).reshape(3, -1) / features.values[:, None]
  assert set(np.unique(ratio)) <= {0.0, 2.0}
  assert dropped.shape == (2, 3)
