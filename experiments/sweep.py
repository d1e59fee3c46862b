r"""Trains every combination of some fields, on this machine or on Slurm.

Try:
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/heads
  python -m experiments.sweep --config=configs/smoke.py --workdir=runs/try \
      --sweep 'model.num_heads=1,2' --seeds=2                # needs no file
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/mine \
      --sweep 'model.num_heads=1,2,4,8' --sweep 'learning_rate=1e-3,5e-3' \
      --seeds=10
  python -m experiments.sweep --config=configs/cora.py,configs/citeseer.py \
      --config.max_epochs=200 --config.stop_rule=none --workdir=runs/both \
      --dry_run
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/heads \
      --engine=slurm --slurm.partition=gpu --slurm.time=60
  python -m experiments.sweep --config=configs/cora.py --workdir=runs/tpe \
      --search=tpe --combinations=50 \
      --sweep 'learning_rate=1e-4..1e-1:log' \
      --sweep 'model.num_heads=1,2,4,8' --seeds=3
  WANDB_MODE=offline python -m experiments.sweep --config=configs/smoke.py \
      --workdir=runs/try --track=wandb      # or mlflow: docs/guides/tracking.md

Without --sweep a config's own get_hyper says what is swept: heads x hidden x
seeds. --config.field=value sets a field in every config, for all trials. A
trial is one combination of values with one seed. Trials that differ in learning
rate, L2, dropout, patience, max_epochs or seed share one compiled program.
Stopped or killed, the same command goes on; finished trials are never trained
again. --dry_run shows a plan within seconds, from shapes and from what training
took before; --dry_run=measure compiles and times each group, which takes
minutes. With --search each combination is chosen by those before it, and ended
early if it does worse than half of them; --sweep may then give a range.

Writes into the workdir:
  trials.csv, .jsonl      a line a trial, for machines
  sweep.json              a row a combination, over its seeds, for machines:
                          scores are fractions between 0 and 1, as in trials.*
  sweep.md, heatmap-*     the same for people, in per cent
  trials/                 a folder a trial, as experiments.train leaves it;
                          tensorboard --logdir trials compares them in HParams
  groups/                 checkpoints of trials that train, or were interrupted
  jobs/                   logs of the workers; search.journal: Optuna's study
"""

import os
import pathlib
import shlex
import sys

from absl import flags
from ml_collections import config_flags
from rich.console import Console

from experiments import cli
from experiments import documents
from experiments import tracking
from experiments.sweeps import config_flag
from experiments.sweeps import coordinator
from experiments.sweeps import engines
from experiments.sweeps import hyper
from experiments.sweeps import outputs
from experiments.sweeps import places
from experiments.sweeps import plans
from experiments.sweeps import sources
from experiments.sweeps import summaries
from experiments.sweeps import trials
from gat_jax.errors import did_you_mean
from gat_jax.runs import workdirs

_CONFIG = flags.DEFINE_flag(
  config_flag.ConfigFilesFlag(
    'config', 'files of configs/, as in --config=configs/cora.py'
  )
)
_WORKDIR = cli.path_flag('workdir', 'for the trials and the tables')
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
_SEARCH = flags.DEFINE_enum(
  'search', None, ['tpe'], 'try --combinations, each chosen by this'
)
_COMBINATIONS = flags.DEFINE_integer(
  'combinations', None, 'how many combinations --search tries', 1
)
flags.DEFINE_alias('trials', 'combinations')  # its name before
_MEASURE = 'measure'


class _DryRunParser(flags.BooleanParser):
  """`--dry_run` is True, `--nodry_run` is False; another value is a word."""

  def parse(self, argument: str | bool) -> str | bool:
    if argument == _MEASURE:
      return _MEASURE
    try:
      return super().parse(argument)
    except ValueError:
      known = ('true', 'false', _MEASURE)
      remedy = did_you_mean(argument, known, f'take one of {", ".join(known)}')
      raise ValueError(f'there is no such way; {remedy}') from None


_DRY_RUN = flags.DEFINE_flag(
  flags.Flag(
    _DryRunParser(),
    flags.ArgumentSerializer(),
    'dry_run',
    False,
    'show trials, memory and time, and train nothing; --dry_run=measure'
    ' compiles and times each group first',
    boolean=True,
    allow_override=True,
  )
)
_RETRY_FAILED = flags.DEFINE_bool(
  'retry_failed', False, 'train what failed before again'
)
_DISCARD_UNREADABLE = flags.DEFINE_bool(
  'discard_unreadable',
  False,
  'train anew where an interrupted group has checkpoints and none can be used',
)
_TRACK = tracking.define_flag('track')
_OUTPUT = cli.path_flag(
  'output', 'put the tables into this Markdown file as well'
)


def main() -> None:
  """Plans, trains what is missing, writes the tables."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; try --workdir=runs/sweep')
  if not _CONFIG.value:
    cli.fail('--config is missing; try --config=configs/cora.py')
  workdir = workdirs.folder(_WORKDIR.value).absolute()
  engines.check_path(workdir, _ENGINE.value)
  source = plan(workdir)
  console = cli.Console()
  if _DRY_RUN.value:
    show(source, console)
    return
  check_platform()
  with workdirs.hold(workdir), cli.StopRequest() as stop:
    if _OUTPUT.value:
      documents.check_file(_OUTPUT.value)
    source.begin(_RETRY_FAILED.value)
    if not source.done:
      coordinator.train(source, pool(workdir), console, stop)
    summary = summaries.make(source.trials, command())
    outputs.write(summary, source.trials, workdir, _OUTPUT.value)
  console.print(*outputs.for_terminal(summary), sep='\n')
  for words in outputs.advice(summary):
    console.print(words, highlight=False)
  finish(source, workdir, console, stop)


def plan(workdir: pathlib.Path) -> sources.Source:
  """What the flags ask for; nothing is written."""
  if bool(_SEARCH.value) != bool(_COMBINATIONS.value):
    cli.fail(
      '--search and --combinations go together: --search=tpe --combinations=50'
    )
  files = _CONFIG.value
  if _SEARCH.value:
    if len(files) > 1:
      cli.fail(
        '--search takes one --config; give each a search and a --workdir'
      )
    from experiments.sweeps.searches import search  # slow to import

    (file,) = files
    return search.Search(
      workdir, file.config, changes(file), _COMBINATIONS.value
    )
  planned: list[trials.Trial] = []
  for file in files:
    own = trials.make(workdir, file.config, changes(file))
    twice = {t.dataset for t in planned} & {t.dataset for t in own}
    if twice:
      cli.fail(
        f'two of --config are on {min(twice)}, and there is one table for each'
        ' data set; give them a --workdir each'
      )
    planned += own
  return sources.Grid(planned)


def changes(file: config_flag.ConfigFile) -> hyper.Sweep:
  """What --sweep, or else the file's get_hyper, changes in its config."""
  parsed = [hyper.parse(text, file.config) for text in _SWEEP.value]
  found = hyper.product(*parsed)
  if not parsed and file.sweep is not None:
    found = file.sweep
  if _SEEDS.value:
    found = hyper.reseed(found, _SEEDS.value)
  flags.FLAGS[_CONFIG.name].check(found)
  return found


def show(source: sources.Source, console: Console) -> None:
  """What --dry_run shows."""
  cli.check_platform()
  measure = _DRY_RUN.value == _MEASURE
  if isinstance(source, sources.Grid):
    plans.show(source.trials, console, measure=measure)
  else:
    corners = [source.corner(min), source.corner(max)]
    plans.show_search(
      source.fields, corners, _COMBINATIONS.value, console, measure=measure
    )


def check_platform() -> None:
  """Says before anything is written that $JAX_PLATFORMS has no device here."""
  if _ENGINE.value == engines.DEBUG:
    cli.check_platform()  # it is this process that trains
  elif _ENGINE.value == engines.LOCAL and os.environ.get('JAX_PLATFORMS'):
    places.look()


def pool(workdir: pathlib.Path) -> engines.Pool:
  """The workers that the flags ask for."""
  local: list[places.Place] = []
  num_workers = 1
  if _ENGINE.value == engines.LOCAL:
    local = places.find(_WORKERS.value)
    num_workers = len(local)
  elif _ENGINE.value == engines.SLURM:
    num_workers = _SLURM.value.array_parallelism
  return engines.Pool(
    workdir, _ENGINE.value, num_workers, _SLURM.value, local, track=_TRACK.value
  )


def command() -> str:
  """What trains the same trials in the same folder, for a shell."""
  words = ['python', '-m', 'experiments.sweep']
  words.append(f'--config={",".join(file.path for file in _CONFIG.value)}')
  words += flags.FLAGS[_CONFIG.name].words
  words += [f'--sweep={text}' for text in _SWEEP.value]
  words += [f'--seeds={_SEEDS.value}'] if _SEEDS.value else []
  if _SEARCH.value:
    words.append(f'--search={_SEARCH.value}')
    words.append(f'--combinations={_COMBINATIONS.value}')
  return shlex.join([*words, f'--workdir={_WORKDIR.value}'])


def finish(
  source: sources.Source,
  workdir: pathlib.Path,
  console: Console,
  stop: cli.StopRequest,
) -> None:
  """Says where everything is, and leaves with the exit code that fits."""
  by_status = {status: 0 for status in trials.Status}
  for trial in source.trials:
    by_status[trial.status()] += 1
    if error := trial.error():
      console.print(f'{trial.name} failed: {error}', style='bold red')
  # In a search also those that it has not chosen yet.
  by_status[trials.Status.WAITING] += source.total - len(source.trials)
  folders = [trial.folder for trial in source.trials]
  for problem in tracking.problems(_TRACK.value, folders):
    console.print(problem, style='yellow', soft_wrap=True)
  counts = ', '.join(f'{n} {s.value}' for s, n in by_status.items() if n)
  console.print(f'{counts}; everything is in {workdir}', soft_wrap=True)
  if by_status[trials.Status.FAILED]:
    console.print('the same command with --retry_failed trains those anew')
  if by_status[trials.Status.WAITING]:
    console.print('the same command goes on with those that wait')
  if stop:
    sys.exit(stop.exit_code)
  if by_status[trials.Status.FAILED] or by_status[trials.Status.WAITING]:
    sys.exit(cli.BROKEN)


if __name__ == '__main__':
  cli.run(main, starts_jax=False)  # the workers do
