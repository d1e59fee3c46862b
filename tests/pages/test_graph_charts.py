"""Charts of predictions and attention on graphs that are small and nasty."""

import numpy as np
import pytest

from experiments.pages import attention
from experiments.pages import drawing
from experiments.pages import predicted
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
    return drawn(attention.section([graph], 0, node, seed=0))


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
  charts = attention_of(prediction([0, 1] * 6, RING, num_layers=12))
  assert {'entropy-12', 'neighborhood-12', 'own-class'} <= set(charts)


def test_of_one_layer_there_are_no_hidden_features():
  graph = prediction([0, 1] * 6, RING, num_layers=1)
  graph.hidden.clear()
  assert set(predictions_of(graph)) == {'confusion', 'calibration'}
  names = {'entropy-1', 'own-class', 'neighborhood-1', 'degree-entropy'}
  assert set(attention_of(graph)) == names


def test_uniform_attention_is_as_uniform_as_it_gets():
  charts = attention_of(prediction([0, 1] * 6, RING))
  assert '100.0% to 100.0%' in charts['entropy-1'].caption
  assert '0.00 nats below' in charts['degree-entropy'].caption
  assert '+0.00, +0.00 points' in charts['own-class'].caption


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
  assert 'calibration error 0.000' in charts['calibration'].caption


def test_labels_that_are_promised_too_rarely_are_too_low():
  labels = (np.random.default_rng(0).random((200, 3)) < 0.2).astype(int)
  graph = prediction(labels, num_classes=3)
  graph.probabilities[:] = 0.1
  assert 'too low' in predictions_of(graph)['calibration'].caption
