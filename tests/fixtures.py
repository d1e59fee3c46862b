"""Small and nasty graphs, and the paper's formulas in dense NumPy."""

from collections.abc import Callable

import jraph
import numpy as np

from gat_jax import graphs
from gat_jax.datasets.structures import Dataset
from gat_jax.datasets.structures import Example


def features(n_node: int, n_feature: int = 5) -> np.ndarray:
  rng = np.random.default_rng(n_node)
  return rng.normal(size=(n_node, n_feature)).astype(np.float32)


def make_graph(
  n_node: int, edges: list[tuple[int, int]], n_feature: int = 5
) -> jraph.GraphsTuple:
  """Directed edges (sender, receiver), and a self-loop where there is none."""
  pairs = np.array(edges, np.int32).reshape(-1, 2)
  return graphs.prepare(
    features(n_node, n_feature), *pairs.T, duplicates='keep'
  )


def all_graphs() -> dict[str, jraph.GraphsTuple]:
  hub = [(0, i) for i in range(1, 40)] + [(i, 0) for i in range(1, 40)]
  rng = np.random.default_rng(0)
  return {
    'one node': make_graph(1, []),
    'isolated node': make_graph(3, [(0, 1), (1, 0)]),
    'one edge': make_graph(2, [(0, 1)]),
    'hub': make_graph(40, hub),
    'duplicate edges': make_graph(3, [(0, 1), (0, 1), (2, 1), (0, 1)]),
    'random': make_graph(
      30, [tuple(pair) for pair in rng.integers(0, 30, (90, 2))]
    ),
  }


def elu(x: np.ndarray) -> np.ndarray:
  return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def dense_attention(scores: np.ndarray, graph: jraph.GraphsTuple) -> np.ndarray:
  """Softmax over the incoming edges; scores [N, N] of (receiver, sender).

  Returns [N, N]; an edge that is there n times counts n times.
  """
  n_node = len(scores)
  multiplicity = np.zeros((n_node, n_node))
  np.add.at(multiplicity, (graph.receivers, graph.senders), 1)
  unnormalized = multiplicity * np.exp(scores - scores.max())
  return unnormalized / unnormalized.sum(axis=1, keepdims=True)


def gat_scores(h: np.ndarray, p: dict[str, np.ndarray], k: int) -> np.ndarray:
  """e of docs/recipe.md for one head, [N, N] of (receiver, sender)."""
  z = h @ p['kernel'][:, k]
  to = z @ p['receiver_vector'][k] + p['receiver_bias'][k]
  of = z @ p['sender_vector'][k] + p['sender_bias'][k]
  scores = to[:, None] + of[None, :]
  return np.where(scores > 0, scores, 0.2 * scores)


def gatv2_scores(h: np.ndarray, p: dict[str, np.ndarray], k: int) -> np.ndarray:
  """e of Brody et al., equation 7, for one head, [N, N]."""
  asked, sent = h @ p['receiver_kernel'][:, k], h @ p['kernel'][:, k]
  pairs = asked[:, None, :] + sent[None, :, :]
  return np.where(pairs > 0, pairs, 0.2 * pairs) @ p['vector'][k]


def const_scores(h: np.ndarray, *unused: object) -> np.ndarray:
  """Attention to all alike, [N, N]."""
  return np.zeros((len(h), len(h)))


def _dense_layer(scores: Callable) -> Callable:
  """One head at a time in float64: the outputs of all, [N, K, F]."""

  def outputs(graph, p):
    h = np.asarray(graph.nodes, np.float64)
    heads = [
      dense_attention(scores(h, p, k), graph) @ h @ p['kernel'][:, k]
      + p['bias'][k]
      for k in range(p['kernel'].shape[1])
    ]
    return np.stack(heads, axis=1)

  return outputs


dense_gat = _dense_layer(gat_scores)
dense_gatv2 = _dense_layer(gatv2_scores)
dense_const_gat = _dense_layer(const_scores)


def dense_gcn(graph: jraph.GraphsTuple, p: dict[str, np.ndarray]) -> np.ndarray:
  """Kipf and Welling, equation 2, in float64: [N, K, F]."""
  h = np.asarray(graph.nodes, np.float64)
  adjacency = np.zeros((len(h), len(h)))
  np.add.at(adjacency, (graph.receivers, graph.senders), 1)
  scale = np.diag(adjacency.sum(axis=1) ** -0.5)
  mixed = scale @ adjacency @ scale @ h
  return np.einsum('nd,dkf->nkf', mixed, p['kernel']) + p['bias']


def dense_mlp(graph: jraph.GraphsTuple, p: dict[str, np.ndarray]) -> np.ndarray:
  """W h + b in float64: [N, K, F]."""
  h = np.asarray(graph.nodes, np.float64)
  return np.einsum('nd,dkf->nkf', h, p['kernel']) + p['bias']


def small_dataset(multilabel: bool = False) -> Dataset:
  """Sixty nodes in three classes that their features and edges betray."""
  rng = np.random.default_rng(0)
  n_node = 60
  labels = np.arange(n_node, dtype=np.int32) % 3
  nodes = np.eye(3)[labels] + rng.normal(size=(n_node, 3))
  pairs = rng.integers(0, n_node, (400, 2))
  pairs = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
  graph = graphs.prepare(
    nodes.astype(np.float32), *pairs.T, reverse=True, duplicates='merge'
  )
  if multilabel:
    labels = np.eye(3, dtype=np.int32)[labels]

  def split(part):
    return [Example(graph, labels, np.arange(n_node) % 4 == part)]

  return Dataset(
    name='small',
    train=split(0),
    val=split(1),
    test=split(2),
    num_classes=3,
    multilabel=multilabel,
    card={'name': 'small', 'nodes': n_node, 'digest': '0'},
  )


def many_graphs() -> Dataset:
  """Seven training graphs of different sizes, two to validate, two to test."""

  def example(seed):
    rng = np.random.default_rng(seed)
    n_node = 5 + 3 * seed
    pairs = rng.integers(0, n_node, (2 * n_node, 2))
    nodes = rng.normal(size=(n_node, 5)).astype(np.float32)
    graph = graphs.prepare(nodes, *pairs.T, reverse=True, duplicates='merge')
    labels = (nodes[:, :3] > 0).astype(np.int32)
    return Example(graph, labels, np.ones(n_node, bool))

  examples = [example(seed) for seed in range(11)]
  return Dataset(
    name='many',
    train=examples[:7],
    val=examples[7:9],
    test=examples[9:],
    num_classes=3,
    multilabel=True,
    card={'name': 'many', 'digest': '0'},
  )
