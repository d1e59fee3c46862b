"""GAT and GATv2 in PyTorch, as its users write them.

Layers are PyTorch Geometric's GATConv and GATv2Conv, or a plain one of the same
equation where that is not installed.
"""

from typing import Any

import torch
from torch.nn import functional

try:
  from torch_geometric import nn as geometric
except ImportError:
  geometric = None

LIBRARY = 'PyG' if geometric else 'plain PyTorch'


class PlainConv(torch.nn.Module):
  """GATConv or GATv2Conv in a few lines of PyTorch."""

  def __init__(
    self,
    in_features: int,
    out_features: int,
    heads: int,
    *,
    concat: bool = True,
    dropout: float = 0.0,
    residual: bool = False,
    is_v2: bool = False,
  ):
    """See the classes of PyTorch Geometric."""
    super().__init__()
    self.shape, self.concat, self.dropout = (
      (heads, out_features),
      concat,
      dropout,
    )
    linear = torch.nn.Linear
    width = heads * out_features
    self.kernel = linear(in_features, width, bias=False)
    self.query = linear(in_features, width, bias=False) if is_v2 else None
    self.skip = linear(in_features, width, bias=False) if residual else None
    self.vectors = torch.nn.Parameter(torch.randn(2, heads, out_features) / 10)
    self.bias = torch.nn.Parameter(
      torch.zeros(width if concat else out_features)
    )

  def forward(self, x: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Outputs for [N, D] inputs and [2, E] senders and receivers."""
    loops = torch.arange(len(x), device=x.device).expand(2, -1)
    senders, receivers = torch.cat([ends, loops], 1)
    z = self.kernel(x).view(-1, *self.shape)
    if self.query is None:
      of, to = (z * self.vectors[0]).sum(-1), (z * self.vectors[1]).sum(-1)
      scores = functional.leaky_relu(of[senders] + to[receivers], 0.2)
    else:
      queries = self.query(x).view(-1, *self.shape)
      pairs = functional.leaky_relu(z[senders] + queries[receivers], 0.2)
      scores = (pairs * self.vectors[0]).sum(-1)
    index = receivers[:, None].expand_as(scores)
    most = scores.new_full((len(x), scores.shape[1]), -torch.inf)
    most = most.scatter_reduce(0, index, scores.detach(), 'amax')
    weights = (scores - most[receivers]).exp()
    total = torch.zeros_like(most).index_add(0, receivers, weights)
    weights = weights / total[receivers]
    weights = functional.dropout(weights, self.dropout, self.training)
    mixed = torch.zeros_like(z).index_add(
      0, receivers, weights[..., None] * z[senders]
    )
    mixed = mixed.flatten(1) if self.concat else mixed.mean(1)
    if self.skip is not None:
      mixed = mixed + self.skip(x)
    return mixed + self.bias


def conv(kind: str, *args: Any, **options: Any) -> torch.nn.Module:
  """GATConv or GATv2Conv, by the name that we have for it."""
  if geometric is None:
    return PlainConv(*args, **options, is_v2=kind == 'gatv2')
  convs = {'gat': geometric.GATConv, 'gatv2': geometric.GATv2Conv}
  return convs[kind](*args, **options)


class Model(torch.nn.Module):
  """A stack of layers that a config of ours describes."""

  def __init__(self, config: Any, num_features: int, num_classes: int):
    """Builds it with the dropout of PyTorch Geometric's example."""
    super().__init__()
    model, layers, width = config.model, [], num_features
    self.rate = model.dropout_rate
    for index in range(model.num_layers):
      is_last = index + 1 == model.num_layers
      layers.append(
        conv(
          model.name,
          width,
          num_classes if is_last else model.hidden_dim,
          model.num_output_heads if is_last else model.num_heads,
          concat=not is_last,
          dropout=self.rate,
          residual=model.residual and index > 0 and not is_last,
        )
      )
      width = model.hidden_dim * model.num_heads
    self.layers = torch.nn.ModuleList(layers)

  def forward(self, x: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Logits."""
    for index, layer in enumerate(self.layers):
      if self.rate:
        x = functional.dropout(x, self.rate, self.training)
      x = layer(x, ends)
      if index + 1 < len(self.layers):
        x = functional.elu(x)
    return x
