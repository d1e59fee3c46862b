"""What sampled neighbourhoods are padded to, so that nothing is recompiled.

Shapes: N nodes, E edges of the graph, S seeds, L layers.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gat_jax import graphs
from gat_jax.training.sampling.walking import Walk

# How much larger than the largest of some neighbourhoods most others may be.
_MARGIN = 1.05
# Edges of a node that are added in one loop at most, if none has more.
_WIDEST = 16
# Edges a sender from which on its edges are grouped as well.
_MANY = 3


class Shape(NamedTuple):
  """Size of a padded neighbourhood, from the seeds to the inputs.

  Attributes:
    new_nodes: [L + 1], seeds, then the nodes that each layer adds; at least one
      of each is padding.
    num_edges: [L], of each layer from the last to the first.
  """

  new_nodes: tuple[int, ...]
  num_edges: tuple[int, ...]

  def holds(self, walk: Walk) -> bool:
    """Whether a neighbourhood fits."""
    own = np.diff(walk.counts, prepend=0)
    return bool(
      (own < np.array(self.new_nodes)).all()
      and (walk.num_edges <= np.array(self.num_edges)).all()
    )

  @property
  def counts(self) -> tuple[int, ...]:
    """[L + 1], nodes so far: S, ..., M_0, with the padding."""
    return tuple(np.cumsum(self.new_nodes).tolist())


def choose(
  walks: Iterable[Walk],
  batch_size: int,
  fan_outs: Sequence[int],
  num_nodes: int,
  num_edges: int,
  fewest: int,
) -> tuple[Shape, ...]:
  """One shape for nearly all neighbourhoods, and one that holds any.

  Args:
    walks: some of them, of full batches.
    batch_size: S.
    fan_outs: [L], from the first layer to the last.
    num_nodes: N.
    num_edges: E.
    fewest: seeds of the smallest batch, which may meet the most new nodes.

  Returns:
    The smallest first. It is a single one if they are nearly the same.
  """
  largest = _largest(batch_size, fan_outs, num_nodes, num_edges, fewest)
  new_nodes = np.max([np.diff(w.counts, prepend=0) for w in walks], axis=0)
  edges = np.max([w.num_edges for w in walks], axis=0)
  usual = Shape(
    (batch_size + 1, *_rounded(new_nodes[1:] * _MARGIN + 1)),
    _rounded(edges * _MARGIN),
  )
  usual = Shape(
    tuple(map(min, usual.new_nodes, largest.new_nodes)),
    tuple(map(min, usual.num_edges, largest.num_edges)),
  )
  if sum(largest.num_edges) <= _MARGIN * sum(usual.num_edges):
    return (largest,)
  return usual, largest


def index_of(shapes: Sequence[Shape], walk: Walk) -> int:
  """The first shape that holds a neighbourhood.

  Raises:
    RuntimeError: if none does.
  """
  for index, shape in enumerate(shapes):
    if shape.holds(walk):
      return index
  raise RuntimeError(
    f'no shape of {shapes} holds {walk.counts.tolist()} nodes and'
    f' {walk.num_edges.tolist()} edges'
  )


def widths(
  walks: Sequence[Walk], fan_outs: Sequence[int]
) -> list[tuple[int, int]]:
  """Edges a group, by receiver and by sender; see `graphs.Groups`.

  Args:
    walks: some neighbourhoods.
    fan_outs: [L], from the first layer to the last.

  Returns:
    [L], from the last layer to the first.
  """
  found = []
  for step, fan_out in enumerate(reversed(fan_outs)):
    num_edges = sum(int(walk.num_edges[step]) for walk in walks)
    num_senders = sum(int(walk.counts[step + 1]) for walk in walks)
    own = fan_out + 1 if fan_out < _WIDEST else graphs.GROUP
    is_shared = num_edges >= _MANY * num_senders
    found.append((own, graphs.GROUP if is_shared else 1))
  return found


def _largest(
  batch_size: int,
  fan_outs: Sequence[int],
  num_nodes: int,
  num_edges: int,
  fewest: int,
) -> Shape:
  """The shape of a neighbourhood without a node that is met twice."""
  new_nodes, edges, count = [batch_size + 1], [], batch_size
  for fan_out in reversed(fan_outs):
    edges.append(min(num_edges, count * (fan_out + 1)))
    new = min(num_nodes - fewest, count * fan_out)
    count = min(num_nodes, count + new)
    new_nodes.append(new + 1)
  return Shape(tuple(new_nodes), tuple(edges))


def _rounded(sizes: np.ndarray) -> tuple[int, ...]:
  """Up to a multiple of 64."""
  return tuple((-(-sizes // 64) * 64).astype(int).tolist())
