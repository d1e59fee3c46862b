"""The one seam between library and tools: a config in, a Result out.

Shapes: R runs (seeds) trained by one program.
"""

import dataclasses
import math
import os
import time
from typing import Any

from flax import nnx
import jax
import numpy as np

from gat_jax import checkpoints
from gat_jax import datasets
from gat_jax import drivers
from gat_jax import models
from gat_jax import results
from gat_jax import settings
from gat_jax import training
from gat_jax import workdirs


@dataclasses.dataclass(frozen=True)
class Look:
  """What the host sees of all seeds every `log_every` epochs; arrays [R].

  Attributes:
    seeds: the seeds.
    epochs: epochs done.
    running: whether the seed will go on.
    train_loss: cross-entropy of the last step.
    val_loss: validation loss.
    val_score: validation accuracy or micro-F1.
  """

  seeds: np.ndarray
  epochs: np.ndarray
  running: np.ndarray
  train_loss: np.ndarray
  val_loss: np.ndarray
  val_score: np.ndarray


class Interrupted(Exception):  # noqa: N818, it is no error
  """A run was stopped on request after a checkpoint.

  Attributes:
    epoch: how far it is.
  """

  def __init__(self, epoch: int):
    """See the class."""
    super().__init__(f'interrupted after epoch {epoch}')
    self.epoch = epoch


class Observer:
  """Is told how a run goes; every method may be overridden.

  Attributes:
    show_downloads: show a progress bar while data are downloaded.
  """

  show_downloads = False

  def wants_stop(self) -> bool:
    """Is asked after every look whether the run is to be interrupted."""
    return False

  def on_resumed(self, epoch: int) -> None:
    """An interrupted run goes on after that epoch."""

  def on_dataset(self, dataset: datasets.Dataset) -> None:
    """The data are loaded and checked."""

  def on_compiled(self, seconds: float, num_parameters: int) -> None:
    """The program is compiled, training begins."""

  def on_look(self, look: Look) -> None:
    """Another `log_every` epochs are done."""


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
  settings.check(config)
  if workdir is not None:
    workdirs.check_unfinished(workdir)
  observer = observer or Observer()
  dataset = load_dataset(config, observer.show_downloads)
  observer.on_dataset(dataset)
  seeds = np.arange(config.seed, config.seed + config.num_seeds)
  if workdir is None:
    return _Training(config, dataset, seeds, observer).run()
  with (
    workdirs.RunWriter(workdir, config, dataset.card) as writer,
    checkpoints.Checkpoints(workdir) as saved,
  ):
    return _Training(config, dataset, seeds, observer, writer, saved).run()


def load_dataset(config: Any, progress: bool = False) -> datasets.Dataset:
  """The data set that `config.dataset` and `config.data_dir` name."""
  options = config.dataset.to_dict()
  return datasets.load(
    options.pop('name'), config.data_dir, progress=progress, **options
  )


class _Training:
  """One call of `train_and_evaluate` after its inputs were checked."""

  def __init__(self, config, dataset, seeds, observer, writer=None, saved=None):
    self._config = config
    self._dataset = dataset
    self._seeds = seeds
    self._observer = observer
    self._writer = writer
    self._saved = saved

  def run(self) -> results.Result:
    start = time.perf_counter()
    program = training.Program.from_config(self._config, self._dataset)
    self._count = jax.jit(program.count)
    self._driver = drivers.choose(self._config, self._dataset, self._seeds)
    self._driver.compile()
    params = self._driver.state(0).params
    for split in (self._dataset.val, self._dataset.test):
      jax.block_until_ready(self._count(params, split))
    compiled = time.perf_counter()
    self._observer.on_compiled(compiled - start, models.num_parameters(params))
    epoch, spent = self._restore()
    self._began = compiled - spent  # as if the run had never been interrupted
    try:
      self._train(epoch)
      trained = time.perf_counter()
      seeds = self._evaluate()
    finally:  # also on Ctrl-C: the best so far is worth keeping
      self._save_parameters()
    result = results.Result(
      dataset=self._dataset.name,
      metric=self._dataset.metric,
      seeds=seeds,
      compile_seconds=compiled - start,
      train_seconds=trained - self._began,
    )
    if self._writer:
      self._writer.write_results(result.to_json())
    return result

  def _restore(self) -> tuple[int, float]:
    """The epoch to go on from, and the seconds that were spent on it."""
    if not self._saved:
      return 0, 0.0
    latest = self._saved.latest(self._states())
    if not latest:
      self._writer.begin(0, 0)
      return 0, 0.0
    epoch, states, facts = latest
    self._driver.restore(states)
    self._writer.begin(epoch, facts['metrics_bytes'])
    self._observer.on_resumed(epoch)
    return epoch, facts['seconds']

  def _states(self):
    return [self._driver.state(run) for run in range(len(self._seeds))]

  def _train(self, epoch):
    fetch = self._driver.fetch
    last_saved = time.perf_counter()
    while True:
      epoch = min(epoch + self._config.log_every, self._config.max_epochs)
      before = fetch('epoch')
      self._driver.advance(epoch)
      look = Look(
        seeds=self._seeds,
        epochs=fetch('epoch'),
        running=~fetch('stopped') & (fetch('epoch') < self._config.max_epochs),
        train_loss=fetch('train_loss'),
        val_loss=fetch('val_loss'),
        val_score=fetch('val_score'),
      )
      self._record(look, look.epochs > before)
      self._observer.on_look(look)
      if not look.running.any():
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
        'metrics_bytes': self._writer.metrics_bytes,
        'seconds': time.perf_counter() - self._began,
      }
      self._saved.save(epoch, self._states(), facts)

  def _record(self, look, advanced):
    if not self._writer:
      return
    for run in np.flatnonzero(advanced):
      self._writer.write_metrics(
        int(look.seeds[run]),
        int(look.epochs[run]),
        train_loss=float(look.train_loss[run]),
        val_loss=float(look.val_loss[run]),
        val_score=float(look.val_score[run]),
      )
    self._writer.flush()

  def _evaluate(self):
    return tuple(self._evaluate_run(run) for run in range(len(self._seeds)))

  def _evaluate_run(self, run):
    state = self._driver.state(run)
    test, val = self._test(state.kept.best_params)
    return results.SeedResult(
      seed=int(self._seeds[run]),
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
    if self._writer:
      params = [
        nnx.to_pure_dict(self._driver.state(run).kept.best_params)
        for run in range(len(self._seeds))
      ]
      stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
      checkpoints.save_best(self._writer.path, stacked)


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None


def _fraction(counts) -> float:
  """The score from whole counts, in double precision."""
  return int(counts.hits) / max(1, int(counts.trials))
