"""Which of several implementations of an operation runs.

Each hot operation has a plain road, right everywhere, and beside it those that
are faster somewhere. `None` chooses where the program is lowered, by the
platform it is lowered for; a name overrides that.
"""

from collections.abc import Callable
import functools
import numbers
from typing import Any, Literal, NamedTuple

import jax

from gat_jax.errors import InputError
from gat_jax.graphs import Edges

Implementation = Literal['plain', 'blocks'] | None
_NAMES = (None, 'plain', 'blocks')


def check(implementation: Implementation, block: int = 0) -> None:
  """Refuses a name that no road has, and numbers of edges that are none.

  Raises:
    InputError: says which there are.
  """
  if implementation not in _NAMES:
    raise InputError(
      'implementation',
      f'there is no {implementation!r}',
      "choose 'plain', 'blocks' or None",
    )
  is_number = isinstance(block, numbers.Integral) and not isinstance(
    block, bool
  )
  if not is_number or block < 0:
    raise InputError(
      'block', f'{block!r} is no number of edges', 'give 0, which chooses'
    )


def resolve(
  implementation: Implementation, block: int, edges: Edges
) -> Implementation:
  """The road along some edges: those that are not prepared have one alone.

  Raises:
    InputError: as `check`.
  """
  check(implementation, block)
  if implementation is None and not edges.is_prepared:
    return 'plain'
  return implementation


class Road(NamedTuple):
  """A choice of one of several functions with the same arguments and results.

  Attributes:
    implementation: the name of a road, or None.
    block: edges at a time on the road 'blocks'; 0 chooses.
    options: names and values of what all roads take besides.
  """

  implementation: Implementation
  block: int
  options: tuple[tuple[str, Any], ...]

  def run(self, plain: Callable, blocks: Callable, *args: Any) -> Any:
    """Calls one of them.

    Args:
      plain: for every platform that has no other.
      blocks: for a CPU.
      *args: arrays.
    """
    plain = functools.partial(plain, **dict(self.options))
    blocks = functools.partial(blocks, **dict(self.options), block=self.block)
    if self.implementation == 'plain':
      return plain(*args)
    if self.implementation == 'blocks':
      return blocks(*args)
    return jax.lax.platform_dependent(*args, cpu=blocks, default=plain)


def with_gradient(
  function: Callable, backward: Callable, static: int
) -> Callable:
  """A function with a gradient of its own, in reverse mode alone.

  Args:
    function: what it computes.
    backward: returns the gradient; see `jax.custom_vjp`. What it is given is
      the static argument, all others as a tuple, and the cotangent.
    static: which argument is no array.

  Returns:
    The function, with an error for forward-mode derivatives that names the road
    that has them.
  """
  # Compiled even where nothing else is: a choice among platforms would be
  # compiled anew in every call.
  compiled = jax.jit(function, static_argnums=static)
  custom = jax.custom_vjp(compiled, nondiff_argnums=(static,))

  def forward(*args: Any) -> tuple[Any, tuple]:
    return call(*args), (*args[:static], *args[static + 1 :])

  custom.defvjp(forward, backward)

  @functools.wraps(function)
  def call(*args: Any) -> Any:
    try:
      return custom(*args)
    except TypeError as error:
      if 'forward-mode' not in str(error):
        raise
      raise InputError(
        'implementation',
        'this road has no forward-mode derivatives (jax.jvp, jax.jacfwd,'
        ' jax.hessian)',
        "choose implementation='plain'",
      ) from error

  return call
