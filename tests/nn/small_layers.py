"""Layers with biases, compiled functions of them, and their formulas."""

from fixtures import all_graphs
from fixtures import const_scores
from fixtures import dense_alpha as alpha_of
from fixtures import dense_const_gat
from fixtures import dense_gat
from fixtures import dense_gatv2
from fixtures import dense_gcn
from fixtures import dense_mlp
from fixtures import edge_features
from fixtures import elu
from fixtures import gat_scores
from fixtures import gatv2_scores
from flax import nnx
import jax
import numpy as np
import pytest
import scipy.sparse

from gat_jax import graphs
from gat_jax.nn.layers import ConstGATLayer
from gat_jax.nn.layers import GATLayer
from gat_jax.nn.layers import GATv2Layer
from gat_jax.nn.layers import GCNLayer
from gat_jax.nn.layers import MLPLayer

GRAPHS = all_graphs()
ALL = graphs.batch(list(GRAPHS.values()))  # every nasty graph in one program
LAYERS = {
  GATLayer: dense_gat,
  GATv2Layer: dense_gatv2,
  ConstGATLayer: dense_const_gat,
  GCNLayer: dense_gcn,
  MLPLayer: dense_mlp,
}
SCORES = {
  GATLayer: gat_scores,
  GATv2Layer: gatv2_scores,
  ConstGATLayer: const_scores,
}
ATTENTION = list(SCORES)

# With features of edges, those of copies of an edge as well.
EDGED = ALL._replace(edges=edge_features(ALL))
WITH_EDGES = {'edge_features': 2}

each_layer = pytest.mark.parametrize('layer_type', LAYERS)
each_attention = pytest.mark.parametrize('layer_type', ATTENTION)


def make_layer(layer_type, in_features=5, out_features=3, num_heads=4, **kw):
  """A layer whose biases are not zero, so that none can be forgotten."""
  layer = layer_type(
    in_features, out_features, num_heads, rngs=nnx.Rngs(0), **kw
  )
  rng = np.random.default_rng(1)
  state = jax.tree.map(
    lambda x: x + 0.3 * rng.normal(size=x.shape).astype(np.float32),
    nnx.state(layer, nnx.Param),
  )
  nnx.update(layer, state)
  return layer


def make_edged(layer_type, **options):
  """A layer for features of edges, if it is one of attention, and ALL."""
  if layer_type in ATTENTION:
    return make_layer(layer_type, **WITH_EDGES, **options), EDGED
  return make_layer(layer_type, **options), ALL


@jax.jit
def outputs_of(layer, graph):
  """What a layer makes of the nodes, without dropout."""
  return layer.forward(graph).nodes


@jax.jit
def attention_of(layer, graph):
  return layer.attention(graph)


@jax.jit
def drop(layer, graph, keys):
  """The outputs under the dropout of each key and the layer's own rate."""
  return jax.vmap(lambda key: layer(graph, rngs=key).nodes)(keys)


def dense_alpha(layer, graph, p):
  """Attention of every edge by dense formulas in float64: [E, K]."""
  return alpha_of(SCORES[type(layer)], graph, p)


def params_of(layer):
  pure = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
  return {name: np.asarray(value, np.float64) for name, value in pure.items()}


def dense_outputs(layer, graph, p):
  """The same by dense formulas in float64; p are the layer's parameters."""
  heads = LAYERS[type(layer)](graph, p)
  if layer.residual and 'skip_kernel' in p:
    skip = np.einsum('nd,dkf->nkf', graph.nodes, p['skip_kernel'])
    heads = heads + skip + p['skip_bias']
  elif layer.residual:
    heads = heads + graph.nodes[:, None]
  if layer.activation is not None:
    heads = elu(heads)
  return heads.mean(1) if layer.average_heads else heads.reshape(len(heads), -1)


def sparse(graph):
  """A graph with some zeros among its features, dense and sparse."""
  nodes = np.where(np.abs(graph.nodes) > 0.5, graph.nodes, 0)
  matrix = scipy.sparse.csr_matrix(nodes)
  features = graphs.SparseFeatures.from_csr(matrix)
  return graph._replace(nodes=nodes), graph._replace(nodes=features)
