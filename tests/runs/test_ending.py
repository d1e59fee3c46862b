"""A run that is asked to end, or fails: what is saved, and who hears of it."""

import errno
import json

import numpy as np
import pytest
import small_runs

from gat_jax import runs
from gat_jax import training
from gat_jax.errors import WorkdirError
from gat_jax.runs import loop
from gat_jax.runs.states import checkpoints
from gat_jax.runs.states import stored


def make_config(**fields):
  of_all = {'max_epochs': 40, 'num_seeds': 2, 'stop_rule': 'none'}
  return small_runs.make_config(**of_all | fields)


class Asking(runs.Observer):
  """Asks the run to end after some epochs."""

  def __init__(self, outcome, epoch):
    self.outcome = outcome
    self.epoch = epoch
    self.resumed = None

  def on_resumed(self, epoch):
    self.resumed = epoch

  def request(self, evaluation):
    return self.outcome if evaluation.epochs.max() >= self.epoch else None


def files(workdir):
  return {path.name.split('.out.')[0] for path in workdir.iterdir()}


def test_interrupted_run_goes_on_to_the_same_bits(tmp_path):
  whole = runs.train_and_evaluate(make_config(), tmp_path / 'whole')
  parts = tmp_path / 'parts[1]' / 'run'
  for epoch, resumed in ((10, None), (20, 10)):
    asking = Asking(runs.Outcome.INTERRUPTED, epoch)
    with pytest.raises(runs.Ended) as ended:
      runs.train_and_evaluate(make_config(), parts, asking)
    assert ended.value.outcome is runs.Outcome.INTERRUPTED
    assert ended.value.epoch == epoch
    assert asking.resumed == resumed
    assert {'best', 'checkpoints'} <= files(parts)
    assert 'results.json' not in files(parts)
  assert runs.train_and_evaluate(make_config(), parts).seeds == whole.seeds
  assert files(parts) == files(tmp_path / 'whole')
  assert 'checkpoints' not in files(parts)  # nothing goes on from them
  logs = [
    (tmp_path / n / 'metrics.jsonl').read_text() for n in ('whole', parts)
  ]
  assert logs[0] == logs[1]
  predicted = [
    runs.predict(w, seed=1)[1][0].probabilities
    for w in (tmp_path / 'whole', parts)
  ]
  assert (predicted[0] == predicted[1]).all()


def test_pruned_run_saves_no_state_and_begins_anew(tmp_path):
  asking = Asking(runs.Outcome.PRUNED, 20)
  with pytest.raises(runs.Ended, match='pruned after epoch 20') as ended:
    runs.train_and_evaluate(make_config(), tmp_path, asking)
  assert ended.value.outcome is runs.Outcome.PRUNED
  assert not list((tmp_path / 'checkpoints').glob('[0-9]*'))
  again = Asking(runs.Outcome.PRUNED, 10**6)
  runs.train_and_evaluate(make_config(), tmp_path, again)
  assert again.resumed is None


def test_a_run_that_has_ended_by_itself_is_not_asked(tmp_path):
  asking = Asking(runs.Outcome.INTERRUPTED, 40)
  result = runs.train_and_evaluate(make_config(), tmp_path, asking)
  assert [seed.epochs for seed in result.seeds] == [40, 40]


class Failing(runs.Observer):
  def on_evaluation(self, evaluation):
    raise ZeroDivisionError('of the observer')


def test_error_while_saving_does_not_hide_what_ended_the_run(
  tmp_path, monkeypatch, caplog
):
  def refuse(*_):
    raise WorkdirError('best', 'the disk is full')

  monkeypatch.setattr(checkpoints, 'save_best', refuse)
  with pytest.raises(ZeroDivisionError, match='of the observer'):
    runs.train_and_evaluate(make_config(), tmp_path, Failing())
  assert 'the disk is full' in caplog.text
  assert 'results.json' not in files(tmp_path)


def test_a_full_disk_is_said_once(tmp_path, monkeypatch, caplog):
  def refuse(*_, **__):
    raise WorkdirError('best', 'the disk is full')

  monkeypatch.setattr(checkpoints, 'save_best', refuse)
  monkeypatch.setattr(runs.workdirs.RunWriter, 'write_metrics', refuse)
  with pytest.raises(WorkdirError, match='the disk is full'):
    runs.train_and_evaluate(make_config(), tmp_path)
  assert not caplog.text


def test_what_closing_makes_of_a_checkpoint_does_not_hide_an_error(
  tmp_path, monkeypatch, caplog
):
  def refuse(*_):
    raise OSError(errno.ENOSPC, 'of a file')

  monkeypatch.setattr(stored, 'write', refuse)

  def fail(error):
    with checkpoints.Checkpoints(tmp_path) as saved:
      saved.save(10, {'epoch': np.int32(10)}, {})
      if error:
        raise error

  for error in (KeyboardInterrupt(), ZeroDivisionError()):
    with pytest.raises(type(error)):
      fail(error)
  assert caplog.text.count('No space left') == 2
  with pytest.raises(WorkdirError, match='No space left'):
    fail(None)


def test_an_interrupted_run_is_told_that_it_cannot_be_continued(
  tmp_path, monkeypatch
):
  def refuse(*_):
    raise OSError(errno.ENOSPC, 'of a file')

  monkeypatch.setattr(stored, 'write', refuse)
  asking = Asking(runs.Outcome.INTERRUPTED, 10)
  with pytest.raises(WorkdirError, match='No space left'):
    runs.train_and_evaluate(make_config(), tmp_path, asking)


def test_parameters_that_cannot_be_saved_end_a_finished_run(
  tmp_path, monkeypatch
):
  def refuse(*_):
    raise WorkdirError('best', 'the disk is full')

  monkeypatch.setattr(checkpoints, 'save_best', refuse)
  with pytest.raises(WorkdirError, match='the disk is full'):
    runs.train_and_evaluate(make_config(), tmp_path)
  assert 'results.json' not in files(tmp_path)


class Driver:
  """A driver that trains nothing: only epochs go by."""

  def __init__(self, num_replicas):
    self._epochs = [0] * num_replicas

  def advance(self, epoch):
    self._epochs = [epoch] * len(self._epochs)

  def fetch(self, name):
    zeros = np.zeros(len(self._epochs))
    if name == 'epoch':
      return np.array(self._epochs)
    return zeros.astype(bool) if name == 'stopped' else zeros

  def state(self, replica):
    return self._epochs[replica]


class Saved:
  """Checkpoints that remember what was saved."""

  def __init__(self):
    self.epochs = []
    self.waited = False

  def latest(self, like, lacks):
    return None

  def save(self, epoch, tree, facts):
    self.epochs.append(epoch)

  def wait(self):
    self.waited = True


@pytest.mark.parametrize(
  ('minutes', 'outcome', 'saved'),
  [
    (0, None, [10, 20, 30]),
    (1000, None, []),
    (1000, runs.Outcome.INTERRUPTED, [20]),
    (1000, runs.Outcome.PRUNED, []),
    (0, runs.Outcome.PRUNED, [10]),
  ],
)
def test_states_are_saved_when_due_and_when_interrupted(
  minutes, outcome, saved
):
  group = loop.Group([make_config(checkpoint_minutes=minutes)], [])
  driver, kept = Driver(2), Saved()
  hosts = training.Hosts()
  own = loop.Recovery(driver, 2, [], kept, hosts)
  epoch = own.restore(runs.Observer())
  args = group, driver, own, Asking(outcome, 20), epoch, hosts
  if outcome is None:
    loop.train_until_ended(*args)
  else:
    with pytest.raises(runs.Ended):
      loop.train_until_ended(*args)
  assert kept.epochs == saved
  assert kept.waited == (outcome is runs.Outcome.INTERRUPTED)


def test_results_tell_the_seconds_of_all_parts(tmp_path):
  asking = Asking(runs.Outcome.INTERRUPTED, 20)
  with pytest.raises(runs.Ended):
    runs.train_and_evaluate(make_config(), tmp_path, asking)
  (facts,) = (tmp_path / 'checkpoints').glob('20/facts/metadata')
  before = json.loads(facts.read_text())['seconds']
  result = runs.train_and_evaluate(make_config(), tmp_path)
  assert result.train_seconds > before > 0
