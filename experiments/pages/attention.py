"""Charts of where a model looks.

Shapes: N nodes, E edges, K heads.
"""

from matplotlib import ticker
import numpy as np

from experiments.pages import drawing
from experiments.pages import measures
from experiments.pages import neighborhood
from experiments.pages.page import Section
from gat_jax.runs import GraphPrediction

_MOST_DOTS = 3000
_LEAST_SPAN = 0.02  # of an axis of shares


def section(
  graphs: list[GraphPrediction], chosen: int, node: int | None, seed: int
) -> Section:
  """The charts of attention: entropy, own class, neighbourhood, degree.

  Args:
    graphs: predictions for the graphs with test nodes, with attention.
    chosen: the index of the graph whose neighbourhood is drawn.
    node: the node in the middle of it; None chooses one.
    seed: the seed whose model made the predictions.

  Raises:
    WorkdirError: if there is no such node.
  """
  depth = len(graphs[0].attention)
  has_choice = any(
    (measures.degrees(graph.attention[0], len(graph.labels)) > 1).any()
    for graph in graphs
  )
  charts = []
  if has_choice:
    charts += [_entropy(graphs, layer) for layer in range(depth)]
  charts += _own_class(graphs)
  where = f' of graph {chosen}' if len(graphs) > 1 else ''
  charts += neighborhood.charts(graphs[chosen], node, where)
  if has_choice:
    charts.append(_degree(graphs))
  graphs_named = 'the graph' if len(graphs) == 1 else f'{len(graphs)} graphs'
  return Section(
    'Attention',
    f'Of seed {seed}, without dropout, on all nodes of {graphs_named}. A node'
    ' that attends to all its neighbours alike has the highest entropy that its'
    ' degree admits, log of its degree with the self-loop.',
    charts,
  )


def _measured(
  graphs: list[GraphPrediction], layer: int
) -> tuple[np.ndarray, np.ndarray]:
  """Entropy [N, K] and degree [N] of the nodes with more than one edge."""
  entropies, degrees = [], []
  for graph in graphs:
    attention = graph.attention[layer]
    degree = measures.degrees(attention, len(graph.labels))
    entropy = measures.entropy(attention, len(graph.labels))
    entropies.append(entropy[degree > 1])
    degrees.append(degree[degree > 1])
  return np.concatenate(entropies), np.concatenate(degrees)


def _entropy(graphs: list[GraphPrediction], layer: int) -> drawing.Chart:
  entropy, degree = _measured(graphs, layer)
  uniform = np.log(degree)
  bins = np.linspace(0, max(uniform.max(), 1e-3), 31)
  figure, axes = drawing.figure()
  axes.hist(uniform, bins, color=drawing.QUIET, alpha=0.45, label='uniform')
  for head, values in enumerate(entropy.T):
    axes.hist(
      values,
      bins,
      histtype='step',
      linewidth=1.2,
      linestyle='-' if head < len(drawing.COLORS) else '--',
      color=drawing.color(head),
      label=f'head {head + 1}',
    )
  axes.set_xlabel('entropy of attention, nats')
  axes.set_ylabel('nodes')
  axes.legend(ncols=2)
  name = drawing.layer_name(layer, len(graphs[0].attention))
  shares = entropy.mean(axis=0) / uniform.mean()
  return drawing.Chart(
    name=f'entropy-{layer + 1}',
    title=f'Entropy of attention, {name}',
    caption=(
      'One line a head, grey what uniform attention would give. On average the'
      f' heads have {shares.min():.1%} to {shares.max():.1%} of the uniform'
      " entropy: the less, the more a head chooses among a node's neighbours."
    ),
    alt=(
      f'Histograms of the entropy of {entropy.shape[1]} heads over'
      f' {len(entropy):,} nodes against uniform attention.'
    ),
    figure=figure,
  )


def _own_class(graphs: list[GraphPrediction]) -> list[drawing.Chart]:
  """One chart; none where no edge joins two nodes with labels."""
  graphs = [g for g in graphs if _joins_labels(g)]
  if not graphs:
    return []
  depth = len(graphs[0].attention)
  figure, axes = drawing.figure()
  ticks, spots, gains = [], [], []
  for layer in range(depth):
    found = [
      measures.within_class(graph.attention[layer], graph.labels)
      for graph in graphs
    ]
    heads = np.mean([own for own, _ in found], axis=0)
    uniform = float(np.mean([share for _, share in found]))
    x = layer + _spread(len(heads))
    axes.plot(
      x, heads, drawing.MARKERS[layer % len(drawing.MARKERS)], markersize=5
    )
    axes.hlines(uniform, layer - 0.4, layer + 0.4, color=drawing.QUIET)
    texts = [
      f'{drawing.layer_name(layer, depth)}, head {head + 1}: {share:.3f}'
      f'\nuniform {uniform:.3f}'
      for head, share in enumerate(heads)
    ]
    spots.append(drawing.Spots(axes, x, heads, texts))
    ticks.append(drawing.layer_name(layer, depth))
    gains.append(100 * (heads.mean() - uniform))
  axes.set_xticks(range(depth), ticks)
  axes.set_xlim(-0.5, depth - 0.5)
  _widen(axes, _LEAST_SPAN)
  axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  multilabel = graphs[0].labels.ndim == 2
  what = 'label overlap' if multilabel else 'share within the own class'
  axes.set_ylabel(what)
  told = ', '.join(f'{gain:+.2f}' for gain in gains)
  chart = drawing.Chart(
    name='own-class',
    title='Attention to labels like its own'
    if multilabel
    else 'Attention within the own class',
    caption=(
      (
        'Mean overlap (Jaccard) between the labels of a node and of those it'
        ' attends to, weighted by alpha'
        if multilabel
        else 'The share of attention that goes to neighbours of the own class'
      )
      + '; self-loops are left out. A mark a head, the line is what uniform'
      f' attention gives; the heads are {told} points from it on average.'
    ),
    alt=f'Dot plot of {what} for every head of {depth} layers, with uniform.',
    figure=figure,
    spots=tuple(spots),
  )
  return [chart]


def _joins_labels(graph: GraphPrediction) -> bool:
  attention = graph.attention[0]
  same = measures.agreement(attention, graph.labels)
  others = attention.senders != attention.receivers
  return not np.isnan(same[others]).all()


def _widen(axes, span: float) -> None:
  """Shows at least that much, so that noise does not look like a finding."""
  low, high = axes.get_ylim()
  more = max(0.0, span - (high - low)) / 2
  axes.set_ylim(low - more, high + more)


def _spread(n: int) -> np.ndarray:
  return np.linspace(-0.3, 0.3, n) if n > 1 else np.zeros(1)


def _degree(graphs: list[GraphPrediction]) -> drawing.Chart:
  entropy, degree = _measured(graphs, 0)
  entropy = entropy.mean(axis=1)
  gap = np.median(np.log(degree) - entropy)
  dots = f'One dot a node, {len(degree):,} in all'
  shown = drawing.sample(len(degree), _MOST_DOTS)
  if len(shown) < len(degree):
    dots += f' of which {len(shown):,} are drawn'
  entropy, degree = entropy[shown], degree[shown]
  figure, axes = drawing.figure()
  axes.plot(degree, entropy, 'o', markersize=3, alpha=0.4)
  x = np.geomspace(2, max(3, degree.max()), 50)
  axes.plot(x, np.log(x), color=drawing.QUIET, label='uniform: log of degree')
  drawing.use_log_scale(axes)
  axes.set_xlabel('degree, with the self-loop')
  axes.set_ylabel('entropy of attention, nats')
  axes.legend()
  texts = [
    f'degree {d}\nentropy {e:.2f}, uniform {np.log(d):.2f}'
    for d, e in zip(degree, entropy, strict=True)
  ]
  name = drawing.layer_name(0, len(graphs[0].attention))
  return drawing.Chart(
    name='degree-entropy',
    title=f'Degree against entropy, {name}',
    caption=(
      f'{dots}; the mean over heads. Dots on the line attend to all alike; the'
      f' median node is {gap:.2f} nats below it.'
    ),
    alt=(
      'Scatter plot of attention entropy against degree; no dot is above the'
      ' line of uniform attention.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, degree, entropy, texts),),
  )
