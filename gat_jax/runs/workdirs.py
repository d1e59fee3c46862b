"""The folder that a run leaves behind.

config.json     every field of the config
dataset.json    the data set's card
metrics.jsonl   a line per seed and evaluation: seed, epoch, losses, val_score
results.json    written last, so that its presence means a finished run
best/           the kept parameters of every seed (see checkpoints.py)
checkpoints/    the last two states of the whole run
events.out.*    the same metrics for TensorBoard
.lock           held by the process that writes
"""

from collections.abc import Iterator
import contextlib
import json
import logging
import math
import os
import pathlib
import shutil
import socket
import time
from typing import Any

import filelock

from gat_jax import storage
from gat_jax.errors import WorkdirError
from gat_jax.runs import settings

CONFIG = 'config.json'
DATASET = 'dataset.json'
METRICS = 'metrics.jsonl'
RESULTS = 'results.json'
_LOCK = '.lock'
_HOLDER = '.holder.json'
# Bytes that are left for what is logged between two evaluations.
_RESERVE = 500_000


class RunWriter:
  """Writes one run's files; a context manager that closes the open ones."""

  def __init__(self, workdir: str | os.PathLike, config: Any, card: dict):
    """Creates the folder, or opens that of a run that was interrupted.

    Raises:
      WorkdirError: if the folder holds a finished or another run, or cannot be
        written.
    """
    self.path = pathlib.Path(workdir)
    check_unfinished(workdir)
    if _size(self.path / METRICS):  # else there is nothing to lose
      _check_same(self.path, config, card)
    self._events: Any = None
    with contextlib.ExitStack() as stack:
      stack.enter_context(hold(workdir))
      with explained(workdir):
        write_json(self.path / CONFIG, config.to_dict())
        write_json(self.path / DATASET, card)
        self._metrics = stack.enter_context(open(self.path / METRICS, 'ab'))
      self._open = stack.pop_all()

  def begin(self, epoch: int, metrics_bytes: int) -> None:
    """Drops what was logged after the state that the run starts from.

    Args:
      epoch: of that state.
      metrics_bytes: what `metrics_bytes` was then; 0 for a new run.
    """
    from tensorboardX import SummaryWriter  # slow to import

    self._metrics.truncate(metrics_bytes)
    purge = {'purge_step': epoch + 1} if epoch else {}
    self._events = SummaryWriter(str(self.path), **purge)

  @property
  def metrics_bytes(self) -> int:
    """The length of `metrics.jsonl`, all of it handed to the system."""
    self._metrics.flush()
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
      WorkdirError: if it cannot be written.
    """
    with explained(self.path):
      write_json(self.path / RESULTS, results)


@contextlib.contextmanager
def hold(workdir: str | os.PathLike) -> Iterator[None]:
  """Creates a folder, and keeps other processes from holding it meanwhile.

  Raises:
    WorkdirError: if another process holds it (says which), or if it cannot be
      written.
  """
  path = pathlib.Path(workdir)
  with explained(workdir):
    path.mkdir(parents=True, exist_ok=True)
    lock = _acquire(path)
  try:
    with explained(workdir):
      write_json(
        path / _HOLDER,
        {
          'process': os.getpid(),
          'host': socket.gethostname(),
          'since': time.strftime('%Y-%m-%d %H:%M:%S'),
        },
      )
    yield
  finally:
    with contextlib.suppress(OSError):  # the lock says who holds it, not this
      (path / _HOLDER).unlink()
    lock.release()


def _acquire(path: pathlib.Path) -> filelock.BaseFileLock:
  lock = filelock.FileLock(path / _LOCK)
  try:
    lock.acquire(blocking=False)
  except filelock.Timeout:
    raise WorkdirError(
      'workdir',
      f'{path} is in use by {_holder(path)}',
      'wait until it has ended, or choose another folder',
    ) from None
  return lock


def is_held(workdir: str | os.PathLike) -> bool:
  """Whether a process holds that folder now."""
  path = pathlib.Path(workdir)
  if not (path / _LOCK).exists():
    return False
  try:
    _acquire(path).release()
  except WorkdirError:
    return True
  return False


def _holder(path: pathlib.Path) -> str:
  try:
    holder = json.loads((path / _HOLDER).read_text(encoding='utf-8'))
    return (
      f'process {holder["process"]} on {holder["host"]} since {holder["since"]}'
    )
  except (OSError, ValueError, KeyError):  # it has only just begun
    return 'another process'


@contextlib.contextmanager
def explained(workdir: str | os.PathLike) -> Iterator[None]:
  """Turns an OSError of writing there into a WorkdirError."""
  try:
    yield
  except OSError as error:
    raise WorkdirError(
      'workdir',
      f'{workdir} cannot be written ({error})',
      'choose a folder of your own with free space',
    ) from error


def mention(another: Exception, error: BaseException) -> None:
  """Logs what went wrong while an error was under way, which says more.

  Args:
    another: what saving raised.
    error: what ended the run; if that was the folder's fault too, it has said
      so, and nothing is logged.
  """
  if not isinstance(error, WorkdirError):
    logging.warning('after %s: %s', type(error).__name__, another)


def require_space(path: pathlib.Path, num_bytes: int = 0) -> None:
  """Raises WorkdirError where that much and a little more cannot be written.

  Libraries that write in threads of their own say so late and at length.
  """
  free = shutil.disk_usage(path).free
  if free < num_bytes + _RESERVE:
    raise WorkdirError(
      path,
      f'no space is left: {free / 1e6:.1f} MB are free and'
      f' {(num_bytes + _RESERVE) / 1e6:.1f} MB are needed',
      'free some and start again: it goes on from the last checkpoint',
    )


def check_unfinished(workdir: str | os.PathLike) -> None:
  """Raises WorkdirError if a folder holds a finished run."""
  if os.path.exists(os.path.join(workdir, RESULTS)):
    raise WorkdirError(
      'workdir',
      f'{workdir} already holds a finished run',
      'choose another folder or delete that one',
    )


def _check_same(path: pathlib.Path, config: Any, card: dict) -> None:
  """Raises WorkdirError, with the differences, if a folder's run is another."""
  theirs, their_card = read_json(path, CONFIG), read_json(path, DATASET)
  differing = settings.differences(
    {
      'config': settings.deciding_fields(theirs)
      if isinstance(theirs, dict)
      else {}
    },
    {'config': settings.deciding_fields(config)},
  )
  if not isinstance(their_card, dict) or (
    their_card.get('digest') != card['digest']
  ):
    differing.append('the data are others')
  if differing:
    raise WorkdirError(
      'workdir',
      f'{path} holds a run that cannot be continued with other settings:'
      f' {"; ".join(differing)}',
      'give it those, or choose another folder',
    )


def _size(path: pathlib.Path) -> int:
  return path.stat().st_size if path.exists() else 0


def write_json(path: pathlib.Path, content: Any) -> None:
  """Replaces a file of JSON in one step.

  Raises:
    OSError: if it cannot be written.
    ValueError: if there is a number in it that is not finite.
  """
  text = json.dumps(content, indent=2, allow_nan=False) + '\n'
  with storage.whole_file(path) as file:
    file.write(text)


def read_json(workdir: str | os.PathLike, name: str) -> Any:
  """Reads one of a run's JSON files.

  Raises:
    WorkdirError: if it is missing or damaged.
  """
  path = pathlib.Path(workdir) / name
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError as error:
    raise WorkdirError(
      path, 'missing', '`workdir` must be the folder of a finished run'
    ) from error
  except (OSError, ValueError) as error:
    raise WorkdirError(path, f'cannot be read ({error})') from error
