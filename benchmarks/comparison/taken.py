"""A turn that is over, and what is seen of several."""

from collections.abc import Iterable
import dataclasses
import statistics
from typing import Any


@dataclasses.dataclass(frozen=True)
class Turn:
  """A process that has ended.

  Attributes:
    case: its name.
    program: a peer, or `ours:` and a recipe.
    style: how the peer was written; see `cases.STYLES`.
    round: from 0.
    found: what it measured; empty after an error.
    peak_mb: resident memory at its most.
    seconds: from start to end.
    busy: fraction of the cores that others kept busy just before.
    error: what went wrong.
  """

  case: str
  program: str
  style: str
  round: int
  found: dict[str, Any]
  peak_mb: float = 0.0
  seconds: float = 0.0
  busy: float = 0.0
  error: str = ''


def best_style(turns: Iterable[Turn]) -> str | None:
  """The style of a peer with the least median time; None if none has any."""
  found: dict[str, list[float]] = {}
  for turn in turns:
    if 'epoch_ms' in turn.found:
      found.setdefault(turn.style, []).append(turn.found['epoch_ms'])
    elif not turn.error:  # of ours alone, with one style
      found.setdefault(turn.style, []).append(0.0)
  medians = {style: statistics.median(times) for style, times in found.items()}
  return min(medians, key=medians.__getitem__, default=None)


def described(turn: Turn) -> str:
  """A turn in a line."""
  name = f'{turn.program} ({turn.style})' if turn.style else turn.program
  said = f'round {turn.round + 1}, {turn.case}, {name}: '
  if turn.error:
    return said + turn.error
  if 'epoch_ms' in turn.found:
    said += f'{turn.found["epoch_ms"]:.4g} ms an epoch'
  elif 'step_ms' in turn.found:
    said += f'{turn.found["step_ms"]:.4g} ms a step'
  else:
    said += f'{turn.found["table_ms"] / 1e3:.0f} s'
  said += f', {turn.peak_mb:.0f} MB, {turn.seconds:.0f} s in all'
  if turn.busy > 0.1:
    said += f'; others kept {turn.busy:.0%} of the cores busy'
  return said
