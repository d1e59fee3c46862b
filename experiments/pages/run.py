"""The page of one run: data, learning, predictions, attention."""

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
from gat_jax import models
from gat_jax import predictions
from gat_jax import results
from gat_jax import workdirs
from gat_jax.errors import WorkdirError

_MOST_LOOKS = 300  # of a seed that are drawn
_MOST_LABELLED = 5  # seeds that a legend names


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What somebody wants to see of a run.

  Attributes:
    seed: whose predictions; None takes the best on the validation nodes.
    graph: an index into the graphs with test nodes.
    node: whose neighbourhood, of that graph; None chooses one.
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
  config, card, found = (
    workdirs.read_json(workdir, name)
    for name in (workdirs.CONFIG, workdirs.DATASET, workdirs.RESULTS)
  )
  metric = documents.metric_name(found['metric'])
  model = config['model']['name']
  seed, graphs = predictions.predict(
    workdir,
    wanted.seed,
    wanted.data_dir,
    attention=models.has_attention(model),
    splits=('test',),
  )
  if not 0 <= wanted.graph < len(graphs):
    raise WorkdirError(
      f'--graph={wanted.graph}: the run has {len(graphs)} graphs with test'
      ' nodes, counted from 0'
    )
  sections = [
    _scores(found, metric),
    _data(card, config),
    _learning(workdir, found, metric),
    predicted.section(graphs, seed),
  ]
  if graphs[0].attention:
    sections.append(attention.section(graphs, wanted.graph, wanted.node, seed))
  return Page(
    title=f'{model.upper()} on {card["name"]}',
    lead=_lead(found, metric),
    sections=sections,
  )


def _lead(found: dict[str, Any], metric: str) -> str:
  mean, std = (found['test'][name] for name in ('mean', 'std'))
  score = documents.mean_and_deviation(100 * mean, std and 100 * std)
  seeds = (
    'one seed' if found['test']['n'] == 1 else f'{found["test"]["n"]} seeds'
  )
  return f'Test {metric} {score} % over {seeds}.'


def _scores(found: dict[str, Any], metric: str) -> Section:
  lines = [['seed', 'test', 'validation', 'kept epoch', 'epochs', 'note']]
  for entry in found['seeds']:
    broken = entry.get('broken')
    lines.append(
      [
        str(entry['seed']),
        f'{100 * entry["test"]:.2f}',
        f'{100 * entry["val"]:.2f}',
        f'{entry["best_epoch"]:,}',
        f'{entry["epochs"]:,}',
        f'its {broken} was not finite' if broken else '',
      ]
    )
  if len(found['seeds']) > 1:
    lines.append(['mean', *(_mean(found, s) for s in ('test', 'val')), '', ''])
  if not any(entry.get('broken') for entry in found['seeds']):
    lines = [line[:5] for line in lines]
  seconds = found['seconds']
  return Section(
    'Scores',
    f'{metric} in %, of the parameters that the stopping rule kept.'
    f' {found["num_parameters"]:,} parameters; all seeds trained in'
    f' {seconds["train"]:.1f} s after {seconds["compile"]:.1f} s of compiling.',
    [Table(f'{len(found["seeds"])} seeds', lines)],
  )


def _mean(found: dict[str, Any], split: str) -> str:
  summary = results.summarize([100 * entry[split] for entry in found['seeds']])
  return documents.mean_and_deviation(summary['mean'], summary['std'])


def _data(card: dict[str, Any], config: dict[str, Any]) -> Section:
  sums = card['sha256']
  facts = {k: v for k, v in card.items() if k not in ('sha256', 'digest')}
  return Section(
    'Data',
    items=[
      Table('data set card', _facts(facts)),
      Table('SHA-256 of what was read', _facts(sums), folded=True),
      Table('every field of the config', _facts(workdirs.flat(config)), True),
    ],
  )


def _facts(facts: dict[str, Any]) -> list[list[str]]:
  """Names and values, without a header."""
  words = [
    f'{value:,}'
    if isinstance(value, int) and not isinstance(value, bool)
    else str(value)
    for value in facts.values()
  ]
  names = [name.replace('_', ' ') for name in facts]
  return [[], *map(list, zip(names, words, strict=True))]


def _learning(
  workdir: pathlib.Path, found: dict[str, Any], metric: str
) -> Section:
  looks = _read_looks(workdir)
  kept = {entry['seed']: entry for entry in found['seeds']}
  return Section(
    'Learning',
    'Every look that was logged; a dot marks the epoch whose parameters were'
    ' kept and tested.',
    [
      _curves('score', f'validation {metric}, %', looks, kept),
      _curves('loss', 'cross-entropy', looks, kept),
    ],
  )


def _read_looks(workdir: pathlib.Path) -> dict[int, list[dict[str, Any]]]:
  """The lines of metrics.jsonl by seed, thinned out."""
  path = workdir / workdirs.METRICS
  found: dict[int, list[dict[str, Any]]] = {}
  try:
    for line in path.read_text(encoding='utf-8').splitlines():
      look = json.loads(line)
      found.setdefault(look['seed'], []).append(look)
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise WorkdirError(f'{path} cannot be read: {error}') from error
  return {
    seed: own[:: max(1, len(own) // _MOST_LOOKS)] for seed, own in found.items()
  }


def _curves(
  kind: str,
  label: str,
  looks: dict[int, list[dict[str, Any]]],
  kept: dict[int, dict[str, Any]],
) -> drawing.Chart:
  """Validation score, or validation and training loss, of all seeds."""
  figure, axes = drawing.figure()
  scale, field = (100, 'val') if kind == 'score' else (1, 'val_loss')
  spots = []
  for index, (seed, own) in enumerate(looks.items()):
    color = drawing.color(index)
    epochs = [look['epoch'] for look in own]
    values = _values(own, f'val_{kind}', scale)
    axes.plot(
      epochs,
      values,
      color=color,
      linewidth=1,
      alpha=0.8,
      label=f'seed {seed}' if len(looks) <= _MOST_LABELLED else None,
    )
    if kind == 'loss':
      training = _values(own, 'train_loss', 1)
      axes.plot(epochs, training, ':', color=color, linewidth=0.7, alpha=0.5)
    texts = [
      f'seed {seed}, epoch {e}: {v:.4g}'
      for e, v in zip(epochs, values, strict=True)
    ]
    spots.append(drawing.Spots(axes, epochs, values, texts))
    entry = kept[seed]
    if entry['best_epoch'] and entry[field] is not None:
      point = [entry['best_epoch']], [scale * entry[field]]
      axes.plot(*point, 'o', color=color, markersize=5)
      text = f'seed {seed} kept epoch {point[0][0]}: {point[1][0]:.4g}'
      spots.append(drawing.Spots(axes, *point, [text]))
  axes.set_xlabel('epoch')
  axes.set_ylabel(label)
  if len(looks) <= _MOST_LABELLED:
    axes.legend(ncols=2)
  epochs = [entry['best_epoch'] for entry in kept.values()]
  return drawing.Chart(
    name=f'curve-{kind}',
    title=f'{label.split(",")[0]} while training',
    caption=(
      f'One line a seed; the kept epochs lie between {min(epochs):,} and'
      f' {max(epochs):,}.'
      + (
        ' Dotted: the last training step, with dropout.'
        if kind == 'loss'
        else ''
      )
    ),
    alt=f'Line chart of the {label} against the epoch for {len(looks)} seeds.',
    figure=figure,
    spots=tuple(spots),
  )


def _values(own: list[dict[str, Any]], name: str, scale: float) -> np.ndarray:
  """What is not finite was logged as null."""
  return scale * np.array([look[name] for look in own], float)
