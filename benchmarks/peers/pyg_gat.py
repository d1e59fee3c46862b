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
import torch_peer


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


class Peer(torch_peer.TorchPeer):
  """See `common.main`."""

  def __init__(self, spec, graphs):
    """Takes the arrays over; the model may be compiled once for all seeds."""
    self._layout, _, compiled = spec['style'].partition('-')
    self.is_eager = not compiled
    super().__init__(spec, graphs)
    self.model = Model(self.layers, spec['dropout'])
    self._called = torch.compile(self.model) if compiled else self.model

  def edges(self, graph, ends):
    """Both ends stacked, or `EdgeIndex` with its pointers."""
    edges = torch.stack(ends)
    if self._layout == 'EdgeIndex':
      size = (len(graph.x), len(graph.x))
      edges = EdgeIndex(edges, sparse_size=size, sort_order='col')
      edges.fill_cache_()
    return edges

  def logits(self, x, edges):
    """Logits of a graph."""
    return self._called(x, edges)

  def new_parameters(self):
    """Of the model that may be compiled already."""
    for layer in self.model.layers:
      layer.reset_parameters()


if __name__ == '__main__':
  version = f'PyG {torch_geometric.__version__}, torch {torch.__version__}'
  common.main(Peer, version)
