"""Kernels of the forward pass: scores, softmax and sum at once.

A program has one item, which is some edges of one receiver, and some heads. It
goes through its edges with the running maximum of FlashAttention (Dao et al.,
NeurIPS 2022, algorithm 1): what was added up is scaled down whenever a higher
score turns up, so that no array of all edges is needed.

Shapes: E edges, M senders, N receivers, K heads, F features a head; T items, J
joins and P parts as in `gat_jax.graphs.items`. Of one program: KB heads and FB
features, powers of 2, and BE edges at a time.
"""

# Triton's constants have capital letters.
# ruff: noqa: N803

import triton
from triton import language as tl

# Below every score, so that no difference of maxima is infinity - infinity.
LOW = tl.constexpr(-1e30)


@triton.jit
def forward_kernel(
  items, others, r, s, v, a, d,
  out, lse, part_sum, part_max, part_norm,
  SLOPE: tl.constexpr, K: tl.constexpr, F: tl.constexpr, KB: tl.constexpr,
  FB: tl.constexpr, BE: tl.constexpr, PAIRS: tl.constexpr, DROP: tl.constexpr,
  STAGES: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
  """Sums of values by receiver, and the logarithm of what they are divided by.

  Args:
    items: [T, 4], of the receivers.
    others: [E], the sender of each edge.
    r: [N, K], or the queries [N, K, F] if PAIRS.
    s: [M, K]; not read if PAIRS.
    v: [M, K, F].
    a: [K, F], read if PAIRS.
    d: [E, K], what weights are multiplied with, read if DROP.
    out: [N, K, F], written for what is no part.
    lse: [N, K], as `out`.
    part_sum: [P, K, F], not yet divided; written for parts alone.
    part_max: [P, K], the highest score.
    part_norm: [P, K], what to divide by, of scores less `part_max`.
    SLOPE: of LeakyReLU below 0.
    K: heads.
    F: features a head.
    KB: see above.
    FB: see above.
    BE: see above.
    PAIRS: whether a score is a . LeakyReLU(q + v), else LeakyReLU(r + s).
    DROP: whether there is `d`.
    STAGES: of the loop's pipeline.
    SUM: add the BE edges of a turn up in it, not after the last.
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
  if PAIRS:
    q = tl.load(r + row.to(tl.int64) * (K * F) + kf, mask=in_kf, other=0.0)
    av = tl.load(a + kf, mask=in_kf, other=0.0)
  else:
    ri = tl.load(r + row * K + k, mask=in_k, other=0.0)
  if SUM:
    m = tl.full([KB], LOW, tl.float32)
    norm = tl.zeros([KB], tl.float32)
    acc = tl.zeros([KB, FB], tl.float32)
  else:
    # Every lane e has a softmax of its own until the end: nothing is added
    # across threads in the loop.
    m = tl.full([BE, KB], LOW, tl.float32)
    norm = tl.zeros([BE, KB], tl.float32)
    acc = tl.zeros([BE, KB, FB], tl.float32)
  for e0 in tl.range(start, end, BE, num_stages=STAGES):
    e = e0 + tl.arange(0, BE)
    live = e < end
    j = tl.load(others + e, mask=live, other=0)
    at = j.to(tl.int64)[:, None, None] * (K * F) + kf[None, :, :]
    x = tl.load(v + at, mask=live[:, None, None] & in_kf[None, :, :], other=0.0)
    if PAIRS:
      z = x + q[None, :, :]
      z = tl.where(z >= 0, z, SLOPE * z)
      score = tl.sum(z * av[None, :, :], 2)
    else:
      mask = live[:, None] & in_k[None, :]
      z = tl.load(s + j[:, None] * K + k[None, :], mask=mask, other=0.0)
      z = z + ri[None, :]
      score = tl.where(z >= 0, z, SLOPE * z)
    score = tl.where(live[:, None], score, float('-inf'))
    if SUM:
      higher = tl.maximum(m, tl.max(score, 0))
      p = tl.exp(score - higher[None, :])
      shrink = tl.exp(m - higher)
      norm = norm * shrink + tl.sum(p, 0)
    else:
      higher = tl.maximum(m, score)
      p = tl.exp(score - higher)
      shrink = tl.exp(m - higher)
      norm = norm * shrink + p
    if DROP:
      mask = live[:, None] & in_k[None, :]
      p = p * tl.load(d + e[:, None] * K + k[None, :], mask=mask, other=0.0)
    if SUM:
      acc = acc * shrink[:, None] + tl.sum(p[:, :, None] * x, 0)
    else:
      acc = acc * shrink[:, :, None] + p[:, :, None] * x
    m = higher
  if SUM:
    top, total, sums = m, norm, acc
  else:
    top = tl.max(m, 0)
    w = tl.exp(m - top[None, :])
    total = tl.sum(norm * w, 0)
    sums = tl.sum(acc * w[:, :, None], 0)
  if part < 0:
    safe = tl.where(total > 0, total, 1.0)
    tl.store(lse + row * K + k, top + tl.log(safe), mask=in_k)
    sums = sums / safe[:, None]
    tl.store(out + row.to(tl.int64) * (K * F) + kf, sums, mask=in_kf)
  else:
    tl.store(part_max + part * K + k, top, mask=in_k)
    tl.store(part_norm + part * K + k, total, mask=in_k)
    tl.store(part_sum + part.to(tl.int64) * (K * F) + kf, sums, mask=in_kf)


@triton.jit
def join_forward_kernel(
  joins, part_sum, part_max, part_norm, out, lse,
  K: tl.constexpr, F: tl.constexpr, KB: tl.constexpr, FB: tl.constexpr,
):  # fmt: skip
  """Joins the parts of each receiver that has several.

  Args:
    joins: [J, 4].
    part_sum: see `forward_kernel`.
    part_max: likewise.
    part_norm: likewise.
    out: [N, K, F], of which those receivers' rows are written.
    lse: [N, K], likewise.
    K: see `forward_kernel`.
    F: likewise.
    KB: likewise.
    FB: likewise.
  """
  t = tl.program_id(0)
  row = tl.load(joins + 4 * t)
  start = tl.load(joins + 4 * t + 1)
  end = tl.load(joins + 4 * t + 2)
  k = tl.program_id(1) * KB + tl.arange(0, KB)
  f = tl.arange(0, FB)
  kf = k[:, None] * F + f[None, :]
  in_k = k < K
  in_kf = in_k[:, None] & (f < F)[None, :]
  m = tl.full([KB], LOW, tl.float32)
  norm = tl.zeros([KB], tl.float32)
  acc = tl.zeros([KB, FB], tl.float32)
  for p in range(start, end):
    pm = tl.load(part_max + p * K + k, mask=in_k, other=0.0)
    pn = tl.load(part_norm + p * K + k, mask=in_k, other=0.0)
    ps = tl.load(part_sum + p * (K * F) + kf, mask=in_kf, other=0.0)
    higher = tl.maximum(m, pm)
    old, new = tl.exp(m - higher), tl.exp(pm - higher)
    norm = norm * old + pn * new
    acc = acc * old[:, None] + ps * new[:, None]
    m = higher
  tl.store(lse + row * K + k, m + tl.log(norm), mask=in_k)
  tl.store(
    out + row.to(tl.int64) * (K * F) + kf, acc / norm[:, None], mask=in_kf
  )
