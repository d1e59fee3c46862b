"""Devices that share a graph train what one device trains."""

import sys

from fixtures import many_graphs
from fixtures import small_dataset
import jax
import numpy as np
import pytest
from test_drivers import PLAIN
from test_drivers import make_config

from benchmarks import exchange
from gat_jax import machine
from gat_jax import training
from gat_jax.errors import ConfigError
from gat_jax.training import drivers
from gat_jax.training import meshes
from gat_jax.training.drivers import parted
from gat_jax.training.drivers import resident
from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import Replica


def trained(dataset, seeds=(0,), **fields):
  """The states after four epochs, and the counts of the test split."""
  config = make_config(batch_size=0, **fields)
  hyper = Hyperparameters.from_config(config)
  dataset = parted.take_apart(config, dataset)
  replicas = [Replica(seed, hyper) for seed in seeds]
  driver = drivers.choose_driver(config, dataset, replicas)
  driver.compile()
  middle = None
  for epoch in (2, 4):
    driver.advance(epoch)
    middle = middle or [driver.state(i) for i in range(len(seeds))]
  states = [driver.state(i) for i in range(len(seeds))]
  driver.restore(middle)
  driver.advance(4)
  jax.tree.map(np.testing.assert_array_equal, driver.state(0), states[0])
  counter = parted.Counter(config, dataset, len(seeds), states[0].params)
  return states, [counter.count(state.params, 'test') for state in states]


@pytest.mark.slow
@pytest.mark.parametrize('name', ['gat', 'gcn'])
def test_two_devices_share_what_one_trains(name):
  """A graph, or all of several at once; two seeds, one after the other."""
  dataset = small_dataset() if name == 'gat' else many_graphs()
  fields = {'model.name': name, 'model.dropout_rate': 0.4}
  alone = trained(dataset, (0, 5), **fields, **{'mesh.runs': 1})
  how = {'mesh.nodes': 2, 'seed_loop': 'auto' if name == 'gat' else 'vmap'}
  shared = trained(dataset, (0, 5), **fields, **how)
  for wanted, got in zip(*map(jax.tree.leaves, (alone, shared)), strict=True):
    if not jax.dtypes.issubdtype(wanted.dtype, jax.dtypes.prng_key):
      np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_accelerators_can_share_a_graph(monkeypatch):
  """Whose seeds are trained at once elsewhere, and whose exchange is ragged."""
  monkeypatch.setattr(resident, '_packs', lambda mesh: True)
  fields = {'model.name': 'gcn', 'model.dropout_rate': 0.0, 'mesh.nodes': 2}
  config = make_config(batch_size=0, num_seeds=2, **fields)
  dataset = parted.take_apart(config, small_dataset())
  traced = exchange.trace(config, dataset, meshes.make(config, 2))
  for platform in ('cuda', 'tpu'):
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert text.count('@ragged_all_to_all(') == 2, platform  # there and back


def test_counting_keeps_nothing_on_the_devices_and_asks_for_memory(monkeypatch):
  config = make_config(batch_size=0, **PLAIN, **{'mesh.nodes': 2})
  dataset = parted.take_apart(config, small_dataset())
  params = training.Program.from_config(config, dataset).init(0).params
  before = len(jax.live_arrays())
  counter = parted.Counter(config, dataset, 1, params)
  counts = counter.count(params, 'test')
  assert counts.total == 15
  assert len(jax.live_arrays()) == before
  monkeypatch.setattr(machine, 'free_memory', lambda: 1_000)
  with pytest.raises(ConfigError, match='needs about'):
    parted.Counter(config, dataset, 1, params)


def test_card_says_what_was_cut():
  dataset = small_dataset()
  for partitioner in ('metis', 'ranges'):
    config = make_config(
      batch_size=0, **{'mesh.nodes': 2, 'mesh.partitioner': partitioner}
    )
    card = parted.take_apart(config, dataset).card
    graph = dataset.train[0].graph
    assert card['parts'], card['partitioner'] == (2, partitioner)
    assert 0 < card['halo_rows'] <= card['edges_cut'] < len(graph.senders)
    assert 1 <= card['imbalance'] < 1.2
    assert card['digest'] == dataset.card['digest']
  whole = make_config(batch_size=0)
  assert parted.take_apart(whole, dataset) is dataset


def test_what_cannot_be_shared(monkeypatch):
  config = make_config(batch_size=2, **{'mesh.nodes': 2})
  with pytest.raises(ConfigError, match='training is in batches of several'):
    drivers.choose_driver(config, many_graphs(), training.Replica.of(config))
  config = make_config(batch_size=0, **{'mesh.nodes': 2})
  with (
    jax.debug_nans(True),
    pytest.raises(ConfigError, match='look for errors on one'),
  ):
    drivers.choose_driver(config, small_dataset(), training.Replica.of(config))
  monkeypatch.setitem(sys.modules, 'pymetis', None)
  with pytest.raises(
    ConfigError, match=r'partitioner.*not installed.*`ranges`'
  ):
    parted.take_apart(config, small_dataset())
