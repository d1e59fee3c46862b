"""A GAT of DGL, whose GATConv has fused kernels: see `common`."""

import os

os.environ.setdefault('DGLBACKEND', 'pytorch')

import common
import dgl
from dgl.nn import GATConv
import torch
from torch.nn import functional


class Model(torch.nn.Module):
  """The stack of layers.

  The skip connection of DGL is the identity where a layer is as wide as its
  inputs; the paper's code has a linear one.
  """

  def __init__(self, layers, dropout):
    """Creates the parameters."""
    super().__init__()
    self.layers = torch.nn.ModuleList(
      GATConv(layer.inputs, layer.features, layer.heads, dropout, dropout)
      for layer in layers
    )
    self.skips = torch.nn.ModuleList(
      torch.nn.Linear(layer.inputs, layer.features * layer.heads)
      if layer.has_skip
      else None
      for layer in layers
    )

  def forward(self, graph, x):
    """Logits."""
    for layer, skip in zip(self.layers[:-1], self.skips, strict=False):
      out = layer(graph, x).flatten(1)
      x = functional.elu(out if skip is None else out + skip(x))
    return self.layers[-1](graph, x).mean(1)


class Peer:
  """See `common.main`."""

  is_eager = True

  def __init__(self, spec, graphs):
    """Takes the arrays over."""
    torch.set_num_threads(spec['threads'])
    self.spec, self.num_graphs = spec, len(graphs)
    self.layers = common.layers(spec, graphs[0].x.shape[1])
    self.graphs = [self._graph(graph) for graph in graphs]

  def _graph(self, graph):
    ends = torch.from_numpy(graph.senders), torch.from_numpy(graph.receivers)
    made = dgl.graph(ends, num_nodes=len(graph.x))
    made.create_formats_()
    x, labels, train = map(
      torch.from_numpy, (graph.x, graph.labels, graph.train)
    )
    return x, labels, train, made

  def start(self, seed):
    """New parameters."""
    torch.manual_seed(seed)
    self.model = Model(self.layers, self.spec['dropout'])
    self.adam = torch.optim.Adam(
      self.model.parameters(),
      self.spec['learning_rate'],
      weight_decay=self.spec['weight_decay'],
    )

  def step(self, index):
    """Trains on a graph."""
    x, labels, train, graph = self.graphs[index]
    self.model.train()
    self.adam.zero_grad()
    logits = self.model(graph, x)
    if self.spec['is_multilabel']:
      loss = functional.binary_cross_entropy_with_logits(logits, labels)
    else:
      loss = functional.cross_entropy(logits[train], labels[train])
    loss.backward()
    self.adam.step()

  def predict(self, index):
    """Logits of a graph."""
    x, _, _, graph = self.graphs[index]
    self.model.eval()
    with torch.no_grad():
      return self.model(graph, x)


if __name__ == '__main__':
  common.main(Peer, f'DGL {dgl.__version__}, torch {torch.__version__}')
