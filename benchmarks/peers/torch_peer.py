"""What the peers in PyTorch share: the arrays, Adam, a step: see `common`."""

import common
import torch
from torch.nn import functional


class TorchPeer:
  """See `common.main`. A subclass makes `model`, and graphs for it.

  Attributes:
    spec: of `common`.
    num_graphs: how many there are.
    layers: sizes of the layers.
    model: of the last `start`.
  """

  def __init__(self, spec, graphs):
    """Takes the arrays over."""
    torch.set_num_threads(spec['threads'])
    self.spec, self.num_graphs = spec, len(graphs)
    self.layers = common.layers(spec, graphs[0].x.shape[1])
    self._graphs = [self._arrays(graph) for graph in graphs]

  def edges(self, graph, ends):
    """The edges as the library takes them; ends are senders, receivers."""
    raise NotImplementedError

  def logits(self, x, edges):
    """Those of `model`, or of what was compiled of it."""
    raise NotImplementedError

  def new_parameters(self):
    """Draws those of `model`."""
    raise NotImplementedError

  def _arrays(self, graph):
    x, labels, train, *ends = map(
      torch.from_numpy,
      (graph.x, graph.labels, graph.train, graph.senders, graph.receivers),
    )
    return x, labels, train, self.edges(graph, tuple(ends))

  def start(self, seed):
    """New parameters."""
    torch.manual_seed(seed)
    self.new_parameters()
    self.adam = torch.optim.Adam(
      self.model.parameters(),
      self.spec['learning_rate'],
      weight_decay=self.spec['weight_decay'],
    )

  def step(self, index):
    """Trains on a graph."""
    x, labels, train, edges = self._graphs[index]
    self.model.train()
    self.adam.zero_grad()
    logits = self.logits(x, edges)
    if self.spec['is_multilabel']:
      loss = functional.binary_cross_entropy_with_logits(logits, labels)
    else:
      loss = functional.cross_entropy(logits[train], labels[train])
    loss.backward()
    self.adam.step()

  def predict(self, index):
    """Logits of a graph."""
    x, _, _, edges = self._graphs[index]
    self.model.eval()
    with torch.no_grad():
      return self.logits(x, edges)
