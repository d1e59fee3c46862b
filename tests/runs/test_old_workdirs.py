"""What commit 4ac1a8a wrote is still read and continued.

old_workdirs/run.tar.gz holds two runs of it, with --config=configs/smoke.py,
the fields of `make_config` and: run/finished with max_epochs 20;
run/interrupted with max_epochs 200, stop_rule none and checkpoint_minutes 0,
killed when it had saved epoch 24 and logged epoch 28.
"""

import json
import pathlib
import tarfile

import numpy as np
import pytest

from configs import smoke
from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError
from gat_jax.runs import fields
from gat_jax.runs import loop

OLD = pathlib.Path(__file__).parents[1] / 'old_workdirs'
# Of the validation nodes, of both seeds of a run that was never interrupted.
LOSSES = [0.5365065, 0.3649190]


class Listener(runs.Observer):
  resumed = None

  def on_resumed(self, epoch):
    self.resumed = epoch


@pytest.fixture
def old(tmp_path):
  with tarfile.open(OLD / 'run.tar.gz') as archive:
    archive.extractall(tmp_path, filter='data')
  return tmp_path / 'run'


def make_config(**fields):
  config = smoke.get_config()
  config.dataset.num_nodes = 260
  config.dataset.num_features = 8
  config.model.hidden_dim = 2
  config.model.num_heads = 2
  config.log_every = 4
  config.num_seeds = 2
  config.max_epochs = 200
  config.stop_rule = 'none'
  config.update_from_flattened_dict(fields)
  return config


def lines(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_interrupted_run_goes_on_from_its_checkpoint(old):
  workdir = old / 'interrupted'
  before = [line for line in lines(workdir) if line['epoch'] <= 24]
  listener = Listener()
  # How a run is executed may differ: its checkpoints, what it logs.
  config = make_config(checkpoint_minutes=5.0, log_every=8)
  result = runs.train_and_evaluate(config, workdir, listener)
  assert listener.resumed == 24
  after = lines(workdir)
  assert after[: len(before)] == before
  for seed in (0, 1):
    epochs = [line['epoch'] for line in after if line['seed'] == seed]
    assert epochs == [*range(4, 25, 4), *range(32, 201, 8)]
  assert [seed.epochs for seed in result.seeds] == [200, 200]
  # As the uninterrupted run ends; another machine rounds differently.
  losses = [seed.val_loss for seed in result.seeds]
  assert losses == pytest.approx(LOSSES, rel=1e-3)


def test_other_settings_are_refused_by_name(old):
  config = make_config(learning_rate=0.5)
  with pytest.raises(WorkdirError) as caught:
    runs.train_and_evaluate(config, old / 'interrupted')
  assert caught.value.field == 'workdir'
  assert '`config.learning_rate` is 0.01 there and 0.5 now' in str(caught.value)
  assert 'checkpoint_minutes' not in str(caught.value)


def test_finished_run_is_predicted_from(old):
  seed, (graph,) = runs.predict(old / 'finished', attention=True)
  results = json.loads((old / 'finished/results.json').read_text())
  own = next(entry for entry in results['seeds'] if entry['seed'] == seed)
  tested = graph.splits == 'test'
  hits = graph.predictions[tested] == graph.labels[tested]
  assert hits.mean() == pytest.approx(own['test'])
  assert [layer.alpha.shape[1] for layer in graph.attention] == [2, 1]


def test_a_field_that_is_new_does_not_make_a_run_unreadable(old, monkeypatch):
  new = fields.Field(False, 'a switch', lambda v: v is False, 'False')
  for name in ('of_a_newer_version', 'model.of_a_newer_version'):
    monkeypatch.setitem(fields.FIELDS, name, new)
    with pytest.raises(ConfigError, match=f'{name}: missing'):
      runs.read_config(old / 'finished')
    monkeypatch.setitem(fields.UNNAMED_IN_0_1, name, False)
  config = runs.read_config(old / 'finished')
  assert config.of_a_newer_version is config.model.of_a_newer_version is False
  assert config.model.hidden_dim == 2


def test_finished_run_gives_its_result(old):
  config = make_config(max_epochs=20, stop_rule='both', checkpoint_minutes=1.0)
  before = {path: path.stat().st_mtime_ns for path in old.rglob('*')}
  result = runs.train_and_evaluate(config, old / 'finished')
  assert result == runs.read_result(old / 'finished')
  assert {path: path.stat().st_mtime_ns for path in old.rglob('*')} == before
  config.learning_rate = 0.5
  with pytest.raises(WorkdirError, match='already holds a finished run with'):
    runs.train_and_evaluate(config, old / 'finished')


@pytest.mark.slow
def test_states_that_this_version_would_not_know_are_left_alone(
  old, monkeypatch
):
  """As if a state had a field more now."""
  workdir = old / 'interrupted'
  states = loop.Recovery._states

  def with_one_more(self):
    return states(self), {'of_a_newer_version': np.zeros(3, np.float32)}

  monkeypatch.setattr(loop.Recovery, '_states', with_one_more)
  before = {
    path: path.read_bytes()
    for path in workdir.rglob('*')
    if path.is_file() and path.name != '.lock'
  }
  with pytest.raises(WorkdirError) as caught:
    runs.train_and_evaluate(make_config(log_every=8), workdir)
  for words in (
    'none of the checkpoints can be used',
    '24 has other arrays than this version: ',
    'is missing',
    '`discard_unreadable`',
  ):
    assert words in str(caught.value)
  after = {
    path: path.read_bytes()
    for path in workdir.rglob('*')
    if path.is_file() and path.name != '.lock'
  }
  assert after == before
