"""A search that learns from its trials: Optuna's TPE over fields of a config.

    python -m experiments.sweep --config=configs/cora.py --workdir=runs/tpe \
        --search=tpe --trials=50 --sweep 'learning_rate=1e-4..1e-1:log' \
        --sweep 'model.num_heads=1,2,4,8' --seeds=3

A trial of the search is one combination with each of the seeds; it wants their
mean validation score to be high. The workers report that score after every
evaluation, and end a trial whose best so far is below the median that the others had
then (TPE: Bergstra et al., NeurIPS 2011; the rule: Golovin et al., KDD 2017).
The study stands in `search.journal` of the workdir; any Optuna tool can open
it.

With one worker the same command draws the same combinations, stopped in between
or not. With several, what is drawn depends on which trials have ended by then.
A combination that is drawn again counts, and is not trained again.
"""

from collections import deque
from collections.abc import Callable, Sequence
import math
import os
import pathlib
import statistics
from typing import Any

from ml_collections import config_dict
import optuna
from optuna.storages import journal
from optuna.trial import TrialState

from experiments import cli
from experiments.sweeps import hyper
from experiments.sweeps import trials
from gat_jax.errors import ConfigError
from gat_jax.runs import workdirs
from gat_jax.runs.observers import Evaluation

_JOURNAL = 'search.journal'
_STUDY = 'search'
_ASKED_FOR = 'asked for'  # what the study searches, for who goes on with it
_AGAIN = 'again'  # marks another try of a combination; it does not count
_WARM_UP_LOOKS = 5  # that end no trial
_LEAST_CURVES = 5  # that a median is taken of
optuna.logging.set_verbosity(optuna.logging.ERROR)


class Search:
  """Asks a study for combinations, and tells it what became of them.

  Attributes:
    fields: the values of each field, or its one range.
    trials: of all combinations so far; one a seed, as in a sweep.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    config: config_dict.ConfigDict,
    changes: hyper.Sweep,
    num_trials: int,
  ):
    """Describes a search; nothing is written yet.

    Args:
      workdir: where the trials and the study stand.
      config: what the changes are made to.
      changes: every combination of some values; one may be a `hyper.Range`.
      num_trials: combinations to try, with those of earlier calls.

    Raises:
      ConfigError: if a field or a value cannot be used, or there is no choice.
    """
    self.fields = _fields(changes)
    self._seeds = self.fields.pop('seed', [config.seed])
    self._workdir = workdir
    self._config = config
    self._num_trials = num_trials
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
    """How many trials there will be, one a seed, as far as is known."""
    left = max(0, self._num_trials - self._num_drawn)
    return len(self.trials) + left * len(self._seeds)

  @property
  def done(self) -> bool:
    """Whether all is handed out."""
    return not self._again and self._num_drawn >= self._num_trials

  def corner(self, pick: Callable) -> trials.Group:
    """The combination of the least or the greatest values.

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
      ConfigError: if the study of that workdir searches something else.
    """
    self._study = self._open()
    self._ask_enqueued()
    self._enqueue_again(retry_failed)
    self._ask_enqueued()
    for trial, group in self._known():
      self._num_drawn += _AGAIN not in trial.user_attrs
      self._take_in(group)
      if trial.state is TrialState.RUNNING:
        self._again.append(group)

  def ask(self, num_workers: int) -> list[trials.Group]:
    """One for each worker, as long as there are any."""
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
    """Takes in how a group ended; one that was interrupted stays open."""
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
    # A seed of its own for every trial: a search that goes on draws what it
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
    """The study's trials; one that was cut off while it was drawn is failed."""
    found = []
    for trial in self._study.get_trials():
      if trial.params.keys() == self.fields.keys():
        found.append((trial, self._group(trial.params, trial.number)))
      elif trial.state is TrialState.RUNNING:
        self._study.tell(trial.number, state=TrialState.FAIL)
    return found

  def _enqueue_again(self, retry_failed: bool) -> None:
    """Gives what failed, if it is to be retried, and what is gone, a number."""
    known = self._known()
    out = {g.names for trial, g in known if trial.state is TrialState.RUNNING}
    for trial, group in known:
      retry = retry_failed and group.has(trials.Status.FAILED)
      if group.names not in out and (retry or group.has(trials.Status.WAITING)):
        out.add(group.names)
        self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: True})
      if retry:
        for own in group.trials:
          own.forget_failure()

  def _group(self, params, number: int | None = None) -> trials.Group:
    changes = [params | {'seed': seed} for seed in self._seeds]
    found = trials.make(self._workdir, self._config, changes)
    return trials.Group(tuple(found), number)

  def _take_in(self, group: trials.Group) -> None:
    known = {trial.name for trial in self.trials}
    self.trials += [t for t in group.trials if t.name not in known]

  def _check_values(self) -> None:
    least = {name: _end(values, min) for name, values in self.fields.items()}
    for name, values in self.fields.items():
      first = values[0]
      ends = isinstance(first, hyper.Range) and [first.low, first.high]
      for value in ends or values:
        self._group(least | {name: value})

  def _open(self) -> optuna.Study:
    _cut_torn_line(self._workdir / _JOURNAL)
    try:
      storage = _storage(self._workdir)
    except (ValueError, KeyError, TypeError) as error:
      raise ConfigError(
        f'{self._workdir / _JOURNAL} is damaged ({error}); delete it, then the'
        ' same command searches again and trains no finished trial twice'
      ) from error
    mine = {
      'config': trials.deciding_fields(self._config),
      'sweep': {k: ', '.join(map(str, v)) for k, v in self.fields.items()},
      'seeds': list(self._seeds),
    }
    if _STUDY not in optuna.get_all_study_names(storage):
      optuna.create_study(
        study_name=_STUDY, storage=storage, direction='maximize'
      )
    study = optuna.load_study(study_name=_STUDY, storage=storage)
    theirs = study.user_attrs.get(_ASKED_FOR)
    if theirs is None:
      study.set_user_attr(_ASKED_FOR, mine)
    elif differing := workdirs.differences(theirs, mine):
      raise ConfigError(
        f'--workdir={self._workdir} holds a search for something else:'
        f' {"; ".join(differing)}. Give it those, or choose another folder'
      )
    return study


class PruningObserver(cli.StoppableObserver):
  """Tells the study how a group goes, and ends it if it does not go well."""

  def __init__(self, group: trials.Group, stop: object):
    """See `StoppableObserver`; the group must be one that `ask` gave."""
    super().__init__(stop)
    storage = _storage(group.workdir)
    warm_up = _WARM_UP_LOOKS * group.trials[0].config.log_every
    study = optuna.load_study(
      study_name=_STUDY,
      storage=storage,
      pruner=optuna.pruners.MedianPruner(
        n_warmup_steps=warm_up + 1, n_min_trials=_LEAST_CURVES
      ),
    )
    trial_id = storage.get_trial_id_from_study_id_trial_number(
      storage.get_study_id_from_name(_STUDY), group.number
    )
    self._trial = optuna.Trial(study, trial_id)
    self._reported = storage.get_trial(trial_id).last_step or 0

  def on_evaluation(self, evaluation: Evaluation) -> None:
    """Reports the mean validation score over the seeds.

    Raises:
      Pruned: if the study wants the group to end.
    """
    epoch = int(evaluation.epochs.max())
    if epoch > self._reported:  # else a killed process told it before
      self._trial.report(float(evaluation.val_score.mean()), epoch)
    if evaluation.running.any() and self._trial.should_prune():
      raise trials.Pruned(epoch)


def _cut_torn_line(path: pathlib.Path) -> None:
  """Drops what a power cut or a full disk left of the journal's last line."""
  if not path.exists():
    return
  lock = journal.JournalFileSymlinkLock(str(path))
  lock.acquire()
  try:
    whole, _, torn = path.read_bytes().rpartition(b'\n')
    if torn:
      os.truncate(path, len(whole) + 1 if whole else 0)
  finally:
    lock.release()


def _storage(workdir: pathlib.Path) -> optuna.storages.JournalStorage:
  backend = journal.JournalFileBackend(str(workdir / _JOURNAL))
  return optuna.storages.JournalStorage(backend)


def _fields(changes: hyper.Sweep) -> dict[str, list[Any]]:
  """The values of each field, of a sweep that has every combination."""
  fields = hyper.fields(changes)
  if all(
    len(values) < 2 and not isinstance(values[0], hyper.Range)
    for name, values in fields.items()
    if name != 'seed'
  ):
    raise ConfigError(
      '--search has nothing to choose; give a field several values or a range,'
      " as in --sweep 'learning_rate=1e-4..1e-1:log'"
    )
  num_combinations = math.prod(map(len, fields.values()))
  if len(changes) != num_combinations or any(
    change.keys() != fields.keys() for change in changes
  ):
    raise ConfigError(
      '--search chooses each field by itself, but this sweep has only some of'
      ' the combinations; name the fields with --sweep'
    )
  if any(isinstance(seed, hyper.Range) for seed in fields.get('seed', ())):
    raise ConfigError('--search wants seeds by number, as in --seeds=3')
  return fields


def _distribution(
  name: str, values: Sequence[Any]
) -> optuna.distributions.BaseDistribution:
  first = values[0]
  if not any(isinstance(value, hyper.Range) for value in values):
    return optuna.distributions.CategoricalDistribution(values)
  if len(values) > 1:
    raise ConfigError(f'the sweep over {name} has a range and something else')
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
  return statistics.fmean(r['seeds'][0]['val'] for r in results if r)
