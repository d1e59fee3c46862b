"""Batches of sampled neighbourhoods, made ahead of time by several threads.

Shapes: N nodes, E edges of the graph, S seeds of a batch, L layers.
"""

from collections.abc import Callable, Iterator, Sequence
import functools
import time
from typing import NamedTuple

import grain
import jax
import numpy as np

from gat_jax.datasets import Example
from gat_jax.training.sampling import padding
from gat_jax.training.sampling import shapes
from gat_jax.training.sampling.csr import Csr
from gat_jax.training.sampling.walking import Walk
from gat_jax.training.sampling.walking import walk

# Neighbourhoods that are drawn to choose the shapes.
_NUM_PILOTS = 8
# What random numbers are for: the first of what decides them. Of the rest the
# seed is last, since it alone may take two words of 32 bits.
_ORDER, _WALK, _PILOT, _PILOT_WALK = 1, 2, 3, 4


class Batch(NamedTuple):
  """A padded neighbourhood.

  Attributes:
    example: a graph for each layer, labels and mask of the seeds.
    shape: which of `Neighbours.shapes` it has.
    num_seeds: how many nodes' neighbourhood it is.
    seconds: that drawing took.
  """

  example: Example
  shape: int
  num_seeds: int
  seconds: float


class Neighbours:
  """The neighbourhoods of the training nodes, in batches.

  An epoch is all training nodes in an order that (seed, epoch) decides, and a
  neighbourhood is decided by (seed, epoch, batch).

  Attributes:
    csr: the edges.
    num_batches: of an epoch; the last may have fewer nodes.
    shapes: what batches are padded to, the smallest first.
  """

  def __init__(
    self,
    example: Example,
    fan_outs: Sequence[int],
    batch_size: int,
    *,
    ids: bool = False,
    degrees: bool = False,
    trees: bool = False,
  ):
    """Draws some neighbourhoods and chooses the shapes.

    Args:
      example: the graph, with its training nodes masked. Arrays may be mapped
        from files.
      fan_outs: [L], neighbours a node, of each layer from the first on.
      batch_size: S.
      ids: whether layers are told which nodes and edges these are, for masks.
      degrees: whether they are told how many edges its nodes have, of those
        that can be drawn.
      trees: whether they add sums as a tree; see `graphs.Groups`.

    Raises:
      DataError: if the edges are not sorted.
    """
    self.csr = Csr.of(example.graph)
    self._nodes = np.flatnonzero(example.mask).astype(np.int32)
    self._fan_outs = np.array(fan_outs, np.int64)
    self._batch_size = min(batch_size, len(self._nodes))
    self.num_batches = -(-len(self._nodes) // self._batch_size)
    pilots = [
      self._walk(
        np.random.default_rng([_PILOT, i]).choice(
          self._nodes, self._batch_size, replace=False
        ),
        (_PILOT_WALK, i),
      )
      for i in range(min(_NUM_PILOTS, 2 * self.num_batches))
    ]
    before_last = (self.num_batches - 1) * self._batch_size
    self.shapes = shapes.choose(
      pilots,
      self._batch_size,
      self._fan_outs.tolist(),
      self.csr.num_nodes,
      len(self.csr.indices),
      fewest=len(self._nodes) - before_last,
    )
    self._padder = padding.Padder(
      example,
      self.csr,
      self._fan_outs.tolist(),
      shapes.widths(pilots, self._fan_outs.tolist()),
      ids=ids,
      degrees=degrees,
      trees=trees,
    )

  def batches(
    self, seed: int, first: int, last: int, workers: int
  ) -> Iterator[Batch]:
    """Batches one after the other, over as many epochs as there are.

    Args:
      seed: the source of all randomness.
      first: which is the first, counted from the first epoch on.
      last: the one before which they end.
      workers: threads that make them ahead.
    """
    source = grain.MapDataset.source(_Source(self, seed, last))[first:]
    return iter(source.to_iter_dataset(grain.ReadOptions(workers, workers)))

  def batch(
    self,
    seed: int,
    index: int,
    order: Callable[[int, int], np.ndarray] | None = None,
  ) -> Batch:
    """A batch.

    Args:
      seed: the source of all randomness.
      index: which batch, counted from the first epoch on.
      order: `self.order`, if it remembers.
    """
    began = time.perf_counter()
    epoch, step = divmod(index, self.num_batches)
    start = step * self._batch_size
    nodes = (order or self.order)(seed, epoch)
    seeds = nodes[start : start + self._batch_size]
    own = self._walk(seeds, (_WALK, epoch, step, seed))
    seconds = time.perf_counter() - began
    shape = shapes.index_of(self.shapes, own)
    example = self._padder.pad(seeds, own, self.shapes[shape])
    return Batch(example, shape, len(seeds), seconds)

  def order(self, seed: int, epoch: int) -> np.ndarray:
    """The training nodes as an epoch goes through them."""
    rng = np.random.default_rng([_ORDER, epoch, seed])
    return rng.permutation(self._nodes)

  def smallest(self, shape: int) -> Example:
    """A batch of that shape, for compiling."""
    return self._padder.pad(*_nobody(len(self._fan_outs)), self.shapes[shape])

  def num_bytes(self, shape: int) -> int:
    """Of a batch of that shape, on the host and again on the device."""
    leaves = jax.tree.leaves(self.smallest(shape))
    return sum(leaf.nbytes for leaf in leaves)

  def _walk(self, seeds: np.ndarray, key: tuple[int, ...]) -> Walk:
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    csr = self.csr
    return walk(csr.indptr, csr.indices, seeds, self._fan_outs, int(state))


def _nobody(num_layers: int) -> tuple[np.ndarray, Walk]:
  """The neighbourhood of no seeds."""
  none = np.zeros(0, np.int32)
  counts, num_edges = np.zeros(num_layers + 1, int), np.zeros(num_layers, int)
  edges = np.zeros(0, np.int64)
  return none, Walk(none, counts, none, none, edges, num_edges)


class _Source:
  """All batches of a seed, for Grain."""

  def __init__(self, neighbours: Neighbours, seed: int, count: int):
    self._neighbours, self._seed, self._count = neighbours, seed, count
    # Threads are in one epoch, or at the end of one and in the next.
    self._order = functools.lru_cache(maxsize=2)(neighbours.order)

  def __len__(self) -> int:
    return self._count

  def __getitem__(self, index: int) -> Batch:
    return self._neighbours.batch(self._seed, int(index), self._order)
