"""The page of one run: scores, data, learning, predictions, attention."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from experiments import documents
from experiments.pages import attention
from experiments.pages import cards
from experiments.pages import drawing
from experiments.pages import predicted
from experiments.pages import trust
from experiments.pages.page import Page
from experiments.pages.page import Section
from experiments.pages.page import Table
from experiments.pages.views import View as View
from gat_jax import nn
from gat_jax import runs
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

_MOST_POINTS = 300  # drawn of each seed
_MOST_LABELLED = 5  # seeds that a legend names
_METRICS = {
  'accuracy': (
    'Accuracy is the share of nodes whose class is predicted right, in %.'
  ),
  'micro_f1': (
    'micro-F1 is the F1 of all labels of all nodes counted together, in %: 2'
    ' hits / (2 hits + false alarms + misses). A label is predicted where its'
    ' probability is above 0.5.'
  ),
  'roc_auc': (
    'ROC-AUC is the area under the ROC curve in %, the mean over the labels:'
    ' how often, of two nodes of which one has the label, that one is given the'
    ' higher probability.'
  ),
}
_STOPPING = {
  'both': 'score or loss',
  'accuracy': 'score',
  'loss': 'loss',
}
_LOGGED = ('epoch', 'train_loss', 'val_loss', 'val_score')
# The logged numbers of one seed: by name, an array over its epochs.
_Curve = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What somebody wants to see of a run.

  Attributes:
    seed: whose predictions are shown; None takes the seed with the best
      validation score.
    graph: an index into the graphs with test nodes.
    view: the node of that graph whose neighbourhood is drawn, layer and head.
    data_dir: where the data are now, if not where training found them.
  """

  seed: int | None = None
  graph: int = 0
  view: View = dataclasses.field(default_factory=View)
  data_dir: str | None = None


def make(workdir: pathlib.Path, wanted: Wanted) -> Page:
  """The page of a finished run.

  Raises:
    InputError: if the folder, its data, the seed, graph or node do not fit.
  """
  result = runs.read_result(workdir)
  curves = _read_curves(workdir)
  config = runs.read_config(workdir)
  has_attention = nn.has_attention(config.model.name)
  for name, value in dataclasses.asdict(wanted.view).items():
    if value is not None and not has_attention:
      raise WorkdirError(
        name,
        f'is for models with attention; {workdir} holds a {config.model.name}',
        'leave it out',
      )
  seed, graphs = runs.predict(
    workdir,
    wanted.seed,
    wanted.data_dir,
    attention=has_attention,
    hidden=True,
    splits=('test',),
  )
  if wanted.graph >= len(graphs):
    raise WorkdirError(
      'graph',
      f'there is no graph {wanted.graph}',
      f'the graphs with test nodes are 0 to {len(graphs) - 1}',
    )
  title = f'{config.model.name.upper()} on {result.dataset}'
  subject = f'{title}, seed {seed}'
  of_attention = []
  if has_attention:  # before what takes long, as it may refuse what is wanted
    of_attention = [
      attention.section(graphs, wanted.graph, wanted.view, seed, subject),
      trust.section(workdir, wanted.data_dir, f'{title}, {_seeds(result)}'),
    ]
  n = len(result.seeds)
  metric = documents.metric_name(result.metric)
  return Page(
    title=title,
    lead=f'Test {metric} {_mean(result, "test")} %, {_over(n)}.',
    sections=[
      _scores(result, config.stop_rule),
      cards.section(workdirs.read_json(workdir, workdirs.DATASET), config),
      _learning(curves, result, f'{title}, {_seeds(result)}'),
      predicted.section(graphs, seed, subject),
      *of_attention,
    ],
  )


def _seeds(result: runs.Result) -> str:
  n = len(result.seeds)
  return f'seed {result.seeds[0].seed}' if n == 1 else f'{n} seeds'


def _over(n: int) -> str:
  """What a score is of."""
  return 'of one seed' if n == 1 else f'{documents.SPREAD} over {n} seeds'


def _read_curves(workdir: pathlib.Path) -> dict[int, _Curve]:
  """metrics.jsonl by seed, thinned out."""
  lines: dict[int, list[list[float | None]]] = {}
  try:
    for line in workdirs.read_metrics(workdir):
      lines.setdefault(line['seed'], []).append([line[n] for n in _LOGGED])
    return {
      # What is not finite was logged as null.
      seed: dict(zip(_LOGGED, np.array(_thin(own), float).T, strict=True))
      for seed, own in lines.items()
    }
  except (ValueError, KeyError, TypeError) as error:
    raise WorkdirError(
      workdir / workdirs.METRICS, f'is damaged ({error})'
    ) from error


def _thin(lines: list[Any]) -> list[Any]:
  """At most so many, evenly, the first and the last among them."""
  count = min(len(lines), _MOST_POINTS)
  return [lines[i] for i in np.linspace(0, len(lines) - 1, count).astype(int)]


def _scores(result: runs.Result, stop_rule: str) -> Section:
  lines = [['seed', 'test, %', 'validation, %', 'kept epoch', 'epochs']]
  for seed in result.seeds:
    note = f' (its {seed.broken} was not finite)' if seed.broken else ''
    lines.append(
      [
        str(seed.seed),
        f'{100 * seed.test:.2f}',
        f'{100 * seed.val:.2f}',
        f'{seed.best_epoch:,}',
        f'{seed.epochs:,}{note}',
      ]
    )
  n = len(result.seeds)
  if n > 1:
    means = [_mean(result, 'test'), _mean(result, 'val')]
    lines.append([f'{documents.SPREAD}, n = {n}', *means, '', ''])
  return Section(
    'Scores',
    f'{_METRICS[result.metric]} A seed is one training, with its own random'
    f' numbers. {_stopping(stop_rule)} An epoch is one pass over the training'
    f' nodes. A model has {result.num_parameters:,} parameters; all seeds'
    f' trained in {result.train_seconds:.1f} s, after'
    f' {result.compile_seconds:.1f} s of compiling.',
    [Table(f'seeds: {n}', lines)],
  )


def _stopping(rule: str) -> str:
  """When training ended, and what was tested."""
  if rule == 'none':
    return 'The parameters of the last epoch were kept and tested.'
  return (
    'Training ends by itself (early stopping) some time after the'
    f' {_STOPPING[rule]} on the validation nodes was best; the kept epoch is'
    ' that whose parameters were kept as the best there, and tested.'
  )


def _mean(result: runs.Result, split: str) -> str:
  found = runs.summarize([getattr(seed, split) for seed in result.seeds])
  return documents.mean_and_deviation(found['mean'], found['std'])


def _learning(
  curves: dict[int, _Curve], result: runs.Result, subject: str
) -> Section:
  metric = documents.metric_name(result.metric)
  epochs = [seed.best_epoch for seed in result.seeds]
  kept = f'The kept epochs lie between {min(epochs):,} and {max(epochs):,}.'
  if len(epochs) == 1:
    kept = f'The kept epoch is {epochs[0]:,}.'
  score = _Curves(curves, f'validation {metric}, %')
  score.draw('val_score', 100)
  score.mark({s.seed: (s.best_epoch, 100 * s.val) for s in result.seeds})
  loss = _Curves(curves, 'cross-entropy, nats')
  loss.draw('train_loss', told=False, linestyle=':', linewidth=0.8, alpha=0.6)
  loss.draw('val_loss')
  loss.name('validation nodes', linestyle='-')
  loss.name('training nodes, with dropout', linestyle=':')
  loss.mark({s.seed: (s.best_epoch, s.val_loss) for s in result.seeds})
  return Section(
    'Learning',
    f'What was logged while it trained, at most {_MOST_POINTS} points a seed. A'
    ' dot marks the kept epoch; it may lie off the line, which leaves out'
    ' epochs that were not logged. Cross-entropy, the loss, is what training'
    ' makes small.',
    [
      score.chart('curve-score', f'Validation {metric}', kept),
      loss.chart(
        'curve-loss',
        'Loss on validation and training nodes',
        f'{kept} Dotted: the training nodes, with dropout, which switches off'
        ' random parts of the model while it trains.',
      ),
    ],
    subject,
  )


class _Curves:
  """Lines against the epoch, one a seed."""

  def __init__(self, curves: dict[int, _Curve], label: str):
    self._curves = curves
    self._label = label
    self._unit = ' %' if label.endswith('%') else ''
    self._figure, self._axes = drawing.figure()
    self._axes.set_xlabel('epoch')
    self._axes.set_ylabel(label)
    self._spots: list[drawing.Spots] = []

  def draw(
    self, name: str, scale: float = 1, told: bool = True, **options: Any
  ) -> None:
    """Draws what was logged under a name."""
    options = {'linewidth': 1, 'alpha': 0.8} | options
    for index, (seed, own) in enumerate(self._curves.items()):
      epochs, values = own['epoch'], scale * own[name]
      color = drawing.color(index)
      names = told and len(self._curves) <= _MOST_LABELLED
      label = f'seed {seed}' if names else None
      self._axes.plot(epochs, values, color=color, label=label, **options)
      if told:
        self._tell(epochs, values, f'seed {seed}, epoch')

  def mark(self, points: dict[int, tuple[int, float | None]]) -> None:
    """Marks an epoch of each seed; none where there is no number."""
    for index, (seed, (epoch, value)) in enumerate(points.items()):
      if epoch and value is not None:
        color = drawing.color(index)
        self._axes.plot([epoch], [value], 'o', color=color, markersize=5)
        self._tell([epoch], [value], f'seed {seed} kept epoch')
    self.name('kept epoch', linestyle='', marker='o', markersize=5)

  def name(self, words: str, **options: Any) -> None:
    """Says in the legend what something of any seed's colour is."""
    options = {'color': drawing.INK, 'linewidth': 1} | options
    self._axes.plot([], [], label=words, **options)

  def _tell(self, epochs, values, words: str) -> None:
    texts = [
      f'{words} {epoch:.0f}: {value:.4g}{self._unit}'
      for epoch, value in zip(epochs, values, strict=True)
    ]
    self._spots.append(drawing.Spots(self._axes, epochs, values, texts))

  def chart(self, name: str, title: str, caption: str) -> drawing.Chart:
    """What was drawn so far."""
    n = len(self._curves)
    if n > _MOST_LABELLED:
      self.name(f'one of {n} seeds', linestyle='-')
    drawing.widen(self._axes, 1.0 if self._unit else 0.01)
    self._figure.legend(loc='outside lower center', ncols=3)
    return drawing.Chart(
      name=name,
      title=title,
      caption=f'One colour a seed. {caption}',
      alt=f'Line chart of {self._label} against the epoch, seeds: {n}.',
      figure=self._figure,
      spots=tuple(self._spots),
    )
