"""Devices that share the graphs of a batch train what one device trains."""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from test_drivers import DATASET
from test_drivers import EDGED
from test_drivers import make_config

from gat_jax.training import batching
from gat_jax.training import drivers
from gat_jax.training import padding
from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import Replica

HERE = pathlib.Path(__file__).parent


def trained(driver, num_devices, seeds=(0,), dataset=DATASET, **fields):
  """States after ten steps: five epochs of two batches of four graphs."""
  config = make_config(
    **{
      'batch_size': 4,
      'batch_shapes': 1,
      'max_epochs': 5,
      'mesh.batch': num_devices,
      'mesh.runs': 1,
      **fields,
    }
  )
  hyper = Hyperparameters.from_config(config)
  made = getattr(drivers, driver)(
    config, dataset, [Replica(seed, hyper) for seed in seeds]
  )
  made.compile()
  made.advance(5)
  return [made.state(i) for i in range(len(seeds))]


def assert_equal(ours, theirs):
  """To 1e-5 of the largest entry of an array."""

  def compare(ours, theirs):
    scale = np.abs(theirs).max(initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * scale)

  jax.tree.map(compare, ours, theirs)


def test_ten_steps_are_those_of_one_device():
  """The masks of dropout as well, and a last batch of fewer graphs."""
  fields = {'model.name': 'mlp', 'model.num_layers': 2}
  one = trained('BatchDriver', 1, **fields)
  assert_equal(trained('BatchDriver', 2, **fields), one)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('driver', 'name'), [('BatchDriver', 'gat'), ('ResidentDriver', 'gcn')]
)
def test_layers_on_graphs_do_not_see_that_they_are_shared(driver, name):
  """With features of edges where there is attention."""
  fields = {
    'model.name': name,
    'model.num_layers': 1,
    'dataset': EDGED if name == 'gat' else DATASET,
  }
  one = trained(driver, 1, **fields)
  assert_equal(trained(driver, 2, **fields), one)


# Two seeds, each on two of four devices, and both on one.
SEEDS_AND_BATCHES = """
import jax
import test_shared_batches as tests
assert len(jax.devices()) == 4

def both(driver, **fields):
  mlp = {'model.name': 'mlp', 'model.num_layers': 2} | fields
  four = tests.trained(driver, 2, (0, 3), **mlp, **{'mesh.runs': 2})
  return four, tests.trained(driver, 1, (0, 3), **mlp)

tests.assert_equal(*both('BatchDriver'))
# Each stops by itself, whatever the other does.
ends = {'stop_rule': 'loss', 'patience': 1, 'learning_rate': 1.0}
four, one = both('ResidentDriver', **ends)
assert [s.epoch for s in four] == [s.epoch for s in one]
"""


@pytest.mark.slow
def test_seeds_and_graphs_are_spread_together():
  path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1])])
  environment = os.environ | {'JAX_NUM_CPU_DEVICES': '4', 'PYTHONPATH': path}
  subprocess.run(
    [sys.executable, '-c', SEEDS_AND_BATCHES], env=environment, check=True
  )


def test_parts_on_a_device_are_those_of_the_host():
  """Of all steps of an epoch, empty parts too; and they are whole together."""
  num_parts = 3
  batches = batching.Batches.plan(EDGED.train, 3, 2, num_parts)
  order, on_device = batches.order(0, 1), batches.on_device()
  for step, parts in enumerate(batches.epoch(0, 1)):
    shape = batches.shapes[order.shapes[step]]

    def deal(_, step=step, shape=shape):
      chosen, firsts = map(
        jax.numpy.asarray, (order.examples[step], order.firsts[step])
      )
      return on_device.batch(chosen, shape, firsts)

    dealt = jax.jit(jax.vmap(deal, axis_name='batch'))(np.arange(num_parts))
    ours, theirs = (
      jax.tree_util.tree_leaves_with_path(tree) for tree in (dealt, parts)
    )
    for (path, array), (same, expected) in zip(ours, theirs, strict=True):
      assert path == same
      if jax.tree_util.keystr(path) not in (
        '.graph.n_node',
        '.graph.n_edge',
      ):  # an empty part has a graph
        np.testing.assert_array_equal(array, expected, str(path))
    part = parts.graph.structure.part
    for ids, is_real in (
      (part.sender_ids, parts.mask),
      (
        part.edge_ids,
        parts.mask[np.arange(num_parts)[:, None], parts.graph.senders],
      ),
    ):
      found = np.sort(ids[is_real])
      np.testing.assert_array_equal(found, np.arange(len(found)))


def test_graphs_are_dealt_by_their_edges():
  sizes = [padding.Shape(edges, 1) for edges in (5, 100, 40, 60, 50, 50)]
  assert padding.deal(sizes, 2) == [[0, 1, 5], [2, 3, 4]]
  assert padding.deal(sizes, 3) == [[0, 1], [2, 3], [4, 5]]
  assert padding.deal(sizes[:2], 3) == [[1], [0], []]
  for num_parts in (1, 2, 3):
    most = padding.largest_part(sizes, num_parts)
    assert most.n_edge < 305 / num_parts + 20


@pytest.mark.parametrize('num_parts', [2, 3])
def test_every_part_of_every_batch_has_a_shape(num_parts):
  """Also where they are too many to be listed."""
  rng = np.random.default_rng(0)
  sizes = [padding.Shape(*map(int, rng.integers(1, 99, 2))) for _ in range(40)]
  shapes = padding.choose(sizes, 9, 3, num_parts)
  for _ in range(300):
    count = rng.integers(1, 10)
    batch = [sizes[i] for i in rng.choice(40, count, replace=False)]
    most = padding.largest_part(batch, num_parts)
    assert any(
      most.n_edge <= shape.n_edge and most.n_node < shape.n_node
      for shape in shapes
    )
