"""Where the groups of trials come from that a sweep trains.

`Grid` has them all from the start; `search.Search` thinks of the next.
"""

from collections.abc import Sequence
from typing import Protocol

from experiments.sweeps import trials


class Source(Protocol):
  """Gives groups, and hears how they ended.

  Attributes:
    trials: all that it has given so far, and those that ended before.
    total: how many there will be.
    done: whether it has nothing more to give.
  """

  trials: list[trials.Trial]

  @property
  def total(self) -> int:
    """See the class."""

  @property
  def done(self) -> bool:
    """See the class."""

  def begin(self, retry_failed: bool) -> None:
    """Looks at what earlier calls left.

    Args:
      retry_failed: try what has failed again.
    """

  def ask(self, num_workers: int) -> Sequence[trials.Group]:
    """What so many workers that are free are to train."""

  def tell(self, group: trials.Group) -> None:
    """Takes in how a group ended."""


class Grid:
  """Every combination of a sweep, handed out at once.

  Attributes:
    trials: all of them.
  """

  def __init__(self, planned: Sequence[trials.Trial]):
    """Takes the trials of the sweep."""
    self.trials = list(planned)
    self._left: list[trials.Trial] = []

  @property
  def total(self) -> int:
    """How many."""
    return len(self.trials)

  @property
  def done(self) -> bool:
    """Whether nothing waits."""
    return not self._left

  def begin(self, retry_failed: bool) -> None:
    """Lets wait again what a search pruned, and if asked for what failed."""
    for trial in self.trials:
      trial.forget_pruning()
      if retry_failed:
        trial.forget_failure()
    self._left = [t for t in self.trials if t.status() is trials.Status.WAITING]

  def ask(self, num_workers: int) -> list[trials.Group]:
    """All that waits, as groups for that many workers; then nothing.

    The longest come first: the last to end are then short ones, and no worker
    idles for long while another one trains on.
    """
    waiting, self._left = self._left, []
    groups = trials.split(trials.group(waiting), num_workers)
    return sorted(groups, key=lambda group: group.work, reverse=True)

  def tell(self, unused_group: trials.Group) -> None:
    """How a group ended changes nothing."""
