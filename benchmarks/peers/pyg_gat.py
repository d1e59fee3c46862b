"""A GAT of PyTorch Geometric, eager or compiled: see `common`.

Styles: `edge_index` or `EdgeIndex` (sorted, with its pointers), `-compiled`
behind it for `torch.compile`. Self-loops are added once, not in every call.
"""

import common
import torch
from torch.nn import functional
import torch_geometric
from torch_geometric import EdgeIndex
from torch_geometric.nn import GATConv


class Model(torch.nn.Module):
  """The stack of layers."""

  def __init__(self, layers, dropout):
    """Creates the parameters."""
    super().__init__()
    self.dropout = dropout
    self.layers = torch.nn.ModuleList(
      GATConv(
        layer.inputs,
        layer.features,
        layer.heads,
        concat=not layer.is_last,
        dropout=dropout,
        add_self_loops=False,
        residual=layer.has_skip,
      )
      for layer in layers
    )

  def forward(self, x, edges):
    """Logits."""
    for layer in self.layers[:-1]:
      x = functional.dropout(x, self.dropout, self.training)
      x = functional.elu(layer(x, edges))
    x = functional.dropout(x, self.dropout, self.training)
    return self.layers[-1](x, edges)


class Peer:
  """See `common.main`."""

  def __init__(self, spec, graphs):
    """Takes the arrays over."""
    torch.set_num_threads(spec['threads'])
    self.spec, self.num_graphs = spec, len(graphs)
    layout, _, compiled = spec['style'].partition('-')
    self.is_eager = not compiled
    self.graphs = [self._graph(graph, layout) for graph in graphs]
    layers = common.layers(spec, graphs[0].x.shape[1])
    self.model = Model(layers, spec['dropout'])
    self.called = torch.compile(self.model) if compiled else self.model

  def _graph(self, graph, layout):
    edges = torch.from_numpy(graph.senders), torch.from_numpy(graph.receivers)
    edges = torch.stack(edges)
    if layout == 'EdgeIndex':
      size = (len(graph.x), len(graph.x))
      edges = EdgeIndex(edges, sparse_size=size, sort_order='col')
      edges.fill_cache_()
    x, labels, train = map(
      torch.from_numpy, (graph.x, graph.labels, graph.train)
    )
    return x, labels, train, edges

  def start(self, seed):
    """New parameters, in the model that may be compiled already."""
    torch.manual_seed(seed)
    for layer in self.model.layers:
      layer.reset_parameters()
    self.adam = torch.optim.Adam(
      self.model.parameters(),
      self.spec['learning_rate'],
      weight_decay=self.spec['weight_decay'],
    )

  def step(self, index):
    """Trains on a graph."""
    x, labels, train, edges = self.graphs[index]
    self.model.train()
    self.adam.zero_grad()
    logits = self.called(x, edges)
    if self.spec['is_multilabel']:
      loss = functional.binary_cross_entropy_with_logits(logits, labels)
    else:
      loss = functional.cross_entropy(logits[train], labels[train])
    loss.backward()
    self.adam.step()

  def predict(self, index):
    """Logits of a graph."""
    x, _, _, edges = self.graphs[index]
    self.model.eval()
    with torch.no_grad():
      return self.called(x, edges)


if __name__ == '__main__':
  version = f'PyG {torch_geometric.__version__}, torch {torch.__version__}'
  common.main(Peer, version)
