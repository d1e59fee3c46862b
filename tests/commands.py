"""Starts the commands as a person does, in processes of their own."""

from collections.abc import Callable
import json
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def start(environment, command, *flags, cwd=ROOT, umask=-1) -> subprocess.Popen:
  """`python -m experiments.<command>` with those flags."""
  return subprocess.Popen(
    [sys.executable, '-m', f'experiments.{command}', *map(str, flags)],
    cwd=cwd,
    env=environment | {'PYTHONPATH': str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    umask=umask,
  )


def finish(process: subprocess.Popen) -> subprocess.CompletedProcess:
  """Waits, and returns exit code, output and errors."""
  output, errors = process.communicate(timeout=300)
  return subprocess.CompletedProcess(
    process.args, process.returncode, output, errors
  )


def run(environment, command, *flags, **options) -> subprocess.CompletedProcess:
  """Starts and waits."""
  return finish(start(environment, command, *flags, **options))


def on_a_small_disk(
  script: str, folder: pathlib.Path, environment, size='2m'
) -> subprocess.CompletedProcess:
  """Runs a shell script where `folder` is a file system of 2 MB.

  Skipped where the system does not let an ordinary user mount one.
  """
  unshare = ('unshare', '--mount', '--map-root-user', 'bash', '-c')
  mount = f'mount -t tmpfs -o size={size} tmpfs {folder}'
  if not shutil.which('unshare') or subprocess.call([*unshare, mount]):
    pytest.skip('needs unshare and user namespaces')
  return subprocess.run(
    [*unshare, f'{mount}\npython={sys.executable}\n{script}'],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
    timeout=300,
  )


# Starts a command once for each list of flags, in a process of its own each,
# but imports it only once. It must fail before it starts JAX's threads.
_FORKING = """
import importlib, json, os, sys
module = importlib.import_module(sys.argv[1])
from experiments import cli
for place, flags in json.loads(sys.argv[2]):
  child = os.fork()
  if not child:
    for number, name in ((1, 'stdout'), (2, 'stderr')):
      handle = os.open(f'{place}.{name}', os.O_WRONLY | os.O_CREAT)
      os.dup2(handle, number)
    sys.argv = [module.__file__, *flags]
    cli.run(module.main)
    sys.exit(0)
  _, status = os.waitpid(child, 0)
  open(f'{place}.code', 'w').write(str(os.waitstatus_to_exitcode(status)))
"""


def run_each(
  environment, command, folder: pathlib.Path, cases: dict[str, tuple]
) -> dict[str, subprocess.CompletedProcess]:
  """Runs a command with the flags of every case, none of which trains.

  Their output stands in `folder` by then.
  """
  places = {
    case: (str(folder / str(i)), list(map(str, flags)))
    for i, (case, flags) in enumerate(cases.items())
  }
  script = [_FORKING, f'experiments.{command}', json.dumps([*places.values()])]
  subprocess.run(
    [sys.executable, '-c', *script],
    cwd=ROOT,
    env=environment,
    check=True,
    timeout=300,
  )
  return {
    case: subprocess.CompletedProcess(
      flags,
      int(pathlib.Path(f'{place}.code').read_text()),
      pathlib.Path(f'{place}.stdout').read_text(),
      pathlib.Path(f'{place}.stderr').read_text(),
    )
    for case, (place, flags) in places.items()
  }


def has_metrics(workdir: pathlib.Path) -> bool:
  """Whether a run there has logged its first evaluation."""
  metrics = workdir / 'metrics.jsonl'
  return metrics.exists() and metrics.stat().st_size > 0


def lines(workdir: pathlib.Path) -> list[dict]:
  """What a sweep says of its trials, one a trial."""
  text = (workdir / 'trials.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def wait_for(condition: Callable[[], object]) -> None:
  """Returns once the condition holds; fails after two minutes."""
  deadline = time.monotonic() + 120
  while not condition():
    assert time.monotonic() < deadline, 'it never happened'
    time.sleep(0.01)
