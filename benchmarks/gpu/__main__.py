"""Runs the parts, each in a process of its own, and keeps what they found."""

import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from typing import Any

import benchmarks.gpu
from benchmarks.gpu import parts
from benchmarks.gpu import rows
from benchmarks.gpu import tables

ROOT = pathlib.Path(__file__).parents[2]
_LEAST = 20  # seconds left under which no part begins


def main() -> None:
  """Reads the flags."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.gpu',
    description=benchmarks.gpu.__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument('--output', required=True, help='a folder')
  parser.add_argument('--minutes', type=float, default=8, help='for all parts')
  parser.add_argument('--only', choices=parts.PARTS, action='append')
  parser.add_argument('--profile', action='store_true')
  parser.add_argument('--rehearse', action='store_true')
  parser.add_argument('--commit', help='if there is no repository')
  parser.add_argument('--part', nargs=2, help=argparse.SUPPRESS)
  parser.add_argument('--seconds', type=float, help=argparse.SUPPRESS)
  args = parser.parse_args()
  output = pathlib.Path(args.output).absolute()
  output.mkdir(parents=True, exist_ok=True)
  if args.part:
    name, path = args.part
    report = rows.Report(
      pathlib.Path(path), output, args.seconds, args.rehearse
    )
    parts.PARTS[name].load()(report)
    return
  wanted = {name for name, part in parts.PARTS.items() if not part.is_extra}
  wanted = set(args.only or wanted) | ({'kernels'} if args.profile else set())
  run_all([name for name in parts.PARTS if name in wanted], output, args)


def run_all(
  chosen: list[str], output: pathlib.Path, args: argparse.Namespace
) -> None:
  """Runs parts while there is time; writes all that is known after each."""
  results: dict[str, Any] = {'about': about(args), 'parts': {}}
  end = time.monotonic() + 60 * args.minutes
  waves = itertools.groupby(
    enumerate(chosen),
    lambda one: one[0] if parts.PARTS[one[1]].is_timed else 'beside',
  )
  for _, wave in waves:
    names = [name for _, name in wave]
    left = 600.0 if args.rehearse else end - time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
      found = pool.map(lambda name: run_one(name, left, output, args), names)  # noqa: B023
    for name, one in zip(names, found, strict=True):
      results['parts'][name] = one
      (output / 'log.txt').open('a').write(one.pop('log'))
      print(
        f'{name}: {one["seconds"]:.0f} s, {len(one["rows"])} rows'
        f' {one["error"] or ""}',
        flush=True,
      )
    write(results, output)
  print(tables.summary(results))


def run_one(
  name: str, left: float, output: pathlib.Path, args: argparse.Namespace
) -> dict[str, Any]:
  """The rows of a part, how it ended, and what it printed."""
  if left < _LEAST:
    error = 'dropped: no time left'
    return {'error': error, 'seconds': 0.0, 'rows': [], 'log': ''}
  limit = left if args.rehearse else min(parts.PARTS[name].seconds, left)
  environment = os.environ | {
    # So that PyTorch finds memory, and a peak is one.
    'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',
    'TF_CPP_MIN_LOG_LEVEL': '2',
  }
  if parts.PARTS[name].uses_torch:
    environment['JAX_PLATFORMS'] = 'cpu'
  command = [sys.executable, '-m', 'benchmarks.gpu', f'--output={output}']
  # The part should stop by itself before it is stopped.
  command.append(f'--seconds={0.85 * limit}')
  if args.rehearse:
    command.append('--rehearse')
  start, error = time.monotonic(), None
  with tempfile.TemporaryDirectory() as folder:
    path, log = pathlib.Path(folder, 'rows'), pathlib.Path(folder, 'log')
    with log.open('w') as stream:
      try:
        done = subprocess.run(
          [*command, '--part', name, str(path)],
          cwd=ROOT,
          env=environment,
          stdout=stream,
          stderr=subprocess.STDOUT,
          timeout=limit,
          check=False,
        )
        if done.returncode:
          error = f'exit code {done.returncode}, see log.txt'
      except subprocess.TimeoutExpired:
        error = f'stopped after {limit:.0f} s'
    lines = path.read_text().splitlines() if path.exists() else []
    return {
      'error': error,
      'seconds': time.monotonic() - start,
      'rows': [json.loads(line) for line in lines],
      'log': f'== {name}\n{log.read_text(errors="replace")}\n',
    }


def about(args: argparse.Namespace) -> dict[str, Any]:
  """Of which commit, on what machine, with which versions."""
  from benchmarks.gpu import machine

  return {
    'commit': args.commit or _commit(),
    'when': time.strftime('%Y-%m-%d %H:%M'),
    'rehearsal': args.rehearse,
    **machine.describe(),
    'cores': os.cpu_count(),
    'python': platform.python_version(),
    **machine.versions(),
  }


def _commit() -> str:
  """Of the checkout, with a + if a file differs from it."""
  found = []
  for command in ('rev-parse --short HEAD', 'status --porcelain -uno'):
    try:
      done = subprocess.run(
        ['git', *command.split()],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
      )
    except (OSError, subprocess.CalledProcessError):
      return 'unknown'
    found.append(done.stdout.strip())
  return found[0] + ('+' if found[1] else '')


def write(results: dict[str, Any], output: pathlib.Path) -> None:
  """Writes results.json and results.md anew."""
  tables.add_least_times(results)
  text = json.dumps(results, indent=1)
  (output / 'results.json').write_text(text + '\n')
  (output / 'results.md').write_text(tables.markdown(results))


if __name__ == '__main__':
  main()
