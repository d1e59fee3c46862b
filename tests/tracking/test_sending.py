"""Trackers that fail, hang or are away: the run goes on, with one warning.

Each stands in for the package `wandb` in the process that calls it.
"""

import json
import os
import subprocess
import sys
import time

import commands
import numpy as np
import pytest
from small_tracked import FLAGS
from small_tracked import make_config

from experiments import tracking
from experiments.tracking import sender
from gat_jax import runs
from gat_jax.errors import ConfigError

_RAISING = """
def init(**unused):
  raise OSError('no such host\\nmore')
Settings = dict
"""
_SLEEPING = """
import time
def init(**unused):
  time.sleep(600)
Settings = dict
"""
_DYING = 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'
# Writes what it is told, as JSON, into a file.
_WRITING = """
import json
Settings = dict
class Run:
  def __init__(self, **init):
    self.summary = {}
    self.id = init['id']
    self.told = {'init': init, 'logged': [], 'summary': self.summary}
  def define_metric(self, name, **options):
    pass
  def log(self, values):
    self.told['logged'].append(values)
  def finish(self, exit_code):
    self.told['exit_code'] = exit_code
    with open(self.told['init']['name'] + '.told', 'w') as file:
      json.dump(self.told, file)
def init(**options):
  return Run(**options)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
  """Makes `import wandb` that text, in processes that are started."""

  def make(text):
    package = tmp_path / 'package'
    package.mkdir()
    (package / 'wandb.py').write_text(text)
    monkeypatch.setenv('PYTHONPATH', str(package), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)

  return make


def evaluation(epoch, seeds):
  """The last of several seeds ends after 17 epochs."""
  values = np.linspace(0.5, 0.6, len(seeds))
  limits = [1000] * (len(seeds) - 1) + [17 if len(seeds) > 1 else 10**6]
  return runs.Evaluation(
    seeds=np.array(seeds),
    epochs=np.minimum(epoch, limits),
    running=np.full(len(seeds), True),
    train_loss=values,
    val_loss=np.where(np.arange(len(seeds)) == 1, np.nan, values),
    val_score=values,
  )


def follow(folder, num_evaluations=3, seeds=(3,), warnings=None, error=None):
  """A run as trackers see it; returns the seconds that it waited for them."""
  folder.mkdir(exist_ok=True)
  config = make_config(seed=seeds[0], num_seeds=len(seeds))
  said = [] if warnings is None else warnings
  results = tuple(
    runs.SeedResult(s, 0.5 + s / 10, 0.8, 1.0, best_epoch=s + 1, epochs=9)
    for s in seeds
  )
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(sender, '_PATIENCE', 3)
    patch.setattr(sender, '_START', 8)
    began = time.perf_counter()
    try:
      with tracking.TrackingObserver(
        ['wandb'], [config], [folder], 'a sweep', said.append
      ) as observer:
        observer.on_compiled(1.0, 42)
        for number in range(num_evaluations):
          observer.on_evaluation(evaluation(10 * (number + 1), seeds))
        if error:
          raise error
        observer.on_results(
          [runs.Result('csbm', 'accuracy', 42, results, 1.0, 2.0)]
        )
        began = time.perf_counter()
    except runs.Ended:
      pass
  return time.perf_counter() - began


def test_everything_is_sent_in_order_and_the_name_is_kept(stand_in, tmp_path):
  stand_in(_WRITING)
  folder = tmp_path / 'k [1] 50%'
  follow(folder)
  told = json.loads((tmp_path / f'{folder.name}.told').read_text())
  first = json.loads((folder / 'wandb.json').read_text())
  assert first == {'run_id': told['init']['id'], 'problem': None}
  assert told['init']['group'] == 'a sweep'
  fields = told['init']['config']
  assert fields['learning_rate'] == make_config().learning_rate
  assert fields['num_parameters'] == 42
  assert fields['workdir'] == str(folder)
  assert [row['epoch'] for row in told['logged']] == [10, 20, 30]
  assert told['logged'][0] == {
    **dict.fromkeys(('train_loss', 'val_loss', 'val_score'), 0.5),
    'epoch': 10,
  }
  assert told['exit_code'] == 0
  assert told['summary'] == {
    'status': 'finished',
    'final/num_seeds': 1,
    'final/test_score': 0.8,
    'final/val_score': 0.8,
    'final/best_epoch': 4,
    'final/epochs': 9,
    'final/train_seconds': 2.0,
    'final/compile_seconds': 1.0,
  }
  # Interrupted and gone on with, and with more seeds: another, which names it.
  follow(folder, seeds=(0, 1), error=runs.Ended(runs.Outcome.INTERRUPTED, 20))
  told = json.loads((tmp_path / f'{folder.name}.told').read_text())
  assert told['init']['config']['continues'] == first['run_id']
  assert told['summary'] == {'status': 'interrupted'}
  assert told['exit_code'] == 1
  assert told['logged'][0] == {
    'epoch': 10,
    'train_loss': pytest.approx(0.55),
    'val_loss': 0.5,
    'val_score': pytest.approx(0.55),
    'seed_0/train_loss': 0.5,
    'seed_0/val_loss': 0.5,
    'seed_0/val_score': 0.5,
    'seed_1/train_loss': 0.6,
    'seed_1/val_score': 0.6,
  }
  assert [row['epoch'] for row in told['logged']] == [10, 17, 20, 30]
  assert set(told['logged'][1]) == {
    *('epoch', 'seed_1/train_loss', 'seed_1/val_score')
  }
  assert set(told['logged'][2]) == {
    *('epoch', 'train_loss', 'val_loss', 'val_score'),
    *('seed_0/train_loss', 'seed_0/val_loss', 'seed_0/val_score'),
  }


@pytest.mark.parametrize(
  ('text', 'reason'),
  [
    (_RAISING, 'OSError: no such host'),
    (_DYING, 'its process has ended'),
    ('raise ImportError("a part of it is missing")', 'a part of it'),
  ],
)
def test_one_that_fails_is_one_warning(stand_in, tmp_path, text, reason):
  stand_in(text)
  warnings: list[str] = []
  follow(tmp_path / 'run', warnings=warnings)
  (warning,) = warnings
  assert reason in warning
  assert 'the run goes on' in warning
  (problem,) = tracking.problems(['wandb'], [tmp_path / 'run'])
  assert reason in problem
  assert 'not got all of 1 of 1' in problem


@pytest.mark.slow
def test_one_that_hangs_is_waited_for_for_seconds(stand_in, tmp_path):
  stand_in(_SLEEPING)
  warnings: list[str] = []
  began = time.perf_counter()
  # More evaluations than may wait: none of them waits itself.
  waited = follow(tmp_path / 'run', num_evaluations=2000, warnings=warnings)
  (warning,) = warnings
  assert 'it did not answer in time' in warning
  assert waited >= 3
  assert time.perf_counter() - began < 60


@pytest.mark.slow
def test_one_that_is_slower_than_the_run_misses_points_and_no_scores(
  stand_in, tmp_path, monkeypatch
):
  monkeypatch.setattr(sender, '_HURRY', 1)
  log = '  def log(self, values):\n'
  stand_in(
    'import time\n' + _WRITING.replace(log, f'{log}    time.sleep(0.02)\n')
  )
  warnings: list[str] = []
  follow(tmp_path / 'run', num_evaluations=2000, warnings=warnings)
  told = json.loads((tmp_path / 'run.told').read_text())
  assert 10 < len(told['logged']) <= sender.MOST_WAITING
  (warning,) = warnings
  assert f'{2000 - len(told["logged"])} points of curves' in warning
  (problem,) = tracking.problems(['wandb'], [tmp_path / 'run'])
  assert 'were left out' in problem
  assert told['summary']['status'] == 'finished'


def test_one_that_starts_slowly_gets_every_point(
  stand_in, tmp_path, monkeypatch
):
  monkeypatch.setattr(sender, '_HURRY', 1)
  stand_in(f'import time; time.sleep(2)\n{_WRITING}')
  warnings: list[str] = []
  follow(tmp_path / 'run', warnings=warnings)
  assert not warnings
  told = json.loads((tmp_path / 'run.told').read_text())
  assert [row['epoch'] for row in told['logged']] == [10, 20, 30]


@pytest.mark.slow
def test_a_killed_run_is_one_that_was_interrupted(stand_in, tmp_path):
  stand_in(_WRITING)
  process = subprocess.Popen(
    [sys.executable, '-P', str(sender._PROCESS), 'wandb'],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  begin = {'call': 'begin', 'run': 'run', 'group': None, 'fields': {}}
  process.communicate(json.dumps(begin | {'previous': None}), timeout=60)
  told = json.loads((tmp_path / 'run.told').read_text())
  assert told['summary'] == {'status': 'interrupted'}


@pytest.mark.slow
def test_a_command_ends_as_ever_and_soon(stand_in, tmp_path, environment):
  stand_in(_RAISING)
  environment = environment | {'PYTHONPATH': os.environ['PYTHONPATH']}
  done = subprocess.run(
    [
      *(sys.executable, '-c'),
      'import sys; sys.path.insert(0, sys.argv.pop(1));'
      'from experiments import cli, train; cli.run(train.main)',
      *(str(commands.ROOT), *FLAGS, '--track=wandb'),
      f'--workdir={tmp_path / "run"}',
    ],
    cwd=commands.ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.count('warning') == 1
  assert 'no such host' in done.stdout
  assert (tmp_path / 'run' / 'results.json').exists()


def test_what_is_not_there_is_one_error_before_anything(monkeypatch):
  parse = tracking.observer._TrackersParser().parse
  with pytest.raises(ConfigError, match='did you mean wandb'):
    parse('wandbb')
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  with pytest.raises(ConfigError, match='not installed; pip install mlflow'):
    parse('mlflow')
