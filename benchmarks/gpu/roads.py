"""Every road against NumPy in float64, in values and in gradients.

An error is the largest difference over the largest entry, and beside it the
norm of the differences over the norm of the entries. Where dense products come
in, layers are run at the highest precision, and at what XLA chooses, which on
newer GPUs has ten bits of a factor. GATv2 has a kink, so that a few gradients
are those of its other side there.
"""

import concurrent.futures
import functools
import inspect

from flax import nnx
import jax
import numpy as np

from benchmarks.gpu import programs
from benchmarks.gpu import reference
from benchmarks.gpu import rows
from gat_jax import graphs
from gat_jax import nn

LAYERS = ('gat', 'gatv2', 'const_gat', 'gcn')


def run(report: rows.Report) -> None:
  """Compiles all roads of an operation side by side, then compares each."""
  config = programs.config('ppi')
  batch = programs.batch_of(config, programs.load('ppi'))
  wide = report.size(256, 8)
  of_ppi = graphs.edges_of(batch.graph)
  for name, edges, heads, features in (
    ('nasty', programs.nasty(), 3, 5),
    ('nasty', programs.nasty(), 4, 64),
    ('PPI', of_ppi, 4, wide),
  ):
    where = f'{name}, {heads} x {features}'
    for what, make in OPERATIONS.items():
      report.attempt(
        8,
        lambda add, args=(make, edges, heads, features): _check(add, *args),
        what=what,
        graph=where,
      )
  for name, edges, shape in (
    ('nasty', programs.nasty(), (5, 4, 8)),
    ('PPI', of_ppi, (report.size(256, 8), 4, report.size(64, 8))),
  ):
    for kind in LAYERS:
      report.attempt(
        10,
        lambda add, args=(kind, edges, shape): _check_layer(add, *args),
        what=kind,
        graph=f'{name}, {shape[0]} to {shape[1]} x {shape[2]}',
      )


def _aggregate(edges, heads, features):
  args = [
    programs.random((len(edges.senders), heads), 0),
    programs.random((edges.num_senders, heads, features), 1),
    programs.random((heads, features), 2),
  ]

  def ours(road):
    return lambda edges, w, v, i: nn.aggregate(
      w, v, edges, initial=i, implementation=road
    )

  shape = edges.num_receivers, heads, features
  return ours, reference.aggregate, args, programs.random(shape, 3)


def _pair_scores(edges, heads, features):
  shape = edges.num_senders, heads, features
  args = [programs.random(shape, 0), programs.random(shape, 1)]
  args.append(programs.random((heads, features), 2))

  def ours(road):
    return lambda edges, q, v, a: nn.pair_scores(
      q, v, a, edges, slope=reference.SLOPE, implementation=road
    )

  cotangent = programs.random((len(edges.senders), heads), 3)
  return ours, reference.pair_scores, args, cotangent


def _softmax(edges, heads, unused_features):
  shape = len(edges.senders), heads
  args = [5 * programs.random(shape, 0)]
  takes_roads = (
    'implementation' in inspect.signature(nn.segment_softmax).parameters
  )

  def ours(road):
    options = {'implementation': road} if takes_roads else {}
    return lambda edges, scores: nn.segment_softmax(
      scores,
      edges.receivers,
      edges.num_receivers,
      indices_are_sorted=edges.receivers_are_sorted,
      **options,
    )

  return ours, reference.softmax, args, programs.random(shape, 1)


OPERATIONS = {
  'aggregate': _aggregate,
  'pair_scores': _pair_scores,
  'segment_softmax': _softmax,
}


def _check(add, make, edges, heads, features):
  ours, theirs, args, cotangent = make(edges, heads, features)
  exact = [np.float64(x) for x in args]
  expected = theirs(exact, np.float64(cotangent), ends_of(edges))

  def lower(road):
    # Edges are arguments, as they always are: XLA would compute what it can of
    # constants while it compiles.
    def run(edges, args, cotangent):
      own = functools.partial(ours(road), edges)
      values, gradient = jax.vjp(own, *args)
      return values, *gradient(cotangent)

    return jax.jit(run).lower(edges, args, cotangent)

  all_args = edges, args, cotangent
  names = programs.road_names()
  _compare(add, lower, all_args, lambda found: (found, expected), names)


def _check_layer(add, kind, edges, shape):
  in_features, heads, features = shape
  layer = nn.LAYERS[kind](
    in_features, features, heads, activation=None, rngs=nnx.Rngs(0)
  )
  graphdef, params = nnx.split(layer, nnx.Param)
  params = jax.tree.map(
    lambda x: np.asarray(x) + 0.1 * programs.random(x.shape, 1), params
  )
  nodes = programs.random((edges.num_senders, in_features), 2)
  cotangent = programs.random((edges.num_receivers, heads, features), 3)
  own = {k: np.float64(v) for k, v in nnx.to_pure_dict(params).items()}
  ends = ends_of(edges)
  expected = reference.layer(
    kind, own, np.float64(nodes), np.float64(cotangent), ends
  )
  graph = graphs.from_edges(nodes, edges.senders, edges.receivers)
  graph = graphs.with_items(graphs.PreparedGraph.of(graph, edges))

  def lower(road):
    def outputs(graph, params, nodes):
      model = nnx.merge(graphdef, params)
      model.implementation = road
      return model.forward(graph._replace(nodes=nodes)).nodes

    def run(graph, params, cotangent):
      own = functools.partial(outputs, graph)
      values, gradient = jax.vjp(own, params, graph.nodes)
      d_params, d_nodes = gradient(cotangent.reshape(values.shape))
      return values, d_params, d_nodes

    return jax.jit(run).lower(graph, params, cotangent)

  def pair(found):
    values, d_params, d_nodes = found
    ours = {'outputs': values.reshape(cotangent.shape), 'nodes': d_nodes}
    ours |= nnx.to_pure_dict(d_params)
    first = ['outputs', *(name for name in ours if name != 'outputs')]
    return [ours[k] for k in first], [expected[k] for k in first]

  for precision in ('highest', 'default'):
    with jax.default_matmul_precision(precision):
      _compare(
        lambda precision=precision, **more: add(precision=precision, **more),
        lower,
        (graph, params, cotangent),
        pair,
        programs.road_names(of_layers=True),
      )


def ends_of(edges: graphs.Edges) -> reference.Ends:
  """As the reference wants them."""
  senders, receivers = np.asarray(edges.senders), np.asarray(edges.receivers)
  return reference.Ends(senders, receivers, edges.num_receivers)


def _compare(add, lower, args, pair, names):
  """A row for each road; `pair` returns what was found and expected."""
  lowered = {}
  for road in (None, *names):
    try:
      lowered[road] = lower(road)
    except Exception as error:  # the others can still be compared
      add(
        road=programs.called(road),
        error=f'{type(error).__name__}: {error}'[:200],
      )
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    compiled = {r: pool.submit(one.compile) for r, one in lowered.items()}
  for road, future in compiled.items():
    row = {'road': programs.called(road)}
    try:
      found, expected = pair(jax.device_get(future.result()(*args)))
    except Exception as error:
      add(**row, error=f'{type(error).__name__}: {error}'[:200])
      continue
    errors = [error_of(*both) for both in zip(found, expected, strict=True)]
    add(
      **row,
      values=errors[0][0],
      gradients=max(most for most, _ in errors[1:]),
      values_norm=errors[0][1],
      gradients_norm=max(norm for _, norm in errors[1:]),
    )


def error_of(found: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
  """The largest difference and its norm, relative; infinite for a NaN."""
  difference = np.abs(np.float64(found) - expected)
  if not np.isfinite(difference).all():
    return np.inf, np.inf
  most, norm = np.abs(expected).max(), np.linalg.norm(expected.ravel())
  size = np.linalg.norm(difference.ravel())
  if not most:  # as the gradient of scores that are all the same
    return difference.max(), size
  return difference.max() / most, size / norm
