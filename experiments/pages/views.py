"""Whose attention a page draws: of which node, layer and head.

Shapes: n edges into a node, K heads.
"""

import dataclasses

import numpy as np

from gat_jax.errors import WorkdirError
from gat_jax.nn import Attention


@dataclasses.dataclass(frozen=True)
class View:
  """Whose attention is drawn.

  Attributes:
    node: the one in the middle; None chooses one.
    layer: counted from 1; None draws a picture of each.
    head: counted from 1, in every layer that has so many; None draws the mean
      of all heads.
  """

  node: int | None = None
  layer: int | None = None
  head: int | None = None


def layers(attentions: list[Attention], view: View) -> list[int]:
  """Those to draw, counted from 0: what was asked for, where it has the head.

  Raises:
    WorkdirError: if there is none.
  """
  depth = len(attentions)
  chosen = list(range(depth))
  if view.layer is not None:
    if not 1 <= view.layer <= depth:
      raise WorkdirError(
        'layer',
        f'the model has no layer {view.layer}',
        'it has only layer 1' if depth == 1 else f'it has layers 1 to {depth}',
      )
    chosen = [view.layer - 1]
  heads = [attentions[layer].alpha.shape[1] for layer in chosen]
  if view.head is None:
    return chosen
  if not 1 <= view.head <= max(heads):
    where = f'layer {view.layer}' if view.layer else 'no layer'
    has_not = f'{where} has {"no" if view.layer else "a"} head {view.head}'
    many = f'heads 1 to {max(heads)}' if max(heads) > 1 else 'only head 1'
    which = 'it has' if view.layer else 'the widest has'
    raise WorkdirError('head', has_not, f'{which} {many}')
  return [n for n, k in zip(chosen, heads, strict=True) if k >= view.head]


def of_head(alpha: np.ndarray, head: int | None) -> tuple[np.ndarray, str]:
  """The alpha [n] that is drawn, of [n, K], and in words which it is."""
  if alpha.shape[1] == 1:
    return alpha[:, 0], 'its only head'
  if head is None:
    return alpha.mean(axis=1), f'mean of {alpha.shape[1]} heads'
  return alpha[:, head - 1], f'head {head} of {alpha.shape[1]}'
