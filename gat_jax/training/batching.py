"""Batches of graphs in a few padded shapes that are chosen once.

Shapes: N nodes, E edges of a batch; P devices that share it, if they are
several: then each array of a batch has their parts along its first axis.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
from typing import Any, NamedTuple

import jax
from jax import numpy as jnp
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import Dataset
from gat_jax.datasets import Example
from gat_jax.training import meshes
from gat_jax.training import padding
from gat_jax.training.padding import Shape


class Order(NamedTuple):
  """Which examples are the batches of an epoch; [..., of several epochs].

  Attributes:
    examples: [steps, batch_size], their indices; after those of a smaller batch
      their number, which is no example. [steps, P, batch_size] of parts.
    shapes: [steps], the index of the shape that each batch is padded to.
    firsts: [steps, P, batch_size, 2], the numbers that the first node and the
      first edge of each example have in the batch; None if it is in one part.
  """

  examples: jax.Array | np.ndarray
  shapes: jax.Array | np.ndarray
  firsts: jax.Array | np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Batches:
  """The training examples, dealt out anew in every epoch.

  Attributes:
    examples: one graph each.
    batch_size: graphs a batch; the last batch of an epoch may have fewer.
    shapes: what batches, or their parts, are padded to, the smallest first.
    num_parts: devices that share a batch.
  """

  examples: Sequence[Example]
  batch_size: int
  shapes: tuple[Shape, ...]
  num_parts: int = 1

  @classmethod
  def plan(
    cls,
    examples: Sequence[Example],
    batch_size: int,
    num_shapes: int,
    num_parts: int = 1,
  ) -> 'Batches':
    """Chooses the shapes that pad least on average.

    Args:
      examples: one graph each.
      batch_size: graphs a batch.
      num_shapes: at most so many shapes, each compiled once.
      num_parts: devices that share a batch.
    """
    sizes = [padding.size(example) for example in examples]
    chosen = padding.choose(sizes, batch_size, num_shapes, num_parts)
    return cls(examples, batch_size, chosen, num_parts)

  def order(self, seed: int, epoch: int) -> Order:
    """The batches of an epoch, in an order that (seed, epoch) alone decide."""
    order = np.random.default_rng([seed, epoch]).permutation(len(self.examples))
    missing = -len(order) % self.batch_size
    dealt = np.pad(order, (0, missing), constant_values=len(order))
    dealt = dealt.reshape(-1, self.batch_size).astype(np.int32)
    sizes = self._sizes[dealt]  # [steps, batch_size, 2]
    if self.num_parts == 1:
      return Order(dealt, self._shapes(sizes.sum(axis=1)))
    places = np.stack(list(map(self._places, dealt, sizes)))
    firsts = np.cumsum(sizes, axis=1) - sizes
    # One more place, for no example.
    ends = [(0, 0), (0, 1)]
    dealt = np.pad(dealt, ends, constant_values=len(order))
    firsts = np.pad(firsts, [*ends, (0, 0)])
    step = np.arange(len(dealt))[:, None, None]
    parts = dealt[step, places]  # [steps, P, batch_size]
    most = self._sizes[parts].sum(axis=2).max(axis=1)
    firsts = firsts[step, places][..., ::-1].astype(np.int32)
    return Order(parts, self._shapes(most), firsts)

  @functools.cached_property
  def _sizes(self) -> np.ndarray:
    """[examples + 1, 2]; the last is none."""
    return np.array([*map(padding.size, self.examples), (0, 0)])

  def _places(self, chosen: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which graphs of a batch are whose: [P, batch_size], then batch_size."""
    count = (chosen < len(self.examples)).sum()
    own = [Shape(*row) for row in sizes[:count].tolist()]
    places = np.full((self.num_parts, self.batch_size), self.batch_size)
    for part, indices in enumerate(padding.deal(own, self.num_parts)):
      places[part, : len(indices)] = indices
    return places

  def _shapes(self, sizes: np.ndarray) -> np.ndarray:
    fitting = [self._shape(Shape(*own)) for own in sizes.tolist()]
    return np.array(fitting, np.int32)

  def _shape(self, own: Shape) -> int:
    return next(
      index
      for index, shape in enumerate(self.shapes)
      if own.n_edge <= shape.n_edge and own.n_node < shape.n_node
    )

  def epoch(self, seed: int, epoch: int) -> list[Example]:
    """The batches of an epoch, on the host; see `order`."""
    order = self.order(seed, epoch)
    made = [self.shapes[index] for index in order.shapes]
    if order.firsts is None:
      return list(map(self._padded, order.examples, made))
    return [
      padding.stack(self._part(shape, *own) for own in zip(*parts, strict=True))
      for *parts, shape in zip(order.examples, order.firsts, made, strict=True)
    ]

  def _part(self, shape: Shape, chosen, firsts) -> Example:
    return padding.as_part(self._padded(chosen, shape), firsts, np)

  def _padded(self, chosen: np.ndarray, shape: Shape) -> Example:
    own = [self.examples[i] for i in chosen if i < len(self.examples)]
    joined = padding.join(own) if own else padding.nothing(self.examples[0])
    return padding.pad(joined, shape, self.batch_size + 1)

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
    example = padding.pad(
      padding.join([min(self.examples, key=padding.size)]),
      shape,
      self.batch_size + 1,
    )
    if self.num_parts == 1:
      return example
    firsts = np.zeros((self.batch_size, 2), np.int32)
    return padding.stack(
      [padding.as_part(example, firsts, np)] * self.num_parts
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

  def batch(
    self, chosen: jax.Array, shape: Shape, firsts: jax.Array | None = None
  ) -> Example:
    """The same as in `Batches.epoch`, of a row of an `Order`.

    Where devices share a batch, it is the part of the device that asks, inside
    `jax.shard_map`.
    """
    if firsts is not None:
      part = jax.lax.axis_index(meshes.BATCH)
      chosen, firsts = chosen[part], firsts[part]
    graph, given = graphs.deal(self.deck, chosen, shape.n_node, shape.n_edge)
    example = Example(graph, given['labels'], given['mask'])
    return example if firsts is None else padding.as_part(example, firsts, jnp)

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

    def of_shape(shape, carry, chosen, firsts, index):
      return on_batch(carry, self.batch(chosen, shape, firsts), index)

    branches = [functools.partial(of_shape, shape) for shape in self.shapes]

    def one_step(carry, step):
      shape, *args = step
      return jax.lax.switch(shape, branches, carry, *args)

    numbers = np.arange(len(order.shapes))
    steps = order.shapes, order.examples, order.firsts, numbers
    return jax.lax.scan(one_step, carry, steps)


def is_in_batches(config: Any, dataset: Dataset) -> bool:
  """Whether the training set is divided into batches."""
  return bool(config.batch_size) and config.batch_size < len(dataset.train)


def validation(
  config: Any, dataset: Dataset, num_parts: int = 1
) -> list[Example]:
  """The validation split in batches; each in parts if they are several."""
  batches = [
    dataset.val[first:][: config.batch_size]
    for first in range(0, len(dataset.val), config.batch_size)
  ]
  if num_parts == 1:
    return [padding.join(batch) for batch in batches]
  found = []
  for batch in batches:
    sizes = [padding.size(example) for example in batch]
    most = padding.largest_part(sizes, num_parts)
    shape = most._replace(n_node=most.n_node + 1)
    own = ([batch[i] for i in p] for p in padding.deal(sizes, num_parts))
    parts = [
      padding.join(part) if part else padding.nothing(batch[0]) for part in own
    ]
    found.append(
      padding.stack(padding.pad(part, shape, len(batch) + 1) for part in parts)
    )
  return found
