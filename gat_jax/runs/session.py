"""One session of a run, from where it stands to its end or an interruption.

Shapes: R replicas: one seed each, all trained by one program.
"""

from collections.abc import Sequence
import contextlib
import os
import time
from typing import Any

from flax import nnx
import jax
import numpy as np

from gat_jax import datasets
from gat_jax import nn
from gat_jax import training
from gat_jax.runs import results
from gat_jax.runs import workdirs
from gat_jax.runs.loop import Group
from gat_jax.runs.loop import Recovery
from gat_jax.runs.loop import train_until_ended
from gat_jax.runs.observers import Observer
from gat_jax.runs.scoring import Scorer
from gat_jax.runs.states import checkpoints


def train(
  dataset: datasets.Dataset,
  configs: Sequence[Any],
  folders: Sequence[str | os.PathLike],
  states_in: str | os.PathLike | None,
  observer: Observer,
  discard_unreadable: bool,
  hosts: training.Hosts,
) -> list[results.Result]:
  """Trains configs on data that are loaded; see `run.train_group`.

  Args:
    dataset: the same on all hosts.
    configs: share a program.
    folders: see there; what hosts that do not write give does not matter.
    states_in: likewise.
    observer: is told how it goes, and may ask it to end.
    discard_unreadable: see `train_and_evaluate`.
    hosts: that train.

  Returns:
    For each config the scores of its seeds.

  Raises:
    InputError: see `run.train_group`.
    Ended: if the observer asked for it.
  """
  if not hosts.is_writer:
    folders, states_in = (), None
  with contextlib.ExitStack() as stack:
    with hosts.together():
      writers = [
        stack.enter_context(workdirs.RunWriter(folder, config, dataset.card))
        for folder, config in zip(folders, configs, strict=bool(folders))
      ]
      saved = None
      if states_in is not None:
        saved = stack.enter_context(
          checkpoints.Checkpoints(
            states_in, discard_unreadable=discard_unreadable
          )
        )
    return _train(Group(configs, writers), dataset, saved, observer, hosts)


@training.own_jax_settings()
def _train(
  group: Group,
  dataset: datasets.Dataset,
  saved: checkpoints.Checkpoints | None,
  observer: Observer,
  hosts: training.Hosts,
) -> list[results.Result]:
  """Compiles, trains and tests; writes what the group has writers for."""
  start = time.perf_counter()
  with hosts.together():
    driver = training.choose_driver(group.config, dataset, group.replicas)
    driver.compile()
  params = driver.state(0).params
  with hosts.together():
    scorer = Scorer(group.config, dataset, len(group.replicas), params)
    compile_seconds = time.perf_counter() - start
    num_parameters = nn.num_parameters(params)
    observer.on_placed(driver.where)
    observer.on_compiled(compile_seconds, num_parameters)
  recovery = Recovery(driver, len(group.replicas), group.writers, saved, hosts)
  epoch = recovery.restore(observer)
  try:
    train_until_ended(group, driver, recovery, observer, epoch, hosts)
    seconds = recovery.seconds
    seeds = [
      scorer.score(replica.seed, driver.state(i))
      for i, replica in enumerate(group.replicas)
    ]
  except BaseException as error:
    # What was kept so far is worth saving, on Ctrl-C as well; but whatever
    # ended the run is what the caller has to hear of.
    if hosts.is_joint(error):  # else others do not come to it
      try:
        _save_parameters(group, driver, hosts)
      except Exception as another:
        workdirs.mention(another, error)
      hosts.joint(error)
    raise
  _save_parameters(group, driver, hosts)
  sampling = {}
  if isinstance(driver, training.PausingDriver):
    sampling = driver.facts()
  found = [
    results.Result(
      dataset=dataset.card['name'],
      metric=dataset.metric,
      num_parameters=num_parameters,
      seeds=tuple(own),
      compile_seconds=compile_seconds,
      train_seconds=seconds * _share(own, seeds),
      sampling=sampling,
    )
    for own, _ in group.by_config(seeds)
  ]
  with hosts.together():
    for writer, result in zip(group.writers, found, strict=False):
      writer.write_results(result.to_json())
    if saved is not None:
      saved.clear()
  return found


def _share(
  own: Sequence[results.SeedResult], everyone: Sequence[results.SeedResult]
) -> float:
  """How much of the time a config's seeds took: their share of all epochs."""
  total = sum(seed.epochs for seed in everyone)
  return sum(seed.epochs for seed in own) / max(1, total)


def _save_parameters(
  group: Group, driver: training.Driver, hosts: training.Hosts
) -> None:
  """Writes the kept parameters of every config: a row a seed."""
  if not any(hosts.agree(bool(group.writers))):
    return
  for indices, writer in group.by_config(range(len(group.replicas))):
    params = [
      nnx.to_pure_dict(driver.state(i).kept.best_params) for i in indices
    ]
    with hosts.together():
      if writer is not None:
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
        checkpoints.save_best(writer.path, stacked)
