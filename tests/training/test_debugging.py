"""Training under the settings of JAX by which people look for errors."""

import contextlib
import functools
import traceback

from fixtures import many_graphs
from fixtures import small_dataset
import jax
from jax import numpy as jnp
import numpy as np
import pytest

from configs import base
from configs import smoke
from gat_jax import nn
from gat_jax import runs
from gat_jax import training
from gat_jax.nn import layers
from gat_jax.training.drivers import debugging


def make_config(batch_size=0, **fields):
  config = base.get_config()
  config.dataset.name = 'handmade'
  config.batch_size = batch_size
  config.batch_shapes = 1
  config.max_epochs = 3
  config.num_seeds = 2
  config.model.name = 'mlp'  # it compiles in a fraction of the time
  config.model.num_layers = 1
  config.model.num_output_heads = 2
  config.model.dropout_rate = 0.0
  config.update_from_flattened_dict(fields)
  return config


def train(config, dataset):
  replicas = training.Replica.of(config)
  driver = training.choose_driver(config, dataset, replicas)
  driver.compile()
  driver.advance(2)
  driver.restore([driver.state(i) for i in range(len(replicas))])
  driver.advance(config.max_epochs + 1)
  return driver


DATA = {0: small_dataset(), 2: many_graphs()}  # by batch size


@functools.cache
def usual_run(batch_size):
  return train(make_config(batch_size), DATA[batch_size])


@pytest.mark.slow  # the first tier has a command under these settings
@pytest.mark.parametrize('setting', [jax.debug_nans, jax.disable_jit])
@pytest.mark.parametrize('batch_size', DATA)
def test_sound_run_is_the_same_while_errors_are_looked_for(setting, batch_size):
  usual = usual_run(batch_size)
  with setting(True):
    searched = train(make_config(batch_size), DATA[batch_size])
  assert isinstance(searched, debugging.DebugDriver)
  assert not isinstance(usual, debugging.DebugDriver)
  for name in ('train_loss', 'val_loss', 'val_score', 'epoch', 'stopped'):
    np.testing.assert_allclose(
      usual.fetch(name), searched.fetch(name), rtol=1e-4
    )
  for replica in range(2):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
      usual.state(replica),
      searched.state(replica),
    )


class LogarithmicLayer(layers.MLPLayer):
  """Its logarithm of negative numbers is a NaN."""

  def mix(self, *inputs):
    return jnp.log(super().mix(*inputs) - 1e9)


def test_a_nan_is_reported_by_the_line_that_made_it(monkeypatch):
  monkeypatch.setitem(nn.LAYERS, 'mlp', LogarithmicLayer)
  with jax.debug_nans(True), pytest.raises(FloatingPointError) as caught:
    train(make_config(), small_dataset())
  assert 'log' in str(caught.value)
  lines = [frame.line for frame in traceback.extract_tb(caught.tb)]
  assert 'return jnp.log(super().mix(*inputs) - 1e9)' in lines


def test_a_nan_in_the_data_is_reported():
  dataset = small_dataset()
  dataset.train[0].graph.nodes[0, 0] = np.nan
  with jax.debug_nans(True), pytest.raises(FloatingPointError):
    train(make_config(), dataset)


@contextlib.contextmanager
def strict():
  """All that JAX can be told about the types of other people's code."""
  with (
    jax.enable_x64(True),
    jax.numpy_dtype_promotion('strict'),
    jax.numpy_rank_promotion('raise'),
  ):
    yield


def test_a_run_has_the_same_bits_in_double_precision_and_under_strict_rules():
  config = smoke.get_config()
  config.max_epochs = 20
  config.model.name = 'mlp'
  config.model.dropout_rate = 0.0
  usual = runs.train_and_evaluate(config)
  with strict():
    assert runs.train_and_evaluate(config).seeds == usual.seeds
    assert jnp.zeros(1).dtype == np.float64  # as the caller wants it
