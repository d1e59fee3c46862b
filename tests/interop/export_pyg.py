"""Writes what PyTorch Geometric computes to pyg.npz beside this file.

    python tests/interop/export_pyg.py

Tests hold this library against it. PyTorch and PyTorch Geometric are needed
here alone; 2.11 and 2.8 wrote the file. Run it again to add a layer.

Keys are those of the graph, '<layer>:output' and '<layer>:state.<key>'.
"""

import pathlib

import numpy as np
import torch
import torch_geometric
from torch_geometric.nn import GATConv
from torch_geometric.nn import GATv2Conv
from torch_geometric.nn import GCNConv

D, F, K, D_E = 5, 3, 4, 8

LAYERS = {
  'gat': (GATConv, {}),
  'gat.edges': (GATConv, {'edge_dim': D_E}),
  'gat.mean': (GATConv, {'concat': False}),
  'gat.edges.mean': (GATConv, {'edge_dim': D_E, 'concat': False}),
  'gat.no_bias': (GATConv, {'bias': False}),
  'gat.residual': (GATConv, {'residual': True}),
  'gatv2': (GATv2Conv, {}),
  'gatv2.edges': (GATv2Conv, {'edge_dim': D_E}),
  'gatv2.edges.mean': (GATv2Conv, {'edge_dim': D_E, 'concat': False}),
  'gatv2.shared': (GATv2Conv, {'share_weights': True}),
  'gatv2.shared.edges': (
    GATv2Conv,
    {'share_weights': True, 'edge_dim': D_E},
  ),
  'gatv2.no_bias': (GATv2Conv, {'bias': False, 'edge_dim': 1}),
  'gcn': (GCNConv, {}),
  'gcn.no_bias': (GCNConv, {'bias': False}),
}


def make_edges() -> np.ndarray:
  """Node 0 is a hub, node 25 isolated; some edges are there twice."""
  hub = [(i, 0) for i in range(1, 21)] + [(0, i) for i in range(1, 21)]
  rng = np.random.default_rng(0)
  others = rng.integers(0, 25, (60, 2)).tolist()
  again = [(3, 0), (3, 0), (0, 7), (22, 21), (22, 21)]
  return np.array(hub + again + others).T  # self-loops among them


def main() -> None:
  torch.manual_seed(0)
  edges = make_edges()
  n_edge = edges.shape[1]
  inputs = {
    'x': torch.randn(26, D),
    'edges': torch.from_numpy(edges),
    'edge_attr': torch.randn(n_edge, D_E),
  }
  found = {name: value.numpy() for name, value in inputs.items()}
  for name, (conv_type, options) in LAYERS.items():
    heads = {} if conv_type is GCNConv else {'heads': K}
    conv = conv_type(D, F, **heads, **options)
    with torch.no_grad():
      for parameter in conv.parameters():  # biases begin as 0
        parameter.add_(0.3 * torch.randn(parameter.shape))
      given = [inputs['x'], inputs['edges']]
      if 'edge_dim' in options:
        given.append(inputs['edge_attr'][:, : options['edge_dim']])
      found[f'{name}:output'] = conv(*given).numpy()
    for key, value in conv.state_dict().items():
      found[f'{name}:state.{key}'] = value.numpy()
  versions = f'{torch.__version__} {torch_geometric.__version__}'
  path = pathlib.Path(__file__).parent / 'pyg.npz'
  np.savez_compressed(path, versions=np.array(versions), **found)
  print(f'{path}: {path.stat().st_size} bytes')


if __name__ == '__main__':
  main()
