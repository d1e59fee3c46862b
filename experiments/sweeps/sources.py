"""What says which groups of trials a sweep trains next.

`Grid` knows all of them from the start; `searches.search.Search` chooses each
after those before it.
"""

from collections.abc import Sequence
from typing import Protocol

from experiments.sweeps import trials


class Source(Protocol):
  """Gives out groups, and is told when they have ended.

  Attributes:
    trials: all that it knows so far, those of earlier calls among them.
    total: how many trials there will be.
    done: whether it has given out everything.
  """

  trials: list[trials.Trial]

  @property
  def total(self) -> int:
    """See the class."""

  @property
  def done(self) -> bool:
    """See the class."""

  def begin(self, retry_failed: bool) -> None:
    """Looks at what earlier calls left in the folder.

    Args:
      retry_failed: try what has failed again.

    Raises:
      InputError: if it cannot go on with that.
    """

  def ask(self, num_workers: int) -> Sequence[trials.Group]:
    """The groups that so many free workers shall train."""

  def tell(self, group: trials.Group) -> None:
    """A group has ended; the folders of its trials say how."""


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
    """How many trials it has."""
    return len(self.trials)

  @property
  def done(self) -> bool:
    """Whether everything that waited has been given out."""
    return not self._left

  def begin(self, retry_failed: bool) -> None:
    """Makes what a search pruned wait again; and what failed, if wanted.

    Raises:
      WorkdirError: if a file of a trial is damaged.
    """
    for trial in self.trials:
      trial.forget_pruning()
      if retry_failed:
        trial.forget_failure()
    self._left = [t for t in self.trials if t.status() is trials.Status.WAITING]

  def ask(self, num_workers: int) -> list[trials.Group]:
    """Everything that waits, as groups for that many workers; then nothing.

    The longest come first. Those that end last are then short, so that no
    worker idles for long.
    """
    waiting, self._left = self._left, []
    groups = trials.split(trials.group(waiting), num_workers)
    return sorted(groups, key=lambda group: group.work, reverse=True)

  def tell(self, unused_group: trials.Group) -> None:
    """Does nothing: a grid does not depend on how its groups end."""
