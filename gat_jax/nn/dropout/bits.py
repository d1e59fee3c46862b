"""Random bits for masks, drawn where they are used.

Shapes: R rows.
"""

from collections.abc import Sequence
import functools
import math

import jax
from jax import numpy as jnp

from gat_jax.errors import InputError
from gat_jax.graphs import Array

# What each of the three masks of a layer folds into its key: for its inputs,
# for attention, for what attention sums up.
INPUT, WEIGHTS, VALUES = range(3)


def random_bits(
  key: jax.Array,
  shape: tuple[int, ...],
  folded: Sequence[jax.Array | int] = (),
  rows: Array | None = None,
) -> jax.Array:
  """The same as `jax.random.bits(key, shape)`, twice as fast on a CPU.

  On a CPU, JAX writes Threefry-2x32 (Salmon et al., SC 2011, 20 rounds) as a
  loop that stores its state in every turn, a third of a training step on Cora.
  Written out it fuses with whatever compares the bits. Keys of other generators
  and larger shapes are left to JAX.

  Args:
    key: one key of `jax.random`.
    shape: of the result.
    folded: numbers that are folded into the key before, in this order.
    rows: see `Dropout.scales`.

  Returns:
    uint32 of that shape. They are JAX's own unless JAX's flag
    `jax_threefry_partitionable` was turned off.

  Raises:
    InputError: if there are rows and the key is of another generator.
  """
  words = _words(key, shape, folded, rows)
  if words is None:
    key = functools.reduce(jax.random.fold_in, folded, key)
    return jax.random.bits(key, shape)
  return _bits(words, shape, folded, rows)


def at_least(
  threshold: jax.Array,
  key: jax.Array,
  shape: tuple[int, ...],
  folded: Sequence[jax.Array | int] = (),
  rows: Array | None = None,
) -> jax.Array:
  """Which bits are at least `threshold`: [*shape], bool.

  On a CPU they are drawn once and kept, a byte each. XLA alone draws them anew
  in each loop that uses them: three times in a layer with its gradient, and one
  by one where edges fetch them. It does not merge loops with what stands in a
  branch that it cannot know to be taken.

  Args:
    threshold: uint32.
    key: see `random_bits`.
    shape: as well.
    folded: as well.
    rows: as well.

  Raises:
    InputError: as `random_bits`.
  """
  words = _words(key, shape, folded, rows)
  if words is None:
    return random_bits(key, shape, folded) >= threshold

  def drawn(words, threshold):
    return _bits(words, shape, folded, rows) >= threshold

  def drawn_once(words, threshold):
    never = jax.lax.clz(words[0] ^ words[1]) >> 6 != 0
    # Flat where it can be: rows of a few heads would be drawn more slowly.
    flat = shape if rows is not None else (math.prod(shape),)
    kept = jax.lax.cond(
      never,
      lambda *_: jnp.zeros(flat, bool),
      lambda *of: drawn(*of).reshape(flat),
      words,
      threshold,
    )
    return kept.reshape(shape)

  return jax.lax.platform_dependent(
    words, threshold, cpu=drawn_once, default=drawn
  )


def _words(key, shape, folded, rows):
  """A key of Threefry with numbers folded in, two words.

  None if JAX has to draw: with a key of another generator, or so many bits.
  """
  is_threefry = jax.random.key_impl(key) == 'threefry2x32'
  if rows is not None and not is_threefry:
    raise InputError(
      'key',
      f'keys of {jax.random.key_impl(key)} cannot draw the masks of a part',
      "make one with `jax.random.key(0, impl='threefry2x32')`",
    )
  if rows is None and (not is_threefry or math.prod(shape) > 2**32):
    return None
  data = jax.random.key_data(key)
  words = data[0], data[1]
  for index, number in enumerate(folded):
    if index + 1 == len(folded) and _is_purpose(number):
      # Of all purposes at once: the masks of a layer share them.
      words = _threefry(words, jax.lax.iota(jnp.uint32, VALUES + 1))
      words = words[0][number], words[1][number]
    else:
      words = _threefry(words, jnp.uint32(number))
  return words


def _bits(words, shape, folded, rows):
  if rows is None:
    high, low = _threefry(words, jax.lax.iota(jnp.uint32, math.prod(shape)))
  else:
    # Zero, as XLA cannot know: else it would take the counts, as many as there
    # are entries, out of the loop over epochs, and keep and read them.
    changing = sum((jnp.uint32(number) for number in folded), jnp.uint32(0))
    zero = jax.lax.clz(changing) >> 6
    high, low = _threefry(words, *_counts(rows, shape[1:], zero))
  return (high ^ low).reshape(shape)


def _is_purpose(number):
  return isinstance(number, int) and INPUT <= number <= VALUES


def _counts(
  rows: Array, shape: tuple[int, ...], zero: jax.typing.ArrayLike = 0
) -> tuple[jax.Array, jax.Array]:
  """Both words of `rows * width + column`, the lower one first: [R, *shape].

  They have all axes, so that a CPU need not divide to find the row of each.
  """
  width = math.prod(shape)
  rows = jnp.asarray(rows, jnp.uint32)
  columns = jnp.arange(width, dtype=jnp.uint32).reshape(1, *shape)
  # The product of two words, by halves.
  upper, lower = rows >> 16, rows & 0xFFFF
  wide, narrow = jnp.uint32(width >> 16), jnp.uint32(width & 0xFFFF)
  middle = (lower * narrow >> 16) + (upper * narrow & 0xFFFF)
  middle += lower * wide & 0xFFFF
  high = upper * wide + (upper * narrow >> 16) + (lower * wide >> 16)
  high += middle >> 16
  ones = (1,) * len(shape)
  zero = jnp.asarray(zero, jnp.uint32)
  first = (rows * jnp.uint32(width) + zero).reshape(-1, *ones)
  low = first + columns
  high = (high + zero).reshape(-1, *ones) + (low < first).astype(jnp.uint32)
  return low, high


@functools.partial(jax.jit, inline=True)
def _threefry(key, low, more=None):
  """Both words of a block for each count `more` 2^32 + `low`."""
  schedule = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA))
  low += schedule[1]
  high = jnp.full_like(low, schedule[0])
  if more is not None:
    high += more
  rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
  for turn in range(5):
    for rotation in rotations[turn % 2]:
      high += low
      low = (low << rotation) | (low >> (32 - rotation))
      low ^= high
    high += schedule[(turn + 1) % 3]
    low += schedule[(turn + 2) % 3] + jnp.uint32(turn + 1)
  return high, low
