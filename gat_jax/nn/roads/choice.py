"""Which of several implementations of an operation runs.

Each hot operation has a plain road, right everywhere, and beside it those that
are faster somewhere. `None` chooses where the program is lowered, by the
platform it is lowered for; a name overrides that.
"""

from collections.abc import Callable
import functools
import numbers
from typing import Any, Literal, get_args

import jax

from gat_jax.errors import InputError
from gat_jax.graphs import Edges

_Name = Literal['plain', 'blocks', 'rows', 'lanes']
Implementation = _Name | None
NAMES: tuple[Implementation, ...] = (None, *get_args(_Name))
# Of layers: one road more, on which all of attention is one operation.
LayerImplementation = Implementation | Literal['fused']


def check(
  implementation: LayerImplementation, block: int = 0, *, of_layer: bool = False
) -> None:
  """Refuses a name that no road has, and numbers of edges that are none.

  Args:
    implementation: the name, or None.
    block: edges at a time.
    of_layer: whether it may be a road that layers alone have.

  Raises:
    InputError: says which there are.
  """
  names = (*NAMES, 'fused') if of_layer else NAMES
  if implementation not in names:
    named = ', '.join(repr(name) for name in names[1:])
    raise InputError(
      'implementation',
      f'there is no {implementation!r}',
      f'choose one of {named}, or None',
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
    InputError: as `check`, or if they are not prepared for the road.
  """
  check(implementation, block)
  if implementation is None and not edges.is_prepared:
    return 'plain'
  if implementation not in (None, 'plain') and not edges.is_prepared:
    raise InputError(
      'edges',
      f'they are not prepared, as the road {implementation!r} needs them',
      'make the graph with `graphs.prepare`, or leave the choice to the layer',
    )
  return implementation


def with_gradient(
  function: Callable,
  backward: Callable,
  static: int,
  *,
  keeps_result: bool = False,
) -> Callable:
  """A function with a gradient of its own, in reverse mode alone.

  Args:
    function: what it computes.
    backward: returns the gradient; see `jax.custom_vjp`. What it is given is
      the static argument, all others as a tuple, and the cotangent.
    static: which argument is no array.
    keeps_result: whether that tuple ends with the result.

  Returns:
    The function, with an error for forward-mode derivatives that names the road
    that has them.
  """
  # Compiled even where nothing else is: a choice among platforms would be
  # compiled anew in every call.
  compiled = jax.jit(function, static_argnums=static)
  custom = jax.custom_vjp(compiled, nondiff_argnums=(static,))

  def forward(*args: Any) -> tuple[Any, tuple]:
    result = call(*args)
    kept = (*args[:static], *args[static + 1 :])
    return result, (*kept, result) if keeps_result else kept

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
