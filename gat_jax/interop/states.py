"""State dicts of PyTorch Geometric: which keys and shapes a layer's have.

Shapes: D input features, K heads, F output features a head.
"""

from typing import Any, NamedTuple

from jax import numpy as jnp
import numpy as np

from gat_jax import nn
from gat_jax.errors import InputError


class Conv(NamedTuple):
  """A layer of PyTorch Geometric.

  Attributes:
    name: of its class.
    layer_type: its counterpart.
    sign: the key that no other of them has.
    keys: of its state dict, and the parameter that each is.
    optional: keys that it may do without.
  """

  name: str
  layer_type: type[nn.HeadsLayer]
  sign: str
  keys: dict[str, str]
  optional: frozenset[str]


CONVS = (
  Conv(
    'GATConv',
    nn.GATLayer,
    'att_src',
    {
      'att_src': 'sender_vector',
      'att_dst': 'receiver_vector',
      'lin.weight': 'kernel',
      'lin_edge.weight': 'edge_kernel',
      'att_edge': 'edge_vector',
      'bias': 'bias',
    },
    frozenset({'lin_edge.weight', 'att_edge', 'bias'}),
  ),
  Conv(
    'GATv2Conv',
    nn.GATv2Layer,
    'att',
    {
      'att': 'vector',
      'lin_l.weight': 'kernel',
      'lin_l.bias': 'sender_bias',
      'lin_r.weight': 'receiver_kernel',
      'lin_r.bias': 'receiver_bias',
      'lin_edge.weight': 'edge_kernel',
      'bias': 'bias',
    },
    frozenset({'lin_l.bias', 'lin_r.bias', 'lin_edge.weight', 'bias'}),
  ),
  Conv(
    'GCNConv',
    nn.GCNLayer,
    'lin.weight',
    {'lin.weight': 'kernel', 'bias': 'bias'},
    frozenset({'bias'}),
  ),
)
# Of these, one without the other makes no layer.
_PAIRS = (('lin_edge.weight', 'att_edge'), ('lin_l.bias', 'lin_r.bias'))
# Of a layer that shares its weights, which are there under both names.
SHARED = {'receiver_kernel': 'kernel', 'receiver_bias': 'sender_bias'}


def key_of(conv: Conv, name: str) -> str:
  """The key of a parameter."""
  return next(key for key, own in conv.keys.items() if own == name)


def array_of(key: str, value: Any) -> np.ndarray:
  """Weights on the host, float32."""
  try:
    array = value.numpy() if hasattr(value, 'numpy') else np.asarray(value)
    array = np.asarray(array)
    is_float = jnp.issubdtype(array.dtype, jnp.floating)
  except (RuntimeError, TypeError, ValueError) as error:
    raise InputError(
      key, f'no array of NumPy ({error})', 'give `.detach().float().cpu()`'
    ) from error
  if not is_float:
    raise InputError(key, f'of {array.dtype}', 'weights are floats')
  return array.astype(np.float32)


def of_older_versions(
  arrays: dict[str, np.ndarray], prefix: str
) -> dict[str, np.ndarray]:
  """GATConv before 2.5 named its weight twice."""
  source, target = 'lin_src.weight', 'lin_dst.weight'
  if source not in arrays:
    return arrays
  if not np.array_equal(arrays[source], arrays.get(target, arrays[source])):
    raise InputError(
      prefix + target,
      f'it is not `{prefix}{source}`, as where senders and receivers are of'
      ' different kinds, and that has no counterpart',
    )
  kept = {k: v for k, v in arrays.items() if k not in (source, target)}
  return kept | {'lin.weight': arrays[source]}


def as_theirs(name: str, value: Any) -> np.ndarray:
  """[D, K, F] as [K F, D], [K, F] as [1, K, F], a bias as [K F]."""
  array = np.asarray(value, np.float32)
  if name.endswith('kernel'):
    return np.ascontiguousarray(array.reshape(len(array), -1).T)
  return array.reshape(-1) if name.endswith('bias') else array[None]


def check(key: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
  """Refuses another shape; None is any size."""
  fits = array.ndim == len(shape) and all(
    wanted in (None, size)
    for wanted, size in zip(shape, array.shape, strict=True)
  )
  if not fits:
    named = ', '.join('any' if size is None else str(size) for size in shape)
    raise InputError(key, f'of shape {array.shape}', f'it must be ({named})')


def check_keys(conv: Conv, arrays: dict[str, np.ndarray], prefix: str) -> None:
  """Refuses keys that a layer has no parameter for, and those that it lacks."""
  unknown = [key for key in arrays if key not in conv.keys]
  if unknown:
    raise InputError(
      prefix + unknown[0],
      f'this weight of a {conv.name} has no counterpart',
      'a layer without it has one'
      if unknown[0] != 'res.weight'
      else 'make the layer with `residual=False`',
    )
  missing = [k for k in conv.keys if k not in arrays and k not in conv.optional]
  for pair in _PAIRS:
    there = [key for key in pair if key in arrays]
    if len(there) == 1 and set(pair) <= conv.keys.keys():
      missing += set(pair) - set(there)
  if missing:
    raise InputError(prefix + missing[0], f'missing, and a {conv.name} has it')
