"""A state in a few arrays, which an accelerator updates with as few kernels.

Shapes: P entries of all small arrays of parameters, S scalars of one dtype.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np

# Entries of an array that is worth a kernel of its own rather than a copy.
_LARGE = 2**17


class Packed(NamedTuple):
  """What a pytree of scalars and of parameters holds.

  Attributes:
    params: of each set of parameters what `joined` makes of it.
    scalars: [S] by dtype.
  """

  params: list[list[jax.Array]]
  scalars: dict[str, jax.Array]


def pack(tree: Any) -> Packed:
  """Packs scalars, and sets of parameters, joined or not.

  Args:
    tree: without other leaves.
  """
  params: list[list[jax.Array]] = []
  scalars: dict[str, list[jax.Array]] = {}
  for part in jax.tree.leaves(tree, is_leaf=_is_params):
    if _is_params(part):
      params.append(joined(part))
    else:
      scalars.setdefault(part.dtype.name, []).append(part)
  return Packed(params, {k: jnp.stack(v) for k, v in scalars.items()})


def unpack(packed: Packed, like: Any, params: Callable) -> Any:
  """The tree that was packed.

  Args:
    packed: what `pack` returned.
    like: a tree of the same structure, with the same shapes.
    params: what is to stand for the parameters, of joined ones and those of
      `like`.
  """
  joined_ones = iter(packed.params)
  scalars = {name: iter(values) for name, values in packed.scalars.items()}
  return jax.tree.map(
    lambda part: (
      params(next(joined_ones), part)
      if _is_params(part)
      else next(scalars[part.dtype.name])
    ),
    like,
    is_leaf=_is_params,
  )


def joined(params: nnx.State | list[jax.Array]) -> list[jax.Array]:
  """Parameters as one vector [P] and large arrays as they are."""
  if isinstance(params, list):
    return params
  leaves = jax.tree.leaves(params)
  small = [leaf.ravel() for leaf in leaves if leaf.size < _LARGE]
  large = [leaf for leaf in leaves if leaf.size >= _LARGE]
  return [jnp.concatenate(small), *large] if small else large


def whole(params: nnx.State | list[jax.Array], like: nnx.State) -> nnx.State:
  """The parameters that were joined, of the same shapes as others."""
  if not isinstance(params, list):
    return params
  leaves, structure = jax.tree.flatten(like)
  small = [leaf.size for leaf in leaves if leaf.size < _LARGE]
  large = iter(params)
  ends = np.cumsum(small)[:-1]
  parts = iter(jnp.split(next(large), ends) if small else [])
  return jax.tree.unflatten(
    structure,
    [
      next(large if leaf.size >= _LARGE else parts).reshape(leaf.shape)
      for leaf in leaves
    ],
  )


def _is_params(part: Any) -> bool:
  return isinstance(part, nnx.State | list)
