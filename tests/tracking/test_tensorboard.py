"""TensorBoard's page HParams, as TensorBoard reads it."""

import pytest
import small_tracked
from small_tracked import make_config

from gat_jax import runs

small_tracked.need('tensorboard')


@pytest.fixture(scope='module')
def sweep(tmp_path_factory):
  """Two learning rates with two seeds, as a worker of a sweep trains them."""
  folder = tmp_path_factory.mktemp('sweep') / 'trials [1]'
  configs = [
    make_config(learning_rate=rate, seed=seed)
    for rate in (0.01, 0.02)
    for seed in (0, 1)
  ]
  folders = [folder / f'trial_{i}' for i in range(4)]
  return folder, configs, runs.train_group(configs, folders)


def test_page_of_a_sweep_has_a_line_a_trial(sweep):
  import hparams

  folder, configs, results = sweep
  differing, metrics, lines = hparams.page(folder)
  assert differing == {'learning_rate', 'seed'}
  assert metrics[:4] == [
    *('final/test_score', 'final/val_score', 'total/epochs', 'total/seconds')
  ]
  assert len(lines) == 4
  for i, (config, result) in enumerate(zip(configs, results, strict=True)):
    status, fields, scores = lines[f'trial_{i}']
    (seed,) = result.seeds
    assert status == 1  # success
    assert fields['learning_rate'] == config.learning_rate
    assert fields['model.num_heads'] == config.model.num_heads
    assert fields['model.hidden_dim'] == config.model.hidden_dim
    assert fields['dataset.name'] == config.dataset.name
    assert scores['final/test_score'] == pytest.approx(seed.test)
    assert scores['final/val_score'] == pytest.approx(seed.val)
    assert scores['total/epochs'] == seed.epochs


@pytest.mark.slow
def test_a_run_has_one_event_file_and_is_found_while_it_trains(tmp_path):
  import hparams

  class Interrupting(runs.Observer):
    def request(self, evaluation):
      return runs.Outcome.INTERRUPTED

  config = make_config(num_seeds=2)
  with pytest.raises(runs.Ended):
    runs.train_and_evaluate(config, tmp_path / 'run', Interrupting())
  (_,) = (tmp_path / 'run').rglob('events.out.*')
  _, _, lines = hparams.page(tmp_path)
  assert lines['run'][1]['patience'] == config.patience
  assert 'final/test_score' not in lines['run'][2]

  runs.train_and_evaluate(config, tmp_path / 'run')
  more = make_config(num_seeds=3)
  result = runs.train_and_evaluate(more, tmp_path / 'run')
  _, _, lines = hparams.page(tmp_path)
  status, fields, scores = lines['run']
  assert status == 1
  assert 'num_seeds' not in fields
  assert scores['final/test_score'] == pytest.approx(result.test['mean'])
