"""The folder that a run leaves behind.

config.json     every field of the config
dataset.json    the data set's card
metrics.jsonl   a line per seed and evaluation: seed, epoch, losses, val_score
results.json    written last, so that its presence means a finished run
best/           the kept parameters of every seed (see checkpoints.py)
checkpoints/    until it has finished: the last two states of the whole run, the
                first after `checkpoint_minutes` or when it was interrupted
more/           a run of the seeds that a finished run lacks, until it is joined
events.out.*    the same metrics for TensorBoard, and fields of the config and
                final scores for its page HParams
.lock           held by the process that writes; .holder.json says which it is

Scores are fractions between 0 and 1, losses in nats.
"""

from collections.abc import Iterator
import contextlib
import json
import math
import os
import pathlib
import statistics
import time
from typing import Any

from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import settings
from gat_jax.runs.folders import explained as explained
from gat_jax.runs.folders import folder as folder
from gat_jax.runs.folders import hold as hold
from gat_jax.runs.folders import is_held as is_held
from gat_jax.runs.folders import mention as mention
from gat_jax.runs.folders import new_folder as new_folder
from gat_jax.runs.folders import require_space as require_space
from gat_jax.runs.folders import write_json as write_json

CONFIG = 'config.json'
DATASET = 'dataset.json'
METRICS = 'metrics.jsonl'
RESULTS = 'results.json'


class RunWriter:
  """Writes one run's files; a context manager that closes the open ones."""

  def __init__(self, workdir: str | os.PathLike, config: Any, card: dict):
    """Creates the folder, or opens that of a run that was interrupted.

    Nothing of a run is written before `begin`.

    Raises:
      WorkdirError: if the folder holds a finished or another run, or cannot be
        written.
    """
    self.path = folder(workdir)
    self._content = {CONFIG: config.to_dict(), DATASET: card}
    self._config = config
    self._events: Any = None
    with contextlib.ExitStack() as stack:
      stack.enter_context(hold(self.path))
      check_unfinished(self.path)
      if self.logged_bytes:  # else there is nothing to lose
        check_same(self.path, config, card)
      self._open = stack.pop_all()

  @property
  def logged_bytes(self) -> int:
    """The length of the `metrics.jsonl` that was found."""
    path = self.path / METRICS
    return path.stat().st_size if path.exists() else 0

  def begin(self, epoch: int, metrics_bytes: int) -> None:
    """Drops what was logged after the state that the run starts from.

    Args:
      epoch: of that state.
      metrics_bytes: what `metrics_bytes` was then; 0 for a new run.

    Raises:
      WorkdirError: if the folder cannot be written.
    """
    purge = {'purge_step': epoch + 1} if epoch else {}
    with explained(self.path):
      for name, content in self._content.items():
        write_json(self.path / name, content)
      self._metrics = open(self.path / METRICS, 'ab')  # noqa: SIM115
      self._open.enter_context(self._metrics)
      self._metrics.truncate(metrics_bytes)
      self._metrics.seek(0, os.SEEK_END)
      self._events = _events(self.path, self._config, **purge)

  def metrics_bytes(self) -> int:
    """The length of `metrics.jsonl`, all of which is on the disk.

    Raises:
      WorkdirError: if the disk does not take it.
    """
    with explained(self.path):
      storage.sync(self._metrics)
    return self._metrics.tell()

  def __enter__(self) -> 'RunWriter':
    return self

  def __exit__(self, error_type, *unused) -> None:
    # An error that is under way says more than what closing makes of it.
    also = contextlib.suppress(OSError) if error_type else explained(self.path)
    with also, self._open:
      if self._events:
        self._events.close()

  def write_metrics(self, seed: int, epoch: int, **values: float) -> None:
    """Adds one line to `metrics.jsonl`, and the values to TensorBoard.

    Args:
      seed: whose values they are.
      epoch: epochs that it has trained.
      **values: losses in nats, scores as fractions, by name; what is not finite
        is written as null.

    Raises:
      WorkdirError: if the disk is full.
    """
    require_space(self.path)
    record: dict[str, float | None] = {'seed': seed, 'epoch': epoch}
    for name, value in values.items():
      record[name] = value if math.isfinite(value) else None
      self._events.add_scalar(f'{name}/seed_{seed}', value, epoch)
    with explained(self.path):
      self._metrics.write(json.dumps(record).encode() + b'\n')

  def flush(self) -> None:
    """Hands what was written to the operating system.

    Raises:
      WorkdirError: if it does not take it.
    """
    with explained(self.path):
      self._metrics.flush()

  def write_results(self, results: dict[str, Any]) -> None:
    """Writes `results.json`: from then on the run is finished.

    Args:
      results: see `results.Result.to_json`.

    Raises:
      WorkdirError: if it cannot be written, or if another file of the run does
        not hold what was written to it.
    """
    size = self.metrics_bytes()
    if self.logged_bytes != size:
      raise WorkdirError(
        self.path / METRICS,
        f'has {self.logged_bytes} bytes where {size} were written',
      )
    for name, content in self._content.items():
      if read_json(self.path, name) != json.loads(json.dumps(content)):
        raise WorkdirError(
          self.path / name, 'is not as this run has written it'
        )
    with explained(self.path):
      _write_final(self._events, results)
      write_json(self.path / RESULTS, results)


def write_session(
  path: pathlib.Path, config: Any, results: dict[str, Any]
) -> None:
  """Tells TensorBoard anew what a run came to, which has got more seeds.

  Args:
    path: of its folder.
    config: of all its seeds.
    results: of all its seeds, see `results.Result.to_json`.
  """
  with contextlib.closing(_events(path, config)) as events:
    _write_final(events, results)


def _events(path: pathlib.Path, config: Any, **purge: int) -> Any:
  """A new event file, which says first with which fields the run trains.

  No file lists the columns of the page HParams, as TensorBoard would take them
  from one run for all. It finds them, and which differ, in the runs themselves.
  """
  from tensorboardX import SummaryWriter  # slow to import
  from tensorboardX import summary

  # Names have the second of their writing, in which there may be two files, and
  # TensorBoard reads them in the order of their names.
  suffix = f'.{time.time_ns()}'
  events = SummaryWriter(str(path), filename_suffix=suffix, **purge)
  fields = {
    name: value if isinstance(value, bool | int | float) else str(value)
    for name, value in settings.flat(config).items()
    # TensorBoard never hears of more seeds: it keeps what it was told first.
    if value is not None and name != 'num_seeds'
  }
  _, start, _ = summary.hparams(fields, {})
  events.file_writer.add_summary(start)
  return events


def _write_final(events: Any, results: dict[str, Any]) -> None:
  """Adds to an event file what a run came to: scores are means over seeds.

  The page HParams shows the first five names in their order: scores come first.
  """
  from tensorboardX import summary  # slow to import

  epochs = [seed['epochs'] for seed in results['seeds']]
  for name, value in {
    'final/test_score': statistics.fmean(s['test'] for s in results['seeds']),
    'final/val_score': statistics.fmean(s['val'] for s in results['seeds']),
    'total/epochs': sum(epochs),
    'total/seconds': results['seconds']['train'],
  }.items():
    events.add_scalar(name, value, max(epochs))
  *_, end = summary.hparams({}, {})
  events.file_writer.add_summary(end)


def is_finished(workdir: str | os.PathLike) -> bool:
  """Whether a folder holds a finished run."""
  return os.path.exists(folder(workdir) / RESULTS)


def check_unfinished(workdir: str | os.PathLike) -> None:
  """Raises WorkdirError if a folder holds a finished run."""
  if is_finished(workdir):
    raise WorkdirError(
      'workdir',
      f'{workdir} already holds a finished run',
      'choose another folder or delete that one',
    )


def check_same(path: pathlib.Path, config: Any, card: dict) -> None:
  """Raises WorkdirError, with the differences, if a folder's run is another.

  Args:
    path: of the folder. If its run is finished, any seeds are the same.
    config: what is asked for now.
    card: of the data that were found now.
  """
  theirs, their_card = read_json(path, CONFIG), read_json(path, DATASET)
  there = settings.deciding_fields(theirs if isinstance(theirs, dict) else {})
  now = settings.deciding_fields(config)
  holds = 'holds a run that cannot be continued'
  if is_finished(path):
    there, now = map(settings.without_seeds, (there, now))
    holds = 'already holds a finished run'
  differing = settings.differences({'config': there}, {'config': now})
  if not isinstance(their_card, dict) or (
    their_card.get('digest') != card['digest']
  ):
    differing.append('the data are others')
  if differing:
    raise WorkdirError(
      'workdir',
      f'{path} {holds} with other settings: {"; ".join(differing)}',
      'give it those, or choose another folder',
    )


def read_json(workdir: str | os.PathLike, name: str) -> Any:
  """Reads one of a run's JSON files.

  Raises:
    WorkdirError: if it is missing or damaged.
  """
  path = folder(workdir) / name
  with _read(path):
    return json.loads(path.read_text(encoding='utf-8'))


@contextlib.contextmanager
def _read(path: pathlib.Path) -> Iterator[None]:
  """Turns what reading a missing or damaged file raises into one error."""
  try:
    yield
  except FileNotFoundError as error:
    raise WorkdirError(
      path, 'missing', '`workdir` must be the folder of a finished run'
    ) from error
  except OSError as error:
    if not storage.refusal(error):
      raise
    raise WorkdirError(path, f'cannot be read ({error.strerror})') from error
  except (ValueError, RecursionError) as error:
    raise WorkdirError(path, f'cannot be read ({error})') from error


def read_metrics(workdir: str | os.PathLike) -> list[dict[str, Any]]:
  """The lines of a run's `metrics.jsonl`.

  Raises:
    WorkdirError: if they are missing or damaged.
  """
  path = folder(workdir) / METRICS
  with _read(path):
    text = path.read_text(encoding='utf-8')
    return [json.loads(line) for line in text.splitlines()]
