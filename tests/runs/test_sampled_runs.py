"""Sampled runs as a whole: interrupted within an epoch, scored, predicted."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

from flax import nnx
import jax
import numpy as np
import pytest

from gat_jax import machine
from gat_jax import runs
from gat_jax import training
from gat_jax.errors import ConfigError
from gat_jax.runs import inputs
from gat_jax.runs import predictions
from gat_jax.runs import settings

pytestmark = pytest.mark.slow


def config_of(**fields):
  """A small MLP, which compiles fast, if it is not told otherwise."""
  config = settings.default_config('relations')
  config.dataset.num_nodes = 300
  config.sampler.fan_outs = (3, 2)
  config.sampler.batch_size = 8
  config.stop_rule = 'none'
  config.max_epochs = 3
  config.log_every = 2
  config.model.dropout_rate = 0.0
  config.model.name = 'mlp'
  config.model.edge_features = False
  config.update_from_flattened_dict(fields)
  return config


class Stop(runs.Observer):
  """Asks for the end at the n-th look."""

  def __init__(self, number):
    self.number = number

  def request(self, evaluation):
    self.number -= 1
    return runs.Outcome.INTERRUPTED if self.number == 0 else None


def metrics_of(folder):
  return (folder / 'metrics.jsonl').read_text()


def two_seeds():
  """A model that reads neighbours, and masks of them."""
  return config_of(
    **{
      'num_seeds': 2,
      'sampler.validate_every': 2,
      'model.name': 'gcn',
      'model.dropout_rate': 0.5,
    }
  )


def train_until_killed(workdir):
  """It saves after each step, and is killed in the second save of an epoch."""
  from gat_jax.runs.states import stored
  from gat_jax.training.drivers import sampled

  sampled._SECONDS = 0.0
  config = two_seeds()
  config.checkpoint_minutes = 0.0
  write, saves = stored.write, []

  def write_and_die(*args):
    saves.append(args)
    write(*args)
    if len(saves) == 2:
      os.kill(os.getpid(), signal.SIGKILL)

  stored.write = write_and_die
  runs.train_and_evaluate(config, workdir)


def test_a_run_that_stops_within_an_epoch_goes_on_bit_for_bit(
  tmp_path, monkeypatch
):
  from gat_jax.training.drivers import sampled

  config = two_seeds()
  whole = runs.train_and_evaluate(config, tmp_path / 'whole')
  monkeypatch.setattr(sampled, '_SECONDS', 0.0)  # it may stop at every step
  config.checkpoint_minutes = 0.0
  parts = tmp_path / 'parts'
  context = multiprocessing.get_context('spawn')
  process = context.Process(target=train_until_killed, args=(parts,))
  process.start()
  process.join()
  assert process.exitcode == -signal.SIGKILL
  facts = json.loads((parts / 'checkpoints/0/facts/metadata').read_text())
  assert [own['steps'] for own in facts['progress']] == [1, 1]
  for number, epoch in ((3, 0), (9, 1)):  # the second has logged nothing yet
    with pytest.raises(runs.Ended) as ended:
      runs.train_and_evaluate(config, parts, Stop(number))
    assert ended.value.epoch == epoch
  result = runs.train_and_evaluate(config, parts)
  assert result.seeds == whole.seeds
  assert metrics_of(parts) == metrics_of(tmp_path / 'whole')
  both = [predictions.load_trained(p)[1] for p in (parts, tmp_path / 'whole')]
  for one, another in zip(*(m.values() for m in both), strict=True):
    leaves = [
      jax.tree.leaves(nnx.state(model, nnx.Param)) for model in (one, another)
    ]
    for a, b in zip(*leaves, strict=True):
      np.testing.assert_array_equal(a, b)


def test_sigterm_in_a_long_epoch_loses_nothing(tmp_path):
  """The real command, killed softly in its first epoch of many steps."""
  flags = [
    '--config=configs/large.py',
    '--config.dataset.num_nodes=4000',
    '--config.dataset.train_fraction=0.5',
    '--config.sampler.fan_outs=3,2',
    '--config.sampler.batch_size=1',
    '--config.model.name=gcn',
    '--config.model.dropout_rate=0',
    '--config.stop_rule=none',
    '--config.max_epochs=1',
  ]
  command = [sys.executable, '-m', 'experiments.train', *flags]
  stopped = tmp_path / 'stopped'
  with subprocess.Popen(
    [*command, f'--workdir={stopped}'],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  ) as run:
    for line in run.stdout:
      if 'compiled in' in line:
        break
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    assert run.wait(120) != 0, run.stdout.read()
  (facts,) = stopped.glob('checkpoints/*/facts/metadata')
  (progress,) = json.loads(facts.read_text())['progress']
  assert 0 < progress['steps'] < 2000
  subprocess.run([*command, f'--workdir={stopped}'], check=True)
  whole = runs.train_and_evaluate(predictions.read_config(stopped))
  assert runs.read_result(stopped).seeds == whole.seeds


def test_scores_and_predictions_are_those_of_the_whole_graph(tmp_path):
  config = config_of(**{'model.name': 'gcn', 'sampler.workers': 0})
  result = runs.train_and_evaluate(config, tmp_path)
  seed, (found,) = runs.predict(tmp_path, hidden=True)
  dataset, models = predictions.load_trained(tmp_path)
  whole = models[seed].activations(dataset.test[0].graph)
  np.testing.assert_allclose(
    found.probabilities, jax.nn.softmax(whole[-1]), atol=1e-5
  )
  np.testing.assert_allclose(found.hidden[0], whole[0], atol=1e-5)
  mask, labels = dataset.test[0].mask, dataset.test[0].labels
  hits = (found.predictions == labels)[mask]
  assert result.seeds[0].test == pytest.approx(hits.mean())
  assert runs.read_result(tmp_path).sampling == result.sampling
  assert set(result.sampling) == {'seeds_per_second', 'waiting_share'}


def test_nothing_is_compiled_again(monkeypatch):
  config = config_of()
  dataset = inputs.load_dataset(config)
  checked = []
  monkeypatch.setattr(
    training.memory, 'check', lambda *_, **options: checked.append(options)
  )
  with training.own_jax_settings():
    driver = training.choose_driver(
      config, dataset, training.Replica.of(config)
    )
    driver.compile()
    traces = driver.num_traces
    driver.advance(3)
  assert driver.fetch('epoch') == 3
  assert driver.num_traces == traces == len(driver.neighbours.shapes)
  facts = driver.facts()
  assert facts['seeds_per_second'] > 0
  assert 0 <= facts['waiting_share'] <= 1
  progress = driver.progress()
  driver.restore([driver.state(0)])
  driver.resume(progress)
  assert driver.facts() == facts
  hidden = config.model.hidden_dim * config.model.num_heads
  activations = 4 * dataset.test[0].mask.sum() * (hidden + dataset.num_classes)
  assert checked[0]['is_sampled']
  assert checked[0]['on_host'] > activations + driver.neighbours.num_bytes(0)


def test_a_graph_that_does_not_fit_is_predicted_layer_by_layer(
  tmp_path, monkeypatch, caplog
):
  config = config_of(**{'sampler.fan_outs': (), 'max_epochs': 2})
  runs.train_and_evaluate(config, tmp_path)
  _, (wanted,) = runs.predict(tmp_path)
  monkeypatch.setattr(machine, 'free_memory', lambda: 0)
  _, (found,) = runs.predict(tmp_path)
  assert 'layer by layer' in caplog.text
  np.testing.assert_allclose(
    found.probabilities, wanted.probabilities, atol=1e-5
  )
  monkeypatch.setattr(training.memory, 'needed', lambda unused_compiled: 10**9)
  with pytest.raises(ConfigError, match=r'or sample neighbours: `config\.sam'):
    runs.train_and_evaluate(config)


@pytest.mark.parametrize(
  ('fields', 'said'),
  [
    ({'sampler.fan_outs': (3,)}, '1 numbers for 2 layers'),
    ({'sampler.fan_outs': (3, 0)}, 'whole numbers from 1 on'),
    ({'batch_size': 2}, 'graphs a step, and neighbours are sampled'),
    ({'mesh.nodes': 2}, 'neighbours are sampled'),
  ],
)
def test_what_does_not_go_with_sampling_is_one_error(fields, said):
  with pytest.raises(ConfigError, match=said):
    runs.train_and_evaluate(config_of(**fields))
