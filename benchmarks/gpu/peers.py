"""The same models and sums in PyTorch, as its users write them.

Layers are PyTorch Geometric's GATConv and GATv2Conv, or a plain one of the same
equation where that is not installed. Models have the sizes of our configs and
PyTorch's own precision, float32 in full; a row with precision `high` allows
TF32, as JAX does on its own. An epoch of Cora is a step and a forward pass
without dropout, a step of PPI one on the same two graphs as ours.
"""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.gpu import programs
from benchmarks.gpu import rows
from benchmarks.gpu import sums as our_sums

try:
  from torch_geometric import nn as geometric
except ImportError:
  geometric = None

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def citation(report: rows.Report) -> None:
  """An epoch of Cora and of Citeseer."""
  for name in ('cora', 'citeseer'):
    report.attempt(
      8,
      lambda add, name=name: _citation(report, add, name),
      what=f'{name}, an epoch',
      by=_library(),
    )


def ppi(report: rows.Report) -> None:
  """A step of GAT and of GATv2."""
  for kind in ('gat', 'gatv2'):
    for precision in ('highest', 'high'):
      report.attempt(
        8,
        lambda add, args=(kind, precision): _ppi(report, add, *args),
        what=f'ppi, {kind}, a step',
        by=_library(),
        precision=precision,
      )


def sums(report: rows.Report) -> None:
  """An aggregation and its gradients, by index_add_, at five sizes."""
  for name, size in programs.SIZES.items():
    size = our_sums.scaled(report, size)
    graph = programs.drawn(size)
    report.attempt(
      4,
      lambda add, graph=graph, size=size: _sums(add, graph, size),
      what=f'sums, {name}',
      by='index_add_',
      edges=len(graph.senders),
    )


def layers(report: rows.Report) -> None:
  """Layers of GAT and GATv2 at two sizes, as `sums.layers`."""
  for name, (width, heads, features) in our_sums.LAYER_SIZES.items():
    size = our_sums.scaled(report, programs.SIZES[name])
    graph = programs.drawn(size, width)
    for kind in ('gat', 'gatv2'):
      report.attempt(
        4,
        lambda add, args=(graph, kind, width, heads, features): _layer(
          add, *args
        ),
        what=f'{kind}, {name}',
        by=_library(),
        edges=len(graph.senders),
      )


def _library():
  return 'PyG' if geometric else 'plain PyTorch'


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


def _conv(kind: str, *args: Any, **options: Any) -> torch.nn.Module:
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
        _conv(
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


def _ends(graph: Any) -> torch.Tensor:
  """Edges without self-loops, which the layers add in every call."""
  ends = np.stack([graph.senders, graph.receivers]).astype(np.int64)
  return torch.tensor(ends[:, ends[0] != ends[1]], device=DEVICE)


def _dense(nodes: Any) -> torch.Tensor:
  if hasattr(nodes, 'columns'):
    dense = np.zeros(nodes.shape, np.float32)
    dense[nodes.rows, nodes.columns] = nodes.values
    nodes = dense
  return torch.tensor(np.asarray(nodes), device=DEVICE)


def _wait(_: Any) -> None:
  if DEVICE.type == 'cuda':
    torch.cuda.synchronize()


def _peak() -> dict[str, float]:
  if DEVICE.type != 'cuda':
    return {}
  return {'peak_mb': torch.cuda.max_memory_allocated() / 1e6}


def _start() -> None:
  torch.manual_seed(0)
  torch.set_float32_matmul_precision('highest')
  if DEVICE.type == 'cuda':
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def _citation(report, add, name):
  _start()
  config, dataset = programs.config(name), programs.load(name)
  (example,) = dataset.train
  x, ends = _dense(example.graph.nodes), _ends(example.graph)
  labels = torch.tensor(example.labels.astype(np.int64), device=DEVICE)
  mask = torch.tensor(np.flatnonzero(example.mask), device=DEVICE)
  model = Model(config, x.shape[1], dataset.num_classes).to(DEVICE)
  optimizer = torch.optim.Adam(
    model.parameters(), config.learning_rate, weight_decay=config.weight_decay
  )

  def epoch():
    model.train()
    optimizer.zero_grad()
    loss = functional.cross_entropy(model(x, ends)[mask], labels[mask])
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
      model(x, ends).argmax(1)
    return loss

  found = rows.times(epoch, _wait, seconds=3, inner=report.size(10, 1))
  add(**found, **_peak(), loss=epoch().item())


def _ppi(report, add, kind, precision):
  _start()
  torch.set_float32_matmul_precision(precision)
  changes = {'model__hidden_dim': 4} if report.is_rehearsal else {}
  config = programs.config('ppi', model__name=kind, **changes)
  dataset = programs.load('ppi')
  example = programs.batch_of(config, dataset)
  real = int(example.graph.n_node[: config.batch_size].sum())
  edges = int(example.graph.n_edge[: config.batch_size].sum())
  graph = example.graph
  x = _dense(graph.nodes)[:real]
  ends = _ends(
    graph._replace(
      senders=graph.senders[:edges], receivers=graph.receivers[:edges]
    )
  )
  labels = torch.tensor(example.labels[:real].astype(np.float32), device=DEVICE)
  model = Model(config, x.shape[1], dataset.num_classes).to(DEVICE)
  optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)

  def step():
    optimizer.zero_grad()
    loss = functional.binary_cross_entropy_with_logits(model(x, ends), labels)
    loss.backward()
    optimizer.step()
    return loss

  found = rows.times(step, _wait, seconds=3, inner=report.size(10, 1), most=20)
  add(**found, **_peak(), loss=step().item(), nodes=real, edges=edges)


def _sums(add, graph, size):
  _start()
  weights, values, cotangent = (
    torch.tensor(x, device=DEVICE) for x in our_sums.arrays(graph, size)
  )
  senders, receivers = (
    torch.tensor(x.astype(np.int64), device=DEVICE)
    for x in (graph.senders, graph.receivers)
  )
  weights.requires_grad_()
  values.requires_grad_()

  def both():
    messages = weights[..., None] * values[senders]
    out = torch.zeros_like(cotangent).index_add_(0, receivers, messages)
    return torch.autograd.grad(out, (weights, values), cotangent)

  add(**rows.times(both, _wait, seconds=0.7, inner=10), **_peak())


def _layer(add, graph, kind, width, heads, features):
  _start()
  x, ends = _dense(graph.nodes).requires_grad_(), _ends(graph)
  layer = _conv(kind, width, features, heads).to(DEVICE)
  shape = len(x), heads * features
  cotangent = torch.tensor(programs.random(shape, 3), device=DEVICE)
  wanted = (x, *layer.parameters())

  def both():
    return torch.autograd.grad(layer(x, ends), wanted, cotangent)

  add(**rows.times(both, _wait, seconds=0.7, inner=5), **_peak())
