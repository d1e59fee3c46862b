"""What the peers share: the graphs, the clock and the answer. NumPy alone.

A peer is a script that an interpreter of its own runs, with one argument, JSON:

  data            an .npz file that `benchmarks.comparison.exporting` wrote
  hidden          features and heads of each hidden layer
  output_heads    of the last layer, averaged
  classes         its features a head
  is_multilabel   sigmoid and cross entropy, else softmax
  dropout         rate, of inputs (one mask for all heads) and attention
  skip            whether hidden layers after the first have a linear one
  learning_rate, weight_decay    of Adam
  seeds           models that are trained one after the other
  epochs          that each of several seeds is trained at a time
  validates       whether an epoch ends with a forward pass without dropout
  seconds, least, most    time to measure; epochs at least and at most
  threads         that may compute
  style           how the peer is written, where it knows several ways

It prints one line of JSON.
"""

import json
import statistics
import sys
import time
from typing import Any, NamedTuple

import numpy as np


class Graph(NamedTuple):
  """Arrays of a graph.

  Attributes:
    x: [N, D] float32.
    labels: [N] int64, or [N, classes] float32.
    senders: [E] int64; both directions of an edge, and a loop on each node.
    receivers: [E] int64, sorted.
    train: ids of the nodes that are trained on.
  """

  x: np.ndarray
  labels: np.ndarray
  senders: np.ndarray
  receivers: np.ndarray
  train: np.ndarray


class Layer(NamedTuple):
  """Sizes of a layer; heads of the last are averaged, others joined."""

  inputs: int
  features: int
  heads: int
  is_last: bool
  has_skip: bool


def read(spec: dict[str, Any]) -> list[Graph]:
  """The graphs of `spec['data']`."""
  with np.load(spec['data']) as file:
    return [
      Graph(*(file[f'{name}{index}'] for name in Graph._fields))
      for index in range(int(file['count']))
    ]


def layers(spec: dict[str, Any], num_features: int) -> list[Layer]:
  """The layers of the model."""
  found, width = [], num_features
  for index, (features, heads) in enumerate(spec['hidden']):
    has_skip = spec['skip'] and index > 0
    found.append(Layer(width, features, heads, False, has_skip))
    width = features * heads
  last = Layer(width, spec['classes'], spec['output_heads'], True, False)
  return [*found, last]


def main(peer_type: Any, version: str) -> None:
  """Times a peer and prints what it took.

  Args:
    peer_type: is called with the spec and the graphs. Has `start(seed)`, which
      makes new parameters, `step(index)` and `predict(index)`, which wait for
      their result, and `is_eager`: whether nothing is compiled.
    version: of what was measured.
  """
  spec = json.loads(sys.argv[1])
  peer = peer_type(spec, read(spec))
  print(json.dumps(times(spec, peer) | {'version': version}), flush=True)


def times(spec: dict[str, Any], peer: Any) -> dict[str, float]:
  """Milliseconds of an epoch and of a forward pass, medians, warmed up."""
  num_graphs = peer.num_graphs

  def epoch():
    for index in range(num_graphs):
      peer.step(index)
    if spec['validates']:
      peer.predict(0)

  def of_all_seeds():
    for seed in range(spec['seeds']):
      peer.start(seed)
      for _ in range(spec['epochs']):
        epoch()

  peer.start(0)
  repeated, epochs = epoch, 1
  if spec['seeds'] > 1:
    repeated, epochs = of_all_seeds, spec['seeds'] * spec['epochs']
  first, found = measure(repeated, spec, peer.is_eager)
  forward_first, forward = measure(
    lambda: peer.predict(0), spec | {'seconds': spec['seconds'] / 4}
  )
  compiling = max(0.0, first - found)
  if not spec['validates']:
    compiling += max(0.0, forward_first - forward)
  return {
    'epoch_ms': 1e3 * found / epochs,
    'inference_ms': 1e3 * forward,
    'compile_s': compiling,
  }


def measure(
  call: Any, spec: dict[str, Any], is_eager: bool = False
) -> tuple[float, float]:
  """Seconds of the first call, and the median of those that follow.

  The first counts where nothing was compiled and it took longer than all the
  time there is.
  """
  first = _seconds(call)
  if is_eager and first > spec['seconds']:
    return first, first
  if first < 1:
    call()
  found: list[float] = []
  while len(found) < spec['least'] or (
    sum(found) < spec['seconds'] and len(found) < spec['most']
  ):
    found.append(_seconds(call))
  return first, statistics.median(found)


def _seconds(call):
  start = time.perf_counter()
  call()
  return time.perf_counter() - start
