"""Whether the page can tell attention that matters from attention that not."""

import html
import json
import re

from flax import nnx
import numpy as np
import pytest

from configs import smoke
from experiments.pages import drawing
from experiments.pages import trust
from experiments.pages.trust import measuring
from experiments.pages.trust import words
from gat_jax import Dataset
from gat_jax import Example
from gat_jax import Model
from gat_jax import graphs
from gat_jax import runs


def star(num_rays):
  """Node 0 is of class 0, and only what node 1 sends says so."""
  features = np.tile(np.float32([0, 1]), (num_rays + 1, 1))
  features[0] = 0, 0.1
  features[1] = 5, 0
  rays = np.arange(1, num_rays + 1)
  graph = graphs.prepare(features, rays, np.zeros_like(rays))
  labels = np.zeros(num_rays + 1, np.int32)
  return Example(graph, labels, labels == np.arange(num_rays + 1))


@pytest.fixture(scope='module')
def measured():
  """Of a head that takes features as they are and listens to large ones."""
  examples = [star(10), star(20)]
  data = Dataset('star', examples, [], examples, 2, multilabel=False, card={})
  model = Model(2, 2, num_layers=1, num_output_heads=1, rngs=nnx.Rngs(0))
  (layer,) = model.layers
  layer.kernel[...] = np.eye(2, dtype=np.float32)[:, None]
  layer.sender_vector[...] = np.ones((1, 2), np.float32)
  layer.receiver_vector[...] = np.zeros((1, 2), np.float32)
  return measuring.measure(data, {3: model, 4: model})


def test_one_edge_that_decides_goes_first_or_last(measured):
  """It is a tenth of the edges of one graph and a twentieth of the other's."""
  assert (measured.scores['most'] == [1] + [0] * 10).all()
  assert (measured.scores['least'] == [1] * 10 + [0]).all()
  assert measured.scores['random'][:, 0] == pytest.approx(1)
  assert (np.diff(measured.scores['random']) <= 0).all()
  told = ' '.join(words.of_deletion(measured.scores, 'accuracy'))
  assert 'With all edges accuracy is 100.0 %, without any 0.0 %.' in told
  assert 'Here attention says which edges the model needs.' in told


def test_a_seed_agrees_with_itself(measured):
  for of_layer in measured.agreement:
    assert of_layer == pytest.approx([1])


def test_what_is_left_keeps_its_features():
  graph = graphs.prepare(
    np.eye(3), [0, 1, 2, 0], [1, 2, 0, 2], edge_features=[1, 2, 3, 4]
  )
  edges = measuring.rank(graph, np.arange(7.0), 'least', seed=0)
  left = measuring.without(graph, edges[:2])
  before, after = (
    {
      (s, r): tuple(f)
      for s, r, f in zip(g.senders, g.receivers, g.edges, strict=True)
    }
    for g in (graph, left)
  )
  gone = [(graph.senders[e], graph.receivers[e]) for e in edges[:2]]
  assert all(sender != receiver for sender, receiver in gone)
  assert after == {e: f for e, f in before.items() if e not in gone}
  assert list(edges) == sorted(edges)  # by their weight


def curves(least, most, spread=0.01):
  """Of six seeds, about so many points below random."""
  noise = spread * np.random.default_rng(0).normal(size=(6, 1))
  random = np.full((6, 11), 0.8)
  return {
    'least': random - least / 100 + noise * random,
    'random': random,
    'most': random - most / 100 - noise * random,
  }


@pytest.mark.parametrize(
  ('least', 'most', 'expected'),
  [
    (-5, 5, 'attention says which edges the model needs'),
    (0, 5, 'attention says only in part which edges'),
    (5, -5, 'attention misleads'),
    (0, 0, 'attention is not seen to say which edges'),
    (5, 5, 'attention is not seen to say which edges'),
  ],
)
def test_the_verdict_follows_from_the_curves(least, most, expected):
  text = ' '.join(words.of_deletion(curves(least, most), 'accuracy'))
  assert f'Here {expected}' in text
  assert ('least attended edges costs no more (' in text) == (least == 0)
  assert ('one-sided' in text) == (least == most == 5)


def test_what_is_equal_is_said_to_be_equal_and_one_seed_decides_nothing():
  same = {order: np.full((2, 11), 0.8) for order in measuring.ORDERS}
  text = ' '.join(words.of_deletion(same, 'micro_f1'))
  assert 'costs exactly as much as taking away random ones' in text
  assert 'attention is not seen to say' in text
  one = {order: own[:1] for order, own in curves(-5, 5).items()}
  text = ' '.join(words.of_deletion(one, 'micro_f1'))
  assert 'With all edges micro-F1 is' in text
  assert 'one seed cannot tell from chance.' in text
  assert 'Here attention' not in text


def test_agreement_is_weighed_by_how_uniform_attention_is():
  near = np.array([[0.95, 0.97], [0.1, 0.2]])
  found = measuring.Found({}, [np.array([x]) for x in (0.4, 0.8, 0.6)], near)
  text = words.of_agreement(found)[-1]
  assert 'In layer 1 it is 0.40. But 96.0 % of the weights there are' in text
  assert text.endswith('In layer 2 (output) it is 0.80.')


@pytest.mark.parametrize('kind', ['run', 'labels'])
def test_with_all_edges_the_scores_are_those_of_the_run(made, kind):
  """Every seed's model is its own, and so the mean over them."""
  text = html.unescape((made / kind / 'report.html').read_text())
  seeds = json.loads((made / kind / 'results.json').read_text())['seeds']
  mean = 100 * np.mean([seed['test'] for seed in seeds])
  assert '0% taken away\\n' in text
  assert re.search(rf'With all edges \S+ is {mean:.1f} %', text)
  several = len(seeds) > 1
  assert ('agreement of attention between seeds, pairs: 1' in text) == several
  assert ('Whether seeds agree takes two' in text) != several
  assert ('± sample deviation, 2 seeds' in text) == several
  _, models = runs.load_trained(made / kind)
  assert list(models) == [seed['seed'] for seed in seeds]


def test_work_is_bounded_and_the_page_says_so(made):
  with drawing.style():
    found = trust.section(made / 'run', None, most_work=1.0)
  assert re.search(r'Not asked here: with the [\d,]+ edges', found.text)
  assert not found.items


@pytest.mark.slow
def test_the_first_seeds_count_where_all_take_too_long(made):
  data, models = runs.load_trained(made / 'run')
  work = measuring.work(data, models[0])
  with drawing.style():
    found = trust.section(made / 'run', None, most_work=1.5 * work)
  assert 'Of 2 seeds the first 1 count here' in found.text
  assert 'Whether seeds agree takes two' in found.text
  assert [chart.name for chart in found.charts] == ['deletion']


@pytest.mark.slow
def test_without_edges_there_is_nothing_to_ask(tmp_path):
  config = smoke.get_config()
  changes = {'dataset.average_degree': 1e-9, 'max_epochs': 2}
  config.update_from_flattened_dict(changes)
  runs.train_and_evaluate(config, tmp_path / 'w')
  found = trust.section(tmp_path / 'w', None)
  assert 'there is nothing to ask' in found.text
  assert not found.items
