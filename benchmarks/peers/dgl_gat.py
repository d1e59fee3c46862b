"""A GAT of DGL, whose GATConv has fused kernels: see `common`."""

import os

os.environ.setdefault('DGLBACKEND', 'pytorch')

import common
import dgl
from dgl.nn import GATConv
import torch
from torch.nn import functional
import torch_peer


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


class Peer(torch_peer.TorchPeer):
  """See `common.main`."""

  is_eager = True

  def edges(self, graph, ends):
    """A graph of DGL with all its formats."""
    made = dgl.graph(ends, num_nodes=len(graph.x))
    made.create_formats_()
    return made

  def logits(self, x, edges):
    """Logits of a graph."""
    return self.model(edges, x)

  def new_parameters(self):
    """A new model."""
    self.model = Model(self.layers, self.spec['dropout'])


if __name__ == '__main__':
  common.main(Peer, f'DGL {dgl.__version__}, torch {torch.__version__}')
