"""Charts of one node's neighbourhood, with lines as thick as attention.

Shapes: n edges into the node, K heads.
"""

import matplotlib
import networkx
import numpy as np

from experiments.pages import drawing
from experiments.pages import measures
from gat_jax.errors import WorkdirError
from gat_jax.nn import Attention
from gat_jax.runs import GraphPrediction

_MOST_NEIGHBORS = 30  # that are drawn
_MOST_NUMBERS = 12  # lines that have their alpha beside them
_TELLING_DEGREES = 5, 12  # of a node that is chosen; the self-loop counts


def charts(
  graph: GraphPrediction, node: int | None, where: str
) -> list[drawing.Chart]:
  """One a layer, the nodes at the same places in all of them.

  Args:
    graph: with attention.
    node: whose neighbourhood; None chooses one.
    where: what to add to its name, as in ' of graph 1'.

  Raises:
    WorkdirError: if there is no such node.
  """
  if node is None:
    node = telling_node(graph)
  if not 0 <= node < len(graph.labels):
    raise WorkdirError(
      'node',
      f'the graph has no node {node}',
      f'it has nodes 0 to {len(graph.labels) - 1}',
    )
  neighborhood = _Neighborhood(graph, node, f'node {node}{where}')
  return [neighborhood.chart(layer) for layer in range(len(graph.attention))]


def telling_node(graph: GraphPrediction) -> int:
  """The test node of a middling degree whose attention is the least uniform."""
  attention, n = graph.attention[0], len(graph.labels)
  degree = measures.degrees(attention, n)
  gap = np.log(np.maximum(degree, 1)) - measures.entropy(attention, n).mean(1)
  low, high = _TELLING_DEGREES
  tested = graph.splits == 'test'
  for fits in (tested & (low <= degree) & (degree <= high), tested):
    if fits.any():
      return int(np.where(fits, gap, -np.inf).argmax())
  return int(gap.argmax())


class _Neighborhood:
  """A node and those it attends to most."""

  def __init__(self, graph: GraphPrediction, node: int, name: str):
    self._graph = graph
    self._node = node
    self._name = name
    found = [_into(attention, node) for attention in graph.attention]
    alpha = np.mean([own.mean(axis=1) for _, own in found], axis=0)
    senders = found[0][0][np.argsort(-alpha, kind='stable')]
    others = [int(sender) for sender in senders if sender != node]
    self._others = others[:_MOST_NEIGHBORS]
    self._left_out = others[_MOST_NEIGHBORS:]
    self._drawn = _subgraph(graph.attention[0], [node, *self._others])
    self._places = networkx.spring_layout(
      self._drawn,
      k=1.6 / np.sqrt(len(self._drawn)),
      iterations=200,
      seed=0,  # a node looks the same whenever it is drawn
    )

  def chart(self, layer: int) -> drawing.Chart:
    """With the alpha of one layer."""
    depth = len(self._graph.attention)
    senders, alpha = _into(self._graph.attention[layer], self._node)
    mean = dict(zip(senders.tolist(), alpha.mean(axis=1), strict=True))
    figure, axes = drawing.figure(height=4.0)
    self._draw(axes, mean)
    shown = [self._node, *self._others]
    x, y = np.array([self._places[n] for n in shown]).T
    texts = [f'{self._describe(n)}\nalpha {mean[n]:.3f}' for n in shown]
    return drawing.Chart(
      name=f'neighborhood-{layer + 1}',
      title=(
        f'What {self._name} attends to, {drawing.layer_name(layer, depth)}'
      ),
      caption=self._caption(mean, alpha.shape[1]),
      alt=(
        f'Graph of {self._name} and {len(self._others)} neighbours with lines'
        ' as thick as attention.'
      ),
      figure=figure,
      spots=(drawing.Spots(axes, x, y, texts),),
    )

  def _draw(self, axes, alpha: dict[int, float]) -> None:
    node, drawn, places = self._node, self._drawn, self._places
    # Uniform attention is two points thick, but nothing more than twelve.
    scale = max([6 / len(alpha), *(alpha[other] for other in self._others)])
    networkx.draw_networkx_edges(
      drawn,
      places,
      [edge for edge in drawn.edges if node not in edge],
      ax=axes,
      width=0.5,
      edge_color=drawing.QUIET,
    )
    networkx.draw_networkx_edges(
      drawn,
      places,
      [(other, node) for other in self._others],
      ax=axes,
      width=[12 * alpha[o] / scale for o in self._others],
      edge_color=drawing.INK,
      alpha=0.55,
    )
    for shown, size, line in ((self._others, 180, 0.5), ([node], 420, 2)):
      networkx.draw_networkx_nodes(
        drawn,
        places,
        shown,
        ax=axes,
        node_size=size,
        node_color=[self._color(n) for n in shown],
        edgecolors=drawing.INK,
        linewidths=line,
      )
    if len(self._others) <= _MOST_NUMBERS:
      networkx.draw_networkx_edge_labels(
        drawn,
        places,
        {(other, node): f'{alpha[other]:.3f}' for other in self._others},
        ax=axes,
        font_size=7,
        font_color=drawing.INK,
        label_pos=0.35,
        bbox={'alpha': 0},
      )
    axes.set_axis_off()
    axes.margins(0.12)

  def _caption(self, alpha: dict[int, float], num_heads: int) -> str:
    if not self._others:
      return f'{self._name.capitalize()} has no neighbour but itself.'
    most = max(self._others, key=alpha.__getitem__)
    words = [
      f'Lines into {self._name} are as thick as alpha'
      + (f', the mean of {num_heads} heads.' if num_heads > 1 else '.'),
      f'Uniform attention would give each {1 / len(alpha):.3f}; it gives itself'
      f' {alpha[self._node]:.3f}, and of the others node {most} the most,'
      f' {alpha[most]:.3f}.',
      'Thin lines are other edges; a node has the colour of its'
      + (' class.' if self._graph.labels.ndim == 1 else ' overlap of labels.'),
    ]
    if self._left_out:
      words.append(f'{len(self._left_out)} with less attention are left out.')
    return ' '.join(words)

  def _color(self, node: int) -> str:
    labels = self._graph.labels
    if labels.ndim == 1:
      return drawing.color(labels[node]) if labels[node] >= 0 else drawing.QUIET
    overlap = measures.overlap(labels[self._node], labels[node])
    shade = matplotlib.colormaps[drawing.SEQUENTIAL](np.nan_to_num(overlap))
    return matplotlib.colors.to_hex(shade)

  def _describe(self, node: int) -> str:
    labels = self._graph.labels
    if labels.ndim == 1:
      return f'node {node}, class {labels[node]}'
    return f'node {node}, {labels[node].sum()} labels'


def _subgraph(attention: Attention, nodes: list[int]) -> networkx.Graph:
  """Those nodes and the edges between them."""
  inside = np.isin(attention.senders, nodes) & np.isin(
    attention.receivers, nodes
  )
  edges = np.column_stack([attention.senders, attention.receivers])[inside]
  drawn = networkx.Graph()
  drawn.add_nodes_from(nodes)
  drawn.add_edges_from((s, r) for s, r in edges.tolist() if s != r)
  return drawn


def _into(attention: Attention, node: int) -> tuple[np.ndarray, np.ndarray]:
  """Senders [n] and alpha [n, K] of the edges into a node."""
  own = attention.receivers == node
  return np.asarray(attention.senders)[own], np.asarray(attention.alpha)[own]
