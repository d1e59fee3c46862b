import pytest

from configs import cora
from experiments.sweeps import hyper
from gat_jax.errors import ConfigError
from gat_jax.runs import default_config

HEADS = hyper.sweep('model.num_heads', [1, 2, 4])
RATES = hyper.sweep('learning_rate', [0.01, 0.1])


def test_product_has_every_pair_the_last_fastest():
  assert hyper.product(HEADS, RATES)[:3] == [
    {'model.num_heads': 1, 'learning_rate': 0.01},
    {'model.num_heads': 1, 'learning_rate': 0.1},
    {'model.num_heads': 2, 'learning_rate': 0.01},
  ]
  assert len(hyper.product(HEADS, RATES)) == 6
  assert hyper.product(HEADS) == HEADS
  assert hyper.product() == [{}]


def test_zipit_goes_side_by_side():
  hidden = hyper.sweep('model.hidden_dim', [32, 16, 8])
  assert hyper.zipit(HEADS, hidden)[1] == {
    'model.num_heads': 2,
    'model.hidden_dim': 16,
  }


def test_chain_goes_one_after_the_other():
  assert hyper.chain(HEADS, RATES) == HEADS + RATES


def test_combinators_nest():
  both = hyper.product(hyper.chain(HEADS, RATES), hyper.sweep('seed', range(5)))
  assert len(both) == 25
  assert both[-1] == {'learning_rate': 0.1, 'seed': 4}


def test_configs_have_the_changes_and_leave_the_first_alone():
  config = cora.get_config()
  trials = hyper.configs(config, hyper.product(HEADS, RATES))
  assert [t.model.num_heads for t in trials] == [1, 1, 2, 2, 4, 4]
  assert [t.learning_rate for t in trials] == [0.01, 0.1] * 3
  assert config.to_dict() == cora.get_config().to_dict()


@pytest.mark.parametrize(
  ('text', 'values'),
  [
    ('model.num_heads=1,2', [1, 2]),
    ('learning_rate=1e-3,0.5', [1e-3, 0.5]),
    ('model.residual=True,False', [True, False]),
    ('model.name=gat,gcn', ['gat', 'gcn']),
    ('learning_rate=1e-3..1', [hyper.Range(1e-3, 1.0)]),
    ('learning_rate=1e-3..1:log', [hyper.Range(1e-3, 1.0, log=True)]),
    ('model.num_heads=1..8', [hyper.Range(1, 8)]),
  ],
)
def test_parse_takes_the_type_of_the_field(text, values):
  found = hyper.parse(text, cora.get_config())
  assert [value for change in found for value in change.values()] == values
  assert {type(v) for change in found for v in change.values()} == {
    type(values[0])
  }


@pytest.mark.parametrize(
  ('make', 'words'),
  [
    (lambda c: hyper.configs(c, []), 'the sweep: it is empty'),
    (lambda c: hyper.sweep('seed', []), 'config.seed: its sweep has no value'),
    (lambda c: hyper.sweep('seed', [1, 1]), 'config.seed: its sweep has 1 twi'),
    (
      lambda c: hyper.product(HEADS, HEADS),
      'config.model.num_heads: two sweeps change it',
    ),
    (lambda c: hyper.zipit(HEADS, RATES), '3, 2 changes'),
    (lambda c: hyper.configs(c, HEADS + HEADS), 'twice'),
    (
      lambda c: hyper.configs(c, [{'model.num_head': 3}]),
      'did you mean model.num_heads?',
    ),
    (lambda c: hyper.configs(c, [{'model.num_heads': 'x'}]), 'another type'),
    (lambda c: hyper.configs(c, [{'model.num_heads': 0}]), 'from 1'),
    (
      lambda c: hyper.configs(c, hyper.sweep('model.residual', [True, False])),
      'the sweep changes it, and it changes nothing in a model of fewer than 3',
    ),
    (lambda c: hyper.parse('seed', c), '--sweep=seed: it has no values'),
    (lambda c: hyper.parse('sed=1', c), 'config.sed: .*did you mean seed?'),
    # A field that is there, in another place than it was looked for.
    (
      lambda c: hyper.parse('normalize_features=True', c),
      'did you mean dataset.normalize_features?',
    ),
    (lambda c: hyper.parse('num_heads=1', c), 'mean model.num_heads?'),
    (lambda c: hyper.parse('num_head=1', c), 'mean model.num_heads?'),
    (lambda c: hyper.parse('model.seed=1', c), 'did you mean seed?'),
    (
      lambda c: hyper.parse('name=gcn', c),
      'did you mean dataset.name or model.name?',
    ),
    (
      lambda c: hyper.parse('directed=True', default_config('graph.npz')),
      'did you mean dataset.directed?',
    ),
    (lambda c: hyper.parse('xyz=1', c), 'there is no such field$'),
    (lambda c: hyper.parse('seed=1.5', c), "--sweep=seed: '1.5' is no int"),
    (lambda c: hyper.parse('model.residual=1', c), 'neither True nor False'),
    (lambda c: hyper.parse('model.num_heads=1..2.5', c), "'2.5' is no int"),
    (lambda c: hyper.parse('patience=1..2,5', c), "'2,5' is no int"),
    (lambda c: hyper.parse('patience=5..5', c), 'it is no range; write one'),
    (lambda c: hyper.parse('learning_rate=nan..1', c), 'it is no range'),
    (lambda c: hyper.parse('weight_decay=0..1:log', c), 'ends are positive'),
    (lambda c: hyper.parse('patience=1..5:lin', c), 'it is no range'),
    (
      lambda c: hyper.configs(c, hyper.parse('patience=1..5', c)),
      'only --search can try',
    ),
  ],
)
def test_mistakes_are_one_clear_error(make, words):
  with pytest.raises(ConfigError, match=words.replace('?', r'\?')):
    make(cora.get_config())


def test_a_field_that_matters_to_one_of_several_models_may_be_swept():
  changes = hyper.product(
    hyper.sweep('model.name', ['gat', 'gcn']),
    hyper.sweep('model.score_bias', [True, False]),
  )
  assert len(hyper.configs(cora.get_config(), changes)) == 4
