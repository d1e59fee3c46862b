"""Trains the seeds that a ledger lacks, a few of them in one program.

It neither chooses rows nor says what they came to.
"""

import functools
import os
import pathlib
import platform
import re
import shutil
import subprocess
import time
from typing import Any

import flax
import jax
import numpy as np
from rich.console import Console
from rich.status import Status

from experiments import cli
from experiments import documents
from experiments.reproduction import ledger
from experiments.reproduction import tables
from experiments.reproduction import verdicts
from gat_jax import runs
from gat_jax import storage
from gat_jax.runs import workdirs

_ROOT = pathlib.Path(__file__).parents[2]  # of the repository
_UNFINISHED = 'unfinished'  # of a workdir; runs stand in it while they train
KEPT = 'runs'  # of a workdir; where they go if they are kept


def train_row(
  workdir: str,
  row: tables.Row,
  num_seeds: int,
  at_once: int | None,
  console: Console,
  stop: cli.StopRequest,
  keep_runs: bool = False,
) -> bool:
  """Trains the seeds of a row that its ledger lacks, and adds them to it.

  Args:
    workdir: where its ledger and its unfinished runs stand.
    row: which one.
    num_seeds: the seeds below that number are wanted.
    at_once: seeds that one program trains; None lets devices and data decide.
    console: is told how it goes.
    stop: true as soon as a signal asked to stop.
    keep_runs: whether the folders of runs are kept, in `KEPT`.

  Returns:
    Whether all of them have finished. If not, it was stopped: what was done is
    saved, and the same call goes on.

  Raises:
    InputError: if the data, the ledger or a folder cannot be used.
  """
  versions = _versions()  # now: the code on disk may change meanwhile
  config = row.config()
  digest = runs.load_dataset(config, console.is_terminal).card['digest']
  finished = ledger.Ledger(
    ledger.path_of(workdir, row), ledger.Subject.of(config, digest)
  )
  at_once = at_once or jax.local_device_count() * seeds_a_device(
    bool(config.batch_size), jax.default_backend()
  )
  for seeds in stretches(finished.missing(num_seeds), at_once):
    config.seed, config.num_seeds = seeds[0], len(seeds)
    folder = pathlib.Path(
      workdir, _UNFINISHED, f'{row.key}-{seeds[0]}-{seeds[-1]}'
    )
    title = f'{row.dataset} {row.name}: seeds {seeds[0]} to {seeds[-1]}'
    try:
      with console.status(title) as status:
        observer = _Observer(title, status, stop)
        finished.add(_train(config, folder, observer, versions))
    except runs.Ended:
      return False
    _put_away(folder, workdir, keep_runs)
    console.print(_progress(row, finished.entries, num_seeds), highlight=False)
    if stop:
      return False
  for folder in _left_over(workdir, row, set(finished.entries)):
    _put_away(folder, workdir, keep_runs)
  return True


def _put_away(folder: pathlib.Path, workdir: str, keeps: bool) -> None:
  """What becomes of a run whose seeds stand in the ledger."""
  if keeps and (folder / workdirs.RESULTS).exists():
    kept = pathlib.Path(workdir, KEPT, folder.name)
    storage.make_folder(kept.parent)
    shutil.rmtree(kept, ignore_errors=True)  # of a ledger that was deleted
    folder.rename(kept)
  else:
    shutil.rmtree(folder, ignore_errors=True)


def _left_over(
  workdir: str, row: tables.Row, finished: set[int]
) -> list[pathlib.Path]:
  """Runs of finished seeds: of a kill just then, or of another `at_once`."""
  found = []
  for folder in pathlib.Path(workdir, _UNFINISHED).glob(f'{row.key}-*'):
    seeds = re.fullmatch(r'(\d+)-(\d+)', folder.name[len(row.key) + 1 :])
    if seeds and finished.issuperset(range(int(seeds[1]), int(seeds[2]) + 1)):
      found.append(folder)
  return found


class _Observer(cli.StoppableObserver):
  """Shows the epoch."""

  def __init__(self, title: str, status: Status, stop: cli.StopRequest):
    super().__init__(stop)
    self._title = title
    self._status = status

  def on_resumed(self, epoch: int) -> None:
    self._status.console.print(f'{self._title}: goes on after epoch {epoch:,}')

  def on_evaluation(self, evaluation: runs.Evaluation) -> None:
    self._status.update(f'{self._title}, epoch {evaluation.epochs.max():,}')


def _train(
  config: Any,
  folder: pathlib.Path,
  observer: runs.Observer,
  versions: dict[str, str],
) -> list[ledger.FinishedSeed]:
  """The seeds of a run that may have begun or even finished before."""
  if not (folder / workdirs.RESULTS).exists():
    runs.train_and_evaluate(config, folder, observer)
  result = runs.read_result(folder)
  seconds = (result.compile_seconds + result.train_seconds) / len(result.seeds)
  return [
    ledger.FinishedSeed(
      result=seed,
      dataset=result.dataset,
      seconds=round(seconds, 3),
      finished=time.strftime('%Y-%m-%d'),
      versions=versions,
    )
    for seed in result.seeds
  ]


def _versions() -> dict[str, str]:
  return _commit() | {
    'jax': jax.__version__,
    'flax': flax.__version__,
    'numpy': np.__version__,
    'python': platform.python_version(),
    'machine': f'{os.cpu_count()} cores, {platform.machine()},'
    f' {jax.devices()[0].device_kind}',
  }


@functools.cache
def _commit() -> dict[str, str]:
  """Which code it was, where the repository tells; empty where it does not.

  It is asked once: the ledgers that are written meanwhile may be its files.
  """
  if not (_ROOT / '.git').exists():
    return {}
  command = ['git', '-C', str(_ROOT), 'describe', '--always', '--dirty']
  try:
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
  except (OSError, subprocess.CalledProcessError):
    return {}
  return {'commit': done.stdout.strip()}


def _progress(
  row: tables.Row, entries: dict[int, ledger.FinishedSeed], num_seeds: int
) -> str:
  """What is known of a row so far, in a line."""
  scores = [entry.score for seed, entry in entries.items() if seed < num_seeds]
  sample = verdicts.Sample.of(scores)
  seconds = sum(entry.seconds for entry in entries.values()) / len(entries)
  return (
    f'{row.dataset} {row.name}: {len(scores)} of {num_seeds} seeds,'
    f' {documents.mean_and_deviation(sample.mean, sample.std)} %,'
    f' about {seconds * (num_seeds - len(scores)) / 60:.0f} minutes left'
  )


def seeds_a_device(is_in_batches: bool, platform: str) -> int:
  """How many seeds a device trains at once, if nobody says so.

  An accelerator takes the seeds of one graph side by side; a CPU one after the
  other, so that more of them would only be more to lose.

  Args:
    is_in_batches: whether the training split is; its seeds take turns.
    platform: of the devices, as JAX calls it.
  """
  if is_in_batches:
    return 1
  return 5 if platform == 'cpu' else 50


def stretches(seeds: list[int], most: int) -> list[list[int]]:
  """Splits sorted seeds where one is left out, and after every `most`."""
  parts: list[list[int]] = []
  for seed in seeds:
    if parts and seed == parts[-1][-1] + 1 and len(parts[-1]) < most:
      parts[-1].append(seed)
    else:
      parts.append([seed])
  return parts
