"""Charts of one node's neighbourhood, with lines as thick as attention.

Shapes: n edges into the node, K heads.
"""

from matplotlib import lines
import networkx
import numpy as np

from experiments.pages import drawing
from experiments.pages import measures
from experiments.pages import views
from gat_jax.errors import WorkdirError
from gat_jax.nn import Attention
from gat_jax.runs import GraphPrediction

_MOST_NEIGHBORS = 30  # that are drawn
_MOST_NUMBERS = 12  # lines that have their alpha beside them
_TELLING_DEGREES = 5, 12  # of a node that is chosen; the self-loop counts
_DIGIT = 5.0  # points that a digit of a node's number takes


def charts(
  graph: GraphPrediction, view: views.View, where: str
) -> list[drawing.Chart]:
  """One a layer, the nodes at the same places in all of them.

  Args:
    graph: with attention.
    view: what is drawn of it.
    where: what to add to the node's name, as in ' of graph 1'.

  Raises:
    WorkdirError: if there is no such node, layer or head.
  """
  node = telling_node(graph) if view.node is None else view.node
  if not 0 <= node < len(graph.labels):
    raise WorkdirError(
      'node',
      f'the graph has no node {node}',
      f'it has nodes 0 to {len(graph.labels) - 1}',
    )
  layers = views.layers(graph.attention, view)
  neighborhood = _Neighborhood(graph, node, f'{_called(graph, node)}{where}')
  return [neighborhood.chart(layer, view.head) for layer in layers]


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

  def chart(self, layer: int, head: int | None) -> drawing.Chart:
    """With the alpha of one layer: of a head, or the mean of all heads."""
    depth = len(self._graph.attention)
    senders, alpha = _into(self._graph.attention[layer], self._node)
    own, which = views.of_head(alpha, head)
    weights = dict(zip(senders.tolist(), own, strict=True))
    figure, axes = drawing.figure(height=4.4)
    self._draw(axes, weights)
    shown = [self._node, *self._others]
    x, y = np.array([self._places[n] for n in shown]).T
    texts = [f'{self._describe(n)}\nalpha {weights[n]:.3f}' for n in shown]
    return drawing.Chart(
      name=f'neighborhood-{layer + 1}' + (f'-head-{head}' if head else ''),
      title=(
        f'What {self._name} attends to, {drawing.layer_name(layer, depth)},'
        f' {which}'
      ),
      caption=self._caption(weights, which),
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
    uniform = 1 / len(alpha)
    scale = max([6 * uniform, *(alpha[other] for other in self._others)])
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
    digits = len(str(max(node, *self._others, 0)))
    size = (_DIGIT * max(digits, 2) + 4) ** 2
    for shown, line in ((self._others, 0.5), ([node], 2.5)):
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
    axes.set_aspect('equal', adjustable='datalim')
    axes.margins(0.12)
    axes.set_axis_off()
    for n, place in places.items():
      axes.annotate(
        str(n),
        place,
        size=7.5,
        ha='center',
        va='center',
        color=drawing.ink_on(self._color(n)),
      )
    if len(self._others) <= _MOST_NUMBERS:
      self._number(axes, alpha)
    self._explain(axes, uniform, 12 * uniform / scale)

  def _number(self, axes, alpha: dict[int, float]) -> None:
    """Writes alpha beside each line into the node."""
    middle = self._places[self._node]
    for other in self._others:
      end = self._places[other]
      across = np.array([middle[1] - end[1], end[0] - middle[0]])
      across = across / max(np.linalg.norm(across), 1e-9)
      if across[1] < 0:
        across = -across  # above the line
      axes.annotate(
        f'{alpha[other]:.3f}',
        0.6 * end + 0.4 * middle,
        13 * across,
        textcoords='offset points',
        size=7.5,
        ha='center',
        va='center',
      )

  def _explain(self, axes, uniform: float, width: float) -> None:
    """The legend: lines, circles, colours, and how much is not there."""
    known = [
      lines.Line2D(
        [],
        [],
        color=drawing.INK,
        alpha=0.55,
        linewidth=width,
        label=f'alpha = {uniform:.3f}, uniform',
      ),
      lines.Line2D(
        [], [], color=drawing.QUIET, linewidth=0.5, label='other edges'
      ),
      _circle('none', f'node {self._node}', 2.5),
    ]
    shown = [self._node, *self._others]
    labels = self._graph.labels
    if labels.ndim == 1:
      by_class = {int(labels[n]): self._color(n) for n in shown}
      for number in sorted(by_class):
        name = self._graph.name_of_class(number) if number >= 0 else ''
        word = f'class {drawing.label(name)}' if name else 'no class'
        known.append(_circle(by_class[number], word))
    else:
      for value in (0.0, 0.5, 1.0):
        word = f'shares {100 * value:.0f} % of its labels'
        known.append(_circle(drawing.shade(value), word))
    total = len(self._others) + len(self._left_out)
    title = {0: 'No neighbour but itself', 1: 'One neighbour'}.get(
      total, f'All {total} neighbours'
    )
    if self._left_out:
      title = (
        f'{len(self._others)} of {total} neighbours, with the most attention'
        f' over all layers;\n{len(self._left_out)} are left out'
      )
    title += '\nA circle: a node with its id. A grey line: as thick as alpha.'
    axes.figure.legend(
      handles=known,
      loc='outside lower center',
      ncols=3 if labels.ndim == 1 else 2,
      title=title,
      alignment='left',
      title_fontsize=8,
      columnspacing=1.2,
    )

  def _caption(self, alpha: dict[int, float], which: str) -> str:
    if not self._others:
      return f'{self._name.capitalize()} has no neighbour but itself.'
    most = max(self._others, key=alpha.__getitem__)
    words = [
      f'A circle is a node, with its number in it. Lines into {self._name} are'
      f' as thick as alpha ({which}), the weight that it gives to a neighbour.',
      f'Uniform attention would give each {1 / len(alpha):.3f}, 1 over its'
      f' degree of {len(alpha)}; it gives itself {alpha[self._node]:.3f}, and'
      f' of the others {_called(self._graph, most)} the most,'
      f' {alpha[most]:.3f}.',
      'Thin lines are other edges; '
      + (
        'a node has the colour of its class.'
        if self._graph.labels.ndim == 1
        else f'a node is the lighter, the more labels it shares with'
        f' {self._name} (of those that either has).'
      ),
    ]
    if self._left_out:
      words.append(f'{len(self._left_out)} with less attention are left out.')
    return ' '.join(words)

  def _color(self, node: int) -> str:
    labels = self._graph.labels
    if labels.ndim == 1:
      return drawing.color(labels[node]) if labels[node] >= 0 else drawing.QUIET
    overlap = measures.overlap(labels[self._node], labels[node])
    return drawing.shade(float(np.nan_to_num(overlap)))

  def _describe(self, node: int) -> str:
    labels, name = self._graph.labels[node], _called(self._graph, node)
    if labels.ndim:
      return f'{name}, {labels.sum()} labels'
    if labels < 0:
      return f'{name}, no class'
    return f'{name}, class {self._graph.name_of_class(int(labels))}'


def _called(graph: GraphPrediction, node: int) -> str:
  """A node by its number, and by what the user calls it."""
  if graph.node_ids is None:
    return f'node {node}'
  return f'node {node} ({drawing.printable(graph.name_of_node(node))})'


def _circle(color: str, label: str, line: float = 0.5) -> lines.Line2D:
  """A line of the legend that shows a node."""
  return lines.Line2D(
    [],
    [],
    linestyle='',
    marker='o',
    markersize=8,
    markerfacecolor=color,
    markeredgecolor=drawing.INK,
    markeredgewidth=line,
    label=label,
  )


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
