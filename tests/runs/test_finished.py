"""A finished run, started again: it gives its result, or gets more seeds."""

import json
import os
import shutil

import pytest
import small_runs

from gat_jax import runs
from gat_jax.errors import WorkdirError
from gat_jax.runs import results
from gat_jax.runs import workdirs


def make_config(**fields):
  of_all = {
    'model.dropout_rate': 0.0,
    'max_epochs': 60,
    'patience': 8,  # the seeds end in different epochs
    'checkpoint_minutes': 0,
  }
  return small_runs.make_config(**of_all | fields)


class Listener(runs.Observer):
  """Remembers what it is told; asks the run to end after some epochs."""

  def __init__(self, epoch=10**9):
    self.epoch = epoch
    self.finished, self.trained, self.resumed = None, set(), None

  def on_finished(self, seeds):
    self.finished = list(seeds)

  def on_resumed(self, epoch):
    self.resumed = epoch

  def on_evaluation(self, evaluation):
    self.trained |= set(evaluation.seeds.tolist())

  def request(self, evaluation):
    ends = evaluation.epochs.max() >= self.epoch
    return runs.Outcome.INTERRUPTED if ends else None


@pytest.fixture(scope='module')
def at_once(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('at_once')
  runs.train_and_evaluate(make_config(num_seeds=4), workdir)
  return workdir


@pytest.fixture(scope='module')
def two_seeds(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('two_seeds')
  runs.train_and_evaluate(make_config(num_seeds=2), workdir)
  return workdir


@pytest.fixture
def finished(two_seeds, tmp_path):
  return shutil.copytree(two_seeds, tmp_path / 'run')


def files(workdir):
  return {p: p.stat().st_mtime_ns for p in [workdir, *workdir.rglob('*')]}


def best(workdir):
  return [
    runs.predict(workdir, seed)[1][0].probabilities.tolist() for seed in (0, 3)
  ]


def assert_as_at_once(workdir, at_once):
  for name in ('config.json', 'dataset.json', 'metrics.jsonl'):
    assert (workdir / name).read_text() == (at_once / name).read_text()
  found, wanted = (
    json.loads((w / 'results.json').read_text()) for w in (workdir, at_once)
  )
  assert found.pop('seconds').keys() == wanted.pop('seconds').keys()
  assert found == wanted
  assert best(workdir) == best(at_once)
  assert not (workdir / 'more').exists()
  assert not [p for p in workdir.iterdir() if p.name.startswith('.best')]


def test_the_same_settings_give_the_result_and_write_nothing(
  finished, monkeypatch
):
  before = files(finished)
  monkeypatch.setenv('HOME', str(finished.parent))
  for workdir in (finished, f'~/{finished.name}'):
    listener = Listener()
    # How it is executed does not matter.
    config = make_config(num_seeds=2, log_every=7)
    result = runs.train_and_evaluate(config, workdir, listener)
    assert result == runs.read_result(workdir)
    assert listener.finished == [0, 1]
    assert not listener.trained
  assert files(finished) == before


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'learning_rate': 0.5}, '`config.learning_rate` is 0.01 there and 0.5'),
    ({'dataset.seed': 1}, 'the data are others'),
    ({'num_seeds': 1}, 'of the seeds 0 to 1, and 0 to 0 are asked for'),
    ({'seed': 1}, 'of the seeds 0 to 1, and 1 to 2 are asked for'),
  ],
)
def test_other_settings_are_refused(finished, fields, words):
  before = files(finished)
  config = make_config(num_seeds=2)
  config.update_from_flattened_dict(fields)
  with pytest.raises(WorkdirError, match='already holds a finished') as caught:
    runs.train_and_evaluate(config, finished)
  assert words in str(caught.value)
  assert files(finished) == before


def test_more_seeds_join_it_as_if_all_had_been_trained_at_once(
  finished, at_once
):
  config = make_config(num_seeds=4)
  with pytest.raises(runs.Ended):
    runs.train_and_evaluate(config, finished, Listener(epoch=10))
  # Until they are there, it is the run that it was.
  assert len(runs.read_result(finished).seeds) == 2
  assert runs.predict(finished, 1)[0] == 1
  with pytest.raises(WorkdirError, match='get 4 seeds, and 3 are asked for'):
    runs.train_and_evaluate(make_config(num_seeds=3), finished)
  listener = Listener()
  result = runs.train_and_evaluate(config, finished, listener)
  assert listener.finished == [0, 1]
  assert listener.trained == {2, 3}
  assert listener.resumed == 10
  assert [seed.seed for seed in result.seeds] == [0, 1, 2, 3]
  assert result == runs.read_result(finished)
  assert_as_at_once(finished, at_once)
  logs = [p for p in finished.iterdir() if p.name.startswith('events')]
  assert len(logs) == 4  # one a process, and what all seeds came to


class KilledError(BaseException):
  pass


@pytest.mark.slow
def test_a_kill_while_seeds_join_changes_nothing(
  finished, at_once, monkeypatch
):
  """Before each of the moves of which joining consists."""
  with monkeypatch.context() as patch:
    patch.setattr(results, 'join', lambda path, result, *_: result)
    runs.train_and_evaluate(make_config(num_seeds=4), finished)
  moves = 0
  done = False
  while not done:
    parts = shutil.copytree(finished, finished.with_name(f'run{moves}'))
    left = moves

    def stop_at(act):
      def move(*paths, **options):
        nonlocal left
        left -= 1
        if left < 0:
          raise KilledError
        return act(*paths, **options)

      return move

    with monkeypatch.context() as patch:
      for module, name in ((os, 'rename'), (os, 'replace')):
        patch.setattr(module, name, stop_at(getattr(module, name)))
      patch.setattr(shutil, 'rmtree', lambda *_, **__: None)
      try:
        runs.train_and_evaluate(make_config(num_seeds=4), parts)
        done = True
      except KilledError:
        pass
    seeds = len(runs.read_result(parts).seeds)
    assert seeds in (2, 4)
    for seed in (0, seeds - 1):
      assert runs.predict(parts, seed)[0] == seed
    listener = Listener()
    runs.train_and_evaluate(make_config(num_seeds=4), parts, listener)
    assert not listener.trained
    moves += 1
  assert moves > 5


def test_new_folders_of_one_name_are_different(tmp_path):
  with (
    workdirs.new_folder(tmp_path / 'runs', 'cora') as one,
    workdirs.new_folder(tmp_path / 'runs', 'cora') as two,
  ):
    assert (one.name, two.name) == ('cora', 'cora-2')
    (two / 'file').write_text('')
  assert [path.name for path in (tmp_path / 'runs').iterdir()] == ['cora-2']
  with workdirs.new_folder(tmp_path / 'other', 'cora'):
    pass
  assert not (tmp_path / 'other').exists()


def test_a_tilde_is_the_home_of_a_user(monkeypatch):
  monkeypatch.setenv('HOME', '/home/me')
  assert str(workdirs.folder('~/x')) == '/home/me/x'
  assert str(workdirs.folder('a/~/x')) == 'a/~/x'
  assert str(workdirs.folder('./~')) == '~'
  with pytest.raises(WorkdirError, match='no such user'):
    workdirs.folder('~nobody-of-that-name/x')
