"""A search: each combination is chosen by those before it, with Optuna's TPE.

    python -m experiments.sweep --config=configs/cora.py --workdir=runs/tpe \
        --search=tpe --combinations=50 \
        --sweep 'learning_rate=1e-4..1e-1:log' \
        --sweep 'model.num_heads=1,2,4,8' --seeds=3

A combination is trained with each of the seeds; the search wants a high mean of
their validation scores (TPE: Bergstra et al., NeurIPS 2011). The workers report
that mean after every evaluation, and `pruning` ends what does badly.

With one worker the same command chooses the same combinations, stopped in
between or not. With several, what is chosen depends on which combinations have
ended by then. One that is chosen again counts, but is not trained again.
"""

from collections import deque
from collections.abc import Callable, Sequence
import math
import pathlib
import statistics
from typing import Any

from ml_collections import config_dict
import optuna
from optuna.trial import TrialState

from experiments.sweeps import hyper
from experiments.sweeps import trials
from experiments.sweeps.searches import study
from gat_jax.errors import ConfigError
from gat_jax.runs import settings

_AGAIN = 'again'  # marks another try of a combination; it does not count


class Search:
  """Asks a study for combinations, and tells it how they ended; a `Source`.

  Attributes:
    fields: the values of each field, or its one range; without the seed.
    trials: of all combinations so far.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    config: config_dict.ConfigDict,
    changes: hyper.Sweep,
    num_combinations: int,
  ):
    """Describes a search; nothing is written yet.

    Args:
      workdir: of the sweep.
      config: what the changes are made to.
      changes: all combinations of some fields' values, with some seeds; the
        only value of a field may be a `hyper.Range`.
      num_combinations: how many to try, with those of earlier calls.

    Raises:
      ConfigError: if a field or a value cannot be used, or there is no choice.
      DataError: if a field of the data set is not there or cannot be used.
    """
    self.fields = _fields(changes)
    self._seeds = self.fields.pop('seed', [config.seed])
    self._workdir = workdir
    self._config = config
    self._num_combinations = num_combinations
    self._num_drawn = 0
    self._again: deque[trials.Group] = deque()
    self._out: dict[tuple[str, ...], list[int]] = {}  # the study's numbers
    self.trials: list[trials.Trial] = []
    self._distributions = {
      name: _distribution(name, values) for name, values in self.fields.items()
    }
    self._check_values()

  @property
  def total(self) -> int:
    """How many trials there will be, if no combination is chosen twice."""
    left = max(0, self._num_combinations - self._num_drawn)
    return len(self.trials) + left * len(self._seeds)

  @property
  def done(self) -> bool:
    """Whether all combinations have been given out."""
    return not self._again and self._num_drawn >= self._num_combinations

  def corner(self, pick: Callable) -> trials.Group:
    """The trials of the combination of the least or the greatest values.

    Args:
      pick: `min` or `max`; of words the first or the last is taken.
    """
    return self._group(
      {name: _end(values, pick) for name, values in self.fields.items()}
    )

  def begin(self, retry_failed: bool) -> None:
    """Opens the study, or goes on with it.

    Args:
      retry_failed: try the combinations that have failed again.

    Raises:
      WorkdirError: if the study or a file of a trial is damaged, or the study
        searches something else.
    """
    asked_for = {
      'config': settings.deciding_fields(self._config),
      'sweep': {k: ', '.join(map(str, v)) for k, v in self.fields.items()},
      'seeds': list(self._seeds),
    }
    self._study = study.open_or_create(self._workdir, asked_for)
    self._ask_enqueued()
    self._enqueue_again(retry_failed)
    self._ask_enqueued()
    for entry, group in self._known():
      self._num_drawn += _AGAIN not in entry.user_attrs
      self._take_in(group)
      if entry.state is TrialState.RUNNING:
        self._again.append(group)

  def ask(self, num_workers: int) -> list[trials.Group]:
    """A combination for each free worker, as long as there are any."""
    found: list[trials.Group] = []
    while len(found) < num_workers and not self.done:
      group = self._again.popleft() if self._again else self._draw()
      numbers = self._out.setdefault(group.names, [])
      numbers.append(group.number)
      if not group.has(trials.Status.WAITING):
        self.tell(group)  # it was tried before
      elif len(numbers) == 1:  # else it is being trained
        found.append(group)
    return found

  def tell(self, group: trials.Group) -> None:
    """Tells the study how a group ended; nothing if it was interrupted."""
    if group.has(trials.Status.WAITING):
      return
    state, value = TrialState.COMPLETE, None
    if group.has(trials.Status.FAILED):
      state = TrialState.FAIL
    elif group.has(trials.Status.PRUNED):
      state = TrialState.PRUNED
    else:
      value = _mean_validation(group)
    for number in self._out.pop(group.names):
      self._study.tell(number, value, state)

  def _draw(self) -> trials.Group:
    # A seed of its own for every entry: a search that goes on draws what it
    # would have drawn.
    number = len(self._study.get_trials(deepcopy=False))
    self._study.sampler = optuna.samplers.TPESampler(seed=number)
    drawn = self._study.ask(self._distributions)
    self._num_drawn += 1
    group = self._group(drawn.params, drawn.number)
    self._take_in(group)
    return group

  def _ask_enqueued(self) -> None:
    for _ in self._study.get_trials(states=(TrialState.WAITING,)):
      self._study.ask(self._distributions)

  def _known(self) -> list[tuple[optuna.trial.FrozenTrial, trials.Group]]:
    """The study's entries; fails those that were cut off while being drawn."""
    found = []
    for entry in self._study.get_trials():
      if entry.params.keys() == self.fields.keys():
        found.append((entry, self._group(entry.params, entry.number)))
      elif entry.state is TrialState.RUNNING:
        self._study.tell(entry.number, state=TrialState.FAIL)
    return found

  def _enqueue_again(self, retry_failed: bool) -> None:
    """Enters again what failed, if that is wanted, and what was deleted."""
    known = self._known()
    out = {g.names for entry, g in known if entry.state is TrialState.RUNNING}
    for entry, group in known:
      retry = retry_failed and group.has(trials.Status.FAILED)
      if group.names not in out and (retry or group.has(trials.Status.WAITING)):
        out.add(group.names)
        self._study.enqueue_trial(entry.params, user_attrs={_AGAIN: True})
      if retry:
        for trial in group.trials:
          trial.forget_failure()

  def _group(self, params, number: int | None = None) -> trials.Group:
    changes = [params | {'seed': seed} for seed in self._seeds]
    found = trials.make(self._workdir, self._config, changes)
    return trials.Group(tuple(found), number)

  def _take_in(self, group: trials.Group) -> None:
    known = {trial.name for trial in self.trials}
    self.trials += [t for t in group.trials if t.name not in known]

  def _check_values(self) -> None:
    """Makes a combination with each value, which checks it."""
    least = {name: _end(values, min) for name, values in self.fields.items()}
    for name, values in self.fields.items():
      first = values[0]
      ends = isinstance(first, hyper.Range) and [first.low, first.high]
      for value in ends or values:
        self._group(least | {name: value})


def _fields(changes: hyper.Sweep) -> dict[str, list[Any]]:
  """The values of each field, of a sweep that has every combination."""
  fields = hyper.fields(changes)
  if all(
    len(values) < 2 and not isinstance(values[0], hyper.Range)
    for name, values in fields.items()
    if name != 'seed'
  ):
    raise ConfigError(
      '--search',
      'it has nothing to choose',
      'give a field several values or a range, as in --sweep'
      " 'learning_rate=1e-4..1e-1:log'",
    )
  num_combinations = math.prod(map(len, fields.values()))
  if len(changes) != num_combinations or any(
    change.keys() != fields.keys() for change in changes
  ):
    raise ConfigError(
      '--search',
      'it chooses each field by itself, but this sweep has only some of the'
      ' combinations',
      'name the fields with --sweep',
    )
  if any(isinstance(seed, hyper.Range) for seed in fields.get('seed', ())):
    raise ConfigError(
      'config.seed', 'a search takes no range of seeds', 'give --seeds=3 or so'
    )
  return fields


def _distribution(
  name: str, values: Sequence[Any]
) -> optuna.distributions.BaseDistribution:
  first = values[0]
  if not any(isinstance(value, hyper.Range) for value in values):
    return optuna.distributions.CategoricalDistribution(values)
  if len(values) > 1:
    raise ConfigError(
      f'config.{name}', 'its sweep has a range and something else'
    )
  if isinstance(first.low, int):
    kind = optuna.distributions.IntDistribution
  else:
    kind = optuna.distributions.FloatDistribution
  return kind(first.low, first.high, log=first.log)


def _end(values: Sequence[Any], pick: Callable) -> Any:
  first = values[0]
  if isinstance(first, hyper.Range):
    return pick(first.low, first.high)
  if all(isinstance(value, int | float) for value in values):
    return pick(values)
  return values[pick(0, len(values) - 1)]


def _mean_validation(group: trials.Group) -> float:
  results = [trial.result() for trial in group.trials]
  return statistics.fmean(r.seeds[0].val for r in results if r)
