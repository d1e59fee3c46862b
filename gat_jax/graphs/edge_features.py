"""Features of the edges that `prepare` makes of those that it is given.

Shapes: N nodes, E edges, E0 edges that the caller gave, D_e features of an
edge.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs.features import is_real
from gat_jax.graphs.groups import Array
from gat_jax.graphs.inputs import as_floats
from gat_jax.graphs.inputs import on_host

LoopFeatures = Literal['mean'] | float | Sequence[float] | np.ndarray


def edge_features_of(given: Any, num_edges: int) -> np.ndarray:
  """Features [E0, D_e] of the edges that a caller gave.

  Args:
    given: an array or nested lists, [E0, D_e], or [E0] for D_e = 1.
    num_edges: E0.

  Returns:
    A float array; integers and booleans become float32.

  Raises:
    InputError: if they have another shape, or are no finite real numbers.
  """
  array = on_host('edge_features', given)
  shape = array.shape
  if array.ndim == 1:
    array = array[:, None]
  if array.ndim != 2 or len(array) != num_edges or not array.shape[1]:
    raise InputError(
      'edge_features',
      f'an array of shape {shape} for {num_edges} edges',
      'it must be [E, D], a row an edge in the order of `senders`, or [E]',
    )
  array = as_floats('edge_features', array)
  wrong = ~np.isfinite(array)
  if wrong.any():
    edge, feature = np.argwhere(wrong)[0]
    raise InputError(
      'edge_features',
      f'feature {feature} of edge {edge} is {array[edge, feature]}',
      'replace what is not finite, by 0 for instance',
    )
  return array


def edge_features(
  given: np.ndarray,
  receivers: np.ndarray,
  places: Any,
  added_loops: np.ndarray,
  loop_features: LoopFeatures,
) -> np.ndarray:
  """Features of all edges, [E, D_e].

  Args:
    given: [E0, D_e], of those that were given.
    receivers: [E], of all.
    places: where the given ones, their reverses and the self-loops are.
    added_loops: [N], which nodes were given a self-loop.
    loop_features: what these have.

  Raises:
    InputError: if there cannot be such features of a self-loop.
  """
  of_loops = _of_loops(loop_features, given)
  num_edges, n_node = len(receivers), len(added_loops)
  found = np.zeros((num_edges, given.shape[1]), given.dtype)
  if places.reverse is not None:
    found[places.reverse] = given
  found[places.given] = given  # a reverse edge that was given has its own
  if places.self_loops is None or not added_loops.any():
    return found
  loops = places.self_loops[added_loops]
  if of_loops is None:
    is_own = np.ones(num_edges, bool)
    is_own[loops] = False
    sums = np.zeros((n_node, given.shape[1]), np.float64)
    np.add.at(sums, receivers[is_own], found[is_own])
    counts = np.bincount(receivers[is_own], minlength=n_node)
    found[loops] = (sums / np.maximum(counts, 1)[:, None])[added_loops]
    return found
  found[loops] = of_loops
  return found


def is_mean(loop_features: LoopFeatures) -> bool:
  """Whether it is the word for the mean of the edges that come in."""
  return isinstance(loop_features, str) and loop_features == 'mean'


def _of_loops(
  loop_features: LoopFeatures, given: np.ndarray
) -> np.ndarray | None:
  """What is said of every self-loop, a number or [D_e]; None for the mean."""
  if is_mean(loop_features):
    return None
  array = on_host('loop_features', loop_features)
  is_number = is_real(array.dtype) and array.shape in ((), given.shape[1:])
  with np.errstate(over='ignore'):  # what becomes infinite is refused
    array = array.astype(given.dtype) if is_number else array
  if not is_number or not np.isfinite(array).all():
    raise InputError(
      'loop_features',
      f'{loop_features!r} for {given.shape[1]} features of an edge',
      "give 'mean', a number, or one number a feature",
    )
  return array


def check_same_kind(several: Sequence[Array | None]) -> None:
  """Refuses graphs of which some have features of edges and others have none.

  Raises:
    InputError: says so.
  """
  widths = {None if x is None else np.shape(x)[1:] for x in several}
  if len(widths) > 1:
    raise InputError(
      'graphs',
      'features of their edges differ in width, or some have none',
      'give all of them the same number',
    )
