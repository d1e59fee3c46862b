"""Everybody in turn: rounds over cases, each program in a process of its own.

A slow minute of the machine so hits all sides, and what is cut off by the time
that there is are the last rounds, not the last cases.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import functools
import json
import pathlib
import queue
import sys
import threading
import time
from typing import Any, NamedTuple

import psutil

from benchmarks.comparison import cases as known
from benchmarks.comparison import environments
from benchmarks.comparison import processes
from benchmarks.comparison.taken import Turn
from benchmarks.comparison.taken import best_style
from benchmarks.comparison.taken import described

_IDLE = 0.3  # seconds in which it is seen what else the machine does
_MARGIN = 1.3  # a turn may take so much longer than the one before
# Seconds that a first turn is expected to take besides those it measures.
_START = {'pyg-compiled': 45, 'jraphx': 20}
_USUAL_START = 12
_TABLE_START = 600
_EXPORT = 900.0  # seconds that writing the largest graph may take


class Settings(NamedTuple):
  """How it is measured.

  Attributes:
    peers: by name.
    minutes: that all of it may take, but for the turn that is on then.
    rounds: at most; 0: as many as a case wants.
    is_quick: every program once, as briefly as can be.
    cores: that programs run on.
    num_bytes: of memory that a process may take.
    folder: for what is needed for the time being.
  """

  peers: tuple[str, ...]
  minutes: float
  rounds: int
  is_quick: bool
  cores: tuple[int, ...]
  num_bytes: int
  folder: pathlib.Path


class Turns:
  """Takes the turns; `taken` has those that are over, also after Ctrl-C."""

  def __init__(
    self,
    cases: Sequence[known.Case],
    settings: Settings,
    tell: Callable[[str], None],
  ):
    """Nothing is run yet; `tell` is given a line after every turn."""
    self.taken: list[Turn] = []
    self.told: dict[str, dict[str, Any]] = {}  # of the data, by their name
    self._cases, self._settings, self._tell = cases, settings, tell
    self._start = time.monotonic()
    self._writing = threading.Lock()
    # Cores for the next program: all, or one where several run at once.
    self._free: queue.SimpleQueue[tuple[int, ...]] = queue.SimpleQueue()
    lanes = [settings.cores]
    if settings.is_quick:
      lanes = [(core,) for core in settings.cores]
    for cores in lanes:
      self._free.put(cores)
    self._threads = len(lanes[0])

  def run(self) -> None:
    """All rounds, or as many as there is time for."""
    self._start = time.monotonic()
    planned = list(self._planned())
    if self._settings.is_quick:
      self._run_at_once(planned)
      return
    for index, (case, program, style, number) in enumerate(planned):
      if not self._is_wanted(case, program, style, number):
        continue
      expected = _MARGIN * self._seconds(case, program, style)
      if number and expected >= self._left():
        continue
      turn = self._turn(case, program, style, number)
      self.taken.append(turn)
      left = self._expected(planned[index + 1 :]) / 60
      place = f'{index + 1} of {len(planned)}, {left:.0f} min left'
      self._tell(f'[{place}] {described(turn)}')

  def _run_at_once(self, planned) -> None:
    """A program on each core, since nobody looks at what they take."""
    with futures.ThreadPoolExecutor(len(self._settings.cores)) as pool:
      tasks = [pool.submit(self._turn, *turn) for turn in planned]
      try:
        for index, task in enumerate(futures.as_completed(tasks)):
          self.taken.append(task.result())
          passed = time.monotonic() - self._start
          left = passed * (len(tasks) - index - 1) / (index + 1) / 60
          place = f'{index + 1} of {len(tasks)}, {left:.0f} min left'
          self._tell(f'[{place}] {described(self.taken[-1])}')
      except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        while any(task.running() for task in tasks):
          processes.end_all()
          time.sleep(0.05)
        raise

  def _planned(self) -> Iterator[tuple[known.Case, str, str, int]]:
    settings = self._settings
    rounds = {
      case.name: min(case.rounds, settings.rounds or case.rounds)
      for case in self._cases
    }
    for number in range(max(rounds.values(), default=0)):
      for case in self._cases:
        if number >= rounds[case.name]:
          continue
        programs = [f'ours:{recipe}' for recipe in case.recipes]
        if case.kind == 'epoch':
          programs += settings.peers
        shift = number % len(programs)  # nobody is always the first
        for program in programs[shift:] + programs[:shift]:
          styles = known.STYLES.get(program, ('',))
          if not settings.is_quick:
            styles += styles[:-1]  # where the last one turns out not to work
          for style in styles[:1] if settings.is_quick else styles:
            yield case, program, style, number

  def _is_wanted(self, case, program, style, number) -> bool:
    """Whether it has not failed before, and its style is the fastest."""
    own = [t for t in self.taken if (t.case, t.program) == (case.name, program)]
    if any(t.error or t.round == number for t in own if t.style == style):
      return False
    if number:
      return style == best_style(own)
    if case.needs_best_style:
      best = best_style(self._of_largest(program))
      # Another only where the best one cannot do it.
      return style == best or best is None or any(t.error for t in own)
    return True

  def _of_largest(self, program) -> list[Turn]:
    """Of the largest graph that a program was measured on."""
    grown = [
      t
      for t in self.taken
      if t.program == program and _is_growth(t.case) and t.found
    ]
    if not grown:
      return []
    largest = max(known.CASES[t.case].edges for t in grown)
    return [t for t in grown if known.CASES[t.case].edges == largest]

  def _expected(self, planned) -> float:
    wanted = [
      self._seconds(case, program, style)
      for case, program, style, number in planned
      if self._is_wanted(case, program, style, number)
    ]
    return min(sum(wanted), self._left())

  def _left(self) -> float:
    passed = time.monotonic() - self._start
    return max(0.0, 60 * self._settings.minutes - passed)

  def _seconds(self, case, program, style) -> float:
    """What a turn takes: as the last one, else a guess."""
    key = case.name, program, style
    for turn in reversed(self.taken):
      if (turn.case, turn.program, turn.style) == key:
        return turn.seconds
    if self._settings.is_quick:
      return _USUAL_START / 2
    if case.kind == 'table':
      return _TABLE_START
    return _START.get(program, _USUAL_START) + 2 * known.MEASURED

  def _turn(self, case, program, style, number) -> Turn:
    made = functools.partial(Turn, case.name, program, style, number)
    lost = self._lost(case, program, style)
    if not self._left():
      lost = 'no time was left'
    if lost:
      return made({}, error=lost)
    cores, busy = self._free.get(), 0.0
    limits = processes.Limits(case.limit_s, self._settings.num_bytes, cores)
    try:
      words = self._words(case, program, style, limits)
      if not self._settings.is_quick:
        busy = psutil.cpu_percent(_IDLE) / 100
      done = processes.run(words, limits, self._caches(program))
    except environments.MissingPeerError as error:
      return made({}, error=str(error))
    finally:
      self._free.put(cores)
    found, error = {}, done.error
    if not error:
      try:
        found = self._read(case, done)
      except (ValueError, KeyError, OSError) as reason:
        error = f'what it said cannot be read: {reason}'
    return made(found, done.peak_mb, done.seconds, busy, error)

  def _lost(self, case, program, style) -> str:
    """Why it is not even tried: a smaller graph was too large."""
    if not _is_growth(case.name):
      return ''
    for turn in self.taken:
      smaller = known.CASES[turn.case]
      if (
        (turn.program, turn.style) == (program, style)
        and _is_growth(turn.case)
        and smaller.edges < case.edges
        and turn.error
      ):
        return turn.error
    return ''

  def _words(self, case, program, style, limits) -> list[str]:
    settings = self._settings
    name, _, recipe = program.partition(':')
    if case.kind == 'table':
      return [
        *(
          sys.executable,
          '-m',
          'experiments.reproduce',
          f'--table={case.config}',
        ),
        *('--rows=GAT', f'--seeds={case.seeds}'),
        f'--workdir={settings.folder / "table"}',
      ]
    with self._writing:
      spec = case.spec(recipe or 'pyg', self._threads)
      spec |= self._data(case, limits) | {'style': style}
    if name == 'ours':
      module = 'bounds' if case.kind == 'bound' else 'ours'
      words = [sys.executable, '-m', f'benchmarks.comparison.{module}']
    else:
      words = environments.command(name)
    return [*words, json.dumps(spec)]

  def _data(self, case, limits) -> dict[str, Any]:
    """Has the graphs written, once for all that read them."""
    settings = self._settings
    key = case.data
    if key not in self.told:
      path = settings.folder / f'{case.data}.npz'
      words = [
        *(sys.executable, '-m', 'benchmarks.comparison.exporting'),
        *(case.name, str(path)),
        *(['quick'] if settings.is_quick else []),
      ]
      limits = limits._replace(seconds=_EXPORT)
      done = processes.run(words, limits, self._caches('ours'))
      if done.error:
        raise environments.MissingPeerError(f'no data: {done.error}')
      self.told[key] = json.loads(done.output)
    return self.told[key]

  def _read(self, case, done) -> dict[str, Any]:
    if case.kind != 'table':
      return json.loads(done.output)
    (path,) = (self._settings.folder / 'table' / 'seeds').glob('*.jsonl')
    seeds = [json.loads(x) for x in path.read_text().splitlines()[1:]]
    return {
      'table_ms': 1e3 * done.seconds,
      'epochs': sum(seed['epochs'] for seed in seeds),
      'seeds': len(seeds),
    }

  def _caches(self, program: str) -> dict[str, str]:
    """What a program compiles, it compiles once; in its first turn."""
    folder = self._settings.folder / 'compiled' / program.partition(':')[0]
    return {
      'JAX_COMPILATION_CACHE_DIR': str(folder),
      'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.1',
      'JAX_NUM_CPU_DEVICES': str(self._threads),
      'JAX_PLATFORMS': 'cpu',
      'CUDA_VISIBLE_DEVICES': '',
      'TORCHINDUCTOR_CACHE_DIR': str(folder),
    }


def _is_growth(name: str) -> bool:
  return name.startswith('growth-')
