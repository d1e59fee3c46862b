r"""Trains a model on one data set and tests it, once or with many seeds.

Try:
  python -m experiments.train --config=configs/smoke.py     # needs no file
  python -m experiments.train --config=configs/cora.py --workdir=runs/cora
  python -m experiments.train --config=configs/cora.py --config.num_seeds=10 \
      --workdir=runs/ten
  python -m experiments.train --config=configs/cora.py --config.model.name=gatv2
  WANDB_MODE=offline python -m experiments.train --config=configs/smoke.py \
      --track=wandb,mlflow          # see docs/guides/tracking.md
  python -m experiments.train --config=configs/custom.py \
      --config.dataset.name=graph.npz --workdir=runs/mine    # a graph of yours
  srun --ntasks=4 python -m experiments.train --config=configs/cora.py \
      --config.num_seeds=100 --workdir=runs/hundred    # tasks train together
  python -m experiments.train --config=configs/cora.py --workdir=runs/two \
      --hosts=2 --host=0 --coordinator=10.0.0.1:8476   # so without Slurm, and
      # --host=1 on the other: docs/guides/devices.md

Every field of the config is a flag, explained below. Writes into the workdir:
  config.json     every setting; dataset.json: what is known of the data
  metrics.jsonl   a line a seed every log_every epochs: losses, validation score
  events.out.*    the same for TensorBoard, whose page HParams compares runs
  checkpoints/    what an interrupted run goes on from: the first is made after
                  checkpoint_minutes or when it is interrupted, and all are
                  removed when it has finished
  best/           the parameters that the scores of each seed were made with
  results.json    when it has finished: scores and epochs of each seed
  wandb.json, mlflow.json   with --track: the name of the run there
Scores are fractions between 0 and 1 in files, and per cent in the table.

Interrupted or killed, the same command with the same workdir goes on. Once it
has finished, it shows the results, and a larger --config.num_seeds adds seeds.
experiments.predict and experiments.report read the workdir.
"""

from collections.abc import Iterator, Sequence
import contextlib
import pathlib
import shlex
import sys
import time

from absl import flags
from ml_collections import config_flags

from experiments import cli
from experiments import hosts
from experiments import progress
from experiments import tracking
from gat_jax import runs
from gat_jax import training
from gat_jax.errors import WorkdirError

_CONFIG = cli.config_flag(
  'config', 'a file of configs/, as in --config=configs/cora.py'
)
_WORKDIR = cli.path_flag(
  'workdir', 'where to write; by default runs/<dataset>-<time>'
)
_DISCARD_UNREADABLE = flags.DEFINE_bool(
  'discard_unreadable',
  False,
  'train anew where an interrupted run has checkpoints and none can be used',
)
_TRACK = tracking.define_flag('track')
hosts.define_flags('hosts', 'host', 'coordinator')


def main() -> None:
  """Trains what the flags say."""
  here = training.Hosts.here()
  console = cli.Console()
  with contextlib.ExitStack() as stack:
    with here.together():
      config = cli.config_of(_CONFIG)
      runs.settings.check(config)
      runs.settings.check_effects(
        config, config_flags.get_override_values(flags.FLAGS[_CONFIG.name])
      )
      workdir: str | pathlib.Path = ''
      if here.is_writer:
        workdir = stack.enter_context(_workdir(config.dataset.name))
    stop = stack.enter_context(cli.StopRequest())
    observer = stack.enter_context(_Observer(console, stop))
    try:
      with tracking.TrackingObserver(
        _TRACK.value if here.is_writer else (),
        [config],
        [workdir],
        warn=console.print,
      ) as trackers:
        result = runs.train_and_evaluate(
          config,
          workdir,
          runs.Observers(observer, trackers),
          discard_unreadable=_DISCARD_UNREADABLE.value,
        )
    except runs.Ended as ended:
      stop.share(here.agree)
      console.print(
        f'{ended}; the same command with {_flag(workdir)} goes on',
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
    f' {_flag(workdir)} draws it',
    soft_wrap=True,
  )
  if broken:
    sys.exit(cli.BROKEN)


def _flag(workdir: str | pathlib.Path) -> str:
  """As a shell takes it."""
  return shlex.quote(f'--workdir={workdir}')


class _Observer(progress.TerminalObserver):
  """Says as well what is finished already."""

  def on_finished(self, seeds: Sequence[int]) -> None:
    """Says which seeds are not trained again."""
    which = f'seeds {seeds[0]} to {seeds[-1]} are' if seeds[1:] else 'it is'
    self._console.print(f'{which} finished already')


@contextlib.contextmanager
def _workdir(dataset_name: str) -> Iterator[str | pathlib.Path]:
  """The folder of --workdir, or a new one with the data set and the time."""
  if _WORKDIR.value is not None:
    yield runs.workdirs.folder(_WORKDIR.value)
    return
  stem = pathlib.Path(str(dataset_name)).stem
  name = f'{stem}-{time.strftime("%Y%m%d-%H%M%S")}'
  try:
    with runs.workdirs.new_folder('runs', name) as workdir:
      yield workdir
  except WorkdirError as error:
    if error.field != 'workdir':
      raise
    # Nobody has named that folder: the error must not speak of a flag.
    raise WorkdirError(
      'the folder for this run', error.problem, 'name another with `workdir`'
    ) from error


if __name__ == '__main__':
  cli.run(main, on_hosts='all')
