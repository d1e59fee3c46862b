"""Charts of where a model looks.

Shapes: N nodes, E edges, K heads.
"""

from matplotlib import ticker
import numpy as np

from experiments.pages import drawing
from experiments.pages import measures
from experiments.pages import neighborhood
from experiments.pages import views
from experiments.pages.page import Section
from gat_jax.runs import GraphPrediction

_MOST_DOTS = 3000
_MOST_NAMED = 4  # layers that a legend names
_LEAST_SPAN = 0.02  # of an axis of shares


def section(
  graphs: list[GraphPrediction],
  chosen: int,
  view: views.View,
  seed: int,
  subject: str = '',
) -> Section:
  """What attention does in words, then entropy, own class, neighbourhood.

  Args:
    graphs: predictions for the graphs with test nodes, with attention.
    chosen: the index of the graph whose neighbourhood is drawn.
    view: the node in the middle of it, the layer and the head.
    seed: the seed whose model made the predictions.
    subject: what the charts are of, for their files.

  Raises:
    WorkdirError: if there is no such node, layer or head.
  """
  depth = len(graphs[0].attention)
  where = f' of graph {chosen}' if len(graphs) > 1 else ''
  around = neighborhood.charts(graphs[chosen], view, where)
  has_choice = any(
    (measures.degrees(graph.attention[0], len(graph.labels)) > 1).any()
    for graph in graphs
  )
  charts = []
  if has_choice:
    charts += [_entropy(graphs, layer) for layer in range(depth)]
  charts += _own_class(graphs)
  charts += around
  if has_choice:
    charts.append(_degree(graphs))
  return Section('Attention', in_words(graphs, seed), charts, subject)


def in_words(graphs: list[GraphPrediction], seed: int) -> str:
  """What attention is, what it does in each layer, and what the words mean.

  Returns:
    A paragraph a line.
  """
  depth = len(graphs[0].attention)
  found = [
    measures.evenness([graph.attention[layer] for graph in graphs])
    for layer in range(depth)
  ]
  lines = [
    'A layer makes the new features of a node from a weighted mean over its'
    ' neighbours and itself. The weights are called alpha; those of one node'
    ' add up to 1. A head is one such set of weights; a layer has one or more.'
    ' The degree of a node is the number of its neighbours, itself among them.'
    ' Attention is uniform where each of them weighs the same, 1 / degree:'
    ' always so in Const-GAT, the model of the paper that has no choice.'
  ]
  if any(own.word is None for own in found):
    return '\n'.join(
      [*lines, 'Here no node has a neighbour: there is nothing to choose from.']
    )
  low, high = 1 - measures.NEAR, 1 + measures.NEAR
  lowest, highest = 1 - measures.FAR, 1 + measures.FAR
  lines += [
    f'In {drawing.layer_name(layer, depth)} attention is'
    f' {own.word}: for {drawing.share(own.near)} of the weights alpha times the'
    f' degree lies between {low:g} and {high:g}, and for'
    f' {drawing.share(own.far)} below {lowest:g} or above {highest:g}.'
    for layer, own in enumerate(found)
  ]
  graphs_named = 'the graph' if len(graphs) == 1 else f'{len(graphs)} graphs'
  lines.append(
    f'Close to uniform means that at least {100 * measures.MOST:.0f} % of the'
    f' weights lie between {low:g} and {high:g} times 1 / degree; selective,'
    f' that at least {100 * measures.HALF:.0f} % lie below {lowest:g} or above'
    f' {highest:g} times it; mixed is what is neither. Counted are the weights'
    f' of all heads on all edges of {graphs_named}, where a node has more than'
    f' one; of seed {seed}, without dropout.'
  )
  return '\n'.join(lines)


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
  axes.set_ylabel('nodes with more than one edge')
  axes.legend(ncols=2)
  name = drawing.layer_name(layer, len(graphs[0].attention))
  shares = entropy.mean(axis=0) / uniform.mean()
  told = dict.fromkeys(drawing.share(s) for s in (shares.min(), shares.max()))
  return drawing.Chart(
    name=f'entropy-{layer + 1}',
    title=f'Entropy of attention, {name}',
    caption=(
      'Entropy says over how many neighbours a node spreads its attention, in'
      ' nats (units of the natural logarithm): 0 if one has all of it, log of'
      ' the degree if it is uniform. One line a head; grey is what uniform'
      f' attention would give. On average the heads have {" to ".join(told)} of'
      " the uniform entropy: the less, the more a head chooses among a node's"
      ' neighbours.'
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
      x,
      heads,
      drawing.MARKERS[layer % len(drawing.MARKERS)],
      markersize=5,
      label=f'a head of {drawing.layer_name(layer, depth)}'
      if depth <= _MOST_NAMED
      else None,
    )
    axes.hlines(
      uniform,
      layer - 0.4,
      layer + 0.4,
      color=drawing.QUIET,
      label=None if layer else 'uniform attention',
    )
    texts = [
      f'{drawing.layer_name(layer, depth)}, head {head + 1}:'
      f' {100 * share:.2f} %\nuniform {100 * uniform:.2f} %'
      for head, share in enumerate(heads)
    ]
    spots.append(drawing.Spots(axes, x, heads, texts))
    ticks.append(drawing.layer_name(layer, depth))
    gains.append(100 * (heads.mean() - uniform))
  axes.set_xticks(range(depth), ticks)
  axes.set_xlim(-0.5, depth - 0.5)
  drawing.widen(axes, _LEAST_SPAN)
  axes.yaxis.set_major_formatter(ticker.PercentFormatter(1, symbol=''))
  multilabel = graphs[0].labels.ndim == 2
  what = 'overlap of labels' if multilabel else 'attention to the own class'
  axes.set_ylabel(f'{what}, %')
  axes.figure.legend(loc='outside lower center', ncols=2)
  told = ', '.join(f'{gain:+.2f}' for gain in gains)
  chart = drawing.Chart(
    name='own-class',
    title='Attention to labels like its own'
    if multilabel
    else 'Attention within the own class',
    caption=(
      (
        'How many labels a node shares with those it attends to, of those that'
        ' either has (Jaccard index), as a mean weighted by alpha'
        if multilabel
        else 'The share of attention that goes to neighbours of the own class'
      )
      + '; what a node gives to itself is left out. A mark a head; the line is'
      ' what uniform attention gives. From it the heads are'
      f' {told} percentage points away on average (layer by layer): above 0,'
      ' they prefer neighbours like the node.'
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
  axes.plot(
    degree,
    entropy,
    'o',
    markersize=3,
    alpha=0.4,
    label='a node, mean of its heads',
  )
  x = np.geomspace(2, max(3, degree.max()), 50)
  axes.plot(
    x, np.log(x), color=drawing.QUIET, label='uniform attention: log of degree'
  )
  drawing.use_log_scale(axes)
  axes.set_xlabel('degree: neighbours of a node, itself among them')
  axes.set_ylabel('entropy of attention, nats')
  axes.legend()
  texts = [
    f'degree {d}\nentropy {e:.2f}, uniform {np.log(d):.2f}'
    for d, e in zip(degree, entropy, strict=True)
  ]
  name = drawing.layer_name(0, len(graphs[0].attention))
  return drawing.Chart(
    name='degree-entropy',
    title=f'Entropy of attention against degree, {name}',
    caption=(
      f'{dots}; the mean over heads. Nodes on the line attend to all neighbours'
      f' alike; the median node is {gap:.2f} nats below it.'
    ),
    alt=(
      'Scatter plot of attention entropy against degree; no dot is above the'
      ' line of uniform attention.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, degree, entropy, texts),),
  )
