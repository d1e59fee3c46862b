"""Batches of graphs in a few padded shapes that are chosen once.

Shapes: N nodes, E edges of a batch.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import Dataset
from gat_jax.datasets import Example

_MOST_COMBINATIONS = 2000


class Order(NamedTuple):
  """Which examples are the batches of an epoch; [..., of several epochs].

  Attributes:
    examples: [steps, batch_size], their indices; after those of a smaller batch
      their number, which is no example.
    shapes: [steps], the index of the shape that each batch is padded to.
  """

  examples: jax.Array | np.ndarray
  shapes: jax.Array | np.ndarray


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

  def order(self, seed: int, epoch: int) -> Order:
    """The batches of an epoch, in an order that (seed, epoch) alone decide."""
    order = np.random.default_rng([seed, epoch]).permutation(len(self.examples))
    missing = -len(order) % self.batch_size
    dealt = np.pad(order, (0, missing), constant_values=len(order))
    dealt = dealt.reshape(-1, self.batch_size).astype(np.int32)
    sizes = np.array([*map(size, self.examples), (0, 0)])[dealt].sum(axis=1)
    shapes = [self._shape(Shape(*own)) for own in sizes.tolist()]
    return Order(dealt, np.array(shapes, np.int32))

  def epoch(self, seed: int, epoch: int) -> list[Example]:
    """The batches of an epoch, on the host; see `order`."""
    order = self.order(seed, epoch)
    batches = []
    for chosen, index in zip(*order, strict=True):
      own = [self.examples[i] for i in chosen if i < len(self.examples)]
      batch = pad(join(own), self.shapes[index], self.batch_size + 1)
      batches.append(batch)
    return batches

  def on_device(self) -> 'OnDevice':
    """What makes the batches of an `order` in a compiled function."""
    return OnDevice(
      graphs.Deck.of(
        [example.graph for example in self.examples],
        [{'labels': e.labels, 'mask': e.mask} for e in self.examples],
      ),
      self.shapes,
    )

  def smallest(self, shape: Shape) -> Example:
    """A batch of that shape, for compiling."""
    example = min(self.examples, key=size)
    return pad(join([example]), shape, self.batch_size + 1)

  def _shape(self, own: Shape) -> int:
    return next(
      index
      for index, shape in enumerate(self.shapes)
      if own.n_edge <= shape.n_edge and own.n_node < shape.n_node
    )


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=('deck',),
  meta_fields=('shapes',),
)
@dataclasses.dataclass(frozen=True)
class OnDevice:
  """All training examples, of which batches are made on a device.

  Attributes:
    deck: their graphs, labels and masks.
    shapes: what batches are padded to.
  """

  deck: graphs.Deck
  shapes: tuple[Shape, ...]

  def batch(self, chosen: jax.Array, shape: Shape) -> Example:
    """The same as in `Batches.epoch`, of a row of `Order.examples`."""
    graph, given = graphs.deal(self.deck, chosen, shape.n_node, shape.n_edge)
    return Example(graph, given['labels'], given['mask'])

  def scan(self, on_batch: Callable, carry: Any, order: Order) -> Any:
    """`jax.lax.scan` over the batches of an epoch.

    Args:
      on_batch: takes the carry, a batch and its number, as an example and a
        scalar; returns the next carry and what is kept of the batch.
      carry: the first.
      order: of the batches.

    Returns:
      The last carry, and all that was kept, stacked.
    """

    def of_shape(shape, carry, chosen, index):
      return on_batch(carry, self.batch(chosen, shape), index)

    branches = [functools.partial(of_shape, shape) for shape in self.shapes]

    def one_step(carry, step):
      shape, *args = step
      return jax.lax.switch(shape, branches, carry, *args)

    steps = order.shapes, order.examples, np.arange(len(order.shapes))
    return jax.lax.scan(one_step, carry, steps)


def is_in_batches(config: Any, dataset: Dataset) -> bool:
  """Whether the training set is divided into batches."""
  return bool(config.batch_size) and config.batch_size < len(dataset.train)


def validation(config: Any, dataset: Dataset) -> list[Example]:
  """The validation split in batches."""
  return [
    join(dataset.val[first:][: config.batch_size])
    for first in range(0, len(dataset.val), config.batch_size)
  ]


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
