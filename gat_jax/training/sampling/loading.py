"""Batches of sampled neighbourhoods, made ahead of time by several threads.

Shapes: N nodes, E edges of the graph, S seeds of a batch, L layers.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import threading
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


class Batch(NamedTuple):
  """A padded neighbourhood.

  Attributes:
    example: a graph for each layer, labels and mask of the seeds.
    shape: which of `Neighbours.shapes` it has.
  """

  example: Example
  shape: int


@dataclasses.dataclass
class Work:
  """What was sampled so far by all threads together; it adds up.

  Attributes:
    seeds: nodes whose neighbourhood was drawn.
    seconds: that threads were at it.
  """

  seeds: int = 0
  seconds: float = 0.0


class Neighbours:
  """The neighbourhoods of the training nodes, in batches.

  An epoch is all training nodes in an order that (seed, epoch) decides, and a
  neighbourhood is decided by (seed, epoch, batch).

  Attributes:
    csr: the edges.
    num_batches: of an epoch; the last may have fewer nodes.
    shapes: what batches are padded to, the smallest first.
    work: what all threads did so far.
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
    self._example, self.csr = example, Csr.of(example.graph)
    self._nodes = np.flatnonzero(example.mask).astype(np.int32)
    self._fan_outs = np.array(fan_outs, np.int64)
    self._batch_size = min(batch_size, len(self._nodes))
    self.num_batches = -(-len(self._nodes) // self._batch_size)
    self.work, self._lock = Work(), threading.Lock()
    self._order = functools.lru_cache(maxsize=8)(self._new_order)
    pilots = [
      self._walk(_pilot_seeds(self._nodes, self._batch_size, i), (2**32, i))
      for i in range(min(_NUM_PILOTS, 2 * self.num_batches))
    ]
    self.shapes = shapes.choose(
      pilots,
      self._batch_size,
      self._fan_outs.tolist(),
      self.csr.num_nodes,
      len(self.csr.indices),
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
    ahead = max(2, workers) if workers else 0
    return iter(source.to_iter_dataset(grain.ReadOptions(workers, ahead)))

  def batch(self, seed: int, index: int) -> Batch:
    """A batch, counted from the first epoch on."""
    began = time.perf_counter()
    epoch, step = divmod(index, self.num_batches)
    start = step * self._batch_size
    seeds = self._order(seed, epoch)[start : start + self._batch_size]
    own = self._walk(seeds, (seed, epoch, step))
    drawn = time.perf_counter()
    index = next(i for i, s in enumerate(self.shapes) if s.holds(own))
    made = Batch(self._padder.pad(seeds, own, self.shapes[index]), index)
    with self._lock:
      self.work.seeds += len(seeds)
      self.work.seconds += drawn - began
    return made

  def smallest(self, shape: int) -> Example:
    """A batch of that shape, for compiling."""
    return self._padder.pad(*_nobody(len(self._fan_outs)), self.shapes[shape])

  @property
  def data_bytes(self) -> int:
    """Of the edges, features and labels, those in files included."""
    arrays = self._example.graph.nodes, self._example.graph.edges
    leaves = jax.tree.leaves((arrays, self._example.labels, *self.csr))
    return sum(leaf.nbytes for leaf in leaves)

  def num_bytes(self, shape: int) -> int:
    """Of a batch of that shape, on the host and again on the device."""
    leaves = jax.tree.leaves(self.smallest(shape))
    return sum(leaf.nbytes for leaf in leaves)

  def _new_order(self, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(self._nodes)

  def _walk(self, seeds: np.ndarray, key: tuple[int, ...]) -> Walk:
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    indptr, indices = self.csr
    return walk(indptr, indices, seeds, self._fan_outs, int(state))


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

  def __len__(self) -> int:
    return self._count

  def __getitem__(self, index: int) -> Batch:
    return self._neighbours.batch(self._seed, int(index))


def _pilot_seeds(nodes: np.ndarray, size: int, index: int) -> np.ndarray:
  rng = np.random.default_rng([2**32, index])
  return rng.choice(nodes, size, replace=False)
