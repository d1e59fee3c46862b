"""The one seam between library and tools: a config in, a Result out.

Shapes: R replicas: one seed each, all trained by one program.
"""

from collections.abc import Sequence
import contextlib
import logging
import os
import pathlib
from typing import Any

from gat_jax import datasets
from gat_jax import training
from gat_jax.errors import WorkdirError
from gat_jax.runs import inputs
from gat_jax.runs import results
from gat_jax.runs import session
from gat_jax.runs import settings
from gat_jax.runs import workdirs
from gat_jax.runs.observers import Observer
from gat_jax.runs.states import stored


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

  Where `jax.distributed` has connected several hosts, all of them call this
  with the same config, and train together. Host 0 alone reads and writes the
  folder; what the others are given for it does not matter.

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
  hosts = training.Hosts.here()
  with hosts.together():
    settings.check(config)
    if hosts.is_writer:
      _warn_of_idle_fields(config)
  observer = observer or Observer()
  folder = None
  with hosts.together():
    if workdir is not None and hosts.is_writer:
      folder = workdirs.folder(workdir)
  if hosts.tell(lambda: folder is not None and workdirs.is_finished(folder)):
    inputs.check_on_all([config], hosts)
    found = _finish(
      *(config, folder or pathlib.Path(), observer, discard_unreadable, hosts)
    )
    hosts.ended = True
    return found
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

  On several hosts, see `train_and_evaluate`.

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
  hosts = training.Hosts.here()
  with hosts.together():
    for config in configs:
      settings.check(config)
      if settings.program_fields(config) != settings.program_fields(configs[0]):
        raise ValueError('these configs do not share a program')
    for folder in folders if hosts.is_writer else ():
      workdirs.check_unfinished(folder)
      stored.check_path(folder)
  if configs[0].sampler.fan_outs:  # before JAX has threads, if nobody used it
    training.memory.share_heap()
  inputs.check_on_all(configs, hosts)
  observer = observer or Observer()
  dataset = inputs.load_on_all(configs[0], observer, hosts)
  with hosts.together():
    observer.on_dataset(dataset)
  found = session.train(
    dataset, configs, folders, states_in, observer, discard_unreadable, hosts
  )
  with hosts.together():
    observer.on_results(found)
  hosts.ended = True
  return found


def _finish(
  config: Any,
  path: pathlib.Path,
  observer: Observer,
  discard_unreadable: bool,
  hosts: training.Hosts,
) -> results.Result:
  """The result of a finished run, with seeds that it lacks trained first.

  They are a run of their own in a folder of that one, which is interrupted and
  goes on as any other, until all that it wrote is moved. Hosts that do not
  write have no use for the path.
  """
  wanted = list(range(config.seed, config.seed + config.num_seeds))
  dataset = inputs.load_on_all(config, observer, hosts)
  result = hosts.tell(lambda: _finished(path, config, dataset, wanted))
  have = [seed.seed for seed in result.seeds]
  with hosts.together():
    observer.on_dataset(dataset)
    observer.on_finished(have)
  if have == wanted:
    return result
  rest = config.copy_and_resolve_references()
  rest.seed, rest.num_seeds = have[-1] + 1, len(wanted) - len(have)
  with contextlib.ExitStack() as stack:

    def hold() -> pathlib.Path:
      stack.enter_context(workdirs.hold(path))
      return results.folder_of_more(path, have, len(wanted))

    more = hosts.tell(hold)
    if not hosts.tell(lambda: workdirs.is_finished(more)):
      session.train(
        *(dataset, [rest], (more,), more, observer, discard_unreadable, hosts)
      )
    whole = hosts.tell(
      lambda: results.join(path, result, more, config, dataset.card)
    )
  with hosts.together():
    observer.on_results([whole])
  return whole


def _finished(
  path: pathlib.Path,
  config: Any,
  dataset: datasets.Dataset,
  wanted: list[int],
) -> results.Result:
  """What a finished run has, of which the wanted seeds may be more."""
  workdirs.check_same(path, config, dataset.card)
  result = results.read_result(path)
  have = [seed.seed for seed in result.seeds]
  if have != wanted[: len(have)]:
    raise WorkdirError(
      'workdir',
      f'{path} already holds a finished run of the seeds {have[0]} to'
      f' {have[-1]}, and {wanted[0]} to {wanted[-1]} are asked for',
      'ask for the same or for more of them, or choose another folder',
    )
  if have != wanted:
    stored.check_path(path)
  return result
