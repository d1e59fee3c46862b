import dataclasses
import functools

from fixtures import many_graphs
import jax
from jax import numpy as jnp
import numpy as np
import pytest

from configs import base
from gat_jax import training
from gat_jax.training import drivers
from gat_jax.training.drivers import resident
from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import Replica

DATASET = many_graphs()
EDGED = many_graphs(num_edge_features=2)
# For what does not depend on the layer: it compiles in a fraction of the time.
PLAIN = {'model.name': 'mlp', 'model.dropout_rate': 0.0}


def make_config(**fields):
  config = base.get_config()
  config.dataset.name = 'many'
  config.batch_size = 2
  config.batch_shapes = 2
  config.max_epochs = 4
  config.stop_rule = 'none'
  config.model.num_heads = 2
  config.model.hidden_dim = 4
  config.model.num_layers = 1
  config.update_from_flattened_dict(fields)
  return config


def make_driver(config, seeds=(0,), dataset=DATASET):
  hyper = Hyperparameters.from_config(config)
  replicas = [Replica(seed, hyper) for seed in seeds]
  return drivers.choose_driver(config, dataset, replicas)


def train(seeds, at_once=2, **fields):
  driver = make_driver(make_config(**fields), seeds)
  driver.compile()
  for epoch in range(at_once, 4 + at_once, at_once):
    driver.advance(epoch)
  return driver


def assert_same_bits(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_driver_follows_the_batch_size():
  for batch_size in (0, 7, 100, 2):
    config = make_config(batch_size=batch_size)
    driver = make_driver(config)
    dealt = isinstance(driver, drivers.BatchDriver)
    assert dealt == (batch_size == 2)


@pytest.mark.parametrize('tier', [1, pytest.param(2, marks=pytest.mark.slow)])
def test_seed_alone_equals_seed_among_others_bit_for_bit(tier):
  """As optimised as users have it in the second tier alone."""
  del tier
  together = train([3, 7, 9], batch_shapes=1)
  for index, seed in enumerate((3, 7)):  # on different devices
    alone = train([seed], at_once=1, batch_shapes=1)
    assert_same_bits(alone.state(0), together.state(index))
    for name in ('train_loss', 'val_loss', 'val_score', 'epoch'):
      assert alone.fetch(name)[0] == together.fetch(name)[index]
  assert len(set(together.fetch('val_loss').tolist())) == 3


def test_nothing_is_traced_after_compile():
  driver = make_driver(make_config(max_epochs=12, **PLAIN))
  driver.compile()
  traces = driver.num_traces
  assert traces == len(driver._batches.shapes) == 2
  driver.advance(12)
  assert driver.num_traces == traces
  assert len(driver._steps) == 2


@pytest.mark.parametrize(
  ('packs', 'name'),
  [
    pytest.param(False, 'mlp', marks=pytest.mark.slow),
    (True, 'mlp'),
    pytest.param(True, 'gat', marks=pytest.mark.slow),
  ],
)
def test_batches_made_on_the_device_train_the_same(monkeypatch, packs, name):
  """As on an accelerator: three replicas on two devices, orders sent twice.

  Where there is attention, edges have features.
  """
  monkeypatch.setattr(resident, '_MOST_EPOCHS', 2)
  monkeypatch.setattr(resident, '_packs', lambda mesh: packs)
  config = make_config(**{'model.name': name})
  dataset = DATASET if name == 'mlp' else EDGED
  hyper = Hyperparameters.from_config(config)
  replicas = [Replica(seed, hyper) for seed in (0, 3, 7)]
  there = drivers.ResidentDriver(config, dataset, replicas)
  here = drivers.BatchDriver(config, dataset, replicas)
  for driver in (here, there):
    driver.compile()
    driver.advance(1)
    driver.restore([driver.state(i) for i in range(3)])
    driver.advance(4)
  for index in range(3):
    jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
      if packs
      else np.testing.assert_array_equal,
      here.state(index)._replace(train_loss=0),
      there.state(index)._replace(train_loss=0),
    )
  losses = here.fetch('train_loss'), there.fetch('train_loss')
  np.testing.assert_allclose(*losses, rtol=1e-5)


def test_replicas_start_as_the_program_says():
  driver = make_driver(make_config(**PLAIN), [5])
  driver.compile()
  program = training.Program.from_config(make_config(**PLAIN), DATASET)
  assert_same_bits(jax.device_get(program.init(5)), driver.state(0))


@pytest.mark.slow
def test_steps_are_those_of_the_program():
  """Against a plain loop over unpadded batches."""
  config = make_config(max_epochs=2)
  config.model.num_layers = 2
  config.model.residual = True
  config.model.dropout_rate = 0.0
  dataset = dataclasses.replace(EDGED, train=EDGED.train[2:5])
  driver = make_driver(config, [1], dataset)
  driver.compile()
  driver.advance(2)
  program = training.Program.from_config(config, dataset)
  hyper = Hyperparameters.from_config(config)
  state = program.init(1)
  step, losses = jax.jit(program.step), []
  for epoch in range(2):
    losses = []
    order = np.random.default_rng([1, epoch]).permutation(3)
    for index, first in enumerate(range(0, 3, 2)):
      batch = [dataset.train[i] for i in order[first : first + 2]]
      state = step(state, hyper, batch, index)
      losses.append(float(state.train_loss))
    counts = program.count(state.params, dataset.val)
    state = program.end_epoch(state, hyper, counts)
  (train_loss,), (val_loss,) = map(driver.fetch, ('train_loss', 'val_loss'))
  np.testing.assert_allclose(train_loss, np.mean(losses), rtol=1e-4)
  np.testing.assert_allclose(val_loss, state.val_loss, rtol=1e-3)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3),
    driver.state(0).kept.best_params,
    jax.device_get(state.params),
  )


def test_each_replica_stops_by_itself():
  driver = train(
    [0, 1, 2],
    at_once=50,
    **PLAIN,
    stop_rule='loss',
    patience=2,
    max_epochs=50,
    learning_rate=0.5,
  )
  assert driver.fetch('stopped').all()
  assert len(set(driver.fetch('epoch').tolist())) > 1


def test_each_platform_gets_its_own_step():
  """Loops over blocks of edges suit a CPU's cache alone; nothing sorts."""
  config = make_config(**{'model.compute_dtype': 'bfloat16'})
  program = training.Program.from_config(config, DATASET)
  traced = jax.jit(program.step).trace(
    program.init(0),
    Hyperparameters.from_config(config),
    DATASET.train[:1],
    jnp.int32(0),
  )
  for platform in ('cpu', 'cuda', 'tpu'):
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ('stablehlo.while' in text) == (platform == 'cpu')
    assert 'stablehlo.sort' not in text
