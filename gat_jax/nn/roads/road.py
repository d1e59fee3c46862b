"""The roads by name, and which platform takes which."""

import functools
from typing import Any, NamedTuple

import jax

from gat_jax.nn.roads import blocks
from gat_jax.nn.roads import lanes
from gat_jax.nn.roads import plain
from gat_jax.nn.roads import rows
from gat_jax.nn.roads.choice import Implementation

_ROADS = {'plain': plain, 'blocks': blocks, 'rows': rows, 'lanes': lanes}
# Where nothing is named: the plain one is for all others.
_PLATFORMS = {'cpu': 'blocks', 'cuda': 'rows', 'tpu': 'lanes'}


class Road(NamedTuple):
  """A choice of a road, with what its functions take besides arrays.

  Attributes:
    implementation: the name of a road, or None.
    block: edges at a time on the road 'blocks'; 0 chooses.
    options: names and values of what all roads take.
  """

  implementation: Implementation
  block: int = 0
  options: tuple[tuple[str, Any], ...] = ()

  def run(self, operation: str, *args: Any) -> Any:
    """Calls a function that all roads have, with the same results.

    Args:
      operation: its name.
      *args: arrays.
    """

    def of(name):
      options = dict(self.options)
      if name == 'blocks' and self.block:
        options['block'] = self.block
      return functools.partial(getattr(_ROADS[name], operation), **options)

    if self.implementation is not None:
      return of(self.implementation)(*args)
    chosen = {platform: of(name) for platform, name in _PLATFORMS.items()}
    return jax.lax.platform_dependent(*args, default=of('plain'), **chosen)
