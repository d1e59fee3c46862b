"""Masks, and the dropout of layers and models as users of NNX know it."""

import re

from fixtures import make_graph
from flax import errors
from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from gat_jax import MLPLayer
from gat_jax import Model
from gat_jax.errors import InputError
from gat_jax.graphs import SparseFeatures
from gat_jax.nn import dropout
from gat_jax.nn import operations

GRAPH = make_graph(4, [(0, 1), (1, 2), (2, 3)], n_feature=3)


@pytest.mark.parametrize('shape', [(), (7,), (2, 3, 1000)])
@pytest.mark.parametrize('impl', ['threefry2x32', 'rbg', 'unsafe_rbg'])
def test_bits_are_those_of_jax(shape, impl):
  key = jax.random.fold_in(jax.random.key(1, impl=impl), 5)
  np.testing.assert_array_equal(
    dropout.random_bits(key, shape), jax.random.bits(key, shape)
  )


def test_bits_of_an_untyped_key_are_those_of_jax():
  key = jax.random.PRNGKey(3)
  np.testing.assert_array_equal(
    dropout.random_bits(key, (7,)), jax.random.bits(key, (7,))
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


@pytest.mark.parametrize('shape', [(), (0, 4), (7,), (5, 2, 3)])
@pytest.mark.parametrize('call', ['eager', 'jit', 'vmap', 'constant key'])
def test_masks_are_what_the_bits_say(shape, call):
  """Where a CPU keeps them as well: it draws them behind a branch."""
  keys = jax.random.split(jax.random.key(8), 3)

  def kept(key):
    return dropout.Dropout(key, 0.25, (4, 1)).scales(shape) != 0

  if call == 'vmap':
    masks = jax.jit(jax.vmap(kept))(keys)
  elif call == 'constant key':
    masks = jnp.stack([jax.jit(lambda key=key: kept(key))() for key in keys])
  else:
    run = jax.jit(kept) if call == 'jit' else kept
    masks = jnp.stack([run(key) for key in keys])
  for key, mask in zip(keys, masks, strict=True):
    bits = jax.random.bits(
      jax.random.fold_in(jax.random.fold_in(key, 4), 1), shape
    )
    np.testing.assert_array_equal(mask, np.asarray(bits) >= 2**30)


def test_a_cpu_draws_a_mask_once_and_not_where_it_is_used():
  """Else it takes Threefry's 20 rounds for each use, of which there are two."""
  n_node, n_feature, heads = 500, 40, 3

  def loss(kernel, features, key):
    dropped = dropout.drop_features(dropout.Dropout(key, 0.5), features, heads)
    return jnp.square(operations.project(dropped, kernel)).sum()

  program = (
    jax.jit(jax.grad(loss, argnums=(0, 1)))
    .lower(
      jnp.ones((n_feature, heads, 4)),
      jnp.ones((n_node, n_feature)),
      jax.random.key(0),
    )
    .compile()
    .as_text()
  )
  rounds = re.findall(r'= u32\[([\d,]+)\]\S* shift-left', program)
  drawn = [
    of for of in rounds if np.prod([*map(int, of.split(','))]) >= n_node * heads
  ]
  assert drawn == [str(n_node * heads * n_feature)] * 20


def test_purposes_have_masks_of_their_own():
  parent = dropout.Dropout(jax.random.key(0), 0.5)
  check_uncorrelated([parent.fold_in(i).scales((4096,)) for i in range(3)])


@pytest.mark.parametrize('number', [0, 2, 3, 100, 2**31, np.int32(1)])
def test_any_number_is_folded_in_as_jax_does(number):
  """Also one that is no purpose of a layer, and in between."""
  key = jax.random.key(0)
  several = dropout.Dropout(key, 0.5).fold_in(number).fold_in(5).fold_in(number)
  for one in (number, 5, number):
    key = jax.random.fold_in(key, one)
  expected = np.asarray(jax.random.bits(key, (64,))) >= 2**31
  np.testing.assert_array_equal(several.scales((64,)) != 0, expected)
  with pytest.raises(InputError, match='2\\^32'):
    several.fold_in(-1)


def check_uncorrelated(masks):
  """Masks that keep one half agree in one half of their entries."""
  kept = [np.asarray(mask).ravel() != 0 for mask in masks]
  for i in range(len(kept)):
    assert 0.45 < kept[i].mean() < 0.55
    for j in range(i):
      assert 0.45 < (kept[i] == kept[j]).mean() < 0.55


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


def mask_layer(rngs, **kw):
  """A layer whose output is its dropped input: 0 where that was dropped."""
  layer = MLPLayer(1, 1, 1, activation=None, dropout_rate=0.5, rngs=rngs, **kw)
  layer.kernel[...] = jnp.ones((1, 1, 1))
  return layer


ONES = make_graph(4096, [], n_feature=1)._replace(nodes=np.ones((4096, 1)))


def test_layers_and_calls_have_masks_of_their_own():
  rngs = nnx.Rngs(0)
  first, second = mask_layer(rngs), mask_layer(rngs)
  masks = [layer(ONES).nodes for layer in (first, second, first, second)]
  check_uncorrelated(masks)
  assert set(np.unique(masks[0])) == {0, 2}


def test_layers_of_a_model_have_masks_of_their_own():
  """Two masks in a row keep a quarter; one mask twice would keep one half."""
  sizes = {'num_heads': 1, 'hidden_dim': 1}
  model = Model(
    1,
    1,
    layer='mlp',
    activation=None,
    dropout_rate=0.5,
    rngs=nnx.Rngs(0),
    **sizes,
  )
  for layer in model.layers:
    layer.kernel[...] = jnp.ones((1, 1, 1))
  first, second = model(ONES), model(ONES)
  for logits in (first, second):
    assert 0.22 < (logits != 0).mean() < 0.28
  agreement = ((first != 0) == (second != 0)).mean()
  assert 0.58 < agreement < 0.67  # 1/4 * 1/4 + 3/4 * 3/4


MODULES = {
  'layer': lambda **kw: MLPLayer(3, 2, 2, **kw),
  'model': lambda **kw: Model(3, 2, layer='mlp', num_layers=1, **kw),
}
each_module = pytest.mark.parametrize('make', MODULES.values(), ids=MODULES)


def nodes(outputs):
  """What a layer or a model returns, as an array."""
  return getattr(outputs, 'nodes', outputs)


@each_module
def test_train_and_eval_turn_dropout_on_and_off(make):
  module = make(dropout_rate=0.5, rngs=nnx.Rngs(0))
  plain = make(dropout_rate=0.0, rngs=nnx.Rngs(0))
  expected = nodes(plain(GRAPH))

  def is_off(module, **kw):
    return bool((nodes(module(GRAPH, **kw)) == expected).all())

  assert not is_off(module)
  assert is_off(module, deterministic=True)
  module.eval()
  assert is_off(module)
  assert not is_off(module, deterministic=False)
  module.train()
  assert not is_off(module)
  plain.train()
  assert is_off(plain)
  assert is_off(make(dropout_rate=0.5, deterministic=True, rngs=nnx.Rngs(0)))
  if hasattr(nnx, 'view'):
    assert is_off(nnx.view(module, deterministic=True))
    assert not is_off(module)


@each_module
def test_without_dropout_there_is_no_state_of_a_generator(make):
  rngs = nnx.Rngs(0)
  assert nnx.state(make(dropout_rate=0.5, rngs=rngs), nnx.RngState)
  assert not nnx.state(make(dropout_rate=0.0, rngs=rngs), nnx.RngState)
  only_params = make(dropout_rate=0.5, rngs=nnx.Rngs(params=0))
  assert not nnx.state(only_params, nnx.RngState)


@each_module
def test_keys_come_from_the_stream_dropout_or_from_the_call(make):
  def first(**streams):
    return nodes(make(dropout_rate=0.5, rngs=nnx.Rngs(**streams))(GRAPH))

  np.testing.assert_array_equal(
    first(params=0, dropout=1), first(params=0, dropout=1)
  )
  assert (first(params=0, dropout=1) != first(params=0, dropout=2)).any()
  np.testing.assert_array_equal(
    first(params=0, dropout=1), first(params=0, dropout=1, default=2)
  )
  module = make(dropout_rate=0.5, rngs=nnx.Rngs(0))
  key = nnx.Rngs(dropout=7).dropout()
  expected = nodes(module.forward(GRAPH, dropout.Dropout(key, 0.5)))
  for rngs in (nnx.Rngs(dropout=7), nnx.Rngs(dropout=7)['dropout'], key):
    outputs = nodes(module(GRAPH, rngs=rngs))
    np.testing.assert_array_equal(outputs, expected)


@each_module
def test_a_missing_stream_is_one_clear_error(make):
  module = make(dropout_rate=0.5, rngs=nnx.Rngs(params=0))
  with pytest.raises(InputError, match='rngs: there is no stream of keys for'):
    module(GRAPH)
  with pytest.raises(InputError, match='its stream `dropout`'):
    module(GRAPH, rngs=nnx.Rngs(params=1))
  assert nodes(module(GRAPH, deterministic=True)).shape[0] == 4
  assert nodes(module(GRAPH, rngs=nnx.Rngs(1))).shape[0] == 4


@each_module
@pytest.mark.parametrize('rate', [-0.1, 1.0, 1 - 1e-9, float('nan'), None])
def test_a_rate_out_of_range_is_one_clear_error(make, rate):
  with pytest.raises(InputError, match=r'dropout_rate: .* is no number from 0'):
    make(dropout_rate=rate, rngs=nnx.Rngs(0))


@each_module
def test_nnx_jit_keeps_count_of_calls(make):
  module, twin = (make(dropout_rate=0.5, rngs=nnx.Rngs(0)) for _ in range(2))
  call = nnx.jit(lambda module: module(GRAPH))
  first, second = nodes(call(module)), nodes(call(module))
  assert (first != second).any()
  for outputs in (first, second):
    np.testing.assert_allclose(outputs, nodes(twin(GRAPH)), rtol=1e-5)


@each_module
def test_jax_jit_refuses_a_stored_stream_and_takes_keys(make):
  module = make(dropout_rate=0.5, rngs=nnx.Rngs(0))
  with pytest.raises(errors.TraceContextError, match='Cannot mutate'):
    jax.jit(lambda: module(GRAPH))()
  call = jax.jit(lambda key: nodes(module(GRAPH, rngs=key)))
  first, second = (call(jax.random.key(i)) for i in range(2))
  assert (first != second).any()
