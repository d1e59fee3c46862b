"""The part of a page that asks whether attention can be trusted."""

import pathlib

from matplotlib.patches import Patch
import numpy as np

from experiments import documents
from experiments.pages import drawing
from experiments.pages.page import Section
from experiments.pages.page import Table
from experiments.pages.trust import measuring
from experiments.pages.trust import words
from gat_jax import runs

# See `measuring.work`. As much takes about a minute on two cores.
_MOST_WORK = 7e10
# How each order is drawn.
_LOOKS = {
  'least': ('least attention first', drawing.COLORS[0], 'o'),
  'random': ('random', drawing.QUIET, 's'),
  'most': ('most attention first', drawing.ACCENT, '^'),
}


def section(
  workdir: pathlib.Path,
  data_dir: str | None,
  subject: str = '',
  most_work: float = _MOST_WORK,
) -> Section:
  """Deletion curves and the agreement of seeds, in words and drawn.

  Args:
    workdir: of a finished run whose model has attention.
    data_dir: where the data are now, if not where training found them.
    subject: what the chart is of, for its files.
    most_work: leave out seeds that would take more.

  Raises:
    InputError: if the folder or the data do not fit.
  """
  dataset, models = runs.load_trained(workdir, data_dir)
  title = 'Can attention be trusted?'
  num_edges = measuring.num_edges(dataset)
  if not num_edges:
    return Section(title, 'No edge joins two nodes: there is nothing to ask.')
  work = measuring.work(dataset, next(iter(models.values())))
  seeds = list(models)[: int(most_work / work)]
  if not seeds:
    return Section(
      title,
      f'Not asked here: with the {num_edges:,} edges of the graphs with test'
      ' nodes it would take too long.',
    )
  found = measuring.measure(dataset, {seed: models[seed] for seed in seeds})
  verdict, numbers = words.of_deletion(found.scores, dataset.metric)
  lines = [
    verdict,
    'If attention says which neighbours matter, then taking away the edges with'
    ' least of it costs little, and taking away those with most of it much.'
    ' Edges go by alpha times the degree, as the mean over heads and layers: it'
    ' is 1 where attention is uniform, whatever the degree. Each seed goes by'
    ' its own attention. What a node gives to itself stays; the model is not'
    ' trained again.',
    numbers,
    *words.of_agreement(found),
  ]
  if len(seeds) < len(models):
    lines.append(
      f'Of {len(models)} seeds the first {len(seeds)} count here: with'
      f' {num_edges:,} edges, more would take too long.'
    )
  items: list[Table | drawing.Chart] = [
    _chart(found.scores, dataset.metric, num_edges)
  ]
  if len(seeds) > 1:
    items.append(_table(found))
  return Section(title, '\n'.join(lines), items, subject)


def _table(found: measuring.Found) -> Table:
  depth = len(found.near)
  names = [drawing.layer_name(layer, depth) for layer in range(depth)]
  lines = [['', f'agreement, {documents.SPREAD}', 'close to uniform, %']]
  near = [f'{100 * own.mean():.1f}' for own in found.near]
  if depth > 1:
    names.append('mean of the layers')
    near.append('')
  for name, pairs, share in zip(names, found.agreement, near, strict=False):
    spread = ''
    if len(pairs) > 1:
      spread = f' ± {np.std(pairs, ddof=1):.2f}'
    value = f'{pairs.mean():.2f}{spread}'
    lines.append([name, '' if np.isnan(pairs).any() else value, share])
  n = len(found.agreement[0])
  return Table(f'agreement of attention between seeds, pairs: {n}', lines)


def _chart(
  scores: dict[str, np.ndarray], metric: str, num_edges: int
) -> drawing.Chart:
  figure, axes = drawing.figure()
  name = documents.metric_name(metric)
  spots = []
  n = len(scores['random'])
  for order, (label, color, marker) in _LOOKS.items():
    own = 100 * scores[order]
    mean = own.mean(axis=0)
    axes.plot(
      100 * measuring.SHARES,
      mean,
      marker,
      linestyle='-',
      color=color,
      markersize=4,
      label=label,
    )
    spread = np.zeros(len(measuring.SHARES))
    if n > 1:
      spread = own.std(axis=0, ddof=1)
      axes.fill_between(
        100 * measuring.SHARES,
        mean - spread,
        mean + spread,
        color=color,
        alpha=0.2,
        linewidth=0,
      )
    texts = [
      f'{label}, {share:.0%} taken away\n{name} {value:.2f}'
      + (f' ± {off:.2f} %' if n > 1 else ' %')
      for share, value, off in zip(measuring.SHARES, mean, spread, strict=True)
    ]
    spots.append(drawing.Spots(axes, 100 * measuring.SHARES, mean, texts))
  axes.set_xlabel('share of the edges taken away, %')
  axes.set_ylabel(f'test {name}, %')
  drawing.widen(axes, 1.0)
  handles = axes.get_legend_handles_labels()[0]
  if n > 1:
    handles.append(
      Patch(
        color=drawing.QUIET,
        alpha=0.3,
        linewidth=0,
        label=f'± sample deviation, {n} seeds',
      )
    )
  figure.legend(handles=handles, loc='outside lower center', ncols=2)
  return drawing.Chart(
    name='deletion',
    title=f'Test {name} with ever fewer edges, by their attention',
    caption=(
      f'Of {num_edges:,} directed edges between different nodes, a share is'
      ' taken away. '
      + (
        f'Lines are means over {n} seeds, bands one sample deviation to both'
        ' sides. '
        if n > 1
        else 'Of one seed. '
      )
      + 'If attention tells which edges matter, the line of least attention'
      ' stays above the random one and that of most attention falls below it.'
    ),
    alt=(
      f'Line chart of test {name} against the share of edges taken away, for'
      ' three orders: least attention first, random, most attention first.'
    ),
    figure=figure,
    spots=tuple(spots),
  )
