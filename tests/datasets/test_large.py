import hashlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from gat_jax import datasets
from gat_jax.datasets.drawn import large
from gat_jax.errors import DataError

SMALL = {'num_nodes': 3000, 'num_features': 16}


def real_edges(dataset):
  graph = dataset.train[0].graph
  real = graph.senders != graph.receivers
  return graph.senders[real], graph.receivers[real]


def test_a_seed_keeps_its_bits():
  example = datasets.load('large', **SMALL).train[0]
  made = hashlib.sha256()
  for array in (
    example.graph.senders,
    example.graph.receivers,
    example.labels,
    example.mask,
  ):
    made.update(array)
  assert made.hexdigest() == (
    '203c81cbb2652ce27c40177d1cfa07f564be6ca323fd579d90caa3854c12fc99'
  )
  other = datasets.load('large', **SMALL, seed=1)
  assert len(other.train[0].graph.senders) == len(example.graph.senders)
  assert (other.train[0].labels != example.labels).any()


def test_edges_classes_and_features_are_as_asked():
  dataset = datasets.load(
    'large',
    **SMALL,
    average_degree=30.0,
    exponent=4.0,
    homophily=0.7,
    signal=3.0,
  )
  labels, features = dataset.train[0].labels, dataset.train[0].graph.nodes
  senders, receivers = real_edges(dataset)
  assert len(senders) == 3000 * 30  # exactly, and each only once
  assert len(np.unique(senders * 3000 + receivers)) == 3000 * 30
  within = (labels[senders] == labels[receivers]).mean()
  assert within == pytest.approx(0.7, abs=0.05)
  assert np.bincount(labels).tolist() == [300] * 10
  centres = [features[labels == c].mean(axis=0) for c in range(10)]
  np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 3, rtol=0.15)
  assert features.std(axis=0).max() < 2
  sizes = [dataset.card[split] for split in ('train', 'val', 'test')]
  assert sizes == [300, 150, 2550]


@pytest.mark.parametrize('exponent', [2.2, 2.5, 3.5])
def test_degrees_follow_the_power_law(exponent):
  """By the maximum-likelihood estimate of the exponent of the tail (Hill)."""
  rng = np.random.default_rng(0)
  labels = rng.permutation(np.arange(200_000, dtype=np.int32) % 4)
  weights = (1 - rng.random(200_000)) ** (-1 / (exponent - 1))
  pairs = large.draw_pairs(rng, labels, weights, 1_000_000, 0.5)
  degrees = np.sort(np.bincount(pairs.ravel()))
  tail = degrees[-2000:-20]  # the very largest have met all they can
  hill = 1 + 1 / np.log(tail / tail[0]).mean()
  hubs = degrees[-20:].mean() / degrees.mean()
  assert hill == pytest.approx(exponent, rel=0.25)
  assert (hubs > 100) == (exponent < 3)


def test_hubs_that_know_everybody_leave_room_for_the_other_edges():
  dataset = datasets.load(
    'large', num_nodes=300, average_degree=60.0, exponent=2.05, num_features=4
  )
  assert len(real_edges(dataset)[0]) == 300 * 60
  assert dataset.card['max_degree'] > 250


@pytest.mark.slow
def test_ten_million_edges_take_little_memory():
  """In a process of its own, whose memory is measured."""
  code = (
    'import re; from gat_jax import datasets;'
    'made = datasets.load("large", num_nodes=10**6, average_degree=10.0);'
    'status = open("/proc/self/status").read();'
    'print(made.card["edges_with_loops"], made.card["max_degree"],'
    ' re.search(r"VmHWM:\\s+(\\d+)", status)[1])'
  )
  said = subprocess.run(
    [sys.executable, '-c', code],
    cwd=pathlib.Path(__file__).parents[2],
    check=True,
    capture_output=True,
    text=True,
  ).stdout
  edges, hub, kilobytes = map(int, said.split())
  assert edges == 11 * 10**6
  assert hub > 10_000
  assert kilobytes < 1.5e6


def test_what_memory_does_not_hold_is_refused_before_it_begins():
  with pytest.raises(DataError, match=r'takes about \d+\.\d GB') as error:
    datasets.load('large', num_nodes=10**8, average_degree=10.0)
  assert error.value.field == 'memory'


@pytest.mark.parametrize(
  'options',
  [
    {'num_nodes': 0},
    {'num_nodes': 15},
    {'num_nodes': 10**9},
    {'num_nodes': 10**8, 'average_degree': 100.0},
    {'num_classes': 1},
    {'num_classes': 10**5},
    {'num_features': 10**9},
    {'exponent': 2.0},
    {'exponent': float('nan')},
    {'average_degree': 0.0},
    {'average_degree': 299.0, 'num_nodes': 300},
    {'homophily': -0.1},
    {'signal': float('inf')},
    {'train_fraction': 0.0},
    {'val_fraction': 0.9},
    {'seed': -1},
  ],
)
def test_impossible_numbers_are_named(options):
  with pytest.raises(DataError) as error:
    datasets.load('large', **options)
  assert error.value.field == f'config.dataset.{next(iter(options))}'
