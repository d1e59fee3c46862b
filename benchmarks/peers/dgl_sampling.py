"""DGL's neighbour sampling and GATConv on a drawn graph: one line of JSON.

It runs in an environment of its own, with torch 2.13.0 and DGL 1.1.3:
`python dgl_sampling.py FOLDER --batches=30`. FOLDER has what
`benchmarks/sampling.py` writes.
"""

import argparse
import json
import os
import pathlib
import resource
import time

os.environ.setdefault('DGLBACKEND', 'pytorch')

import dgl
from dgl.nn import GATConv
import numpy as np
import torch

HEADS, HIDDEN, FAN_OUTS, BATCH = 8, 8, [10, 10], 1024


class Model(torch.nn.Module):
  """Two layers, 8 heads of 8 features and one of the classes, no dropout."""

  def __init__(self, num_features, num_classes):
    """Creates the parameters."""
    super().__init__()
    self.first = GATConv(num_features, HIDDEN, HEADS)
    self.last = GATConv(HIDDEN * HEADS, num_classes, 1)

  def forward(self, blocks, x):
    """Logits of the seeds."""
    x = torch.nn.functional.elu(self.first(blocks[0], x).flatten(1))
    return self.last(blocks[1], x).mean(1)


def main():
  """Times sampling alone, then training."""
  parser = argparse.ArgumentParser()
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--batches', type=int, default=30)
  parser.add_argument('--workers', type=int, default=0)
  args = parser.parse_args()
  read = {
    name: np.load(args.folder / f'{name}.npy')
    for name in ('senders', 'receivers', 'features', 'labels', 'seeds')
  }
  ends = [torch.from_numpy(read[n]).long() for n in ('senders', 'receivers')]
  graph = dgl.graph(tuple(ends), num_nodes=len(read['labels']))
  graph = graph.formats('csc')
  graph.create_formats_()
  features = torch.from_numpy(read['features'])
  labels = torch.from_numpy(read['labels']).long()
  del ends, read['senders'], read['receivers']
  seeds = torch.from_numpy(read['seeds'])[: BATCH * args.batches]
  sampler = dgl.dataloading.NeighborSampler(FAN_OUTS)

  def loader():
    return dgl.dataloading.DataLoader(
      graph,
      seeds,
      sampler,
      batch_size=BATCH,
      shuffle=True,
      drop_last=True,
      num_workers=args.workers,
    )

  for _ in zip(range(3), loader(), strict=False):
    pass
  start = time.perf_counter()
  for _ in loader():
    pass
  sampling = time.perf_counter() - start
  model = Model(features.shape[1], int(labels.max()) + 1)
  adam = torch.optim.Adam(model.parameters(), lr=5e-3)

  def step(inputs, outputs, blocks):
    logits = model(blocks, features[inputs])
    loss = torch.nn.functional.cross_entropy(logits, labels[outputs])
    adam.zero_grad()
    loss.backward()
    adam.step()

  for _, batch in zip(range(3), loader(), strict=False):
    step(*batch)
  start, cpu = time.perf_counter(), time.process_time()
  for batch in loader():
    step(*batch)
  training = time.perf_counter() - start
  cpu = time.process_time() - cpu
  print(
    json.dumps(
      {
        'peer': f'dgl {dgl.__version__}, torch {torch.__version__}',
        'workers': args.workers,
        'sampled_seeds_per_second': round(len(seeds) / sampling),
        'trained_seeds_per_second': round(len(seeds) / training),
        'cpu_ms_per_batch': round(1e3 * cpu / args.batches, 1),
        'peak_rss_mb': round(
          resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ),
      }
    )
  )


if __name__ == '__main__':
  main()
