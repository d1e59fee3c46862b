"""The one seam between library and tools: a config in, a Result out.

Shapes: R runs (seeds, or trials of a sweep) trained by one program.
"""

from collections.abc import Sequence
import contextlib
import math
import os
import time
from typing import Any

from flax import nnx
import jax
import numpy as np

from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import Replica
from gat_jax.training.replicas import program_fields
from gat_jax.runs import checkpoints
from gat_jax import datasets
from gat_jax.training import drivers
from gat_jax.nn import models
from gat_jax.runs import results
from gat_jax.runs import settings
from gat_jax import training
from gat_jax.runs import workdirs
from gat_jax.runs.observers import Interrupted
from gat_jax.runs.observers import Evaluation
from gat_jax.runs.observers import Observer


def train_and_evaluate(
  config: Any,
  workdir: str | os.PathLike | None = None,
  observer: Observer | None = None,
) -> results.Result:
  """Trains `config.num_seeds` models and tests the parameters they kept.

  Args:
    config: as made by the files in `configs/`.
    workdir: where everything is written; None writes nothing. A run that was
      interrupted there goes on, to the same numbers as if it had not been.
    observer: is told how it goes.

  Returns:
    The scores of every seed.

  Raises:
    InputError: if the config, the data or the folder cannot be used.
    Interrupted: if the observer wants it; the run can be continued.
  """
  folders = () if workdir is None else (workdir,)
  (result,) = train_group([config], folders, workdir, observer)
  return result


def train_group(
  configs: Sequence[Any],
  folders: Sequence[str | os.PathLike] = (),
  states_in: str | os.PathLike | None = None,
  observer: Observer | None = None,
) -> list[results.Result]:
  """Trains configs that share one compiled program, as if each were alone.

  Args:
    configs: may differ in what `program_fields` leaves out.
    folders: one for each config, where all but the checkpoints is written; none
      at all writes nothing.
    states_in: where the checkpoints are, which all share; None makes none.
    observer: is told how it goes.

  Returns:
    For each config the scores of its seeds.

  Raises:
    InputError: if a config, the data or a folder cannot be used.
    Interrupted: if the observer wants it; the same call goes on.
    ValueError: if the configs do not share a program.
  """
  for config in configs:
    settings.check(config)
    if program_fields(config) != program_fields(configs[0]):
      raise ValueError('these configs do not share a program')
  for folder in folders:
    workdirs.check_unfinished(folder)
  observer = observer or Observer()
  dataset = load_dataset(configs[0], observer.show_downloads)
  observer.on_dataset(dataset)
  with contextlib.ExitStack() as stack:
    writers = [
      stack.enter_context(workdirs.RunWriter(folder, config, dataset.card))
      for folder, config in zip(folders, configs, strict=bool(folders))
    ]
    saved = None
    if states_in is not None:
      saved = stack.enter_context(checkpoints.Checkpoints(states_in))
    return _Training(configs, dataset, observer, writers, saved).run()


def load_dataset(config: Any, progress: bool = False) -> datasets.Dataset:
  """The data set that `config.dataset` and `config.data_dir` name."""
  options = config.dataset.to_dict()
  return datasets.load(
    options.pop('name'), config.data_dir, progress=progress, **options
  )


class _Training:
  """One call of `train_group` after its inputs were checked."""

  def __init__(self, configs, dataset, observer, writers, saved):
    self._config = configs[0]  # for what all of them share
    self._runs: list[Replica] = []
    self._indices = []  # into the runs, for each config
    for config in configs:
      first = len(self._runs)
      self._runs += Replica.of(config)
      self._indices.append(range(first, len(self._runs)))
    self._dataset = dataset
    self._observer = observer
    self._writers = writers
    self._saved = saved

  def run(self) -> list[results.Result]:
    start = time.perf_counter()
    program = training.Program.from_config(self._config, self._dataset)
    self._count = jax.jit(program.count)
    self._driver = drivers.choose_driver(self._config, self._dataset, self._runs)
    self._driver.compile()
    params = self._driver.state(0).params
    for split in (self._dataset.val, self._dataset.test):
      jax.block_until_ready(self._count(params, split))
    compiled = time.perf_counter()
    num_parameters = models.num_parameters(params)
    self._observer.on_compiled(compiled - start, num_parameters)
    epoch, spent = self._restore()
    self._began = compiled - spent  # as if the run had never been interrupted
    try:
      self._train(epoch)
      seconds = time.perf_counter() - self._began
      seeds = [self._evaluate_run(i) for i in range(len(self._runs))]
    finally:  # also on Ctrl-C: the best so far is worth keeping
      self._save_parameters()
    found = self._results(seeds, num_parameters, compiled - start, seconds)
    for writer, result in zip(self._writers, found, strict=False):
      writer.write_results(result.to_json())
    return found

  def _results(self, seeds, num_parameters, compile_seconds, seconds):
    """One for each config; its epochs decide its share of the time."""
    total = sum(seed.epochs for seed in seeds)
    found = []
    for indices in self._indices:
      own = tuple(seeds[i] for i in indices)
      epochs = sum(seed.epochs for seed in own)
      found.append(
        results.Result(
          dataset=self._dataset.card['name'],
          metric=self._dataset.metric,
          num_parameters=num_parameters,
          seeds=own,
          compile_seconds=compile_seconds,
          train_seconds=seconds * epochs / max(1, total),
        )
      )
    return found

  def _restore(self) -> tuple[int, float]:
    """The epoch to go on from, and the seconds that were spent on it."""
    latest = self._saved and self._saved.latest(self._states())
    if not latest:
      for writer in self._writers:
        writer.begin(0, 0)
      return 0, 0.0
    epoch, states, facts = latest
    self._driver.restore(states)
    for writer, size in zip(self._writers, facts['metrics_bytes'], strict=True):
      writer.begin(epoch, size)
    self._observer.on_resumed(epoch)
    return epoch, facts['seconds']

  def _states(self):
    return [self._driver.state(run) for run in range(len(self._runs))]

  def _train(self, epoch):
    fetch = self._driver.fetch
    last_saved = time.perf_counter()
    seeds = np.array([run.seed for run in self._runs])
    limits = np.array([run.hyper.max_epochs for run in self._runs])
    while True:
      epoch = min(epoch + self._config.log_every, int(limits.max()))
      before = fetch('epoch')
      self._driver.advance(epoch)
      evaluation = Evaluation(
        seeds=seeds,
        epochs=fetch('epoch'),
        running=~fetch('stopped') & (fetch('epoch') < limits),
        train_loss=fetch('train_loss'),
        val_loss=fetch('val_loss'),
        val_score=fetch('val_score'),
      )
      self._record(evaluation, evaluation.epochs > before)
      self._observer.on_evaluation(evaluation)
      if not evaluation.running.any():
        return
      stop = self._observer.wants_stop()
      waited = time.perf_counter() - last_saved
      if stop or waited >= 60 * self._config.checkpoint_minutes:
        self._save_states(epoch)
        last_saved = time.perf_counter()
      if stop:
        raise Interrupted(epoch)

  def _save_states(self, epoch):
    if self._saved:
      facts = {
        'metrics_bytes': [writer.metrics_bytes for writer in self._writers],
        'seconds': time.perf_counter() - self._began,
      }
      self._saved.save(epoch, self._states(), facts)

  def _record(self, evaluation, advanced):
    for writer, own in zip(self._writers, self._indices, strict=False):
      for i in own:
        if advanced[i]:
          writer.write_metrics(
            int(evaluation.seeds[i]),
            int(evaluation.epochs[i]),
            train_loss=float(evaluation.train_loss[i]),
            val_loss=float(evaluation.val_loss[i]),
            val_score=float(evaluation.val_score[i]),
          )
      writer.flush()

  def _evaluate_run(self, run):
    state = self._driver.state(run)
    test, val = self._test(state.kept.best_params)
    return results.SeedResult(
      seed=self._runs[run].seed,
      test=_fraction(test),
      val=_fraction(val),
      val_loss=_finite(float(val.mean_loss)),
      best_epoch=int(state.kept.best_epoch),
      epochs=int(state.epoch),
      rules={
        rule: self._evaluate_rule(kept) for rule, kept in state.others.items()
      },
      broken=training.BREAKABLE[state.broken] if state.broken >= 0 else None,
    )

  def _evaluate_rule(self, kept):
    test, val = self._test(kept.best_params)
    return results.RuleResult(
      test=_fraction(test),
      val=_fraction(val),
      best_epoch=int(kept.best_epoch),
      epochs=int(kept.epochs),
    )

  def _test(self, params):
    """Counts of the test and validation split."""
    return [
      jax.device_get(self._count(params, split))
      for split in (self._dataset.test, self._dataset.val)
    ]

  def _save_parameters(self):
    for writer, own in zip(self._writers, self._indices, strict=False):
      params = [
        nnx.to_pure_dict(self._driver.state(i).kept.best_params) for i in own
      ]
      stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
      checkpoints.save_best(writer.path, stacked)


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None


def _fraction(counts) -> float:
  """The score from whole counts, in double precision."""
  return int(counts.hits) / max(1, int(counts.total))
