"""Weights of PyTorch Geometric: from a state dict and to one."""

from collections.abc import Mapping
from typing import Any

from flax import nnx
from jax import numpy as jnp
import numpy as np

from gat_jax import nn
from gat_jax.errors import InputError
from gat_jax.interop.states import CONVS
from gat_jax.interop.states import SHARED
from gat_jax.interop.states import Conv
from gat_jax.interop.states import array_of
from gat_jax.interop.states import as_theirs
from gat_jax.interop.states import check
from gat_jax.interop.states import check_keys
from gat_jax.interop.states import key_of
from gat_jax.interop.states import of_older_versions


def from_pyg(
  state_dict: Mapping[str, Any],
  *,
  prefix: str = '',
  average_heads: bool | None = None,
  share_weights: bool | None = None,
  **options: Any,
) -> nn.HeadsLayer:
  """A layer with the weights of a GATConv, GATv2Conv or GCNConv.

  Keys and shapes tell which of them it is, its sizes, and whether edges have
  features. What no state dict holds is taken as PyTorch Geometric's defaults:
  0.2 as the slope of LeakyReLU, and GCNConv without `improved`, with
  `normalize`. Parameters are float32.

  Args:
    state_dict: arrays by name, or tensors, which have `.numpy()`.
    prefix: of the keys of this layer, as 'conv1.', in those of a whole model;
      others are left alone.
    average_heads: PyTorch Geometric's `concat=False`; None: as the bias says.
    share_weights: of GATv2Conv; None: if both weights are the same.
    **options: other arguments of the layer, as `dropout_rate` and `rngs`. It
      has no activation unless one is given here, as none is part of theirs.

  Returns:
    A `GATLayer`, `GATv2Layer` or `GCNLayer`. Averaged heads have the bias each.

  Raises:
    InputError: names the key that is missing, has no counterpart, or does not
      fit; or as the layer.
  """
  arrays = {
    key.removeprefix(prefix): array_of(key, value)
    for key, value in state_dict.items()
    if key.startswith(prefix)
  }
  arrays = of_older_versions(arrays, prefix)
  conv = next((conv for conv in CONVS if conv.sign in arrays), None)
  if conv is None:
    raise InputError(
      'state_dict',
      f'the keys {sorted(arrays)} are of no GATConv, GATv2Conv or GCNConv',
      'give that of one layer, or the `prefix` of its keys',
    )
  check_keys(conv, arrays, prefix)
  of_kernel = key_of(conv, 'kernel')
  kernel = arrays[of_kernel]
  check(prefix + of_kernel, kernel, (None, None))
  num_heads, out_features = 1, len(kernel)
  if conv.layer_type is not nn.GCNLayer:
    check(prefix + conv.sign, arrays[conv.sign], (1, None, None))
    num_heads, out_features = arrays[conv.sign].shape[1:]
  average_heads = _averages(
    arrays.get('bias'), num_heads, out_features, average_heads, prefix
  )
  if 'lin_edge.weight' in arrays:
    options['edge_features'] = _num_edge_features(arrays, prefix)
  if conv.layer_type is nn.GATLayer:
    options.setdefault('score_bias', False)
  if conv.layer_type is nn.GATv2Layer:
    options['share_weights'] = _shares(arrays, share_weights, prefix)
    options['projection_bias'] = 'lin_l.bias' in arrays
  elif share_weights is not None:
    raise InputError('share_weights', f'{conv.name} has no such option')
  options = {'activation': None, 'rngs': nnx.Rngs(params=0)} | options
  layer = conv.layer_type(
    kernel.shape[1],
    out_features,
    num_heads,
    average_heads=average_heads,
    **options,
  )
  _fill(layer, conv, arrays, prefix)
  return layer


def to_pyg(
  layer: nn.HeadsLayer, *, prefix: str = '', bias: bool = True
) -> dict[str, np.ndarray]:
  """The state dict of the GATConv, GATv2Conv or GCNConv that computes the same.

  Without the layer's activation, which is none of theirs. Averaged heads have
  one bias together, their mean. What `from_pyg` read comes back bit for bit.

  Args:
    layer: a `GATLayer`, `GATv2Layer` or `GCNLayer`.
    prefix: put before each key, as 'conv1.'.
    bias: False for a layer that was made with `bias=False`.

  Returns:
    Arrays by name, float32.

  Raises:
    InputError: if the layer does what PyTorch Geometric's cannot: score biases,
      a skip connection, an activation before heads are averaged, biases without
      `bias`.
  """
  conv = next((c for c in CONVS if c.layer_type is type(layer)), None)
  if conv is None:
    raise InputError(
      'layer',
      f'{type(layer).__name__} has no counterpart',
      'GATLayer, GATv2Layer and GCNLayer have one',
    )
  own = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
  params = {name: np.asarray(value) for name, value in own.items()}
  _check_counterpart(layer, conv, params)
  if layer.average_heads:  # as float64, so that equal ones stay what they are
    params['bias'] = params['bias'].mean(0, dtype=np.float64, keepdims=True)
  for name, twin in SHARED.items():
    if getattr(layer, 'share_weights', False) and twin in params:
      params[name] = params[twin]
  shape = params['kernel'].shape[1:]
  found = {}
  for key, name in conv.keys.items():
    is_bias = name.endswith('bias')
    if name not in params and not is_bias:
      continue  # of edges that have no features
    value = params.get(name, np.zeros(shape))  # without `projection_bias`
    if not bias and is_bias:
      if value.any():
        raise InputError(
          'bias', f'`{name}` is not zero, so it cannot be left out'
        )
      continue
    found[prefix + key] = as_theirs(name, value)
  return found


def _averages(
  bias: np.ndarray | None,
  num_heads: int,
  out_features: int,
  wanted: bool | None,
  prefix: str,
) -> bool:
  """Whether heads are averaged, as the bias or the caller says."""
  key = f'{prefix}bias'
  if num_heads == 1 or bias is None:
    if num_heads > 1 and wanted is None:
      raise InputError(
        'average_heads',
        f'without `{key}` nothing tells whether heads are averaged',
        'give `average_heads`, which is not `concat`',
      )
    return bool(wanted)
  told = {num_heads * out_features: False, out_features: True}.get(bias.size)
  if told is None or wanted not in (None, told):
    raise InputError(
      key,
      f'of shape {bias.shape} for {num_heads} heads of {out_features}'
      f' features'
      + ('' if wanted is None else f' and `average_heads={wanted}`'),
    )
  return told


def _shares(
  arrays: dict[str, np.ndarray], wanted: bool | None, prefix: str
) -> bool:
  """Whether both roles share their weights, as these or the caller say."""
  is_same = all(
    np.array_equal(arrays[f'lin_l.{of}'], arrays[f'lin_r.{of}'])
    for of in ('weight', 'bias')
    if f'lin_l.{of}' in arrays
  )
  if wanted and not is_same:
    raise InputError(
      'share_weights', f'`{prefix}lin_l` and `{prefix}lin_r` differ'
    )
  return is_same if wanted is None else wanted


def _num_edge_features(arrays: dict[str, np.ndarray], prefix: str) -> int:
  key = 'lin_edge.weight'
  check(prefix + key, arrays[key], (None, None))
  if not arrays[key].size:
    raise InputError(
      prefix + key,
      'of edges with no features',
      'make the layer with `edge_dim=None`',
    )
  return arrays[key].shape[1]


def _fill(
  layer: nn.HeadsLayer,
  conv: Conv,
  arrays: dict[str, np.ndarray],
  prefix: str,
) -> None:
  """Puts the arrays in the place of a layer's parameters."""
  state = nnx.state(layer, nnx.Param)
  params = nnx.to_pure_dict(state)
  for key, name in conv.keys.items():
    if key not in arrays or (name in SHARED and name not in params):
      continue
    array, shape = arrays[key], params[name].shape
    if name == 'bias' and layer.average_heads:
      check(prefix + key, array, shape[1:])
      array = np.tile(array, shape[0])
    else:
      check(prefix + key, array, as_theirs(name, params[name]).shape)
    is_kernel = name.endswith('kernel')
    params[name] = jnp.asarray((array.T if is_kernel else array).reshape(shape))
  nnx.replace_by_pure_dict(state, params)
  nnx.update(layer, state)


def _check_counterpart(
  layer: nn.HeadsLayer, conv: Conv, params: dict[str, np.ndarray]
) -> None:
  problem = ''
  if layer.residual:
    problem = 'its skip connection is not theirs'
  elif conv.layer_type is nn.GATLayer and any(
    params[name].any()
    for name in ('sender_bias', 'receiver_bias')
    if name in params
  ):
    problem = 'its scores have biases (`score_bias`)'
  elif layer.average_heads and layer.activation is not None:
    problem = 'its activation comes before heads are averaged'
  elif (
    conv.layer_type is nn.GCNLayer
    and layer.average_heads
    and layer.num_heads > 1
  ):
    problem = 'it averages heads, and there is one'
  if problem:
    raise InputError('layer', f'{problem}, so no {conv.name} computes the same')
