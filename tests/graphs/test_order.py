import numpy as np
import pytest

from gat_jax.graphs import groups


@pytest.mark.parametrize('count', [1, 2, 7, 1000])
@pytest.mark.parametrize('size', [0, 1, 5, 3000])
def test_stable_order_is_that_of_a_stable_sort(count, size):
  ids = np.random.default_rng(size).integers(0, count, size).astype(np.int32)
  order = groups.stable_order(ids, count)
  assert order.dtype == np.int32
  np.testing.assert_array_equal(order, np.argsort(ids, kind='stable'))
