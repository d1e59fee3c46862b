"""What was measured, in words.

Shapes: S seeds, P shares, L layers.
"""

import numpy as np

from experiments import documents
from experiments.pages import drawing
from experiments.pages import measures
from experiments.pages.trust.measuring import FEWEST
from experiments.pages.trust.measuring import ORDERS
from experiments.pages.trust.measuring import Found

_CHANCE = 0.05  # how often a difference is called one that is none


def of_deletion(scores: dict[str, np.ndarray], metric: str) -> list[str]:
  """Two paragraphs: what follows from the curves, and their numbers.

  Args:
    scores: by order [S, P].
    metric: of the scores.
  """
  # In points, the mean over shares [S]. With all edges and with none, the
  # orders are the same. Digits that float64 has rounded are no difference.
  least, random, most = (
    np.round(100 * scores[order][:, 1:-1].mean(axis=1), 6) for order in ORDERS
  )
  first, *_, last = 100 * scores['random'].mean(axis=0)
  name = documents.metric_name(metric)
  lines = [
    f'With all edges {name} is {first:.1f} %, without any {last:.1f} %.',
    f'Taking away the least attended edges {_cost(random - least)} random'
    ' ones.',
    f'Taking away the most attended edges {_cost(random - most)} random ones,'
    f' and {_cost(least - most)} the least attended ones.',
  ]
  if len(random) == 1:
    return [
      'Whether attention says here which edges the model needs, one seed cannot'
      ' tell from chance.',
      ' '.join(lines),
    ]
  lines.append(
    'These are means over the shares between 0 and 100 %,'
    f' {documents.SPREAD} over {len(random)} seeds; a paired t-test at 5 %'
    ' tells them from 0.'
  )
  told = tuple(map(_sign, (random - least, random - most, least - most)))
  if told == (-1, 1, 1):
    verdict = 'says which edges the model needs'
  elif told[2] > 0:
    verdict = 'says only in part which edges the model needs'
  elif told[2] < 0:
    verdict = 'misleads: the model needs more what it attends to less'
  else:
    verdict = 'is not seen to say which edges the model needs'
  if told[:2] == (1, 1):
    lines.append(
      'That both cost more than random ones may be because edges that are'
      " chosen by any rule leave a one-sided rest of a node's neighbours, and"
      ' edges chosen at random do not.'
    )
  return [f'Here attention {verdict}.', ' '.join(lines)]


def _sign(more: np.ndarray) -> int:
  """-1 below 0, 1 above it, 0 if the seeds [S] cannot tell."""
  if len(more) < 2 or not more.any():
    return 0
  if np.ptp(more) < 1e-5:  # the test would divide by nothing
    return int(np.sign(more[0]))
  from scipy import stats  # slow to import

  p = stats.ttest_1samp(more, 0).pvalue
  return int(np.sign(more.mean())) if p < _CHANCE else 0


def _cost(more: np.ndarray) -> str:
  """What one choice of edges costs more than another, in points [S]."""
  if not more.any():
    return 'costs exactly as much as taking away'
  mean = more.mean()
  spread = '' if len(more) == 1 else f' ± {more.std(ddof=1):.2f}'
  if len(more) > 1 and not _sign(more):
    return (
      f'costs no more ({mean:+.2f}{spread} percentage points, not told from 0)'
      ' than taking away'
    )
  word = 'more' if mean > 0 else 'less'
  return (
    f'costs {abs(mean):.2f}{spread} percentage points {word} than taking away'
  )


def of_agreement(found: Found) -> list[str]:
  """Paragraphs that say how far seeds agree, and what that means."""
  if len(found.near[0]) == 1:
    return ['Whether seeds agree takes two of them; here is one.']
  depth = len(found.near)
  lines = [
    'Do two seeds listen to the same neighbours? Agreement is the rank'
    " correlation (Spearman's) of the weights that two seeds give to the edges"
    f' into a node, itself left out: the mean over nodes with at least'
    f' {FEWEST} neighbours, of every pair of seeds. 1 means that they rank all'
    ' neighbours alike, 0 that they agree no more than by chance, -1 that one'
    ' ranks them the other way round.'
  ]
  for layer, (pairs, near) in enumerate(
    zip(found.agreement, found.near, strict=False)
  ):
    name = drawing.layer_name(layer, depth)
    if np.isnan(pairs).all():
      lines.append(
        f'In {name} no node has {FEWEST} neighbours of different weights.'
      )
      continue
    text = f'In {name} it is {np.nanmean(pairs):.2f}'
    if near.mean() >= measures.MOST:
      text += (
        f'. But {drawing.share(near.mean())} of the weights there are close to'
        ' uniform: what is ranked are differences of less than a tenth'
      )
    lines.append(f'{text}.')
  return [lines[0], ' '.join(lines[1:])]
