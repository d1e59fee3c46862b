"""What a compiled program launches on an accelerator, read off XLA's text.

A kernel is what the host launches: a fusion, a library call, a copy, a
collective. Loops whose number of turns XLA knows count their body as often, of
the branches of a choice the one with most kernels counts.
"""

import collections
import re
from typing import NamedTuple

_KERNELS = (
  'all-gather',
  'all-reduce',
  'all-to-all',
  'collective-permute',
  'convolution',
  'copy',
  'custom-call',
  'dot',
  'dynamic-slice',
  'dynamic-update-slice',
  'fusion',
  'gather',
  'ragged-all-to-all',
  'reduce',
  'reduce-scatter',
  'rng-bit-generator',
  'scatter',
  'sort',
)
_COMPUTATION = re.compile(r'^(ENTRY )?%?([\w.\-]+) \(.*\{$')
_INSTRUCTION = re.compile(
  r'^\s+(?:ROOT )?%?[\w.\-]+ = (?P<shape>.*?) (?P<name>[a-z][a-z0-9\-]*)\('
)
_BODY = re.compile(r'(?:body|(?:true|false)_computation)=%?([\w.\-]+)')
_BRANCHES = re.compile(r'branch_computations=\{([^}]*)\}')
_TURNS = re.compile(r'known_trip_count":\{"n":"(\d+)"')


class Launches(NamedTuple):
  """What a program launches when it is called once.

  Attributes:
    kernels: how many; those of a loop of unknown length count once.
    by_kind: the same by the name of the operation.
    closed_loops: loops whose number of turns is known: they only take time
      that no loop would need.
    open_loops: others, as that over epochs.
    sorts: kernels that sort.
  """

  kernels: int
  by_kind: dict[str, int]
  closed_loops: int
  open_loops: int
  sorts: int


def count(program: str) -> Launches:
  """Counts what a program launches.

  Args:
    program: what `jax.stages.Compiled.as_text` returns.
  """
  operations, entry = _computations(program)
  loops: collections.Counter = collections.Counter()

  def kernels(name: str) -> collections.Counter:
    found: collections.Counter = collections.Counter()
    for operation, bodies, turns in operations.get(name, ()):
      found[operation] += operation in _KERNELS
      inside = [kernels(body) for body in bodies]
      if operation == 'while':
        loops['open' if turns is None else 'closed'] += 1
      largest = dict(max(inside, key=_total, default={}))
      largest['sort'] = max((one['sort'] for one in inside), default=0)
      for kind, number in largest.items():
        found[kind] += number * (turns or 1)
    return found

  kinds = +kernels(entry)
  return Launches(
    _total(kinds),
    dict(kinds.most_common()),
    loops['closed'],
    loops['open'],
    kinds['sort'],
  )


def _total(kinds: collections.Counter) -> int:
  return sum(kinds.values())


def _computations(program):
  """Of each computation its operations, bodies and turns; and the entry."""
  found: dict[str, list] = {}
  entry = current = ''
  for line in program.splitlines():
    if head := _COMPUTATION.match(line):
      current = head[2]
      found[current] = []
      entry = current if head[1] else entry
    elif instruction := _INSTRUCTION.match(line):
      name = instruction['name'].removesuffix('-start')
      bodies, turns = [], None
      if name in ('while', 'conditional'):
        branches = _BRANCHES.search(line)
        names = re.findall(r'[\w.\-]+', branches[1]) if branches else []
        bodies = [*_BODY.findall(line), *names]
        turns = _TURNS.search(line)
      found[current].append((name, bodies, turns and int(turns[1])))
  return found, entry
