"""Starts the commands as a person does, in processes of their own."""

from collections.abc import Callable
import json
import pathlib
import subprocess
import sys
import time

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
