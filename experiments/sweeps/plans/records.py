"""What training took before: a small file a program, in the user's cache.

A file is written whole under a name that only its program has. So processes
that write at the same time do not disturb each other, and a damaged file or one
of another version is one program that nothing is remembered of.
"""

import contextlib
import hashlib
import json
import math
import pathlib
from typing import Any, NamedTuple

import jax
import platformdirs

from gat_jax import storage
from gat_jax import training
from gat_jax.runs import settings

_VERSION = 1  # of what stands in a file
# Fields that say how a run is executed and do not change what it takes.
_NO_MATTER = ('data_dir', 'log_every', 'checkpoint_minutes')


class Record(NamedTuple):
  """What one trial took.

  Attributes:
    seconds: of an epoch, on one core or device.
    num_bytes: that a process needed; None if nothing has measured that.
  """

  seconds: float
  num_bytes: int | None


def remember(
  config: Any,
  card: dict[str, Any],
  seconds: float,
  num_bytes: int | None = None,
) -> None:
  """Notes what a program took; nothing where the cache cannot be written.

  Nor where JAX looks for errors, which takes much longer.

  Args:
    config: of a trial; `settings.program_fields` say which program it is.
    card: of the data set that it trained on.
    seconds: of an epoch, on one core or device of this machine.
    num_bytes: that a process needed; None keeps what is known of it.
  """
  if training.looks_for_errors():
    return
  if num_bytes is None:
    before = recall(config, card)
    num_bytes = before and before.num_bytes
  key = _key(config, card)
  content = {
    'version': _VERSION,
    'program': key,
    'seconds': seconds,
    'num_bytes': num_bytes,
  }
  path = _path(key)
  with contextlib.suppress(OSError):
    path.parent.mkdir(parents=True, exist_ok=True)
    with storage.whole_file(path) as file:
      file.write(json.dumps(content, indent=2) + '\n')


def recall(config: Any, card: dict[str, Any]) -> Record | None:
  """What `remember` noted of the same program; None if there is nothing."""
  key = _key(config, card)
  try:
    content = json.loads(_path(key).read_text(encoding='utf-8'))
  except (OSError, ValueError, RecursionError):
    return None
  if not isinstance(content, dict) or content.get('version') != _VERSION:
    return None
  seconds, num_bytes = content.get('seconds'), content.get('num_bytes')
  is_time = type(seconds) in (int, float) and 0 < seconds < math.inf
  is_size = num_bytes is None or (type(num_bytes) is int and num_bytes > 0)
  if content.get('program') != key or not is_time or not is_size:
    return None
  return Record(seconds, num_bytes)


def _key(config: Any, card: dict[str, Any]) -> dict[str, Any]:
  """What decides how long an epoch takes: program, data, device, versions."""
  fields = settings.flat(settings.program_fields(config))
  device = jax.local_devices()[0]
  key = {
    'fields': {k: v for k, v in fields.items() if k not in _NO_MATTER},
    'data': card['digest'],
    'device': f'{device.platform} {device.device_kind}',
    'jax': jax.__version__,
  }
  return json.loads(json.dumps(key))  # as a file has it


def _path(key: dict[str, Any]) -> pathlib.Path:
  digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
  folder = pathlib.Path(platformdirs.user_cache_dir('gat_jax'))
  return folder / 'costs' / f'{digest[:24]}.json'
