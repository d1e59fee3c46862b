r"""Trains every combination of some fields, on this machine or on Slurm.

Try:
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/heads
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/mine \
      --sweep 'model.num_heads=1,2,4,8' --sweep 'learning_rate=1e-3,5e-3' \
      --seeds=10
  python -m experiments.sweep --config=configs/cora.py,configs/citeseer.py \
      --workdir=runs/both --dry_run
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/heads \
      --engine=slurm --slurm.partition=gpu --slurm.time=60

Without --sweep a config's own get_hyper says what is swept: heads x hidden x
seeds. --sweep with one value sets a field. Trials of the same shapes (learning
rate, L2, dropout, patience, seed) share one compiled program. Stopped or
killed, the same command goes on; finished trials are never trained again.
Writes trials.csv, trials.jsonl, sweep.json, sweep.md and heatmaps.
"""

from collections.abc import Iterator
import contextlib
import pathlib
import sys
import time

from absl import flags
from ml_collections import config_flags
from rich.console import Console

from experiments import cli
from experiments import engines
from experiments import hyper
from experiments import plans
from experiments import summaries
from experiments import trials
from experiments import worker
from experiments.dashboard import Dashboard
from gat_jax import workdirs

_CONFIG = flags.DEFINE_list(
  'config', None, 'files of configs/, as in --config=configs/cora.py'
)
_WORKDIR = flags.DEFINE_string('workdir', None, 'where trials and tables stand')
_SWEEP = flags.DEFINE_multi_string(
  'sweep', [], 'a field and its values, as in model.num_heads=1,2,4'
)
_SEEDS = flags.DEFINE_integer(
  'seeds', None, 'of each combination: 0, 1, ...', 1
)
_ENGINE = flags.DEFINE_enum(
  'engine', engines.LOCAL, engines.NAMES, 'where the trials train'
)
_WORKERS = flags.DEFINE_integer(
  'workers', None, 'local processes; by default one a GPU, or one a core', 1
)
_SLURM = config_flags.DEFINE_config_dict(
  'slurm',
  engines.slurm_options(),
  'for --engine=slurm, as in --slurm.time=60: '
  + ', '.join(engines.slurm_options()),
)
_DRY_RUN = flags.DEFINE_bool(
  'dry_run', False, 'show trials, memory and time, and train nothing'
)
_RETRY_FAILED = flags.DEFINE_bool(
  'retry_failed', False, 'train what failed before again'
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'put the tables into this Markdown file as well'
)
_POLL_SECONDS = 0.2


def main() -> None:
  """Plans, trains what is missing, writes the tables."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; try --workdir=runs/sweep')
  if not _CONFIG.value:
    cli.fail('--config is missing; try --config=configs/cora.py')
  workdir = pathlib.Path(_WORKDIR.value).absolute()
  planned = plan(workdir)
  console = Console()
  if _DRY_RUN.value:
    plans.show(planned, console)
    return
  with workdirs.hold(workdir), cli.StopRequest() as stop:
    if _RETRY_FAILED.value:
      for trial in planned:
        trial.forget_failure()
    train(workdir, planned, console, stop)
    summary = summaries.make(planned, command())
    summaries.write(summary, planned, workdir, _OUTPUT.value)
  console.print(*summaries.tables(summary), sep='\n')
  finish(planned, console, stop)


def plan(workdir: pathlib.Path) -> list[trials.Trial]:
  """Every trial of every config."""
  found = []
  for path in _CONFIG.value:
    config, own = hyper.load(path)
    changes = hyper.product(
      *(hyper.parse(text, config) for text in _SWEEP.value)
    )
    if not _SWEEP.value and own is not None:
      changes = own
    if _SEEDS.value:
      changes = hyper.reseed(changes, _SEEDS.value)
    found += trials.make(workdir, config, changes)
  return found


def train(
  workdir: pathlib.Path,
  planned: list[trials.Trial],
  console: Console,
  stop: cli.StopRequest,
) -> None:
  """Trains what waits, until nothing does or a signal comes."""
  waiting = [t for t in planned if t.status() is trials.Status.WAITING]
  if not waiting:
    return
  num_workers = {
    engines.LOCAL: _WORKERS.value or engines.num_places(),
    engines.SLURM: _SLURM.value.array_parallelism,
    engines.DEBUG: 1,
  }[_ENGINE.value]
  pool = engines.Pool(
    workdir / 'jobs', _ENGINE.value, num_workers, _SLURM.value
  )
  with _accounted(console), Dashboard(planned, console) as dashboard:
    pool.start(trials.split(trials.group(waiting), num_workers))
    stopping = False
    while pool.busy:
      if stop and not stopping:
        stopping = True
        pool.stop()
      for group, reason in pool.ended():
        if reason and not stopping:
          settle(group, reason)
        dashboard.ended(group)
      dashboard.show(pool.running)
      time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _accounted(console: Console) -> Iterator[None]:
  """Says how long it took, and how much of a core this process used for it."""
  wall, own = time.perf_counter(), time.process_time()
  yield
  wall = time.perf_counter() - wall
  share = (time.process_time() - own) / wall
  console.print(
    f'trained for {wall / 60:.1f} min; coordinating took {share:.1%} of a core'
  )


def command() -> str:
  """The flags that decide what is trained, as they were given."""
  words = [f'--config={",".join(_CONFIG.value)}']
  words += [f"--sweep '{text}'" for text in _SWEEP.value]
  words += [f'--seeds={_SEEDS.value}'] if _SEEDS.value else []
  return ' '.join(['python -m experiments.sweep', *words])


def settle(group: trials.Group, reason: str) -> None:
  """Makes the trials failed ones that a lost process left without a result."""
  for trial in group.trials:
    if trial.status() is trials.Status.WAITING:
      worker.record_error(trial, reason)


def finish(
  planned: list[trials.Trial], console: Console, stop: cli.StopRequest
) -> None:
  """Says where everything is, and leaves with the exit code that fits."""
  by_status = {status: 0 for status in trials.Status}
  for trial in planned:
    by_status[trial.status()] += 1
    if error := trial.error():
      console.print(f'{trial.name} failed: {error}', style='bold red')
  counts = ', '.join(f'{n} {s.value}' for s, n in by_status.items() if n)
  console.print(f'{counts}; everything is in {_WORKDIR.value}', soft_wrap=True)
  if by_status[trials.Status.FAILED]:
    console.print('--retry_failed tries the failed ones again')
  if by_status[trials.Status.WAITING]:
    console.print('the same command goes on with those that wait')
  if stop:
    sys.exit(stop.exit_code)
  if by_status[trials.Status.FINISHED] < len(planned):
    sys.exit(cli.BROKEN)


if __name__ == '__main__':
  cli.run(main)
