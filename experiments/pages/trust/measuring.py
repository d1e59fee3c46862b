"""What is measured: scores with ever fewer edges, and how seeds agree.

Shapes: S seeds, P shares, L layers, N nodes, E edges, K heads.
"""

import dataclasses

from flax import nnx
import jax
import numpy as np

from experiments.pages import measures
from gat_jax import datasets
from gat_jax import graphs
from gat_jax import nn
from gat_jax import training

SHARES = np.linspace(0, 1, 11)  # of the edges, taken away
ORDERS = 'least', 'random', 'most'  # which attention goes first
# What it takes to prepare a graph, in numbers that go over its edges meanwhile.
_OVERHEAD = 2e7
FEWEST = 3  # neighbours of a node whose ranking is compared


@dataclasses.dataclass(frozen=True)
class Found:
  """What was measured.

  Attributes:
    scores: by order [S, P], of the test nodes.
    agreement: for each layer, then for their mean, a number a pair of seeds.
    near: [L, S], the share of weights that are close to uniform.
  """

  scores: dict[str, np.ndarray]
  agreement: list[np.ndarray]
  near: np.ndarray


@training.own_jax_settings()
def measure(dataset: datasets.Dataset, models: dict[int, nn.Model]) -> Found:
  """Applies each seed's model to the test graphs with ever fewer edges."""
  whole = [example.graph for example in dataset.test]
  graphdef = nnx.split(next(iter(models.values())))[0]
  logits = training.jit(lambda s, g: nnx.merge(graphdef, s).forward(g))
  attention = training.jit(lambda s, g: nnx.merge(graphdef, s).attention(g))

  def score(state, ranked, share):
    left = [
      without(g, edges[: round(share * len(edges))])
      for g, edges in zip(whole, ranked, strict=True)
    ]
    found = [np.asarray(logits(state, _like(g, whole))) for g in left]
    return _score(dataset, found)

  scores: dict[str, list] = {order: [] for order in ORDERS}
  weights, near = [], []
  for seed, model in models.items():
    state = nnx.split(model)[1]
    of_graphs = [
      [_without_padding(a, g) for a in attention(state, _like(g, whole))]
      for g in whole
    ]
    of_layers = list(zip(*of_graphs, strict=True))
    near.append([measures.evenness(own).near for own in of_layers])
    relative = [[measures.relative(a) for a in own] for own in of_layers]
    means = [np.mean(own, axis=0) for own in zip(*relative, strict=True)]
    weights.append([np.concatenate(own) for own in [*relative, means]])
    edges = [rank(g, m, 'random', 0) for g, m in zip(whole, means, strict=True)]
    first, last = (score(state, edges, share) for share in (0, 1))
    for order, own in scores.items():
      edges = [
        rank(g, m, order, seed) for g, m in zip(whole, means, strict=True)
      ]
      inner = [score(state, edges, share) for share in SHARES[1:-1]]
      own.append([first, *inner, last])
  return Found(
    {order: np.array(own) for order, own in scores.items()},
    _agreement(whole, np.array(weights)),
    np.array(near).T,
  )


def rank(
  graph: graphs.PreparedGraph, relative: np.ndarray, order: str, seed: int
) -> np.ndarray:
  """The edges between different nodes, in the order they are taken away.

  Args:
    graph: that has them.
    relative: [E], alpha times the degree.
    order: one of `ORDERS`.
    seed: of what is left to chance, also between edges of the same weight.
  """
  rng = np.random.default_rng((seed, order == 'random'))
  edges = rng.permutation(np.flatnonzero(graph.senders != graph.receivers))
  if order == 'random':
    return edges
  sign = 1 if order == 'least' else -1
  return edges[np.argsort(sign * relative[edges], kind='stable')]


def without(
  graph: graphs.PreparedGraph, gone: np.ndarray
) -> graphs.PreparedGraph:
  """The graph without some of its edges."""
  kept = np.delete(np.arange(len(graph.senders)), gone)
  return graphs.prepare(
    graph.nodes,
    graph.senders[kept],
    graph.receivers[kept],
    self_loops=False,
    duplicates='keep',
    edge_features=None if graph.edges is None else graph.edges[kept],
  )


def _like(
  graph: graphs.PreparedGraph, others: list[graphs.PreparedGraph]
) -> graphs.PreparedGraph:
  """Padded to the size of the largest: one compiled program takes them all."""
  features = [other.nodes for other in others]
  return graphs.pad(
    graph,
    max(own.shape[0] for own in features) + 1,
    max(len(other.senders) for other in others),
    max(
      len(own.values) if isinstance(own, graphs.SparseFeatures) else 0
      for own in features
    ),
  )


def _without_padding(
  attention: nn.Attention, graph: graphs.PreparedGraph
) -> nn.Attention:
  """That of the graph before it was padded."""
  return nn.Attention(*(x[: len(graph.senders)] for x in attention))


def num_edges(dataset: datasets.Dataset) -> int:
  """Edges between different nodes, of the graphs with test nodes."""
  whole = [example.graph for example in dataset.test]
  return int(sum((g.senders != g.receivers).sum() for g in whole))


def work(dataset: datasets.Dataset, model: nn.Model) -> float:
  """What the curves of one seed cost: numbers that go over edges."""
  width = sum(np.prod(layer.kernel_shape[1:]) for layer in model.layers)
  edges = [len(example.graph.senders) for example in dataset.test]
  passes = (len(SHARES) - 2) * len(ORDERS) + 2
  return float(passes * (width * sum(edges) + len(edges) * _OVERHEAD))


def _score(dataset: datasets.Dataset, logits: list[np.ndarray]) -> float:
  """Of the test nodes, between 0 and 1; logits may have padding."""
  counts = [
    training.metrics.count(own[: len(e.mask)], e.labels, e.mask, dataset.metric)
    for e, own in zip(dataset.test, logits, strict=True)
  ]
  return jax.tree.map(lambda *own: sum(own), *counts).exact_score


def _agreement(
  whole: list[graphs.PreparedGraph], weights: np.ndarray
) -> list[np.ndarray]:
  """Of each layer and of their mean, from weights [S, L + 1, E]."""
  first = np.cumsum([0, *(graph.nodes.shape[0] for graph in whole)])
  ends = [
    np.concatenate(
      [getattr(g, end) + n for g, n in zip(whole, first, strict=False)]
    )
    for end in ('senders', 'receivers')
  ]
  others = ends[0] != ends[1]
  return [
    measures.rank_agreement(ends[1][others], own[:, others], FEWEST)
    for own in weights.swapaxes(0, 1)
  ]
