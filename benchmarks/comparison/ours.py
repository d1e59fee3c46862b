"""Times training and a forward pass of ours, as a run of it has them.

A process of its own: `python -m benchmarks.comparison.ours JSON`. The argument
is what peers get (`benchmarks.peers.common`), with `case` and `recipe`.
"""

import json
import sys
import time
from typing import Any

import jax
import numpy as np

from benchmarks.comparison import cases
from benchmarks.comparison import exporting
from benchmarks.peers import common
from gat_jax import Dataset
from gat_jax import Example
from gat_jax import graphs
from gat_jax import runs
from gat_jax import training

_CALL = 0.2  # seconds of epochs that are timed at once
_MOST = 200  # of them


def main() -> None:
  """Prints a line of JSON."""
  spec = json.loads(sys.argv[1])
  case = cases.find(spec['case'], spec['is_quick'])
  with training.own_jax_settings():
    config = case.settings(spec['recipe'])
    dataset = load(case, config, spec['data'])
    found = _epochs(config, dataset, spec)
    found['inference_ms'] = _inference(config, dataset, spec)
  print(json.dumps(found | {'version': f'jax {jax.__version__}'}))


def load(case: cases.Case, config: Any, path: str) -> Dataset:
  """The data set; of a drawn graph what the peers read.

  Drawing it takes more time and memory than training on it.
  """
  if not case.edges:
    return exporting.cut(case, config, runs.load_dataset(config))
  (read,) = common.read({'data': path})
  graph = graphs.prepare(read.x, read.senders, read.receivers)
  labels = read.labels.astype(np.int32)
  train = np.zeros(len(labels), bool)
  train[read.train] = True
  return Dataset(
    name='large',
    train=[Example(graph, labels, train)],
    val=[Example(graph, labels, ~train)],
    test=[Example(graph, labels, ~train)],
    num_classes=int(labels.max()) + 1,
    multilabel=False,
    card={},
  )


def _epochs(config, dataset, spec) -> dict[str, float]:
  driver = training.choose_driver(config, dataset, training.Replica.of(config))
  start = time.perf_counter()
  driver.compile()
  compile_s = time.perf_counter() - start
  reached, at_once = 0, 1

  def advance():
    nonlocal reached
    reached += at_once
    driver.advance(reached)
    if (driver.fetch('epoch') != reached).any():  # waits
      raise RuntimeError('training has ended: there is nothing to time')

  def steps():
    driver.train_steps([0])

  is_in_batches = isinstance(driver, training.BatchDriver)
  call = steps if is_in_batches else advance
  if not is_in_batches:
    call()
    start = time.perf_counter()
    call()
    taken = time.perf_counter() - start
    at_once = max(1, min(_MOST, int(min(_CALL, spec['seconds']) / taken)))
  _, seconds = common.measure(call, spec)
  epochs = at_once * spec['seeds']
  return {'epoch_ms': 1e3 * seconds / epochs, 'compile_s': compile_s}


def _inference(config, dataset, spec) -> float:
  """A forward pass on the graph, or on as many as a batch has."""
  from flax import nnx

  program = training.Program.from_config(config, dataset)
  params = jax.jit(program.init)(0).params
  size = config.batch_size or 1
  graph = dataset.train[0].graph
  if size > 1:
    graph = graphs.batch([example.graph for example in dataset.train[:size]])
  graph = jax.device_put(graph)

  @jax.jit
  def forward(params, graph):
    return nnx.merge(program.graphdef, params).forward(graph)

  def call():
    jax.block_until_ready(forward(params, graph))

  _, seconds = common.measure(call, spec | {'seconds': spec['seconds'] / 4})
  return 1e3 * seconds


if __name__ == '__main__':
  main()
