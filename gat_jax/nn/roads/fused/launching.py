"""Launches the kernels from JAX, through jax-triton.

This needs Triton, so it is imported where the road is taken.

Shapes: E edges, M senders, N receivers, K heads, F features a head, P parts; W
is [K, F] for pairs and [K] else.
"""

from collections.abc import Sequence
import math
from typing import Any
import warnings

import jax
from jax import numpy as jnp
import triton

from gat_jax.graphs import Array
from gat_jax.graphs import Items
from gat_jax.graphs import Side
from gat_jax.nn.roads.fused import backward as of_backward
from gat_jax.nn.roads.fused import forward as of_forward
from gat_jax.nn.roads.fused.platform import load
from gat_jax.nn.roads.fused.platform import only_on_cuda

# What was fastest on an H200, of some tried on graphs of 100,000 nodes (8
# features a head) and like PPI's (256): by kernel, features and PAIRS.
_FASTEST: dict[tuple[str, int, bool], dict[str, Any]] = {
  ('forward', 8, False): {'BE': 4, 'warps': 1},
  ('forward', 8, True): {'BE': 4, 'warps': 1},
  ('forward', 256, False): {'KB': 1, 'BE': 8, 'warps': 1},
  ('forward', 256, True): {'KB': 1, 'BE': 4, 'warps': 1},
  ('senders', 8, False): {'BE': 4, 'warps': 1},
  ('senders', 8, True): {'BE': 4, 'warps': 1},
  ('senders', 256, False): {'KB': 1, 'BE': 4, 'warps': 1},
  ('senders', 256, True): {'KB': 1, 'BE': 4, 'warps': 1},
  ('receivers', 8, False): {'BE': 16, 'warps': 1},
  ('receivers', 8, True): {'BE': 8, 'warps': 1, 'SUM': False},
  ('receivers', 256, False): {'BE': 16, 'warps': 1},
  ('receivers', 256, True): {'KB': 1, 'BE': 8, 'warps': 1},
}
# A program's heads where it holds nothing of their features.
_MOST_HEADS = 64


def config(
  name: str, heads: int, features: int, pairs: bool
) -> tuple[int, dict[str, Any]]:
  """The warps of a kernel's programs, and its constants but K, F and PAIRS.

  Args:
    name: 'forward', 'senders' or 'receivers'.
    heads: K.
    features: F.
    pairs: whether scores are those of pairs.
  """
  width = triton.next_power_of_2(features)
  all_heads = triton.next_power_of_2(heads)
  chosen: dict[str, Any] = {
    'KB': min(all_heads, max(1, 128 // width)),
    'FB': width,
    'BE': 8,
    'warps': 2 if width >= 256 else 1,
    'STAGES': 1,
    'SUM': True,
  }
  if name == 'receivers' and not pairs:
    chosen |= {'KB': min(all_heads, _MOST_HEADS), 'BE': 32, 'SUM': False}
    chosen['warps'] = 1
  chosen |= _FASTEST.get((name, width, pairs), {})
  chosen['KB'] = min(chosen['KB'], all_heads)
  return chosen.pop('warps'), chosen


def call(
  kernel: Any,
  grid: tuple[int, ...],
  inputs: Sequence[Array],
  outputs: Sequence[jax.ShapeDtypeStruct],
  *,
  changed: Sequence[Array] = (),
  warps: int,
  **constants: Any,
) -> list[jax.Array]:
  """Runs a kernel of pointers to inputs, what it changes, and outputs.

  Args:
    kernel: of Triton.
    grid: how many programs.
    inputs: arrays that it reads.
    outputs: what it makes.
    changed: arrays of which it writes some rows.
    warps: of a program.
    **constants: of the kernel.

  Returns:
    What was changed, then the outputs.
  """
  types = [*(_array(*x.shape) for x in changed), *outputs]
  places = {len(inputs) + i: i for i in range(len(changed))}
  first, *others = inputs
  with warnings.catch_warnings():
    # Other ways to say what is changed want what is changed to be a `Ref`.
    warnings.filterwarnings('ignore', 'input_output_aliases is deprecated')
    return load().triton_call(
      only_on_cuda(first),
      *others,
      *changed,
      kernel=kernel,
      out_type=types,
      grid=grid,
      num_warps=warps,
      num_stages=constants.get('STAGES', 1),
      name=kernel.fn.__name__,
      input_output_aliases=places,
      **constants,
    )


def _array(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def forward(
  r: jax.Array,
  s: jax.Array | None,
  v: jax.Array,
  a: jax.Array | None,
  d: jax.Array | None,
  senders: Array,
  items: Items,
  *,
  slope: float,
) -> tuple[jax.Array, jax.Array]:
  """Sums of values, [N, K, F], and logsumexp of scores, [N, K].

  Args:
    r: [N, W].
    s: [M, K]; None for pairs.
    v: [M, K, F].
    a: [K, F], for pairs alone.
    d: [E, K], or None.
    senders: [E].
    items: of the edges.
    slope: of LeakyReLU below 0.
  """
  heads, features = v.shape[1:]
  pairs = a is not None
  warps, constants = config('forward', heads, features, pairs)
  side, nodes = items.by_receiver, r.shape[0]
  blocks = triton.cdiv(heads, constants['KB'])
  parts = side.num_parts
  # What a kernel does not read must still be some array.
  out, lse, *of_parts = call(
    of_forward.forward_kernel,
    (side.items.shape[0], blocks),
    [side.items, senders, r, *(v if x is None else x for x in (s, v, a, d))],
    [
      _array(nodes, heads, features),
      _array(nodes, heads),
      _array(parts, heads, features),
      _array(parts, heads),
      _array(parts, heads),
    ],
    warps=warps,
    SLOPE=slope,
    K=heads,
    F=features,
    PAIRS=pairs,
    DROP=d is not None,
    **constants,
  )
  if side.num_joins:
    out, lse = call(
      of_forward.join_forward_kernel,
      (side.num_joins, blocks),
      [side.joins, *of_parts],
      [],
      changed=[out, lse],
      warps=1,
      K=heads,
      F=features,
      KB=constants['KB'],
      FB=constants['FB'],
    )
  return out, lse


def backward(
  r: jax.Array,
  s: jax.Array | None,
  v: jax.Array,
  a: jax.Array | None,
  d: jax.Array | None,
  lse: jax.Array,
  big_d: jax.Array,
  g: jax.Array,
  senders: Array,
  items: Items,
  *,
  slope: float,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """What the gradients are made of; see `backward.senders_kernel`.

  Args:
    r: as in `forward`; so are s, v, a, d, senders, items and slope.
    s: see `r`.
    v: see `r`.
    a: see `r`.
    d: see `r`.
    lse: [N, K], of `forward`.
    big_d: [N, K].
    g: [N, K, F].
    senders: see `r`.
    items: see `r`.
    slope: see `r`.

  Returns:
    dv, [M, K, F]; ds, [M, W]; dr, [N, W].
  """
  heads, features = v.shape[1:]
  pairs = a is not None
  wide = (heads, features) if pairs else (heads,)
  shared: dict[str, Any] = {
    'SLOPE': slope,
    'K': heads,
    'F': features,
    'PAIRS': pairs,
  }
  side = items.by_sender
  warps, constants = config('senders', heads, features, pairs)
  has_d = d is not None
  s, a, d = (v if x is None else x for x in (s, a, d))
  dv, ds, de, *of_parts = call(
    of_backward.senders_kernel,
    (side.items.shape[0], triton.cdiv(heads, constants['KB'])),
    [
      side.items,
      items.receivers,
      items.order,
      r,
      s,
      v,
      a,
      d,
      lse,
      big_d,
      g,
    ],
    [
      _array(*v.shape),
      _array(v.shape[0], *wide),
      _array(items.order.shape[0], heads),
      _array(side.num_parts, heads, features),
      _array(side.num_parts, *wide),
    ],
    warps=warps,
    DROP=has_d,
    **shared,
    **constants,
  )
  dv, ds = (_join(side, *both) for both in zip((dv, ds), of_parts, strict=True))
  side = items.by_receiver
  warps, constants = config('receivers', heads, features, pairs)
  dr, part_dr = call(
    of_backward.receivers_kernel,
    (side.items.shape[0], triton.cdiv(heads, constants['KB'])),
    [side.items, senders, r, v, de],
    [_array(r.shape[0], *wide), _array(side.num_parts, *wide)],
    warps=warps,
    **shared,
    **constants,
  )
  return dv, ds, _join(side, dr, part_dr)


def _join(side: Side, sums: jax.Array, parts: jax.Array) -> jax.Array:
  """Writes the sums of those nodes that have parts."""
  if not side.num_joins:
    return sums
  width = math.prod(sums.shape[1:])
  block = min(triton.next_power_of_2(width), 256)
  return call(
    of_backward.join_sums_kernel,
    (side.num_joins, triton.cdiv(width, block)),
    [side.joins, parts],
    [],
    changed=[sums],
    warps=max(1, block // 64),
    W=width,
    B=block,
  )[0]
