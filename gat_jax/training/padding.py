"""Examples joined, dealt to devices, and padded; and the sizes of the padding.

Shapes: B graphs in a batch, P devices that share it.
"""

from collections.abc import Iterable, Sequence
import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import Example

_MOST_COMBINATIONS = 2000


class Shape(NamedTuple):
  """Size of a padded batch, one padding node included; ordered by edges."""

  n_edge: int
  n_node: int


def deal(sizes: Sequence[Shape], num_parts: int) -> list[list[int]]:
  """Divides the graphs of a batch so that parts have about as many edges.

  The largest graph goes first, each to the part that has least so far, of those
  that have not yet their share of graphs; so no part can outgrow the others.

  Args:
    sizes: of the graphs.
    num_parts: P; parts remain empty where there are fewer graphs.

  Returns:
    For each part the indices of its graphs, in their order.
  """
  share = -(-len(sizes) // num_parts)
  parts: list[list[int]] = [[] for _ in range(num_parts)]
  loads = [Shape(0, 0)] * num_parts
  for index in sorted(range(len(sizes)), key=lambda i: sizes[i], reverse=True):
    open_ones = (p for p in range(num_parts) if len(parts[p]) < share)
    least = min(open_ones, key=lambda p: loads[p])
    parts[least].append(index)
    loads[least] = _total([loads[least], sizes[index]])
  return [sorted(part) for part in parts]


def largest_part(sizes: Sequence[Shape], num_parts: int) -> Shape:
  """Most edges and most nodes of any part that `deal` makes."""
  parts = deal(sizes, num_parts)
  return _most(_total(sizes[i] for i in part) for part in parts)


def _total(sizes: Iterable[tuple[int, int]]) -> Shape:
  return Shape(*map(sum, zip((0, 0), *sizes, strict=True)))


def _most(sizes: Iterable[tuple[int, int]]) -> Shape:
  return Shape(*map(max, zip(*sizes, strict=True)))


def choose(
  sizes: Sequence[Shape], batch_size: int, num_shapes: int, num_parts: int = 1
) -> tuple[Shape, ...]:
  """Splits all possible batches, sorted by edges, at the cheapest places.

  Every batch of a group is padded to its most edges and to the most nodes of
  all batches with no more edges. A step's time goes half by nodes, half by
  edges, about, so a shape costs their sum, each as a multiple of the mean.
  Dynamic programming finds the groups that cost least. Where several devices
  share a batch, all pad to its largest part.
  """
  batches = np.array(sorted(_possible_batches(sizes, batch_size, num_parts)))
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
  sizes: Sequence[Shape], batch_size: int, num_parts: int = 1
) -> list[Shape]:
  """Sizes of all batches, of a large sample of them if they are too many.

  One that no batch exceeds is always among them, so that each has a shape.
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
  batches = [largest_part(batch, num_parts) for batch in everything]
  share = -(-batch_size // num_parts)
  bound = Shape(
    *(sum(sorted(axis)[-share:]) for axis in zip(*sizes, strict=True))
  )
  return [*batches, bound]


def join(examples: Sequence[Example]) -> Example:
  """Several graphs as one example."""
  return Example(
    graph=graphs.batch([example.graph for example in examples]),
    labels=np.concatenate([example.labels for example in examples]),
    mask=np.concatenate([example.mask for example in examples]),
  )


def nothing(like: Example) -> Example:
  """An example without nodes, for a device that has none of a batch."""
  nodes, edges = like.graph.nodes[:0], like.graph.edges
  graph = graphs.prepare(nodes, *np.zeros((2, 0), np.int32), self_loops=False)
  if edges is not None:
    graph = graph._replace(edges=edges[:0])
  return Example(graph, like.labels[:0], like.mask[:0])


def stack(parts: Iterable[Example]) -> Example:
  """Examples of the same shapes along a new first axis."""
  return jax.tree.map(lambda *leaves: np.stack(leaves), *parts)


def as_part(example: Example, firsts: Any, xp: Any) -> Example:
  """Tells a part of a batch which nodes and edges of the batch it has.

  So it has the entries of the masks that they have there.

  Args:
    example: padded.
    firsts: [batch_size, 2], see `Order`.
    xp: NumPy, or JAX's.
  """
  structure: Any = example.graph.structure

  def ids(counts, firsts, total):
    row, ends = xp.arange(total), xp.cumsum(counts)
    whose = (row[:, None] >= ends[:-1]).sum(axis=1)
    shift = xp.append(firsts, 0) - (ends - counts)
    return (row + shift[whose]).astype(np.uint32)

  graph = example.graph
  part = graphs.Part(
    sender_ids=ids(graph.n_node, firsts[:, 0], len(example.mask)),
    edge_ids=ids(graph.n_edge, firsts[:, 1], len(structure.senders)),
    sender_degrees=structure.incoming.degrees,
  )
  made = graphs.PreparedGraph.of(graph, structure.as_part(part))
  return dataclasses.replace(example, graph=made)


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
  """Its number of edges and nodes; of each part, if it is in parts."""
  return Shape(example.graph.senders.shape[-1], example.mask.shape[-1])
