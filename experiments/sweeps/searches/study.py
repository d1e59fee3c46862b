"""The file of a search: what was chosen, and how well it did.

`search.journal` holds a study of Optuna, which any of its tools can open.
Optuna calls an entry of it a trial; in a sweep that is a combination.
"""

import os
import pathlib
from typing import Any

import optuna
from optuna.storages import journal

from gat_jax.errors import WorkdirError
from gat_jax.runs import settings
from gat_jax.runs import workdirs

NAME = 'search'
_JOURNAL = 'search.journal'
_ASKED_FOR = 'asked for'  # what the study searches, for who goes on with it
optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_or_create(
  workdir: pathlib.Path, asked_for: dict[str, Any]
) -> optuna.Study:
  """The study of a folder; a new one if it has none.

  Args:
    workdir: of the sweep.
    asked_for: what is searched, as JSON; a study keeps it for life.

  Raises:
    WorkdirError: if the study there is damaged, searches something else or
      cannot be written.
  """
  path = workdir / _JOURNAL
  _cut_torn_line(path)
  try:
    stored = storage(workdir)
  except WorkdirError:  # a ValueError as well
    raise
  except (ValueError, KeyError, TypeError) as error:
    raise WorkdirError(
      path,
      f'it is damaged ({error})',
      'delete it, then the same command searches again and trains no finished'
      ' trial twice',
    ) from error
  if NAME not in optuna.get_all_study_names(stored):
    optuna.create_study(study_name=NAME, storage=stored, direction='maximize')
  study = optuna.load_study(study_name=NAME, storage=stored)
  before = study.user_attrs.get(_ASKED_FOR)
  if before is None:
    study.set_user_attr(_ASKED_FOR, asked_for)
  elif differing := settings.differences(_deciding(before), asked_for):
    raise WorkdirError(
      'workdir',
      f'{workdir} holds a search for something else: {"; ".join(differing)}',
      'give it those, or choose another folder',
    )
  return study


def _deciding(asked_for: Any) -> dict[str, Any]:
  """What a study was asked for, less fields that decide nothing."""
  if not isinstance(asked_for, dict) or 'config' not in asked_for:
    return {}
  return asked_for | {'config': settings.deciding_fields(asked_for['config'])}


class _Journal(journal.JournalFileBackend):
  """The file, whose writer says which folder is full or denied."""

  def __init__(self, path: pathlib.Path):
    self._folder = path.parent
    with workdirs.explained(self._folder):
      super().__init__(str(path))

  def append_logs(self, logs: list[dict[str, Any]]) -> None:
    with workdirs.explained(self._folder):
      super().append_logs(logs)


def storage(workdir: pathlib.Path) -> optuna.storages.JournalStorage:
  """Where the study of that folder is stored.

  Raises:
    WorkdirError: if it cannot be written, now or at any time later.
  """
  return optuna.storages.JournalStorage(_Journal(workdir / _JOURNAL))


def _cut_torn_line(path: pathlib.Path) -> None:
  """Drops what a power cut or a full disk left of the journal's last line."""
  if not path.exists():
    return
  lock = journal.JournalFileSymlinkLock(str(path))
  with workdirs.explained(path.parent):
    lock.acquire()
    try:
      whole, _, torn = path.read_bytes().rpartition(b'\n')
      if torn:
        os.truncate(path, len(whole) + 1 if whole else 0)
    finally:
      lock.release()
