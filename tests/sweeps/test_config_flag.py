"""--config.field=value means for a sweep what it means for training."""

import sys

from absl import flags
import pytest

from experiments import arguments
from experiments.sweeps import config_flag
from experiments.sweeps import hyper
from gat_jax.errors import ConfigError

# Of ml_collections, where it loads the file for training.
pytestmark = pytest.mark.filterwarnings('ignore:.*load_module')
CORA, SMOKE = 'configs/cora.py', 'configs/smoke.py'


def parse(monkeypatch, *arguments):
  """The flag of a sweep, after these arguments of the command."""
  monkeypatch.setattr(sys, 'argv', ['sweep', *arguments])
  values = flags.FlagValues()
  flag = config_flag.ConfigFilesFlag('config', 'help', values)
  flags.DEFINE_flag(flag, values)
  flags.DEFINE_string('workdir', None, 'help', values)
  assert values(sys.argv) == ['sweep']
  return flag


def trained(monkeypatch, *words):
  """The config that training would have."""
  monkeypatch.setattr(sys, 'argv', ['train', *words])
  values = flags.FlagValues()
  arguments.config_flag('config', 'help', values)
  assert values(sys.argv) == ['train']
  return values.config


@pytest.mark.parametrize(
  'words',
  [
    (),
    ('--config.max_epochs=50', '--config.model.num_heads=4'),
    ('--config.max_epochs', '50', '--config.learning_rate=1e-2'),
    ('--config.compare_rules', '--noconfig.model.value_dropout'),
    ('--config.compare_rules=true', '--config.dataset.name=some where.npz'),
    ('--config.max_epochs=50', '--config.max_epochs=60'),
    ('--config.data_dir=a=b',),
  ],
)
def test_every_config_is_what_training_makes_of_it(monkeypatch, words):
  for first in (CORA, f'{CORA}:dgl'):
    flag = parse(monkeypatch, f'--config={first},{SMOKE}', *words)
    for file in flag.value:
      expected = trained(monkeypatch, f'--config={file.path}', *words)
      assert file.config.to_dict() == expected.to_dict()
    assert [file.sweep for file in flag.value] == [
      hyper.load(path)[1] for path in (CORA, SMOKE)
    ]


def test_both_ways_to_write_a_flag_are_taken(monkeypatch):
  flag = parse(
    monkeypatch, '--config', SMOKE, '--config.seed', '3', '--workdir', 'w'
  )
  assert [file.config.seed for file in flag.value] == [3]


@pytest.mark.parametrize(
  'argument',
  [
    '--config.modle.num_heads=4',
    '--config.model.num_head=4',
    '--config.model.num_heads=many',
    '--config.model.num_heads=1.5',
    '--config.compare_rules=perhaps',
    '--config.model=4',
  ],
)
def test_what_training_refuses_is_refused_in_the_same_words(
  monkeypatch, argument
):
  words = (f'--config={SMOKE}', argument)
  with pytest.raises(Exception) as theirs:  # noqa: PT011, whatever it is
    trained(monkeypatch, *words)
  with pytest.raises(Exception) as ours:  # noqa: PT011
    parse(monkeypatch, *words)
  assert arguments.explain(ours.value) == arguments.explain(theirs.value)


def test_a_field_before_the_config_is_refused_as_in_training(monkeypatch):
  with pytest.raises(flags.Error, match='before a value for --config'):
    parse(monkeypatch, '--config.seed=1', f'--config={SMOKE}')


def test_a_missing_file_names_the_one_that_was_meant(monkeypatch):
  with pytest.raises(ConfigError, match=r'did you mean configs/smoke\.py\?'):
    parse(monkeypatch, f'--config={CORA},configs/smoky.py', '--config.seed=1')


def test_words_are_the_last_that_were_given(monkeypatch):
  flag = parse(
    monkeypatch,
    f'--config={CORA},{SMOKE}',
    '--config.max_epochs',
    '50',
    '--noconfig.compare_rules',
    "--config.dataset.name=it's here.npz",
    '--config.max_epochs=60',
  )
  assert flag.words == [
    '--config.compare_rules=false',
    "--config.dataset.name=it's here.npz",
    '--config.max_epochs=60',
  ]


@pytest.mark.parametrize(
  ('argument', 'changes', 'words'),
  [
    ('--config.seed=5', 'seed', 'the sweep changes seed'),
    ('--config.model.num_heads=4', 'model.num_heads', 'leave one of them out'),
    ("--config.model={'num_heads': 4}", 'model.num_heads', '--config.model:'),
    ('--config.num_seeds=4', 'patience', 'one seed; give --seeds'),
    ('--config.model.num_heads=4', 'model.num_layers', None),
    ('--config.patience=4', 'seed', None),
  ],
)
def test_a_field_is_set_or_swept_but_not_both(
  monkeypatch, argument, changes, words
):
  flag = parse(monkeypatch, f'--config={SMOKE}', argument)
  if words is None:
    flag.check(hyper.sweep(changes, [1, 2]))
    return
  with pytest.raises(ConfigError, match=words):
    flag.check(hyper.sweep(changes, [1, 2]))
