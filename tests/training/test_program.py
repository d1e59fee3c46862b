import functools

from fixtures import small_dataset
from flax import nnx
import jax
from jax import numpy as jnp
from jax.sharding import Mesh
import numpy as np
import pytest

from configs import base
from gat_jax import training
from gat_jax.training import metrics
from gat_jax.training import packing
from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import over_replicas

DATASET = small_dataset()
SHORT = {'max_epochs': 500, 'patience': 5, 'learning_rate': 0.02}


def make_config(**fields):
  config = base.get_config()
  config.dataset.name = 'small'
  config.model.num_layers = 1
  config.model.num_heads = 2
  config.model.hidden_dim = 4
  config.max_epochs = 30
  config.log_every = 10
  config.update_from_flattened_dict(fields)
  return config


@functools.cache
def compiled(fields, num_devices, loop):
  """The program of a config, kept for all tests that need the same."""
  program = training.Program.from_config(make_config(**dict(fields)), DATASET)
  mesh = Mesh(np.array(jax.devices()[:num_devices]), ('runs',))
  advance = jax.jit(
    over_replicas(
      lambda epoch, run: program.run_until(
        epoch, *run, DATASET.train, DATASET.val
      ),
      mesh,
      loop,
    )
  )
  return jax.jit(program.init), advance


def run_epochs(seeds, num_devices=1, loop='map', at_once=10, **fields):
  """Trains seeds, so many epochs at a time; states [R, ...] at the end."""
  config = make_config(**fields)
  own = ('stop_rule', 'optimizer', 'model.name')
  shapes = {k: v for k, v in fields.items() if k in own}
  init, function = compiled(tuple(shapes.items()), num_devices, loop)
  states = jax.tree.map(
    lambda *x: np.stack(x), *[jax.device_get(init(s)) for s in seeds]
  )
  hyper = Hyperparameters.from_config(config)
  hypers = jax.tree.map(lambda x: np.full(len(seeds), x), hyper)
  for epoch in range(at_once, config.max_epochs + at_once, at_once):
    states = function(np.int32(epoch), (states, hypers))
  return jax.device_get(states)


def assert_same_bits(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def row(states, index):
  return jax.tree.map(lambda x: x[index], states)


@pytest.mark.parametrize(
  'num_devices', [pytest.param(1, marks=pytest.mark.slow), 2]
)
def test_seed_alone_equals_seed_among_others_bit_for_bit(num_devices):
  together = run_epochs([0, 3, 7, 9], num_devices)
  assert len(set(together.val_loss.tolist())) == 4
  for index, seed in enumerate([0, 3, 7, 9]):
    alone = run_epochs([seed])
    assert_same_bits(row(together, index), row(alone, 0))


def test_epochs_at_a_time_change_nothing():
  assert_same_bits(
    run_epochs([5], at_once=1, max_epochs=21),
    run_epochs([5], at_once=21, max_epochs=21),
  )


@pytest.mark.parametrize(
  'name', ['mlp', pytest.param('gat', marks=pytest.mark.slow)]
)
def test_vmap_trains_the_same_model_as_map(name):
  fields = {'model.name': name}
  one_by_one = run_epochs([1, 2], **fields)
  at_once = run_epochs([1, 2], loop='vmap', **fields)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
    one_by_one.params,
    at_once.params,
  )
  assert_same_bits(one_by_one.kept.best_epoch, at_once.kept.best_epoch)


def test_each_seed_stops_by_itself():
  states = run_epochs([0, 3, 7, 9], num_devices=2, **SHORT)
  assert states.stopped.all()
  assert len(set(states.epoch.tolist())) > 1
  assert (states.epoch < 500).all()
  assert (states.kept.progress.waited == 5).all()
  assert (states.kept.best_epoch <= states.epoch - 5).all()


@pytest.mark.slow
def test_stopped_run_is_left_alone():
  stopped = run_epochs([0, 1], **SHORT)
  assert stopped.stopped.all()
  _, advance = compiled((), 1, 'map')
  hyper = Hyperparameters.from_config(make_config(**SHORT))
  hypers = jax.tree.map(lambda x: np.full(2, x), hyper)
  assert_same_bits(stopped, advance(np.int32(10_000), (stopped, hypers)))


def test_kept_parameters_have_the_validation_score_they_were_kept_for():
  fields = {'stop_rule': 'accuracy', 'max_epochs': 60, 'model.name': 'mlp'}
  program = training.Program.from_config(make_config(**fields), DATASET)
  state = row(run_epochs([0], **fields), 0)
  counts = program.count(state.kept.best_params, DATASET.val)
  np.testing.assert_allclose(counts.score, state.kept.progress.best_score)


def test_rule_none_keeps_the_last_parameters():
  state = run_epochs([0], stop_rule='none', patience=1, **{'model.name': 'mlp'})
  assert_same_bits(state.params, state.kept.best_params)
  assert state.kept.best_epoch == state.epoch == 30


@pytest.mark.parametrize('optimizer', ['adam', 'adamw'])
def test_two_steps_equal_the_formulas(optimizer):
  """docs/recipe.md: mean cross-entropy + L2 sum(v^2) / 2 over all variables."""
  decay, rate = 0.1, 0.01
  config = make_config(
    optimizer=optimizer, learning_rate=rate, weight_decay=decay, max_epochs=2
  )
  config.model.dropout_rate = 0.0
  program = training.Program.from_config(config, DATASET)
  state = program.init(4)
  example = DATASET.train[0]

  def loss(params):
    model = nnx.merge(program.graphdef, params)
    value = metrics.count(
      model(example.graph), example.labels, example.mask
    ).mean_loss
    if optimizer == 'adam':
      squares = [jnp.sum(v**2) for v in jax.tree.leaves(params)]
      value += decay * sum(squares) / 2
    return value

  gradient_of = jax.jit(jax.grad(loss))
  params = state.params
  first = second = jax.tree.map(jnp.zeros_like, params)
  for step in (1, 2):
    gradient = gradient_of(params)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(
      lambda v, g: 0.999 * v + 0.001 * g**2, second, gradient
    )

    def update(p, m, v, step=step):
      direction = (m / (1 - 0.9**step)) / (
        jnp.sqrt(v / (1 - 0.999**step)) + 1e-8
      )
      if optimizer == 'adamw':
        direction += decay * p
      return p - rate * direction

    params = jax.tree.map(update, params, first, second)

  hyper = Hyperparameters.from_config(config)
  trained = jax.jit(program.run_until)(
    2, state, hyper, DATASET.train, DATASET.val
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6),
    trained.params,
    params,
  )


def test_hyperparameters_are_arguments_of_one_program():
  """Rates, L2, patience and seeds share a compilation; each has its effect."""
  config = make_config()
  program = training.Program.from_config(config, DATASET)
  traces = []

  @jax.jit
  def run(state, hyper):
    traces.append(hyper)
    return program.run_until(10, state, hyper, DATASET.train, DATASET.val)

  base_hyper = Hyperparameters.from_config(config)
  base_loss = run(program.init(0), base_hyper).val_loss
  for change in (
    {'learning_rate': np.float32(0.1)},
    {'weight_decay': np.float32(0.5)},
    {'dropout_rate': np.float32(0.1)},
    {'max_epochs': np.int32(3)},
  ):
    loss = run(program.init(0), base_hyper._replace(**change)).val_loss
    assert loss != base_loss, change
  assert run(program.init(1), base_hyper).val_loss != base_loss
  assert len(traces) == 1


@pytest.mark.parametrize('name', ['gat', 'gatv2'])
@pytest.mark.parametrize('loop', ['map', 'vmap'])
def test_training_lowers_for_cuda_and_tpu(name, loop):
  """To one loop over epochs, and one over replicas where they take turns."""
  config = make_config(**{'model.name': name, 'model.residual': True})
  program = training.Program.from_config(config, DATASET)
  mesh = Mesh(np.array(jax.devices()[:1]), ('runs',))
  function = over_replicas(
    lambda epoch, run: program.run_until(
      epoch, *run, DATASET.train, DATASET.val, packs=True
    ),
    mesh,
    loop,
  )
  states, hypers = jax.tree.map(
    lambda x: jnp.stack([x, x]),
    (program.init(0), Hyperparameters.from_config(config)),
  )
  traced = jax.jit(function).trace(np.int32(1), (states, hypers))
  for platform in ('cuda', 'tpu'):
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert text.count('stablehlo.while') == (2 if loop == 'map' else 1)
    assert 'stablehlo.sort' not in text


@pytest.mark.parametrize(
  'large', [4, pytest.param(1000, marks=pytest.mark.slow)]
)
def test_packed_state_trains_the_same_model(monkeypatch, large):
  """Whether arrays of parameters count as large or not."""
  monkeypatch.setattr(packing, '_LARGE', large)
  fields = {'compare_rules': True, 'model.name': 'mlp', **SHORT}
  config = make_config(**fields, **{'model.dropout_rate': 0.0})
  program = training.Program.from_config(config, DATASET)
  state = program.init(0)
  packed = packing.pack(state)
  assert (len(packed.params[0]) > 1) == (large == 4)
  assert_same_bits(state, program.unpack(packed, whole=True))
  assert_same_bits(packed, packing.pack(program.unpack(packed)))
  hyper = Hyperparameters.from_config(config)
  run = jax.jit(program.run_until, static_argnames='packs')
  args = 4, state, hyper, DATASET.train, DATASET.val
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    run(*args, packs=True),
    run(*args, packs=False),
  )


def test_multilabel_training_improves_micro_f1():
  dataset = small_dataset(multilabel=True)
  config = make_config(stop_rule='none', learning_rate=0.1)
  config.model.dropout_rate = 0.0
  program = training.Program.from_config(config, dataset)
  state = program.init(0)
  before = program.count(state.params, dataset.test)
  hyper = Hyperparameters.from_config(config)
  state = jax.jit(program.run_until)(
    30, state, hyper, dataset.train, dataset.val
  )
  after = program.count(state.params, dataset.test)
  assert after.mean_loss < before.mean_loss
  assert after.score > 0.7


def test_compared_rules_keep_what_they_would_have_kept_alone():
  config = make_config(compare_rules=True, **SHORT, **{'model.name': 'mlp'})
  program = training.Program.from_config(config, DATASET)
  hyper = Hyperparameters.from_config(config)
  run = jax.jit(
    lambda state: program.run_until(
      500, state, hyper, DATASET.train, DATASET.val
    )
  )
  state = jax.device_get(run(jax.jit(program.init)(3)))
  assert set(state.others) == {'accuracy', 'loss', 'none'}
  for rule in ('accuracy', 'loss'):
    alone = run_epochs(
      [3], at_once=500, stop_rule=rule, **SHORT, **{'model.name': 'mlp'}
    )
    assert_same_bits(
      state.others[rule], jax.tree.map(lambda x: x[0], alone.kept)
    )
    assert state.others[rule].epochs <= state.epoch
  assert_same_bits(state.others['none'].best_params, state.params)
  assert state.others['none'].best_epoch == state.epoch


@pytest.mark.parametrize('rule', ['both', 'none'])
def test_what_is_not_finite_ends_a_run_with_what_was_kept(rule):
  config = make_config(stop_rule=rule, **{'model.name': 'mlp'})
  program = training.Program.from_config(config, DATASET)
  hyper = Hyperparameters.from_config(config)
  run = jax.jit(
    lambda state, hyper: program.run_until(
      30, state, hyper, DATASET.train, DATASET.val
    )
  )
  before = jax.device_get(
    run(jax.jit(program.init)(0), hyper._replace(max_epochs=np.int32(5)))
  )
  nan = np.float32(np.nan)
  for name, breaking in (
    ('training loss', before._replace(params=_fill(before.params, nan))),
    ('gradient', before._replace(opt_state=_fill(before.opt_state, nan))),
  ):
    after = jax.device_get(run(breaking, hyper))
    assert training.BREAKABLE[after.broken] == name
    assert after.stopped
    assert after.epoch == 6
    assert_same_bits(after.kept, before.kept)
  assert before.broken == -1


def _fill(tree, value):
  return jax.tree.map(
    lambda x: (
      np.full_like(x, value) if np.issubdtype(x.dtype, np.floating) else x
    ),
    tree,
  )
