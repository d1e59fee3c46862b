"""The same models and sums in PyTorch, as its users write them.

Models are those of `torch_models`. They have the sizes of our configs and
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
from benchmarks.gpu import torch_models

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def citation(report: rows.Report) -> None:
  """An epoch of Cora and of Citeseer."""
  for name in ('cora', 'citeseer'):
    for precision in ('highest', 'high'):
      report.attempt(
        6,
        lambda add, args=(name, precision): _citation(report, add, *args),
        what=f'{name}, an epoch',
        by=torch_models.LIBRARY,
        precision=precision,
      )


def ppi(report: rows.Report) -> None:
  """A step of GAT and of GATv2."""
  for kind in ('gat', 'gatv2'):
    for precision in ('highest', 'high'):
      report.attempt(
        8,
        lambda add, args=(kind, precision): _ppi(report, add, *args),
        what=f'ppi, {kind}, a step',
        by=torch_models.LIBRARY,
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
        by=torch_models.LIBRARY,
        precision='high',
        edges=len(graph.senders),
      )


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


def _start(precision: str = 'highest') -> None:
  torch.manual_seed(0)
  torch.set_float32_matmul_precision(precision)
  if DEVICE.type == 'cuda':
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def _citation(report, add, name, precision):
  _start(precision)
  config, dataset = programs.config(name), programs.load(name)
  (example,) = dataset.train
  x, ends = _dense(example.graph.nodes), _ends(example.graph)
  labels = torch.tensor(example.labels.astype(np.int64), device=DEVICE)
  mask = torch.tensor(np.flatnonzero(example.mask), device=DEVICE)
  model = torch_models.Model(config, x.shape[1], dataset.num_classes).to(DEVICE)
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

  found = rows.times(epoch, _wait, seconds=2, inner=report.size(10, 1))
  add(**found, **_peak(), loss=epoch().item())


def _ppi(report, add, kind, precision):
  _start(precision)
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
  model = torch_models.Model(config, x.shape[1], dataset.num_classes).to(DEVICE)
  optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)

  def step():
    optimizer.zero_grad()
    loss = functional.binary_cross_entropy_with_logits(model(x, ends), labels)
    loss.backward()
    optimizer.step()
    return loss

  found = rows.times(step, _wait, seconds=2, inner=report.size(10, 1), most=20)
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
  _start('high')
  x, ends = _dense(graph.nodes).requires_grad_(), _ends(graph)
  layer = torch_models.conv(kind, width, features, heads).to(DEVICE)
  shape = len(x), heads * features
  cotangent = torch.tensor(programs.random(shape, 3), device=DEVICE)
  wanted = (x, *layer.parameters())

  def both():
    return torch.autograd.grad(layer(x, ends), wanted, cotangent)

  add(**rows.times(both, _wait, seconds=0.7, inner=5), **_peak())
