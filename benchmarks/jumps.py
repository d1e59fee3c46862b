r"""Finds where training jumps: where its loss is suddenly many times higher.

Try:
  python -m experiments.train --config=configs/ppi.py --workdir=runs/ppi
  python -m benchmarks.jumps runs/ppi
  python -m experiments.reproduce --table=ppi --rows=GAT --workdir=runs/paper \
      --keep_runs
  python -m benchmarks.jumps runs/paper/runs/* --output=RESULTS.md

A folder is that of a run that logged every epoch; of one that has not finished
it tells what is there. Rows of other runs, which the file has already, stay. A
jump begins in an epoch whose training loss is three times the median of the ten
before it, none of which was one.
"""

import argparse
import math
import pathlib
import statistics
from typing import NamedTuple

from benchmarks import outputs
from experiments import documents
from gat_jax import runs
from gat_jax.errors import InputError
from gat_jax.errors import WorkdirError
from gat_jax.runs import settings
from gat_jax.runs import workdirs

_TIMES = 3.0
_BEFORE = 10
_TOLD = ('adam_epsilon', 'batch_shapes', 'model.name', 'model.fused_fan')


class Jump(NamedTuple):
  """A jump of the training loss.

  Attributes:
    epoch: in which it begins.
    times: the highest loss within it, by the median before it.
  """

  epoch: int
  times: float


def find(losses: list[float]) -> list[Jump]:
  """The jumps of a training, from its loss after each epoch, in order."""
  found: list[Jump] = []
  for index in range(_BEFORE, len(losses)):
    if found and index + 1 - found[-1].epoch <= _BEFORE:
      continue
    before = statistics.median(losses[index - _BEFORE : index])
    if losses[index] > _TIMES * before:
      highest = max(losses[index : index + _BEFORE])
      found.append(Jump(index + 1, highest / before))
  return found


def of_run(workdir: pathlib.Path) -> list[dict[str, str]]:
  """A line a seed of a run; of an unfinished one, without its score.

  Raises:
    WorkdirError: if it is no run, or did not log every epoch.
  """
  stored = workdirs.read_json(workdir, workdirs.CONFIG)
  config = settings.flat(settings.complete(stored))
  finished = {}
  if (workdir / workdirs.RESULTS).exists():
    finished = {seed.seed: seed for seed in runs.read_result(workdir).seeds}
  logged = _losses(workdir)
  for seed, result in finished.items():
    if (count := len(logged.get(seed, []))) != result.epochs:
      raise WorkdirError(
        workdir,
        f'has {count} of {result.epochs} epochs of seed {seed} in its log',
        'train with --config.log_every=1',
      )
  lines = []
  for seed, losses in logged.items():
    jumps = find(losses)
    result = finished.get(seed)
    lines.append(
      {
        'run': workdir.name,
        **{name: str(config[name]) for name in _TOLD},
        'seed': str(seed),
        'epochs': f'{len(losses)}{"" if result else ", unfinished"}',
        'jumps': str(len(jumps)),
        'in epochs': ', '.join(str(jump.epoch) for jump in jumps),
        'highest': f'{max(j.times for j in jumps):.0f} x' if jumps else '',
        'lowest loss': f'{min(losses):.4f}',
        'kept epoch': str(result.best_epoch) if result else '',
        'test, %': documents.per_cent(result.test) if result else '',
      }
    )
  return lines


def _losses(workdir: pathlib.Path) -> dict[int, list[float]]:
  """The training loss of every epoch, by seed."""
  losses: dict[int, list[float]] = {}
  for line in workdirs.read_metrics(workdir):
    before = losses.setdefault(line['seed'], [])
    if line['epoch'] != len(before) + 1:
      raise WorkdirError(
        workdir,
        f'logged epoch {line["epoch"]} of seed {line["seed"]} after epoch'
        f' {len(before)}',
        'train with --config.log_every=1',
      )
    loss = line['train_loss']  # null where it was not finite
    before.append(math.inf if loss is None else loss)
  return losses


def main() -> None:
  """Prints a line a seed, and puts them into a file."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('workdirs', nargs='+', type=pathlib.Path)
  parser.add_argument('--output', **outputs.FLAG)
  args = parser.parse_args()
  try:
    lines = [line for path in args.workdirs for line in of_run(path)]
  except InputError as error:
    parser.error(str(error))
  text = documents.records_table(lines)
  print(text)
  if args.output:
    said = (
      '## Where training jumps\n\nWritten by `python -m benchmarks.jumps`: a'
      f' jump is an epoch whose training loss is {_TIMES:g} times the median of'
      f' the {_BEFORE} before it.'
    )
    num_keys = list(lines[0]).index('epochs')  # before it: which run it is
    table = documents.with_kept_rows(args.output, 'jumps', text, num_keys)
    documents.put_section(args.output, 'jumps', f'{said}\n\n{table}')


if __name__ == '__main__':
  main()
