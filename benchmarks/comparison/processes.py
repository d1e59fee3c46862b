"""Runs one program by itself: what it said, took and held at most."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from experiments import hugepages

ROOT = pathlib.Path(__file__).parents[2]
_LAUNCHER = pathlib.Path(__file__).with_name('launcher.py')
_RAISED = re.compile(r'[\w.]+(Error|Exception)\b')
_NO_MEMORY = (
  'MemoryError',
  'bad_alloc',
  'out of memory',
  'Out of memory',
  'Cannot allocate memory',
  "can't allocate memory",
  'RESOURCE_EXHAUSTED',
)


_running: set[int] = set()  # of this process, in whatever thread


class Limits(NamedTuple):
  """What a program may take.

  Attributes:
    seconds: of the clock.
    num_bytes: of memory that is its own.
    cores: as many of these as its threads.
  """

  seconds: float
  num_bytes: int
  cores: tuple[int, ...]


class Finished(NamedTuple):
  """A program that has ended.

  Attributes:
    output: its last line.
    peak_mb: resident memory at its most; 0 where it was cut off.
    seconds: from start to end.
    error: why there is no output; empty if there is.
  """

  output: str
  peak_mb: float
  seconds: float
  error: str = ''


def run(
  command: list[str], limits: Limits, environment: dict[str, str]
) -> Finished:
  """Runs a command to its end, or until a limit ends it.

  Args:
    command: words.
    limits: on all that it starts.
    environment: variables besides those of this process.
  """
  threads = str(len(limits.cores))
  environment = {
    'OMP_NUM_THREADS': threads,
    'MKL_NUM_THREADS': threads,
    'OPENBLAS_NUM_THREADS': threads,
    # Our commands ask for large pages themselves; here all have them.
    hugepages.VARIABLE: hugepages.SETTING,
    **environment,
  }
  start = time.perf_counter()
  with (
    tempfile.NamedTemporaryFile('r') as report,
    tempfile.TemporaryFile('w+') as said,
    tempfile.TemporaryFile('w+', errors='replace') as complained,
  ):
    cores = json.dumps(limits.cores)
    launcher = [sys.executable, '-S', '-E', str(_LAUNCHER), report.name]
    # A session of its own: what it starts ends with it.
    process = subprocess.Popen(
      [*launcher, str(limits.num_bytes), cores, *command],
      cwd=ROOT,
      env=os.environ | environment,
      stdin=subprocess.DEVNULL,
      stdout=said,
      stderr=complained,
      start_new_session=True,
    )
    is_late = False
    _running.add(process.pid)
    try:
      process.wait(limits.seconds)
    except subprocess.TimeoutExpired:
      is_late = True
    finally:
      _kill(process.pid)  # what is left of its session
      process.wait()
      _running.discard(process.pid)
    seconds = time.perf_counter() - start
    said.seek(0)
    complained.seek(0)
    lines = said.read().strip().splitlines()
    complaint = complained.read()
    told = json.loads(report.read() or '{}')
  code = told.get('code', process.returncode)
  error = ''
  if is_late:
    error = f'took longer than {limits.seconds:.0f} s'
  elif code or not lines:
    error = explained(code, complaint, limits.num_bytes)
    error = error or f'exit code {code}: {shlex.join(command[:3])}'
  peak_mb = told.get('peak', 0) / 2**20
  return Finished('' if error else lines[-1], peak_mb, seconds, error)


def explained(code: int, complaint: str, num_bytes: int) -> str:
  """Why a program failed, in a line.

  Args:
    code: that it ended with, negative for a signal.
    complaint: what it wrote on standard error.
    num_bytes: that it was allowed.
  """
  if code == -signal.SIGKILL or any(word in complaint for word in _NO_MEMORY):
    return f'ran out of {num_bytes / 2**30:.1f} GiB of memory'
  lines = [line.strip() for line in complaint.splitlines() if line.strip()]
  if code < 0:
    return f'ended by {signal.Signals(-code).name}'
  raised = [line for line in lines if _RAISED.match(line)]
  return (raised or lines or [''])[-1][:200]


def _kill(pid: int) -> None:
  try:
    os.killpg(pid, signal.SIGKILL)
  except (ProcessLookupError, PermissionError):
    return


def end_all() -> None:
  """Ends what runs at this moment, for whatever thread."""
  for pid in list(_running):
    _kill(pid)
