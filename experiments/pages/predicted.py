"""Charts of what a model says of the test nodes."""

from collections.abc import Callable

from matplotlib import ticker
import numpy as np

from experiments.pages import drawing
from experiments.pages import measures
from experiments.pages.page import Section
from gat_jax.runs import GraphPrediction

_MOST_EMBEDDED = 3000  # nodes; t-SNE takes seconds for every thousand
_LONG = 3  # letters of a name that still fit below a cell
_MOST_CELLS = 15  # classes whose counts and colours are named


def section(
  graphs: list[GraphPrediction], seed: int, subject: str = ''
) -> Section:
  """The charts of predictions: confusion or F1, calibration, t-SNE.

  Args:
    graphs: predictions for the graphs with test nodes; with hidden features if
      the model has a hidden layer.
    seed: the seed whose model made the predictions.
    subject: what the charts are of, for their files.
  """
  tested = [graph.splits == 'test' for graph in graphs]
  labels, guesses, probabilities = (
    np.concatenate(
      [getattr(g, name)[t] for g, t in zip(graphs, tested, strict=True)]
    )
    for name in ('labels', 'predictions', 'probabilities')
  )
  first = _confusion if labels.ndim == 1 else _label_f1
  charts = [
    first(labels, guesses, graphs[0].name_of_class),
    _calibration(probabilities, labels),
  ]
  if graphs[0].hidden:
    charts.append(_embedding(graphs))
  return Section(
    'Predictions',
    f'What the model of seed {seed} says of {len(labels):,} test nodes.',
    charts,
    subject,
  )


def _confusion(
  labels: np.ndarray, guesses: np.ndarray, name: Callable[[int], str]
) -> drawing.Chart:
  n = int(max(labels.max(), guesses.max())) + 1
  counts = measures.confusion(labels, guesses, n)
  total = counts.sum(axis=1)
  shares = counts / np.maximum(total, 1)[:, None]
  figure, axes = drawing.figure(height=4.2)
  image = axes.imshow(100 * shares, cmap=drawing.SEQUENTIAL, vmin=0, vmax=100)
  figure.colorbar(image, label='share of the class, %', shrink=0.85)
  if n <= _MOST_CELLS:
    for (row, column), count in np.ndenumerate(counts):
      axes.text(
        column,
        row,
        f'{count:,}',
        ha='center',
        va='center',
        size=8,
        color='black' if shares[row, column] > 0.5 else 'white',
      )
    names = [drawing.label(name(c)) for c in range(n)]
    is_long = max(map(len, names)) > _LONG
    axes.set_xticks(range(n), names, rotation=45 if is_long else 0)
    axes.set_yticks(range(n), names)
  axes.grid(visible=False)
  axes.set_xlabel('predicted class')
  axes.set_ylabel('class')
  right = np.diag(shares)[total > 0]
  rows, columns = np.indices(counts.shape)
  texts = [
    f'{counts[i, j]:,} of class {name(i)}\npredicted as {name(j)}'
    f' ({shares[i, j]:.0%})'
    for i, j in np.ndindex(*counts.shape)
  ]
  return drawing.Chart(
    name='confusion',
    title=f'Confusion matrix of {len(labels):,} test nodes',
    caption=(
      'Numbers are test nodes: of the class of the row, those that the model'
      ' takes for the class of the column. The diagonal is right. Classes are'
      f' named as in the data. {_worst(counts, name)}'
    ),
    alt=(
      f'Confusion matrix of {n} classes; between {right.min():.0%} and'
      f' {right.max():.0%} of a class are predicted right.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, columns.ravel(), rows.ravel(), texts),),
  )


def _worst(counts: np.ndarray, name: Callable[[int], str]) -> str:
  """The most frequent error in words."""
  wrong = counts - np.diag(np.diag(counts))
  if not wrong.any():
    return 'No node is predicted wrong.'
  row, column = np.unravel_index(wrong.argmax(), wrong.shape)
  return (
    f'The most frequent error: {wrong.max():,} of class {name(int(row))}'
    f' predicted as {name(int(column))}.'
  )


def _label_f1(
  labels: np.ndarray, guesses: np.ndarray, name: Callable[[int], str]
) -> drawing.Chart:
  scores = measures.label_f1(labels, guesses)
  frequency = labels.mean(axis=0)
  figure, axes = drawing.figure()
  axes.plot(
    100 * frequency,
    100 * scores,
    'o',
    markersize=4,
    alpha=0.8,
    label='a label',
  )
  axes.set_xlabel('test nodes that have the label, %')
  axes.set_ylabel('F1 of the label, %')
  axes.set_ylim(-2, 102)
  figure.legend(loc='outside lower center')
  texts = [
    f'label {name(c)}\nF1 {100 * score:.1f} %, on {100 * share:.1f} % of nodes'
    for c, (score, share) in enumerate(zip(scores, frequency, strict=True))
  ]
  return drawing.Chart(
    name='label-f1',
    title=f'F1 of each label on {len(labels):,} test nodes',
    caption=(
      f'One dot a label, {len(scores)} in all. F1 is 2 hits / (2 hits + false'
      ' alarms + misses). The lowest is'
      f' {100 * scores.min():.1f} %, of label {name(int(scores.argmin()))};'
      ' micro-F1, the'
      ' score of the model, counts the nodes of all labels together.'
    ),
    alt=(
      f'Scatter plot of the F1 of {len(scores)} labels against their frequency;'
      f' median {100 * np.median(scores):.1f} %.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, 100 * frequency, 100 * scores, texts),),
  )


def _calibration(
  probabilities: np.ndarray, labels: np.ndarray
) -> drawing.Chart:
  found = measures.reliability(probabilities, labels)
  figure, axes = drawing.figure()
  is_one = labels.ndim == 1
  what = 'of the likeliest class' if is_one else 'of each label'
  confidence, frequency = 100 * found.confidence, 100 * found.frequency
  axes.plot(
    [0, 100],
    [0, 100],
    '--',
    color=drawing.QUIET,
    linewidth=1,
    label='as often as predicted',
  )
  axes.plot(confidence, frequency, 'o-', markersize=5, label='the model')
  axes.set_xlabel(f'predicted probability {what}, %')
  axes.set_ylabel(f'how often it {"was right" if is_one else "was there"}, %')
  axes.set_xlim(0, 100)
  axes.set_ylim(0, 100)
  axes.set_aspect('equal')
  figure.legend(loc='outside lower center', ncols=2)
  texts = [
    f'predicted {100 * p:.1f} %, was {100 * q:.1f} %\n{n:,} predictions'
    for p, q, n in zip(*found[:3], strict=True)
  ]
  gap = np.average(found.confidence - found.frequency, weights=found.count)
  return drawing.Chart(
    name='calibration',
    title=f'Calibration on {len(labels):,} test nodes',
    caption=(
      f'The predicted probability {what} of test nodes, in ten bins. On the'
      ' dashed line it would be as often right as it says. On average it is'
      f' {100 * abs(gap):.1f} percentage points too'
      f' {"high" if gap > 0 else "low"}; the mean distance from the line, the'
      f' expected calibration error, is {100 * found.error:.1f} points.'
    ),
    alt=(
      'Reliability diagram; expected calibration error'
      f' {100 * found.error:.1f} percentage points.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, confidence, frequency, texts),),
  )


def _embedding(graphs: list[GraphPrediction]) -> drawing.Chart:
  """As the paper's figure 2: t-SNE of the first hidden layer's features."""
  hidden = np.concatenate([graph.hidden[0] for graph in graphs])
  labels = np.concatenate([graph.labels for graph in graphs])
  nodes = [
    (g, i) for g, own in enumerate(graphs) for i in range(len(own.labels))
  ]
  shown = drawing.sample(len(hidden), _MOST_EMBEDDED)
  x, y = measures.embed(hidden[shown]).T
  figure, axes = drawing.figure(height=4.2)
  if labels.ndim == 1:
    name = graphs[0].name_of_class
    _scatter_classes(axes, x, y, labels[shown], name)
    words = [
      f'class {name(label)}' if label >= 0 else 'no class'
      for label in labels[shown]
    ]
  else:
    count = labels[shown].sum(axis=1)
    dots = axes.scatter(x, y, s=5, c=count, cmap=drawing.SEQUENTIAL)
    whole = ticker.MaxNLocator(integer=True)
    figure.colorbar(dots, label='labels of a node', shrink=0.7, ticks=whole)
    words = [f'{n} labels' for n in count]
  axes.set_axis_off()
  several = len(graphs) > 1
  texts = [
    (f'graph {nodes[i][0]}, ' if several else '')
    + f'node {graphs[nodes[i][0]].name_of_node(nodes[i][1])}\n{word}'
    for i, word in zip(shown, words, strict=True)
  ]
  colored = 'class' if labels.ndim == 1 else 'number of labels'
  sampled = f', {len(shown):,} drawn' if len(shown) < len(hidden) else ''
  drawn = f'{hidden.shape[1]} features of {len(hidden):,} nodes{sampled}'
  return drawing.Chart(
    name='t-sne',
    title=(
      'What the first hidden layer makes of the nodes: t-SNE of its'
      f' {hidden.shape[1]} features'
      + (f', {len(shown):,} of {len(hidden):,} nodes' if sampled else '')
    ),
    caption=(
      f'One dot a node, coloured by {colored}. t-SNE draws the {drawn} so that'
      " near nodes stay near, as in the paper's figure 2. Clouds of one colour"
      ' are nodes that the layer has learnt to tell from others; the axes have'
      ' no unit, and distances between clouds mean little.'
    ),
    alt=f'Scatter plot of {len(shown):,} nodes in two dimensions by {colored}.',
    figure=figure,
    spots=(drawing.Spots(axes, x, y, texts),),
  )


def _scatter_classes(axes, x, y, labels, name) -> None:
  for label in np.unique(labels):
    own = labels == label
    axes.scatter(
      x[own],
      y[own],
      s=6,
      color=drawing.color(label) if label >= 0 else drawing.QUIET,
      marker=drawing.marker(label) if label >= 0 else 'x',
      linewidths=0.5,
      label=drawing.label(name(label)) if label >= 0 else 'none',
    )
  num_classes = len(np.unique(labels))
  if num_classes <= _MOST_CELLS:
    axes.legend(
      title='class',
      ncols=min(num_classes, 8),
      loc='upper center',
      bbox_to_anchor=(0.5, 0),
      columnspacing=0.6,
      handletextpad=0,
      markerscale=2,
    )
