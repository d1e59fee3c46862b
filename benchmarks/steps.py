r"""Times the training steps of an epoch of batches, without its validation.

Try:
  python -m benchmarks.steps --dataset=ppi --epochs=3

Prints a JSON line that has epoch_ms, the median over the epochs.
"""

import argparse
import importlib
import json
import statistics
import time

from gat_jax import runs
from gat_jax import training


def main() -> None:
  """Compiles, then times."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--dataset', default='ppi')
  parser.add_argument('--epochs', type=int, default=1)
  args = parser.parse_args()
  config = importlib.import_module(f'configs.{args.dataset}').get_config()
  if not config.batch_size:
    parser.error(f'{args.dataset} has no batches: it is trained whole')
  driver = training.BatchDriver(
    config, runs.load_dataset(config), training.Replica.of(config)
  )
  driver.compile()
  times = []
  for _ in range(args.epochs):
    start = time.perf_counter()
    driver.train_steps([0])
    times.append(1e3 * (time.perf_counter() - start))
  print(json.dumps({'epoch_ms': statistics.median(times)}))


if __name__ == '__main__':
  main()
