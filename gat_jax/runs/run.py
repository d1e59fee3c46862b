"""The one seam between library and tools: a config in, a Result out.

Shapes: R replicas: one seed each, all trained by one program.
"""

from collections.abc import Sequence
import contextlib
import logging
import os
import pathlib
import time
from typing import Any

from flax import nnx
import jax
import numpy as np

from gat_jax import datasets
from gat_jax import nn
from gat_jax import training
from gat_jax.errors import WorkdirError
from gat_jax.runs import checkpoints
from gat_jax.runs import results
from gat_jax.runs import settings
from gat_jax.runs import stored
from gat_jax.runs import workdirs
from gat_jax.runs.loop import Group
from gat_jax.runs.loop import Recovery
from gat_jax.runs.loop import train_until_ended
from gat_jax.runs.observers import Observer
from gat_jax.runs.scoring import Scorer


def train_and_evaluate(
  config: Any,
  workdir: str | os.PathLike | None = None,
  observer: Observer | None = None,
  *,
  discard_unreadable: bool = False,
) -> results.Result:
  """Trains `config.num_seeds` models and tests the parameters they kept.

  A run that was interrupted in that folder goes on, to the same numbers as if
  it had not been. Of one that is finished there, with the same settings, the
  result is read and nothing is written; if it has fewer seeds than are asked
  for, those that are missing are trained and join it.

  Args:
    config: as made by the files in `configs/`; `fields.FIELDS` explains its
      fields.
    workdir: where everything is written; None writes nothing.
    observer: is told how it goes, and may ask it to end.
    discard_unreadable: where an interrupted run has checkpoints and none of
      them can be used, begin anew; else that is an error.

  Returns:
    The scores of every seed.

  Raises:
    ConfigError: if the config cannot be used, or memory is too small for it.
    DataError: if the data cannot be used.
    WorkdirError: if the folder cannot be used.
    Ended: if the observer asked for it.
  """
  settings.check(config)
  _warn_of_idle_fields(config)
  observer = observer or Observer()
  folder = None if workdir is None else workdirs.folder(workdir)
  if folder is not None and workdirs.is_finished(folder):
    return _finish(config, folder, observer, discard_unreadable)
  folders = () if folder is None else (folder,)
  (result,) = train_group(
    [config],
    folders,
    folder,
    observer,
    discard_unreadable=discard_unreadable,
  )
  return result


def _warn_of_idle_fields(config: Any) -> None:
  for name, reason in settings.without_effect(config).items():
    value = settings.flat(config)[name]
    logging.warning('config.%s: %r changes nothing %s', name, value, reason)


def train_group(
  configs: Sequence[Any],
  folders: Sequence[str | os.PathLike] = (),
  states_in: str | os.PathLike | None = None,
  observer: Observer | None = None,
  *,
  discard_unreadable: bool = False,
) -> list[results.Result]:
  """Trains configs that share one compiled program, as if each were alone.

  Args:
    configs: may differ in what `settings.program_fields` leaves out.
    folders: one for each config, where all but the checkpoints is written; none
      at all writes nothing.
    states_in: where the checkpoints are, which all share; None makes none.
    observer: is told how it goes, and may ask it to end.
    discard_unreadable: see `train_and_evaluate`.

  Returns:
    For each config the scores of its seeds.

  Raises:
    ConfigError: if a config cannot be used, or memory is too small for them.
    DataError: if the data cannot be used.
    WorkdirError: if a folder cannot be used.
    Ended: if the observer asked for it.
    ValueError: if the configs do not share a program.
  """
  for config in configs:
    settings.check(config)
    if settings.program_fields(config) != settings.program_fields(configs[0]):
      raise ValueError('these configs do not share a program')
  for folder in folders:
    workdirs.check_unfinished(folder)
    stored.check_path(folder)
  observer = observer or Observer()
  dataset = load_dataset(configs[0], observer.show_downloads)
  observer.on_dataset(dataset)
  return _train_on(
    dataset, configs, folders, states_in, observer, discard_unreadable
  )


def _finish(
  config: Any,
  path: pathlib.Path,
  observer: Observer,
  discard_unreadable: bool,
) -> results.Result:
  """The result of a finished run, with seeds that it lacks trained first.

  They are a run of their own in a folder of that one, which is interrupted and
  goes on as any other, until all that it wrote is moved.
  """
  dataset = load_dataset(config, observer.show_downloads)
  workdirs.check_same(path, config, dataset.card)
  result = results.read_result(path)
  have = [seed.seed for seed in result.seeds]
  wanted = list(range(config.seed, config.seed + config.num_seeds))
  if have != wanted[: len(have)]:
    raise WorkdirError(
      'workdir',
      f'{path} already holds a finished run of the seeds {have[0]} to'
      f' {have[-1]}, and {wanted[0]} to {wanted[-1]} are asked for',
      'ask for the same or for more of them, or choose another folder',
    )
  observer.on_dataset(dataset)
  observer.on_finished(have)
  if have == wanted:
    return result
  stored.check_path(path)
  with workdirs.hold(path):
    more = results.folder_of_more(path, have, len(wanted))
    rest = config.copy_and_resolve_references()
    rest.seed, rest.num_seeds = have[-1] + 1, len(wanted) - len(have)
    if not workdirs.is_finished(more):
      _train_on(dataset, [rest], (more,), more, observer, discard_unreadable)
    return results.join(path, result, more, config, dataset.card)


def _train_on(
  dataset: datasets.Dataset,
  configs: Sequence[Any],
  folders: Sequence[str | os.PathLike],
  states_in: str | os.PathLike | None,
  observer: Observer,
  discard_unreadable: bool,
) -> list[results.Result]:
  """See `train_group`; the data are loaded."""
  with contextlib.ExitStack() as stack:
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
    return _train(Group(configs, writers), dataset, saved, observer)


def load_dataset(config: Any, progress: bool = False) -> datasets.Dataset:
  """The data set that `config.dataset` and `config.data_dir` name.

  Args:
    config: see `train_and_evaluate`.
    progress: show a progress bar while downloading.

  Raises:
    DataError: if there is no such data set, or its files cannot be used.
  """
  options = config.dataset.to_dict()
  dataset = datasets.load(
    options.pop('name'), config.data_dir, progress=progress, **options
  )
  if config.model.edge_features or not dataset.num_edge_features:
    return dataset
  return dataset.without_edge_features()


@training.own_jax_settings()
def _train(
  group: Group,
  dataset: datasets.Dataset,
  saved: checkpoints.Checkpoints | None,
  observer: Observer,
) -> list[results.Result]:
  """Compiles, trains and tests; writes what the group has writers for."""
  start = time.perf_counter()
  program = training.Program.from_config(group.config, dataset)
  driver = training.choose_driver(group.config, dataset, group.replicas)
  driver.compile()
  params = driver.state(0).params
  scorer = Scorer(program, dataset, params)
  compile_seconds = time.perf_counter() - start
  num_parameters = nn.num_parameters(params)
  observer.on_compiled(compile_seconds, num_parameters)
  recovery = Recovery(driver, len(group.replicas), group.writers, saved)
  epoch = recovery.restore(observer)
  try:
    train_until_ended(group, driver, recovery, observer, epoch)
    seconds = recovery.seconds
    seeds = [
      scorer.score(replica.seed, driver.state(i))
      for i, replica in enumerate(group.replicas)
    ]
  except BaseException as error:
    # What was kept so far is worth saving, on Ctrl-C as well; but whatever
    # ended the run is what the caller has to hear of.
    try:
      _save_parameters(group, driver)
    except Exception as another:
      workdirs.mention(another, error)
    raise
  _save_parameters(group, driver)
  found = []
  for own, writer in group.by_config(seeds):
    result = results.Result(
      dataset=dataset.card['name'],
      metric=dataset.metric,
      num_parameters=num_parameters,
      seeds=tuple(own),
      compile_seconds=compile_seconds,
      train_seconds=seconds * _share(own, seeds),
    )
    if writer is not None:
      writer.write_results(result.to_json())
    found.append(result)
  if saved is not None:
    saved.clear()
  return found


def _share(
  own: Sequence[results.SeedResult], everyone: Sequence[results.SeedResult]
) -> float:
  """How much of the time a config's seeds took: their share of all epochs."""
  total = sum(seed.epochs for seed in everyone)
  return sum(seed.epochs for seed in own) / max(1, total)


def _save_parameters(group: Group, driver: training.Driver) -> None:
  """Writes the kept parameters of every config: a row a seed."""
  for indices, writer in group.by_config(range(len(group.replicas))):
    if writer is None:
      continue
    params = [
      nnx.to_pure_dict(driver.state(i).kept.best_params) for i in indices
    ]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
    checkpoints.save_best(writer.path, stacked)
