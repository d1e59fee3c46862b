"""The page of one run: scores, data, learning, predictions, attention."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from experiments import documents
from experiments.pages import attention
from experiments.pages import drawing
from experiments.pages import predicted
from experiments.pages.page import Page
from experiments.pages.page import Section
from experiments.pages.page import Table
from gat_jax import nn
from gat_jax import runs
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

_MOST_POINTS = 300  # drawn of each seed
_MOST_LABELLED = 5  # seeds that a legend names
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
    node: the node of that graph whose neighbourhood is drawn; None chooses one.
    data_dir: where the data are now, if not where training found them.
  """

  seed: int | None = None
  graph: int = 0
  node: int | None = None
  data_dir: str | None = None


def make(workdir: pathlib.Path, wanted: Wanted) -> Page:
  """The page of a finished run.

  Raises:
    InputError: if the folder, its data, the seed, graph or node do not fit.
  """
  result = runs.read_result(workdir)
  curves = _read_curves(workdir)
  config = runs.read_config(workdir)
  seed, graphs = runs.predict(
    workdir,
    wanted.seed,
    wanted.data_dir,
    attention=nn.has_attention(config.model.name),
    hidden=True,
    splits=('test',),
  )
  if wanted.graph >= len(graphs):
    raise WorkdirError(
      'graph',
      f'there is no graph {wanted.graph}',
      f'the graphs with test nodes are 0 to {len(graphs) - 1}',
    )
  sections = [
    _scores(result),
    _data(workdirs.read_json(workdir, workdirs.DATASET), config),
    _learning(curves, result),
    predicted.section(graphs, seed),
  ]
  if graphs[0].attention:
    sections.append(attention.section(graphs, wanted.graph, wanted.node, seed))
  n = len(result.seeds)
  return Page(
    title=f'{config.model.name.upper()} on {result.dataset}',
    lead=(
      f'Test {documents.metric_name(result.metric)} {_mean(result, "test")} %'
      f' over {"one seed" if n == 1 else f"{n} seeds"}.'
    ),
    sections=sections,
  )


def _read_curves(workdir: pathlib.Path) -> dict[int, _Curve]:
  """metrics.jsonl by seed, thinned out."""
  path = workdir / workdirs.METRICS
  lines: dict[int, list[list[float | None]]] = {}
  try:
    for text in path.read_text(encoding='utf-8').splitlines():
      line = json.loads(text)
      lines.setdefault(line['seed'], []).append([line[n] for n in _LOGGED])
    return {
      # What is not finite was logged as null.
      seed: dict(zip(_LOGGED, np.array(_thin(own), float).T, strict=True))
      for seed, own in lines.items()
    }
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise WorkdirError(path, f'is damaged ({error})') from error


def _thin(lines: list[Any]) -> list[Any]:
  """At most so many, evenly, the first and the last among them."""
  count = min(len(lines), _MOST_POINTS)
  return [lines[i] for i in np.linspace(0, len(lines) - 1, count).astype(int)]


def _scores(result: runs.Result) -> Section:
  lines = [['seed', 'test', 'validation', 'kept epoch', 'epochs']]
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
  lines.append(['mean', _mean(result, 'test'), _mean(result, 'val'), '', ''])
  return Section(
    'Scores',
    f'In % {documents.metric_name(result.metric)}, of what early stopping'
    f' kept. A model has {result.num_parameters:,} parameters; all trained in'
    f' {result.train_seconds:.1f} s, after {result.compile_seconds:.1f} s of'
    ' compiling.',
    [Table(f'seeds: {len(result.seeds)}', lines)],
  )


def _mean(result: runs.Result, split: str) -> str:
  found = runs.summarize([100 * getattr(seed, split) for seed in result.seeds])
  return documents.mean_and_deviation(found['mean'], found['std'])


def _data(card: dict[str, Any], config: Any) -> Section:
  facts = {k: v for k, v in card.items() if k not in ('sha256', 'digest')}
  facts['warnings'] = '; '.join(card.get('warnings', ())) or 'none'
  return Section(
    'Data',
    items=[
      Table('data set card', _facts(facts)),
      Table('SHA-256 of what was read', _facts(card['sha256']), folded=True),
      Table(
        'every field of the config',
        _facts(runs.settings.flat(config)),
        folded=True,
      ),
    ],
  )


def _facts(facts: dict[str, Any]) -> list[list[str]]:
  """Names and values, without a header."""
  lines: list[list[str]] = [[]]
  for name, value in facts.items():
    is_count = isinstance(value, int) and not isinstance(value, bool)
    word = f'{value:,}' if is_count else str(value)
    lines.append([name.replace('_', ' '), word])
  return lines


def _learning(curves: dict[int, _Curve], result: runs.Result) -> Section:
  metric = documents.metric_name(result.metric)
  epochs = [seed.best_epoch for seed in result.seeds]
  kept = f'The kept epochs lie between {min(epochs):,} and {max(epochs):,}.'
  if len(epochs) == 1:
    kept = f'The kept epoch is {epochs[0]:,}.'
  score = _Curves(curves, f'validation {metric}, %')
  score.draw('val_score', 100)
  score.mark({s.seed: (s.best_epoch, 100 * s.val) for s in result.seeds})
  loss = _Curves(curves, 'validation cross-entropy')
  loss.draw('train_loss', told=False, linestyle=':', linewidth=0.7, alpha=0.5)
  loss.draw('val_loss')
  loss.mark({s.seed: (s.best_epoch, s.val_loss) for s in result.seeds})
  return Section(
    'Learning',
    f'What was logged, at most {_MOST_POINTS} points a seed; a dot marks the'
    ' epoch whose parameters were kept and tested.',
    [
      score.chart('curve-score', f'Validation {metric}', kept),
      loss.chart(
        'curve-loss',
        'Loss',
        f'{kept} Dotted: the loss of the training step, dropout included.',
      ),
    ],
  )


class _Curves:
  """Lines against the epoch, one a seed."""

  def __init__(self, curves: dict[int, _Curve], label: str):
    self._curves = curves
    self._label = label
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
      label = f'seed {seed}' if told else None
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

  def _tell(self, epochs, values, words: str) -> None:
    texts = [
      f'{words} {epoch:.0f}: {value:.4g}'
      for epoch, value in zip(epochs, values, strict=True)
    ]
    self._spots.append(drawing.Spots(self._axes, epochs, values, texts))

  def chart(self, name: str, title: str, caption: str) -> drawing.Chart:
    """What was drawn so far."""
    n = len(self._curves)
    if n <= _MOST_LABELLED:
      self._axes.legend()
    return drawing.Chart(
      name=name,
      title=title,
      caption=f'One line a seed. {caption}',
      alt=f'Line chart of {self._label} against the epoch, seeds: {n}.',
      figure=self._figure,
      spots=tuple(self._spots),
    )
