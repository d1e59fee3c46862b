"""Small and nasty graphs, and the paper's formulas in dense NumPy."""

from collections.abc import Callable

import jraph
import numpy as np
import scipy.sparse

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


def hubs(
  n_node: int = 300, sparse: bool = False, edge_features: bool = False
) -> jraph.GraphsTuple:
  """Two nodes that nearly all others are joined with, and one alone."""
  rng = np.random.default_rng(1)
  pairs = rng.integers(0, n_node - 1, (n_node, 2))
  for hub in (0, n_node // 2):
    spokes = np.arange(1, n_node - 1, 2)
    pairs = np.concatenate([pairs, np.stack([spokes, 0 * spokes + hub], 1)])
  keys = np.unique(pairs[:, 0] * n_node + pairs[:, 1])
  senders, receivers = np.divmod(keys, n_node)
  nodes = rng.normal(size=(n_node, 6)).astype(np.float32)
  of_edges = rng.normal(size=(len(keys), 2)).astype(np.float32)
  return graphs.prepare(
    scipy.sparse.csr_array(nodes * (nodes > 0)) if sparse else nodes,
    senders,
    receivers,
    edge_features=of_edges if edge_features else None,
  )


def elu(x: np.ndarray) -> np.ndarray:
  return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def edge_features(graph: jraph.GraphsTuple, count: int = 2) -> np.ndarray:
  """Random ones of every edge, copies of an edge as well: [E, D_e]."""
  rng = np.random.default_rng(len(graph.senders))
  return rng.normal(size=(len(graph.senders), count)).astype(np.float32)


def dense_attention(scores: np.ndarray, graph: jraph.GraphsTuple) -> np.ndarray:
  """Softmax over the incoming edges of every node: [E] -> [E]."""
  powers = np.exp(scores - scores.max(initial=0))
  totals = np.zeros(len(graph.nodes))
  np.add.at(totals, graph.receivers, powers)
  return powers / totals[graph.receivers]


def leaky_relu(x: np.ndarray) -> np.ndarray:
  return np.where(x > 0, x, 0.2 * x)


# e of every edge for one head, [E], of what receivers and senders are, [E, D],
# and of what edges have, [E, D_e] or None. p are the layer's parameters.


def of_edge(f: np.ndarray | None, p: dict[str, np.ndarray], k: int):
  """W_e f, [E, F], or 0."""
  return 0 if f is None else f @ p['edge_kernel'][:, k]


def gat_scores(h_i, h_j, f, p, k):
  """docs/recipe.md; features of edges as in PyTorch Geometric."""
  scores = h_i @ p['kernel'][:, k] @ p['receiver_vector'][k]
  scores += h_j @ p['kernel'][:, k] @ p['sender_vector'][k]
  if 'sender_bias' in p:
    scores += p['receiver_bias'][k] + p['sender_bias'][k]
  if f is not None:
    scores += of_edge(f, p, k) @ p['edge_vector'][k]
  return leaky_relu(scores)


def gatv2_scores(h_i, h_j, f, p, k):
  """Brody et al., equation 7, with the biases of their code."""
  asked = h_i @ p.get('receiver_kernel', p['kernel'])[:, k]
  pairs = asked + h_j @ p['kernel'][:, k] + of_edge(f, p, k)
  if 'sender_bias' in p:
    pairs += p.get('receiver_bias', p['sender_bias'])[k] + p['sender_bias'][k]
  return leaky_relu(pairs) @ p['vector'][k]


def const_scores(h_i, h_j, f, p, k):
  """Attention to all alike, but for what edges have."""
  del h_j
  if f is None:
    return np.zeros(len(h_i))
  return of_edge(f, p, k) @ p['edge_vector'][k]


def dense_alpha(
  scores: Callable, graph: jraph.GraphsTuple, p: dict[str, np.ndarray]
) -> np.ndarray:
  """Attention of every edge in float64, one head at a time: [E, K]."""
  h = np.asarray(graph.nodes, np.float64)
  f = None if graph.edges is None else np.asarray(graph.edges, np.float64)
  ends = h[graph.receivers], h[graph.senders]
  heads = range(p['kernel'].shape[1])
  alpha = [dense_attention(scores(*ends, f, p, k), graph) for k in heads]
  return np.stack(alpha, axis=1)


def _dense_layer(scores: Callable, has_value_bias: bool = False) -> Callable:
  """One edge and head after the other: the outputs of all, [N, K, F]."""

  def outputs(graph, p):
    alpha = dense_alpha(scores, graph, p)
    values = np.einsum('nd,dkf->nkf', graph.nodes, p['kernel'])
    if has_value_bias and 'sender_bias' in p:
      values = values + p['sender_bias']
    sums = np.zeros(values.shape)
    np.add.at(sums, graph.receivers, alpha[:, :, None] * values[graph.senders])
    return sums + p['bias']

  return outputs


dense_gat = _dense_layer(gat_scores)
dense_gatv2 = _dense_layer(gatv2_scores, has_value_bias=True)
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


def many_graphs(num_edge_features: int = 0) -> Dataset:
  """Seven training graphs of different sizes, two to validate, two to test.

  Features of edges, if there are any, tell as much as those of nodes.
  """

  def example(seed):
    rng = np.random.default_rng(seed)
    n_node = 5 + 3 * seed
    pairs = rng.integers(0, n_node, (2 * n_node, 2))
    nodes = rng.normal(size=(n_node, 5)).astype(np.float32)
    graph = graphs.prepare(nodes, *pairs.T, reverse=True, duplicates='merge')
    labels = (nodes[:, :3] > 0).astype(np.int32)
    if num_edge_features:
      of_edges = edge_features(graph, num_edge_features)
      of_edges[:, 0] += nodes[graph.senders, 0]
      graph = graph._replace(edges=of_edges)
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
