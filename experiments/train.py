r"""Trains a model on one data set and tests it, once or with many seeds.

Try:
  python -m experiments.train --config=configs/cora.py
  python -m experiments.train --config=configs/citeseer.py --config.num_seeds=10
  python -m experiments.train --config=configs/cora.py --config.model.name=gatv2
  python -m experiments.train --config=configs/custom.py \
      --config.dataset.name=path/to/graph.npz --workdir=runs/mine
  python -m experiments.train --config=configs/smoke.py     # needs no file

Every field of the config is a flag, explained below. The workdir gets
config.json, dataset.json, metrics.jsonl, results.json, TensorBoard events and
the best parameters; experiments.predict reads it. Interrupted or killed, the
same command with the same workdir goes on.
"""

import pathlib
import sys
import time

from absl import flags
from ml_collections import config_flags
from rich.console import Console

from experiments import cli
from experiments import progress
from gat_jax import runs

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'a file of configs/, as in --config=configs/cora.py'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'where to write; by default runs/<dataset>-<time>'
)


def main() -> None:
  """Trains what the flags say."""
  config = cli.config_of(_CONFIG)
  runs.settings.check(config)
  workdir = _WORKDIR.value or default_workdir(config.dataset.name)
  console = Console()
  with (
    cli.StopRequest() as stop,
    progress.TerminalObserver(console, stop) as observer,
  ):
    try:
      result = runs.train_and_evaluate(config, workdir, observer)
    except runs.Ended as ended:
      console.print(
        f'{ended}; the same command with --workdir={workdir} goes on',
        soft_wrap=True,
      )
      sys.exit(stop.exit_code)
  console.print(progress.result_table(result))
  broken = [seed for seed in result.seeds if seed.broken]
  for seed in broken:
    console.print(
      f'seed {seed.seed} ended in epoch {seed.epochs}: its {seed.broken} is not'
      f' finite; its scores are those of epoch {seed.best_epoch}',
      style='bold red',
    )
  console.print(
    f'everything is in {workdir}; python -m experiments.report'
    f' --workdir={workdir} draws it',
    soft_wrap=True,
  )
  if broken:
    sys.exit(cli.BROKEN)


def default_workdir(dataset_name: str) -> str:
  """runs/<dataset>-<time>, with the stem of a file's name."""
  stem = pathlib.Path(str(dataset_name)).stem
  return f'runs/{stem}-{time.strftime("%Y%m%d-%H%M%S")}'


if __name__ == '__main__':
  cli.run(main)
