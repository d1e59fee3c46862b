"""Edges of one size whose structures get the same shapes.

`graphs.batches.fill` does that for all that may ever come. Here all are known,
so that fillers are few.
"""

from collections.abc import Sequence
import dataclasses

from gat_jax.graphs.batches import fill
from gat_jax.graphs.edges import Edges
from gat_jax.graphs.groups import Groups


def alike(several: Sequence[Edges]) -> list[Edges]:
  """The same edges with as many groups and levels of sums each.

  Args:
    several: prepared, all with as many edges, senders and receivers.
  """
  full = [fill(edges) for edges in several]
  return [
    edges._with(by_receiver=by_receiver, by_sender=by_sender)
    for edges, by_receiver, by_sender in zip(
      full,
      _cut([edges.incoming for edges in full]),
      _cut([edges.reversed.incoming for edges in full]),
      strict=True,
    )
  ]


def _cut(several: Sequence[Groups]) -> list[Groups]:
  """Leaves out rows, and levels, that are fillers in all."""
  num_groups = max(int(groups.num_groups) for groups in several)
  used = [
    max(int((groups.above[level] >= 0).any(axis=1).sum()) for groups in several)
    for level in range(len(several[0].above))
  ]
  used = [count for count in used if count]  # higher levels need lower ones
  return [
    dataclasses.replace(
      groups,
      edges=groups.edges[:num_groups],
      is_edge=groups.is_edge[:num_groups],
      others=groups.others[:num_groups],
      nodes=groups.nodes[:num_groups],
      above=tuple(
        rows[:count] for rows, count in zip(groups.above, used, strict=False)
      ),
    )
    for groups in several
  ]
