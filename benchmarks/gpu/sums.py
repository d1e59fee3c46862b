"""One aggregation, and one layer, each with its gradients, by every road."""

from flax import nnx
import jax

from benchmarks.gpu import limits
from benchmarks.gpu import programs
from benchmarks.gpu import rows
from gat_jax import graphs
from gat_jax import nn

# Nodes' features, heads, features a head, on a graph of that name.
LAYER_SIZES = {'100k nodes': (64, 8, 8), 'PPI, hidden': (1024, 4, 256)}


def run(report: rows.Report) -> None:
  """An aggregation at five sizes."""
  for name, size in programs.SIZES.items():
    size = scaled(report, size)
    graph = programs.drawn(size)
    for road in programs.roads():
      report.attempt(
        4,
        lambda add, road=road, graph=graph, size=size: _sums(
          add, graph, size, road
        ),
        what=f'sums, {name}',
        road=programs.called(road),
        edges=len(graph.senders),
      )


def scaled(report: rows.Report, size: programs.Size) -> programs.Size:
  """A hundredth of it, in a rehearsal."""
  if not report.is_rehearsal:
    return size
  return size._replace(nodes=size.nodes // 100, edges=size.edges // 100)


def arrays(graph, size: programs.Size) -> list:
  """Weights, values and the cotangent of the sums."""
  nodes = graph.nodes.shape[0], size.heads, size.features
  return [
    programs.random((len(graph.senders), size.heads), 0),
    programs.random(nodes, 1),
    programs.random(nodes, 2),
  ]


def _sums(add, graph, size, road):
  edges = jax.device_put(graphs.edges_of(graph))
  args = jax.device_put(arrays(graph, size))

  def both(edges, weights, values, cotangent):
    sums, gradient = jax.vjp(
      lambda w, v: nn.aggregate(w, v, edges, implementation=road),
      weights,
      values,
    )
    return sums, *gradient(cotangent)

  run, facts = programs.compiled(both, edges, *args)
  found = rows.times(
    lambda: run(edges, *args), jax.block_until_ready, seconds=0.7, inner=10
  )
  least = limits.aggregation(
    graph.nodes.shape[0], len(graph.senders), size.heads, size.features
  )
  add(**found, **least._asdict(), **facts)


def layers(report: rows.Report) -> None:
  """Layers of GAT and GATv2 at two sizes, without dropout."""
  for name, (width, heads, features) in LAYER_SIZES.items():
    size = scaled(report, programs.SIZES[name])
    graph = graphs.with_items(programs.drawn(size, width))
    for kind in ('gat', 'gatv2'):
      layer = nn.LAYERS[kind](
        width, features, heads, activation=None, rngs=nnx.Rngs(0)
      )
      for road in programs.roads(of_layers=True):
        report.attempt(
          5,
          lambda add, args=(layer, graph, road): _layer(add, *args),
          what=f'{kind}, {name}',
          road=programs.called(road),
          edges=len(graph.senders),
        )


def _layer(add, layer, graph, road):
  graphdef, params = nnx.split(layer, nnx.Param)
  _, heads, features = layer.kernel_shape
  shape = graph.nodes.shape[0], heads * features
  graph = jax.device_put(graph)
  cotangent = jax.device_put(programs.random(shape, 3))

  def both(params, graph, cotangent):
    def outputs(params, nodes):
      model = nnx.merge(graphdef, params)
      model.implementation = road
      return model.forward(graph._replace(nodes=nodes)).nodes

    made, gradient = jax.vjp(outputs, params, graph.nodes)
    return made, gradient(cotangent)

  run, facts = programs.compiled(both, params, graph, cotangent)
  found = rows.times(
    lambda: run(params, graph, cotangent),
    jax.block_until_ready,
    seconds=0.7,
    inner=5,
  )
  add(**found, **facts)
