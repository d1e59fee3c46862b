"""Times of training: by the drivers that runs use, and by every road.

A row of a driver is an epoch with its validation, as a run pays it. A row of a
road is the same program along it, or a step alone.
"""

import time
from typing import Any

import jax
import numpy as np

from benchmarks.gpu import limits
from benchmarks.gpu import programs
from benchmarks.gpu import rows
from configs import recipes
from gat_jax import training

LIBRARY = {k.replace('.', '__'): v for k, v in recipes.LIBRARY_LAYER.items()}


def cora(report: rows.Report) -> None:
  """An epoch, with the authors' recipe and that of PyTorch Geometric."""
  _citation(report, 'cora', has_roads=True)


def citeseer(report: rows.Report) -> None:
  """An epoch."""
  _citation(report, 'citeseer', has_roads=False)


def _citation(report, name, has_roads):
  turns = report.size(200, 3)
  for recipe, changes in (('authors', {}), ('pyg', LIBRARY)):
    config = programs.config(name, **changes)
    report.attempt(
      15,
      lambda add, config=config: _driven(add, config, turns),
      what=f'{name}, an epoch',
      road='chosen',
      recipe=recipe,
    )
  if not has_roads:
    return
  config = programs.config(name)
  for road in programs.roads():
    report.attempt(
      15,
      lambda add, road=road: _epochs(add, config, road, turns),
      what=f'{name}, an epoch, without the driver',
      road=programs.called(road),
      recipe='authors',
    )


def seeds100(report: rows.Report) -> None:
  """An epoch of 100 seeds of Cora at once."""
  _seeds(report, 100, report.size(40, 2))


def seeds1000(report: rows.Report) -> None:
  """An epoch of 1,000 seeds of Cora at once."""
  _seeds(report, 1000, report.size(10, 2))


def _seeds(report, count, turns):
  count = report.size(count, 2)
  config = programs.config('cora', num_seeds=count, seed_loop='vmap')
  report.attempt(
    20,
    lambda add: _driven(add, config, turns, seconds=6),
    what=f'cora, an epoch of {count} seeds',
    road='chosen',
    recipe='authors',
  )


def ppi(report: rows.Report) -> None:
  """A step by every road, and an epoch."""
  _of_ppi(report, has_epoch=True)


def gatv2(report: rows.Report) -> None:
  """A step of GATv2 by every road."""
  _of_ppi(report, has_epoch=False, model__name='gatv2')


def _of_ppi(report, has_epoch, **changes):
  if report.is_rehearsal:
    changes = changes | {'model__hidden_dim': 4, 'batch_shapes': 1}
  # Each shape is compiled: ten take minutes, four 8 % more edges and nodes.
  changes = {'batch_shapes': 4} | changes
  config = programs.config('ppi', **changes)
  name = f'ppi, {config.model.name}'
  cases: list = [(road, None) for road in programs.roads()]
  # And with products in full precision, to see what those cost.
  for number, (road, precision) in enumerate([*cases, (None, 'highest')]):
    report.attempt(
      15,
      lambda add, args=(config, road, precision): _step(report, add, *args),
      what=f'{name}, a step',
      road=programs.called(road),
      precision=precision or 'default',
    )
    if number == 0 and has_epoch:
      report.attempt(
        30,
        lambda add: _driven(add, config, 1, seconds=6),
        what=f'{name}, an epoch',
        road='chosen',
      )


def _driven(add, config: Any, turns: int, seconds: float = 3.0) -> None:
  """Times the driver that a run would have, `turns` epochs at a time."""
  dataset = programs.load(config.dataset.name)
  driver = training.choose_driver(config, dataset, training.Replica.of(config))
  start = time.perf_counter()
  driver.compile()
  compile_s = time.perf_counter() - start
  reached = 0

  def advance():
    nonlocal reached
    reached += turns
    driver.advance(reached)

  def wait(_):
    assert (driver.fetch('epoch') == reached).all(), 'training has ended'  # noqa: S101

  found = rows.times(advance, wait, seconds=seconds, most=20)
  for name in ('ms', 'low', 'high'):
    found[name] /= turns
  losses = driver.fetch('train_loss')
  add(
    **found,
    **_least_epoch(config, dataset),
    compile_s=compile_s,
    needs_mb=driver.num_bytes / 1e6,
    **programs.peak(),
    driver=type(driver).__name__,
    loss=float(np.mean(losses)),
  )


def _least_epoch(config, dataset):
  """Of one seed on one graph; of several graphs, see their step."""
  if config.batch_size or config.num_seeds > 1:
    return {}
  return limits.epoch(programs.build(config, dataset))._asdict()


def _epochs(add, config, road, turns):
  built = programs.build(config, programs.load(config.dataset.name), road)
  start = time.perf_counter()
  run = built.compile_epochs()
  compile_s = time.perf_counter() - start
  last = np.int32(turns)
  found = rows.times(
    lambda: run(last, *built[1:]), jax.block_until_ready, seconds=2, most=20
  )
  for name in ('ms', 'low', 'high'):
    found[name] /= turns
  add(
    **found,
    **limits.epoch(built)._asdict(),
    compile_s=compile_s,
    **programs.facts(run),
  )


def _step(report, add, config, road, precision):
  built = programs.build(config, programs.load('ppi'), road)
  start = time.perf_counter()
  with jax.default_matmul_precision(precision):
    run = built.compile_step()
  compile_s = time.perf_counter() - start
  state = built.state

  def step():
    nonlocal state
    state = run(state, *built[2:4])
    return state

  found = rows.times(
    step, jax.block_until_ready, inner=report.size(10, 1), seconds=2, most=20
  )
  add(
    **found,
    **limits.step(built)._asdict(),
    compile_s=compile_s,
    **programs.facts(run),
    **programs.peak(),
    loss=float(state.train_loss),
    nodes=built.train[0].graph.nodes.shape[0],
    edges=len(built.train[0].graph.senders),
  )
