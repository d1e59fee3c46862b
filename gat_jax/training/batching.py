"""Batches of graphs in a few padded shapes that are chosen once.

Shapes: N nodes, E edges of a batch.
"""

from collections.abc import Sequence
import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from gat_jax import graphs
from gat_jax.datasets import Example

_MOST_COMBINATIONS = 2000


class Shape(NamedTuple):
  """Size of a padded batch, one padding node included; ordered by edges."""

  n_edge: int
  n_node: int


@dataclasses.dataclass(frozen=True)
class Batches:
  """The training examples, dealt out anew in every epoch.

  Attributes:
    examples: one graph each.
    batch_size: graphs a batch; the last batch of an epoch may have fewer.
    shapes: what batches are padded to, the smallest first.
  """

  examples: Sequence[Example]
  batch_size: int
  shapes: tuple[Shape, ...]

  @classmethod
  def plan(
    cls, examples: Sequence[Example], batch_size: int, num_shapes: int
  ) -> 'Batches':
    """Chooses the shapes that pad least on average.

    Args:
      examples: one graph each.
      batch_size: graphs a batch.
      num_shapes: at most so many shapes, each compiled once.
    """
    return cls(
      examples,
      batch_size,
      _choose_shapes(
        [size(example) for example in examples], batch_size, num_shapes
      ),
    )

  def epoch(self, seed: int, epoch: int) -> list[Example]:
    """The batches of an epoch, in an order that (seed, epoch) alone decide."""
    order = np.random.default_rng([seed, epoch]).permutation(len(self.examples))
    return [
      self._pad([self.examples[i] for i in order[first:][: self.batch_size]])
      for first in range(0, len(order), self.batch_size)
    ]

  def smallest(self, shape: Shape) -> Example:
    """A batch of that shape, for compiling."""
    example = min(self.examples, key=size)
    return pad(join([example]), shape, self.batch_size + 1)

  def _pad(self, examples: list[Example]) -> Example:
    joined = join(examples)
    own = size(joined)
    shape = next(
      shape
      for shape in self.shapes
      if own.n_edge <= shape.n_edge and own.n_node < shape.n_node
    )
    return pad(joined, shape, self.batch_size + 1)


def join(examples: Sequence[Example]) -> Example:
  """Several graphs as one example."""
  return Example(
    graph=graphs.batch([example.graph for example in examples]),
    labels=np.concatenate([example.labels for example in examples]),
    mask=np.concatenate([example.mask for example in examples]),
  )


def pad(example: Example, shape: Shape, n_graph: int) -> Example:
  """Fills an example up to a shape and `n_graph`; added nodes are masked."""
  extra = shape.n_node - len(example.mask)
  labels = example.labels
  return Example(
    graph=graphs.pad(
      example.graph, shape.n_node, shape.n_edge, n_graph=n_graph
    ),
    labels=np.pad(labels, [(0, extra)] + [(0, 0)] * (labels.ndim - 1)),
    mask=np.pad(example.mask, (0, extra)),
  )


def size(example: Example) -> Shape:
  """Its number of edges and nodes."""
  return Shape(len(example.graph.senders), len(example.mask))


def _choose_shapes(
  sizes: Sequence[Shape], batch_size: int, num_shapes: int
) -> tuple[Shape, ...]:
  """Splits all possible batches, sorted by edges, at the cheapest places.

  Every batch of a group is padded to its most edges and to the most nodes of
  all batches with no more edges. A step's time goes half by nodes, half by
  edges, about, so a shape costs their sum, each as a multiple of the mean.
  Dynamic programming finds the groups that cost least.
  """
  batches = np.array(sorted(_possible_batches(sizes, batch_size)))
  shapes = np.maximum.accumulate(batches)
  shapes[:, 1] += 1  # the padding node
  one = (shapes / batches.mean(axis=0)).sum(axis=1)
  count = len(one)
  # cost[i]: of the first i batches; start[g][i]: where the last of g groups of
  # the first i batches begins.
  cost = np.concatenate([[0], np.arange(1, count + 1) * one])
  starts = []
  for _ in range(1, min(num_shapes, count)):
    ways = np.full((count + 1, count + 1), np.inf)
    for last in range(1, count + 1):
      firsts = np.arange(last)
      ways[last, :last] = cost[:last] + (last - firsts) * one[last - 1]
    ways[0, 0] = 0
    starts.append(ways.argmin(axis=1))
    cost = ways.min(axis=1)
  chosen, last = set(), count
  for start in [*reversed(starts), np.zeros(count + 1, int)]:
    if last:
      chosen.add(Shape(*shapes[last - 1].tolist()))
      last = start[last]
  return tuple(sorted(chosen))


def _possible_batches(
  sizes: Sequence[Shape], batch_size: int
) -> set[Shape] | list[Shape]:
  """Sizes of all batches, of a large sample of them if they are too many.

  The largest batch is always among them, so that every batch has a shape.
  """
  everything = list(
    itertools.islice(
      itertools.combinations(sizes, batch_size), _MOST_COMBINATIONS + 1
    )
  )
  if len(everything) > _MOST_COMBINATIONS:
    rng = np.random.default_rng(0)
    everything = [
      tuple(sizes[i] for i in rng.choice(len(sizes), batch_size, replace=False))
      for _ in range(_MOST_COMBINATIONS)
    ]
  rest = len(sizes) % batch_size
  if rest:
    everything += [tuple(sizes[:rest])]
  batches = [
    Shape(sum(s.n_edge for s in batch), sum(s.n_node for s in batch))
    for batch in everything
  ]
  largest = Shape(
    *(sum(sorted(axis)[-batch_size:]) for axis in zip(*sizes, strict=True))
  )
  return [*batches, largest]
