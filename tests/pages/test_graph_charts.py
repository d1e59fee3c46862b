"""Charts of predictions and attention on graphs that are small and nasty."""

import dataclasses
import html
import re

import numpy as np
import pytest

from experiments.pages import attention
from experiments.pages import drawing
from experiments.pages import neighborhood
from experiments.pages import predicted
from experiments.pages import views
from gat_jax.nn import Attention
from gat_jax.runs import GraphPrediction


def prediction(labels, edges=(), num_layers=2, num_classes=None, heads=2):
  """Uniform attention over some edges and the self-loops."""
  n = len(labels)
  pairs = sorted({(r, s) for s, r in edges} | {(i, i) for i in range(n)})
  receivers, senders = np.array(pairs).T
  alpha = 1 / np.bincount(receivers)[receivers]
  layer = Attention(senders, receivers, np.stack([alpha] * heads, axis=1))
  rng = np.random.default_rng(0)
  labels = np.asarray(labels)
  num_classes = num_classes or int(labels.max()) + 1
  p = rng.dirichlet(np.ones(num_classes), n)
  return GraphPrediction(
    splits=np.array(['test'] * n),
    labels=labels,
    probabilities=p,
    hidden=[rng.normal(size=(n, 4))],
    attention=[layer] * num_layers,
  )


def drawn(section):
  charts = {chart.name: chart for chart in section.items}
  for chart in charts.values():
    chart.for_page()
  return charts


def attention_of(graph, node=None):
  with drawing.style():
    view = views.View(node)
    return drawn(attention.section([graph], 0, view, seed=0))


RING = [(i, (i + 1) % 12) for i in range(12)]


def test_an_isolated_node_has_no_neighbour(recwarn):
  charts = attention_of(prediction([0, 1] * 6, RING[:6]), node=11)
  caption = charts['neighborhood-1'].caption
  assert caption == 'Node 11 has no neighbour but itself.'


def test_without_any_edge_there_is_nothing_to_choose():
  charts = attention_of(prediction([0, 1] * 6))
  assert set(charts) == {'neighborhood-1', 'neighborhood-2'}


def test_without_labels_on_both_ends_the_own_class_is_left_out():
  charts = attention_of(prediction([1, -1] * 6, RING))
  assert 'own-class' not in charts
  assert 'entropy-1' in charts


def test_a_deep_model_is_drawn_whole():
  charts = attention_of(prediction([0, 1] * 6, RING, num_layers=6))
  assert {'entropy-6', 'neighborhood-6', 'own-class'} <= set(charts)


def test_of_one_layer_there_are_no_hidden_features():
  graph = prediction([0, 1] * 6, RING, num_layers=1)
  graph.hidden.clear()
  assert set(predictions_of(graph)) == {'confusion', 'calibration'}
  names = {'entropy-1', 'own-class', 'neighborhood-1', 'degree-entropy'}
  assert set(attention_of(graph)) == names


def test_uniform_attention_is_as_uniform_as_it_gets():
  charts = attention_of(prediction([0, 1] * 6, RING))
  assert 'the heads have 100 % of the uniform' in charts['entropy-1'].caption
  assert '0.00 nats below' in charts['degree-entropy'].caption
  assert '+0.00, +0.00 percentage points' in charts['own-class'].caption


def test_words_say_of_each_layer_what_attention_does():
  graph = prediction([0, 1] * 6, RING, num_layers=3)
  uniform = graph.attention[0]
  own = (uniform.senders == uniform.receivers)[:, None]
  others = np.bincount(uniform.receivers)[uniform.receivers][:, None] - 1
  given = {1: 0.95, 2: 0.7}  # what a node gives to itself
  for layer, share in given.items():
    alpha = np.where(own, share, (1 - share) / others).repeat(2, axis=1)
    graph.attention[layer] = uniform._replace(alpha=alpha)
  text = attention.in_words([graph], seed=7)
  assert 'uniform where each of them weighs the same, 1 / degree' in text
  assert 'in Const-GAT' in text
  assert (
    'In layer 1 attention is close to uniform: for 100 % of the weights alpha'
    ' times the degree lies between 0.9 and 1.1, and for 0 % below 0.5'
  ) in text
  assert 'In layer 2 attention is selective: for 0 % of the weights' in text
  assert 'In layer 3 (output) attention is mixed: for 0 % of' in text
  assert 'at least 90 % of the weights' in text
  assert 'seed 7' in text


def test_words_say_that_there_is_nothing_to_choose_from():
  text = attention.in_words([prediction([0, 1] * 6)], seed=0)
  assert 'nothing to choose from' in text
  assert 'nan' not in text


def words_of(svg):
  """The text that is seen in a file of matplotlib."""
  found = re.findall(r'<!-- (.*?) -->', svg, re.DOTALL)
  return html.unescape(' '.join(found))


@pytest.mark.parametrize('multilabel', [False, True])
def test_a_picture_of_a_neighbourhood_stands_alone(tmp_path, multilabel):
  labels = np.arange(40) % 3
  if multilabel:
    labels = np.eye(3, dtype=int)[labels]
  spokes = [(i, 0) for i in range(1, 40)]
  graph = prediction(labels, spokes, num_classes=3, heads=4)
  view = views.View(node=0, layer=1, head=3)
  with drawing.style():
    (chart,) = neighborhood.charts(graph, view, ' of graph 5')
    chart.save(tmp_path, 'GAT on toy, seed 7')
  assert chart.name == 'neighborhood-1-head-3'
  svg = (tmp_path / f'{chart.name}.svg').read_text()
  words = words_of(svg)
  assert 'What node 0 of graph 5 attends to, layer 1, head 3 of 4' in words
  assert 'GAT on toy, seed 7' in words
  assert '30 of 39 neighbours' in words
  assert '9 are left out' in words
  assert 'alpha = 0.025, uniform' in words
  assert ('shares 50 % of its labels' if multilabel else 'class 2') in words
  drawn_ids = set(words.split()) & set(map(str, range(1, 40)))
  assert len(drawn_ids - {'4', '3', '5', '9', '30', '39'}) >= 24
  legend = chart.figure.legends[0].get_window_extent()
  assert chart.figure.bbox.x0 <= legend.x0 < legend.x1 <= chart.figure.bbox.x1


def test_a_head_that_a_layer_has_not_is_left_out_of_its_pictures():
  graph = prediction([0, 1] * 6, RING)
  graph.attention[1] = graph.attention[1]._replace(
    alpha=graph.attention[1].alpha[:, :1]
  )
  with drawing.style():
    found = neighborhood.charts(graph, views.View(head=2), '')
  assert [chart.name for chart in found] == ['neighborhood-1-head-2']


def predictions_of(graph):
  with drawing.style():
    return drawn(predicted.section([graph], seed=0))


@pytest.mark.parametrize('num_classes', [2, 9, 15, 40])
def test_the_legend_has_room_for_the_classes(num_classes):
  labels = np.arange(3 * num_classes) % num_classes
  charts = predictions_of(prediction(labels))
  legend = charts['t-sne'].figure.axes[0].get_legend()
  assert (legend is None) == (num_classes > 15)
  if legend:
    box, page = legend.get_window_extent(), charts['t-sne'].figure.bbox
    assert page.x0 <= box.x0 < box.x1 <= page.x1


def test_a_perfect_model_makes_no_error():
  graph = prediction([0, 2] * 6, num_classes=4)
  graph.probabilities[:] = np.eye(4)[graph.labels]
  charts = predictions_of(graph)
  assert 'No node is predicted wrong.' in charts['confusion'].caption
  assert 'between 100% and 100%' in charts['confusion'].alt
  assert 'calibration error, is 0.0 points' in charts['calibration'].caption


def test_labels_that_are_promised_too_rarely_are_too_low():
  labels = (np.random.default_rng(0).random((200, 3)) < 0.2).astype(int)
  graph = prediction(labels, num_classes=3)
  graph.probabilities[:] = 0.1
  assert 'too low' in predictions_of(graph)['calibration'].caption


def test_names_of_nodes_and_classes_stand_on_the_charts(tmp_path):
  """Whatever they are: mathematics, markup, long, with control characters."""
  graph = dataclasses.replace(
    prediction([0, 1, 0, 1], [(0, 1), (2, 1), (3, 1)]),
    node_ids=np.array(['a$x$', '<b>', 'line\n\x01', 'd'], object),
    class_names=('_odd $y$', 'a name that is longer than its place'),
  )
  confusion, *_ = predicted.section([graph], 0).items
  assert 'of class _odd $y$' in confusion.caption + confusion.spots[0].texts[0]
  (chart, *_) = neighborhood.charts(graph, views.View(node=2), '')
  assert chart.title.startswith('What node 2 (line) attends to')
  assert 'class _odd $y$' in chart.spots[0].texts[0]
  for one in (confusion, chart):
    one.save(tmp_path)
    one.for_page()
