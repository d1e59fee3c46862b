"""Compiling for chips that are not there, in a process of its own for each."""

from collections.abc import Mapping
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks import speed

# Chips of one host, by their number, the fewest first, as their makers say it.
_SHAPES = {
  'v5e': {4: '2x2', 8: '2x4'},
  'h100': {1: '1x1x1', 8: '1x1x8'},
}


def ask(
  module: str, words: tuple[str, ...], environment: Mapping[str, str]
) -> Any:
  """What `python -m module --one words` prints as its last line, JSON.

  Args:
    module: of benchmarks.
    words: which program, for which chip; an error is shown under them.
    environment: that JAX needs for the chip.
  """
  done = subprocess.run(
    [sys.executable, '-m', module, '--one', *words],
    env=os.environ | environment,
    cwd=speed.ROOT,
    capture_output=True,
    text=True,
  )
  if done.returncode:
    sys.exit(f'{", ".join(words)}:\n{done.stderr[-3000:]}')
  return json.loads(done.stdout.splitlines()[-1])


def devices(chip: str, count: int = 0) -> list:
  """So many devices of a chip that is not there; 0 for the fewest."""
  from jax.experimental import topologies

  shapes = _SHAPES[chip]
  shape = shapes[count or min(shapes)]
  if chip == 'v5e':
    return topologies.get_topology_desc(f'v5e:{shape}', 'tpu').devices
  target = (speed.ROOT / 'benchmarks' / 'h100.txtpb').read_text()
  return topologies.get_topology_desc(
    'h100', 'cuda', target_config=target, topology=shape
  ).devices
