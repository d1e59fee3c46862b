"""Charts of what a model says of the test nodes."""

from matplotlib import ticker
import numpy as np

from experiments.pages import drawing
from experiments.pages import measures
from experiments.pages.page import Section
from gat_jax.runs import GraphPrediction

_MOST_EMBEDDED = 3000  # nodes; t-SNE takes seconds for every thousand
_MOST_CELLS = 15  # classes whose counts and colours are named


def section(graphs: list[GraphPrediction], seed: int) -> Section:
  """The charts of predictions: confusion or F1, calibration, t-SNE.

  Args:
    graphs: predictions for the graphs with test nodes; with hidden features if
      the model has a hidden layer.
    seed: the seed whose model made the predictions.
  """
  tested = [graph.splits == 'test' for graph in graphs]
  labels, guesses, probabilities = (
    np.concatenate(
      [getattr(g, name)[t] for g, t in zip(graphs, tested, strict=True)]
    )
    for name in ('labels', 'predictions', 'probabilities')
  )
  first = _confusion if labels.ndim == 1 else _label_f1
  charts = [first(labels, guesses), _calibration(probabilities, labels)]
  if graphs[0].hidden:
    charts.append(_embedding(graphs))
  return Section(
    'Predictions',
    f'Of seed {seed}, on {len(labels):,} test nodes.',
    charts,
  )


def _confusion(labels: np.ndarray, guesses: np.ndarray) -> drawing.Chart:
  n = int(max(labels.max(), guesses.max())) + 1
  counts = measures.confusion(labels, guesses, n)
  total = counts.sum(axis=1)
  shares = counts / np.maximum(total, 1)[:, None]
  figure, axes = drawing.figure(height=4.2)
  axes.imshow(shares, cmap=drawing.SEQUENTIAL, vmin=0, vmax=1)
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
    axes.set_xticks(range(n))
    axes.set_yticks(range(n))
  axes.grid(visible=False)
  axes.set_xlabel('predicted class')
  axes.set_ylabel('class')
  right = np.diag(shares)[total > 0]
  rows, columns = np.indices(counts.shape)
  texts = [
    f'{counts[i, j]:,} of class {i}\npredicted as {j} ({shares[i, j]:.0%})'
    for i, j in np.ndindex(*counts.shape)
  ]
  return drawing.Chart(
    name='confusion',
    title='Confusion matrix',
    caption=(
      'Test nodes by class (rows) and predicted class; the colour is the share'
      f' of the row. {_worst(counts)}'
    ),
    alt=(
      f'Confusion matrix of {n} classes; between {right.min():.0%} and'
      f' {right.max():.0%} of a class are predicted right.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, columns.ravel(), rows.ravel(), texts),),
  )


def _worst(counts: np.ndarray) -> str:
  """The most frequent error in words."""
  wrong = counts - np.diag(np.diag(counts))
  if not wrong.any():
    return 'No node is predicted wrong.'
  row, column = np.unravel_index(wrong.argmax(), wrong.shape)
  return (
    f'The most frequent error: {wrong.max():,} of class {row} predicted as'
    f' {column}.'
  )


def _label_f1(labels: np.ndarray, guesses: np.ndarray) -> drawing.Chart:
  scores = measures.label_f1(labels, guesses)
  frequency = labels.mean(axis=0)
  figure, axes = drawing.figure()
  axes.plot(frequency, scores, 'o', markersize=4, alpha=0.8)
  axes.set_xlabel('share of test nodes that have the label')
  axes.set_ylabel('F1')
  axes.set_ylim(0, 1.02)
  axes.xaxis.set_major_formatter(ticker.PercentFormatter(1))
  texts = [
    f'label {c}\nF1 {score:.3f}, on {share:.1%} of nodes'
    for c, (score, share) in enumerate(zip(scores, frequency, strict=True))
  ]
  return drawing.Chart(
    name='label-f1',
    title='F1 of each label',
    caption=(
      f'One dot a label, {len(scores)} in all. The lowest is'
      f' {scores.min():.3f}, of label {scores.argmin()}; micro-F1 weighs labels'
      ' by how often they occur.'
    ),
    alt=(
      f'Scatter plot of the F1 of {len(scores)} labels against their frequency;'
      f' median {np.median(scores):.3f}.'
    ),
    figure=figure,
    spots=(drawing.Spots(axes, frequency, scores, texts),),
  )


def _calibration(
  probabilities: np.ndarray, labels: np.ndarray
) -> drawing.Chart:
  found = measures.reliability(probabilities, labels)
  figure, axes = drawing.figure()
  axes.plot([0, 1], [0, 1], '--', color=drawing.QUIET, linewidth=1)
  axes.plot(found.confidence, found.frequency, 'o-', markersize=5)
  axes.set_xlabel('predicted probability')
  axes.set_ylabel('how often right' if labels.ndim == 1 else 'how often there')
  axes.set_xlim(0, 1)
  axes.set_ylim(0, 1)
  axes.set_aspect('equal')
  texts = [
    f'predicted {p:.1%}, was {q:.1%}\n{n:,} predictions'
    for p, q, n in zip(*found[:3], strict=True)
  ]
  if labels.ndim == 1:
    what = 'Probability of the likeliest class of test nodes'
  else:
    what = 'Probability of each label of test nodes'
  gap = np.average(found.confidence - found.frequency, weights=found.count)
  return drawing.Chart(
    name='calibration',
    title='Calibration',
    caption=(
      f'{what}, in ten bins; on the dashed line, it is as often right as it'
      ' says.'
      f' On average it is {abs(gap):.3f} too {"high" if gap > 0 else "low"};'
      f' expected calibration error {found.error:.3f}.'
    ),
    alt=f'Reliability diagram; expected calibration error {found.error:.3f}.',
    figure=figure,
    spots=(drawing.Spots(axes, found.confidence, found.frequency, texts),),
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
    _scatter_classes(axes, x, y, labels[shown])
    words = [f'class {label}' for label in labels[shown]]
  else:
    count = labels[shown].sum(axis=1)
    axes.scatter(x, y, s=5, c=count, cmap=drawing.SEQUENTIAL)
    words = [f'{n} labels' for n in count]
  axes.set_axis_off()
  several = len(graphs) > 1
  texts = [
    (f'graph {nodes[i][0]}, ' if several else '')
    + f'node {nodes[i][1]}\n{word}'
    for i, word in zip(shown, words, strict=True)
  ]
  colored = 'class' if labels.ndim == 1 else 'number of labels'
  sampled = f', {len(shown):,} drawn' if len(shown) < len(hidden) else ''
  drawn = f'{hidden.shape[1]} features of {len(hidden):,} nodes{sampled}'
  return drawing.Chart(
    name='t-sne',
    title='What the first hidden layer makes of the nodes',
    caption=(
      f"t-SNE of the {drawn}, coloured by {colored}, as in the paper's figure"
      ' 2. Clouds of one colour are nodes that the layer has learnt to tell'
      ' from others; distances between clouds mean little.'
    ),
    alt=f'Scatter plot of {len(shown):,} nodes in two dimensions by {colored}.',
    figure=figure,
    spots=(drawing.Spots(axes, x, y, texts),),
  )


def _scatter_classes(axes, x, y, labels) -> None:
  for label in np.unique(labels):
    own = labels == label
    axes.scatter(
      x[own],
      y[own],
      s=6,
      color=drawing.color(label) if label >= 0 else drawing.QUIET,
      marker=drawing.marker(label) if label >= 0 else 'x',
      linewidths=0.5,
      label=f'{label}' if label >= 0 else 'none',
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
