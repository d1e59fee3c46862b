"""Kernels of the backward pass, which make the weights again from `lse`.

With D_i = g_i . out_i, the derivative by a score is

    de_ij = alpha_ij (d_ij g_i . v_j - D_i)

as in FlashAttention (Dao et al., NeurIPS 2022, algorithm 4). Every sum is made
by the program, or the few parts, of the node that it belongs to: no atomics,
the same bits every time.

Shapes: as in `forward`.
"""

# Triton's constants have capital letters, and choose which branch there is.
# ruff: noqa: N803, SIM108

import triton
from triton import language as tl


@triton.jit
def senders_kernel(
  items, others, edges, r, s, v, a, d, lse, big_d, g,
  dv, ds, de, part_dv, part_ds,
  SLOPE: tl.constexpr, K: tl.constexpr, F: tl.constexpr, KB: tl.constexpr,
  FB: tl.constexpr, BE: tl.constexpr, PAIRS: tl.constexpr, DROP: tl.constexpr,
  STAGES: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
  """By sender: gradients of v, of s, and of every score.

  Args:
    items: [T, 4], of the senders.
    others: [E], the receiver of each edge, in the order of the items.
    edges: [E], which edge by receiver each is.
    r: as in `forward_kernel`; so are s, v, a, d and the constants.
    s: see `r`.
    v: see `r`.
    a: see `r`.
    d: see `r`.
    lse: [N, K], of the forward pass.
    big_d: [N, K], D.
    g: [N, K, F], the gradient of `out`.
    dv: [M, K, F], that of the weighted sum alone; written for what is no part.
    ds: [M, K], or if PAIRS [M, K, F], the sum of de LeakyReLU' before it is
      multiplied with a.
    de: [E, K] by receiver; without PAIRS times LeakyReLU'.
    part_dv: [P, K, F], of parts.
    part_ds: as `ds`, of parts.
    SLOPE: see `r`.
    K: see `r`.
    F: see `r`.
    KB: see `r`.
    FB: see `r`.
    BE: see `r`.
    PAIRS: see `r`.
    DROP: see `r`.
    STAGES: see `r`.
    SUM: see `r`.
  """
  t = tl.program_id(0)
  row = tl.load(items + 4 * t)
  start = tl.load(items + 4 * t + 1)
  end = tl.load(items + 4 * t + 2)
  part = tl.load(items + 4 * t + 3)
  k = tl.program_id(1) * KB + tl.arange(0, KB)
  f = tl.arange(0, FB)
  kf = k[:, None] * F + f[None, :]
  in_k = k < K
  in_kf = in_k[:, None] & (f < F)[None, :]
  x = tl.load(v + row.to(tl.int64) * (K * F) + kf, mask=in_kf, other=0.0)
  if SUM:
    acc = tl.zeros([KB, FB], tl.float32)
  else:
    acc = tl.zeros([BE, KB, FB], tl.float32)
  if PAIRS:
    av = tl.load(a + kf, mask=in_kf, other=0.0)
    slopes = acc
  else:
    sj = tl.load(s + row * K + k, mask=in_k, other=0.0)
    slopes = tl.zeros([KB] if SUM else [BE, KB], tl.float32)
  for e0 in tl.range(start, end, BE, num_stages=STAGES):
    e = e0 + tl.arange(0, BE)
    live = e < end
    i = tl.load(others + e, mask=live, other=0)
    edge = tl.load(edges + e, mask=live, other=0)
    live_kf = live[:, None, None] & in_kf[None, :, :]
    live_k = live[:, None] & in_k[None, :]
    ik = i[:, None] * K + k[None, :]
    ek = edge[:, None] * K + k[None, :]
    at = i.to(tl.int64)[:, None, None] * (K * F) + kf[None, :, :]
    y = tl.load(g + at, mask=live_kf, other=0.0)
    if PAIRS:
      z = tl.load(r + at, mask=live_kf, other=0.0) + x[None, :, :]
      lz = tl.where(z >= 0, z, SLOPE * z)
      score = tl.sum(lz * av[None, :, :], 2)
    else:
      z = tl.load(r + ik, mask=live_k, other=0.0) + sj[None, :]
      score = tl.where(z >= 0, z, SLOPE * z)
    alpha = tl.exp(score - tl.load(lse + ik, mask=live_k, other=0.0))
    alpha = tl.where(live[:, None], alpha, 0.0)
    dot = tl.sum(y * x[None, :, :], 2)
    weight = alpha
    if DROP:
      drop = tl.load(d + ek, mask=live_k, other=0.0)
      weight = alpha * drop
      dot = dot * drop
    change = alpha * (dot - tl.load(big_d + ik, mask=live_k, other=0.0))
    more = weight[:, :, None] * y
    if PAIRS:
      c3 = change[:, :, None]
      steep = tl.where(z >= 0, c3, SLOPE * c3)
    else:
      change = tl.where(z >= 0, change, SLOPE * change)
      steep = change
    if SUM:
      acc += tl.sum(more, 0)
      slopes += tl.sum(steep, 0)
    else:
      acc += more
      slopes += steep
    tl.store(de + ek, change, mask=live_k)
  if SUM:
    sums, sloped = acc, slopes
  else:
    sums, sloped = tl.sum(acc, 0), tl.sum(slopes, 0)
  if part < 0:
    tl.store(dv + row.to(tl.int64) * (K * F) + kf, sums, mask=in_kf)
    if PAIRS:
      tl.store(ds + row.to(tl.int64) * (K * F) + kf, sloped, mask=in_kf)
    else:
      tl.store(ds + row * K + k, sloped, mask=in_k)
  else:
    tl.store(part_dv + part.to(tl.int64) * (K * F) + kf, sums, mask=in_kf)
    if PAIRS:
      tl.store(part_ds + part.to(tl.int64) * (K * F) + kf, sloped, mask=in_kf)
    else:
      tl.store(part_ds + part * K + k, sloped, mask=in_k)


@triton.jit
def receivers_kernel(
  items, others, r, v, de, dr, part_dr,
  SLOPE: tl.constexpr, K: tl.constexpr, F: tl.constexpr, KB: tl.constexpr,
  FB: tl.constexpr, BE: tl.constexpr, PAIRS: tl.constexpr, STAGES: tl.constexpr,
  SUM: tl.constexpr,
):  # fmt: skip
  """By receiver: the gradient of r, or what becomes that of the queries.

  Args:
    items: [T, 4], of the receivers.
    others: [E], the sender of each edge, read if PAIRS.
    r: as in `forward_kernel`, read if PAIRS; so is v.
    v: see `r`.
    de: [E, K], of `senders_kernel`.
    dr: as its `ds`, with N rows.
    part_dr: of parts.
    SLOPE: as in `forward_kernel`, and so are the other constants.
    K: see `SLOPE`.
    F: see `SLOPE`.
    KB: see `SLOPE`.
    FB: see `SLOPE`.
    BE: see `SLOPE`.
    PAIRS: see `SLOPE`.
    STAGES: see `SLOPE`.
    SUM: see `SLOPE`.
  """
  t = tl.program_id(0)
  row = tl.load(items + 4 * t)
  start = tl.load(items + 4 * t + 1)
  end = tl.load(items + 4 * t + 2)
  part = tl.load(items + 4 * t + 3)
  k = tl.program_id(1) * KB + tl.arange(0, KB)
  in_k = k < K
  if PAIRS:
    f = tl.arange(0, FB)
    kf = k[:, None] * F + f[None, :]
    in_kf = in_k[:, None] & (f < F)[None, :]
    q = tl.load(r + row.to(tl.int64) * (K * F) + kf, mask=in_kf, other=0.0)
    slopes = tl.zeros([KB, FB] if SUM else [BE, KB, FB], tl.float32)
  else:
    slopes = tl.zeros([KB] if SUM else [BE, KB], tl.float32)
  for e0 in tl.range(start, end, BE, num_stages=STAGES):
    e = e0 + tl.arange(0, BE)
    live = e < end
    live_k = live[:, None] & in_k[None, :]
    change = tl.load(de + e[:, None] * K + k[None, :], mask=live_k, other=0.0)
    if PAIRS:
      j = tl.load(others + e, mask=live, other=0)
      at = j.to(tl.int64)[:, None, None] * (K * F) + kf[None, :, :]
      z = tl.load(
        v + at, mask=live[:, None, None] & in_kf[None, :, :], other=0.0
      )
      z += q[None, :, :]
      c3 = change[:, :, None]
      change = tl.where(z >= 0, c3, SLOPE * c3)
    if SUM:
      slopes += tl.sum(change, 0)
    else:
      slopes += change
  if SUM:
    sloped = slopes
  else:
    sloped = tl.sum(slopes, 0)
  if PAIRS:
    if part < 0:
      tl.store(dr + row.to(tl.int64) * (K * F) + kf, sloped, mask=in_kf)
    else:
      tl.store(part_dr + part.to(tl.int64) * (K * F) + kf, sloped, mask=in_kf)
  else:
    if part < 0:
      tl.store(dr + row * K + k, sloped, mask=in_k)
    else:
      tl.store(part_dr + part * K + k, sloped, mask=in_k)


@triton.jit
def join_sums_kernel(joins, parts, sums, W: tl.constexpr, B: tl.constexpr):
  """Adds up the parts of each node that has several, in their order.

  Args:
    joins: [J, 4].
    parts: [P, W].
    sums: [nodes, W], of which those nodes' rows are written.
    W: entries of a row.
    B: entries of a program.
  """
  t = tl.program_id(0)
  row = tl.load(joins + 4 * t)
  start = tl.load(joins + 4 * t + 1)
  end = tl.load(joins + 4 * t + 2)
  w = tl.program_id(1) * B + tl.arange(0, B)
  acc = tl.zeros([B], tl.float32)
  for p in range(start, end):
    acc += tl.load(parts + p * W + w, mask=w < W, other=0.0)
  tl.store(sums + row.to(tl.int64) * W + w, acc, mask=w < W)
