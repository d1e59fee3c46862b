"""The road 'fused' in a process of its own: `fused_programs.py PROGRAM`.

`interpreted` runs the kernels by Triton's interpreter, on the CPU, `compiled`
compiles them for an H100 that is not there. Each prints what it found as JSON.
Both want the environment that `test_fused.py` gives them.
"""

import functools
import itertools
import json
import sys

from fixtures import all_graphs
from flax import nnx
import jax
import numpy as np
from triton import language as tl

from gat_jax import graphs
from gat_jax import nn
from gat_jax.graphs.items import make_items
from gat_jax.nn.pairs import pair_scores
from gat_jax.nn.roads import fused
from gat_jax.nn.roads.fused import launching

SLOPE = 0.2


class OnHost:
  """What Triton's interpreter takes for a tensor."""

  def __init__(self, array):
    self.array, self.shape = array, array.shape
    self.dtype = {'float32': tl.float32, 'int32': tl.int32}[str(array.dtype)]

  def data_ptr(self):
    return self.array.ctypes.data

  def itself(self, *unused, **also_unused):
    return self

  untyped_storage = cpu = new_empty = set_ = copy_ = itself
  storage_offset = size = stride = itself


def interpret(kernel, grid, inputs, outputs, *, changed=(), warps, **constants):
  """Instead of `launching.call`."""
  del warps
  types = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in changed]

  def run(*arrays):
    arrays = [np.array(x, order='C') for x in arrays]
    # Poisoned: what the kernel does not write is seen.
    made = [np.full(x.shape, np.nan, np.float32) for x in outputs]
    kernel[grid](*map(OnHost, [*arrays, *made]), **constants)
    return [*arrays[len(inputs) :], *made]

  return jax.pure_callback(run, [*types, *outputs], *inputs, *changed)


def case(n, m, e, k, f, most, pairs, drop):
  """Edges, arrays by name, dropout and the gradient of the sums."""
  rng = np.random.default_rng(n + e)

  def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)

  # Half of the edges at one node; the last receiver has none.
  receivers = np.sort(rng.integers(0, max(n - 1, 1), e))
  receivers[: e // 2] = 0
  senders = rng.integers(0, m, e)
  senders[::2] = m // 2
  edges = graphs.Edges(senders, receivers, m, n).prepared()
  ends = np.asarray(edges.senders), np.asarray(edges.receivers)
  edges = edges._with(items=make_items(*ends, m, n, most))
  arrays = {
    'queries': normal(n, k, f),
    'vector': normal(k, f) / np.float32(f**0.5),
  }
  if not pairs:
    arrays = {'queries': normal(n, k), 'keys': normal(m, k)}
  arrays['values'] = normal(m, k, f)
  scales = (rng.random((e, k)) > 0.6) / np.float32(0.4)
  scales = scales.astype(np.float32) if drop else None
  return edges, arrays, scales, normal(n, k, f)


def by_fused(edges, scales, arrays):
  return fused.attention(
    arrays['values'],
    arrays['queries'],
    edges,
    keys=arrays.get('keys'),
    vector=arrays.get('vector'),
    scales=scales,
    slope=SLOPE,
  )


def by_plain(edges, scales, arrays):
  q, v = arrays['queries'], arrays['values']
  if 'vector' in arrays:
    a = arrays['vector']
    scores = pair_scores(q, v, a, edges, slope=SLOPE, implementation='plain')
  else:
    scores = edges.of_receivers(q) + edges.of_senders(arrays['keys'])
    scores = jax.nn.leaky_relu(scores, SLOPE)
  weights = nn.segment_softmax(scores, edges.receivers, edges.num_receivers)
  if scales is not None:
    weights *= scales
  return nn.aggregate(weights, v, edges, implementation='plain')


def with_gradients(run, edges, arrays, scales, cotangent):
  def loss(arrays):
    sums = run(edges, scales, arrays)
    return (sums * cotangent).sum(), sums

  gradients, sums = jax.grad(loss, has_aux=True)(arrays)
  return gradients | {'sums': sums}


def error(found, expected):
  """The norm of the difference over that of the expected; of nothing, 0."""
  found, expected = np.float64(found), np.float64(expected)
  assert found.shape == expected.shape
  most = np.linalg.norm(found - expected) / (np.linalg.norm(expected) or 1)
  return most if np.isfinite(most) else 1e9


def worst(found, expected):
  return max(jax.tree.leaves(jax.tree.map(error, found, expected)))


def against_float64():
  """Every case of the operation."""
  sizes = [
    # receivers, senders, edges, heads, features, edges an item
    (7, 5, 30, 8, 8, 256),
    (6, 9, 60, 4, 20, 4),
    (5, 5, 25, 3, 5, 3),
    (3, 4, 12, 2, 256, 2),
    (4, 4, 0, 2, 4, 8),
  ]
  errors = {}
  for size, pairs, drop in itertools.product(sizes, (0, 1), (0, 1)):
    args = case(*size, pairs, drop)
    found = jax.jit(functools.partial(with_gradients, by_fused))(*args)
    with jax.enable_x64(True):
      args = jax.tree.map(
        lambda x: np.float64(x) if x.dtype == np.float32 else x, args
      )
      expected = with_gradients(by_plain, *args)
    errors[f'{size}, pairs {pairs}, drop {drop}'] = worst(found, expected)
  return errors


def of_layers():
  """Layers on every nasty graph, against the plain road, and three seeds."""
  graph = graphs.batch(list(all_graphs().values()))
  padded = graphs.pad(graph, len(graph.nodes) + 3, len(graph.senders) + 20)
  errors = {}
  for name, kind in (('gat', nn.GATLayer), ('gatv2', nn.GATv2Layer)):
    layer = kind(5, 3, 4, value_dropout=name == 'gat', rngs=nnx.Rngs(0))

    def run(road, graph, seeds, layer=layer):
      layer.implementation = road
      graphdef, params = nnx.split(layer)

      def loss(params, seed):
        dropout = nn.Dropout(jax.random.key(seed), 0.5)
        nodes = nnx.merge(graphdef, params).forward(graph, dropout).nodes
        return (nodes**2).sum(), nodes

      def one(seed):
        return jax.grad(loss, has_aux=True)(params, seed)

      return jax.jit(jax.vmap(one))(seeds)

    for form, given in (('joined', graph), ('padded', padded)):
      seeds = np.arange(3)
      found = run('fused', graphs.with_items(given), seeds)
      errors[f'{name}, {form}'] = worst(found, run('plain', given, seeds))
  return errors


def of_masked():
  """Edges of score -inf: as if they were not there, NaN where no other is."""
  receivers, senders = np.array([[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 1, 0]])
  keys = np.array([[0.5], [-np.inf], [1.5], [0]], np.float32)
  values = np.arange(4, dtype=np.float32).reshape(4, 1, 1) + 1
  queries = np.zeros((4, 1), np.float32)
  arrays = {'queries': queries, 'keys': keys, 'values': values}
  weights = np.exp([0.5, 1.5])
  expected = (weights * [1, 3]).sum() / weights.sum()
  errors = {}
  for most in (1, 256):
    edges = graphs.Edges(senders, receivers, 4, 4).prepared()
    edges = edges._with(items=make_items(senders, receivers, 4, 4, most))
    sums = np.asarray(by_fused(edges, None, arrays)).ravel()
    assert np.isnan(sums[1])
    assert sums[3] == 0
    errors[f'masked, items of {most}'] = error(sums[[0, 2]], [expected, 1])
  return errors


def interpreted():
  launching.call = interpret
  return against_float64() | of_layers() | of_masked()


def compiled():
  """Triton's kernels and all kernels of an operation with its gradient."""
  from jax.sharding import SingleDeviceSharding

  from benchmarks import elsewhere
  from benchmarks import launches

  # Else the GPU is asked, which is not there.
  own = fused.load()
  own.triton_call = functools.partial(own.triton_call, compute_capability=90)
  sharding = SingleDeviceSharding(elsewhere.devices('h100')[0])
  found = {}
  for heads, features, most, pairs in itertools.product(
    (4,), (8, 256), (8, 10_000), (0, 1)
  ):
    args = case(100, 100, 900, heads, features, most, pairs, 1)
    specs = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), args
    )
    run = jax.jit(functools.partial(with_gradients, by_fused))
    made = run.lower(*specs).compile()
    text = made.as_text()
    name = f'{features} features, items of {most}, pairs {pairs}'
    found[name] = {
      'triton': text.count('custom_call_target="triton_kernel_call'),
      'kernels': launches.count(text).kernels,
      'workspace': made.memory_analysis().temp_size_in_bytes,
    }
  return found


if __name__ == '__main__':
  programs = {'interpreted': interpreted, 'compiled': compiled}
  print(json.dumps(programs[sys.argv[1]]()))
