"""The folder that a run leaves behind.

config.json     every field of the config
dataset.json    the data set's card
metrics.jsonl   a line per seed and look: seed, epoch, losses, val_score
results.json    written last, so that its presence means a finished run
best/           the kept parameters of every seed (see checkpoints.py)
events.out.*    the same metrics for TensorBoard
"""

import json
import math
import os
import pathlib
import tempfile
from typing import Any

from gat_jax.errors import WorkdirError

CONFIG = 'config.json'
DATASET = 'dataset.json'
METRICS = 'metrics.jsonl'
RESULTS = 'results.json'


class RunWriter:
  """Writes one run's files; a context manager that closes the open ones."""

  def __init__(self, workdir: str | os.PathLike, config: Any, card: dict):
    """Creates the folder, `config.json` and `dataset.json`.

    Raises:
      WorkdirError: if the folder holds a run already or cannot be written.
    """
    self.path = pathlib.Path(workdir)
    check_new(workdir)
    from tensorboardX import SummaryWriter  # slow to import

    try:
      self.path.mkdir(parents=True, exist_ok=True)
      write_json(self.path / CONFIG, config.to_dict())
      write_json(self.path / DATASET, card)
      self._metrics = open(  # noqa: SIM115, closed in __exit__
        self.path / METRICS, 'w', encoding='utf-8'
      )
      self._events = SummaryWriter(str(self.path))
    except OSError as error:
      raise WorkdirError(
        f'--workdir={workdir} cannot be written ({error}); choose a folder of'
        ' your own with free space'
      ) from error

  def __enter__(self) -> 'RunWriter':
    return self

  def __exit__(self, *unused_error) -> None:
    self._metrics.close()
    self._events.close()

  def write_metrics(self, seed: int, epoch: int, **values: float) -> None:
    """Adds one line to `metrics.jsonl`, and the values to TensorBoard."""
    record: dict[str, float | None] = {'seed': seed, 'epoch': epoch}
    for name, value in values.items():
      record[name] = value if math.isfinite(value) else None
      self._events.add_scalar(f'{name}/seed_{seed}', value, epoch)
    self._metrics.write(json.dumps(record) + '\n')

  def flush(self) -> None:
    """Hands what was written to the operating system."""
    self._metrics.flush()

  def write_results(self, results: dict[str, Any]) -> None:
    """Writes `results.json`."""
    write_json(self.path / RESULTS, results)


def check_new(workdir: str | os.PathLike) -> None:
  """Raises WorkdirError if a folder holds a run already."""
  if os.path.exists(os.path.join(workdir, CONFIG)):
    raise WorkdirError(
      f'--workdir={workdir} already holds a run; choose another folder or'
      ' delete that one'
    )


def write_json(path: pathlib.Path, content: Any) -> None:
  """Replaces a file of JSON, see `write_text`."""
  write_text(path, json.dumps(content, indent=2, allow_nan=False) + '\n')


def write_text(path: pathlib.Path, text: str) -> None:
  """Replaces a file in one step: it is there whole or not at all."""
  handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
  try:
    with open(handle, 'w', encoding='utf-8') as file:
      file.write(text)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)
    os.replace(temporary, path)
  except BaseException:
    os.unlink(temporary)
    raise


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
      f'{path} is missing; --workdir must be the folder of a finished run of'
      ' experiments.train'
    ) from error
  except (OSError, ValueError) as error:
    raise WorkdirError(f'{path} cannot be read: {error}') from error
