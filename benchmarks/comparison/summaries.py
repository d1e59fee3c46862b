"""What turns came to: rows of `benchmarks.speed`."""

from collections.abc import Iterable, Sequence
import os
import pathlib
import platform
import statistics
import subprocess
import time
from typing import Any

import jax

from benchmarks import speed
from benchmarks.comparison import cases as known
from benchmarks.comparison import processes
from benchmarks.comparison.taken import Turn
from benchmarks.comparison.taken import best_style
from experiments import hugepages

_TASKS = {'epoch': 'epoch_ms', 'inference': 'inference_ms'}


def facts(threads: int) -> dict[str, Any]:
  """When, where and of what it is measured."""
  return {
    'day': time.strftime('%Y-%m-%d'),
    'machine': machine(),
    'jax': jax.__version__,
    'commit': commit(),
    'threads': threads,
  }


def machine() -> str:
  """Cores, processor, architecture, and whether memory is in large pages."""
  model = ''
  information = pathlib.Path('/proc/cpuinfo')
  if information.exists():
    for line in information.read_text().splitlines():
      name, _, value = line.partition(':')
      if name.strip() == 'model name':
        model = f'{" ".join(value.split())}, '
        break
  pages = '' if hugepages.mode() in ('', 'never') else ', large pages'
  return f'{os.cpu_count()} cores, {model}{platform.machine()}{pages}'


def commit() -> str:
  """Of the repository; empty without one."""
  words = ['git', 'describe', '--always', '--dirty', '--exclude=*']
  done = subprocess.run(
    words, cwd=processes.ROOT, capture_output=True, text=True, check=False
  )
  return done.stdout.strip()


def rows(
  cases: Sequence[known.Case],
  taken: Sequence[Turn],
  told: dict[str, dict[str, Any]],
  about: dict[str, Any],
) -> list[speed.Row]:
  """A row for each case, recipe of ours, peer and task that was tried.

  Args:
    cases: that were measured.
    taken: the turns.
    told: what exporting said of the data, by the name of the data.
    about: see `facts`.
  """
  found = []
  for case in cases:
    own = [turn for turn in taken if turn.case == case.name]
    peers = dict.fromkeys(
      t.program for t in own if not t.program.startswith('ours')
    )
    tasks = _TASKS if not case.edges and case.seeds == 1 else ('epoch',)
    if case.kind != 'epoch':
      continue
    name = told.get(case.data, {}).get('name', case.config)
    for recipe in case.recipes:
      for peer in peers:
        made = [
          _row(case, name, recipe, peer, task, own, about) for task in tasks
        ]
        # Neither a pair nor an error: it was stopped before.
        found += [row for row in made if row.pairs or row.error]
  return found + _projected(cases, taken, found, about)


def _row(case, name, recipe, peer, task, own, about) -> speed.Row:
  ours = [t for t in own if t.program == f'ours:{recipe}']
  theirs = [t for t in own if t.program == peer]
  style = best_style(theirs)
  errors = [f'ours: {t.error}' for t in ours if t.error]
  if style is None:
    errors += [t.error for t in theirs if t.error]
  ours = [t for t in ours if t.found]
  theirs = [t for t in theirs if t.found and t.style == style]
  pairs = [(u, t) for u in ours for t in theirs if u.round == t.round]
  what = _TASKS[task]
  ratios = sorted(t.found[what] / u.found[what] for u, t in pairs)
  error = ''
  if not pairs:
    error = errors[0] if errors else ''
  return speed.Row(
    dataset=name,
    seeds=case.seeds,
    peer=peer,
    our_ms=_median(_values(ours, what)),
    their_ms=_median(_values(theirs, what)),
    ratio=_rounded(statistics.median(ratios)) if ratios else None,
    lowest=_rounded(ratios[0]) if ratios else None,
    highest=_rounded(ratios[-1]) if ratios else None,
    our_peak_mb=_median([turn.peak_mb for turn in ours]),
    their_peak_mb=_median([turn.peak_mb for turn in theirs]),
    pairs=len(pairs),
    task=task,
    recipe=recipe,
    edges=case.edges,
    our_compile_s=_most(_values(ours, 'compile_s')),
    their_compile_s=_most(_values(theirs, 'compile_s')),
    version=next((turn.found['version'] for turn in theirs), ''),
    style=style or '',
    busy=_most([turn.busy for turn in (*ours, *theirs)]),
    error=error,
    **about,
  )


def _projected(cases, taken, measured, about) -> list[speed.Row]:
  """All seeds to the finished table: ours measured, theirs multiplied.

  A peer's time of an epoch and seed, of the row with several seeds, by the
  epochs that ours trained; its start and compilation are not counted.
  """
  found = []
  for case in cases:
    own = [t for t in taken if t.case == case.name and case.kind == 'table']
    if not own:
      continue
    (turn,) = own
    of_several = [
      row
      for row in measured
      if row.seeds > 1 and row.dataset == case.config and row.recipe == 'pyg'
    ]
    for row in of_several:
      theirs = ratio = None
      error = turn.error or row.error
      if not error:
        theirs = _rounded(row.their_ms * turn.found['epochs'])
        ratio = _rounded(theirs / turn.found['table_ms'])
      found.append(
        speed.Row(
          dataset=case.config,
          seeds=turn.found.get('seeds', case.seeds),
          peer=row.peer,
          our_ms=_median(_values([turn] if turn.found else [], 'table_ms')),
          their_ms=theirs,
          ratio=ratio,
          lowest=None,
          highest=None,
          our_peak_mb=_rounded(turn.peak_mb) if turn.found else None,
          their_peak_mb=row.their_peak_mb,
          pairs=0,
          task='table',
          version=row.version,
          style=row.style,
          busy=_rounded(turn.busy),
          is_projected=True,
          error=error,
          **about,
        )
      )
  return found


def bounds(
  cases: Sequence[known.Case],
  taken: Sequence[Turn],
  told: dict[str, dict[str, Any]],
  about: dict[str, Any],
) -> list[speed.Bound]:
  """A row for each case of that kind; see `rows`."""
  found = []
  for case in cases:
    own = [t for t in taken if t.case == case.name and case.kind == 'bound']
    if not own:
      continue
    good = [turn for turn in own if turn.found]
    numbers = {
      name: _median(_values(good, name))
      for name in ('step_ms', 'flops', 'bytes', 'product_rate', 'stream_rate')
    }
    found.append(
      speed.Bound(
        dataset=told.get(case.data, {}).get('name', case.config),
        edges=case.edges,
        turns=len(good),
        busy=_most([turn.busy for turn in own]),
        error='' if good else own[0].error,
        **numbers,
        **about,
      )
    )
  return found


def _values(turns: Iterable[Turn], name: str) -> list[float]:
  return [turn.found[name] for turn in turns]


def _median(values: Sequence[float]) -> float | None:
  return _rounded(statistics.median(values)) if values else None


def _most(values: Sequence[float]) -> float | None:
  return _rounded(max(values)) if values else None


def _rounded(value: float) -> float:
  """To four digits: no clock knows more."""
  return float(f'{value:.4g}')
