"""Dropout: when, with which keys, and masks that are never stored.

Shapes: N nodes, K heads, D features, Z stored non-zeros.
"""

import dataclasses
from typing import NamedTuple

from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np

from gat_jax.errors import InputError
from gat_jax.graphs import Array
from gat_jax.graphs import Features
from gat_jax.graphs import SparseFeatures
from gat_jax.nn.dropout.bits import at_least
from gat_jax.nn.dtypes import as_floats


class Dropout(NamedTuple):
  """A key and a rate: the randomness of all dropout in one pass of a model.

  Attributes:
    key: one key of `jax.random`. Every layer and every mask folds in a number
      of its own, so no two of them are alike.
    rate: the probability that an entry is dropped, below 1; may be traced.
    folded: the numbers that were folded in since; see `fold_in`.
  """

  key: jax.Array
  rate: jax.Array | np.number | float
  folded: tuple[jax.Array | int, ...] = ()

  def fold_in(self, purpose: jax.Array | int) -> 'Dropout':
    """The dropout of one layer, or of one of its three masks.

    Nothing is computed before a mask is drawn. Then its numbers are folded in
    one after the other, as by `jax.random.fold_in`, and an accelerator does
    this for all masks at once instead of with a kernel for each number.

    Raises:
      InputError: if `key` is no key, `rate` is not from 0 to below 1, or the
        number not from 0 to below 2^32.
    """
    self._check()
    if isinstance(purpose, int) and not 0 <= purpose < 2**32:
      raise InputError('purpose', f'{purpose} is not from 0 to below 2^32')
    return self._replace(folded=(*self.folded, purpose))

  def scales(
    self,
    shape: tuple[int, ...],
    dtype: jax.typing.DTypeLike = np.float32,
    rows: Array | None = None,
  ) -> jax.Array:
    """Draws what entries are multiplied with, so that their mean stays.

    Args:
      shape: of the entries.
      dtype: of the result.
      rows: [shape[0]] uint32, which rows of a larger array these are; they get
        what they would get as a part of it. None: they are all.

    Returns:
      Of that shape: 1 / (1 - rate) for what is kept, 0 for what is dropped.

    Raises:
      InputError: as `fold_in`, or if the key's generator cannot draw some rows
        alone.
    """
    self._check()
    rate = jnp.asarray(self.rate, jnp.float32)
    threshold = (rate * 2.0**32).astype(jnp.uint32)
    kept = at_least(threshold, self.key, shape, self.folded, rows)
    return jnp.where(kept, (1 / (1 - rate)).astype(dtype), 0)

  def _check(self) -> None:
    _check_key(self.key)
    if not isinstance(self.rate, jax.core.Tracer):
      _check_rate('rate', self.rate)


class DropoutModule(nnx.Module):
  """What layers and models share: whether they drop, and with which keys.

  It works as `nnx.Dropout` does: `train()` and `eval()` turn it on and off, and
  every call takes a new key from the stream that was stored. Compile such calls
  with `nnx.jit`, which keeps count of the keys. With `jax.jit`, give each call
  its own `rngs`. Without them NNX raises an error if the function closes over
  the module; but if the module is an argument, only the function's copy counts,
  and every call has the same masks.

  Attributes:
    dropout_rate: the probability that an entry is dropped.
    deterministic: whether nothing is dropped.
    rngs: the stream of keys; None without dropout, or if none was given.
  """

  def __init__(self, dropout_rate: float, deterministic: bool, rngs: nnx.Rngs):
    """Forks the stream, so call it after the parameters were drawn.

    Args:
      dropout_rate: from 0 to below 1.
      deterministic: True drops nothing until `train()` is called.
      rngs: its stream `dropout`, or else `default`, is forked and stored if the
        rate is above 0. Without either, each call needs `rngs`.

    Raises:
      InputError: if the rate is out of range.
    """
    _check_rate('dropout_rate', dropout_rate)
    self.dropout_rate = dropout_rate
    self.deterministic = deterministic
    stream = _stream(rngs) if dropout_rate > 0 else None
    self.rngs = nnx.data(None) if stream is None else stream.fork()

  def draw(
    self,
    deterministic: bool | None = None,
    rngs: nnx.Rngs | nnx.RngStream | jax.Array | None = None,
  ) -> Dropout | None:
    """Returns the dropout of one call, with a key of its own.

    Args:
      deterministic: if not None, instead of the attribute.
      rngs: if not None, instead of the stored stream; or one key.

    Returns:
      None if nothing is to be dropped.

    Raises:
      InputError: if there is something to drop, but no stream to draw from.
    """
    if deterministic is None:
      deterministic = self.deterministic
    if deterministic or self.dropout_rate == 0:
      return None
    source = self.rngs if rngs is None else rngs
    if isinstance(source, nnx.Rngs):
      source = _stream(source)
    if source is None:
      raise InputError(
        'rngs',
        f'there is no stream of keys for a dropout rate of {self.dropout_rate}',
        'give the call `rngs`, its stream `dropout`, or `deterministic=True`',
      )
    key = source() if isinstance(source, nnx.RngStream) else source
    return Dropout(key, self.dropout_rate)

  def set_view(self, deterministic: bool | None = None) -> None:
    """Lets `nnx.view` of newer Flax turn dropout on and off."""
    if deterministic is not None:
      self.deterministic = deterministic


def check_dropout(dropout: object) -> None:
  """Refuses what `forward` cannot take as its dropout.

  Raises:
    InputError: if it is neither None nor a `Dropout`.
  """
  if dropout is not None and not isinstance(dropout, Dropout):
    raise InputError(
      'dropout',
      f'of {type(dropout).__name__}',
      'give `Dropout(key, rate)`, or None to drop nothing',
    )


def _check_rate(name, rate) -> None:
  dtype = np.asarray(rate).dtype
  is_number = np.ndim(rate) == 0 and jnp.issubdtype(dtype, np.number)
  if not is_number or not 0 <= np.float32(rate) < 1:
    raise InputError(name, f'{rate!r} is no number from 0 to below 1')


def _check_key(key) -> None:
  dtype, shape = (getattr(key, name, None) for name in ('dtype', 'shape'))
  is_typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
  is_raw = dtype == np.uint32 and shape is not None and len(shape) == 1
  if not (is_raw or (is_typed and shape == ())):
    raise InputError(
      'key',
      f'{key!r} is not one key',
      'make one with `jax.random.key(0)`',
    )


def _stream(rngs: nnx.Rngs) -> nnx.RngStream | None:
  """The stream `dropout`, else `default`, else None."""
  return rngs['dropout'] if {'dropout', 'default'} & set(rngs) else None


def drop_features(
  dropout: Dropout,
  features: Features,
  num_heads: int,
  shared: bool = False,
  rows: Array | None = None,
) -> Features:
  """Drops entries of features, for each head its own or for all the same.

  An entry that is zero stays zero, so sparse features get a mask for their
  non-zeros alone. What follows has the same distribution as with dense ones.

  Args:
    dropout: key and rate.
    features: dense [N, D] or sparse.
    num_heads: K.
    shared: one mask for all heads instead of one for each.
    rows: [N], see `Dropout.scales`. Sparse features bring theirs along, as
      `edge_ids` of their part.

  Returns:
    Dense [N, K, D], or sparse with values [Z, K]; without K if shared.
  """
  heads = () if shared else (num_heads,)
  if isinstance(features, SparseFeatures):
    values = as_floats(features.values)
    part = features.edges.part
    own = None if part is None else part.edge_ids
    shape = values.shape + heads  # [Z] or [Z, K]
    scales = dropout.scales(shape, values.dtype, own)
    if not shared:
      values = values[:, None]
    return dataclasses.replace(features, values=values * scales)
  features = as_floats(features)
  n_node, n_feature = features.shape
  shape = (n_node, *heads, n_feature)  # [N, D] or [N, K, D]
  scales = dropout.scales(shape, features.dtype, rows)
  return scales * (features if shared else features[:, None])
