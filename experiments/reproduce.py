r"""Trains the rows of the paper's tables and says whether the paper holds.

Try:
  python -m experiments.reproduce --table=all           # goes on with results/
  python -m experiments.reproduce --table=cora --workdir=runs/paper
  python -m experiments.reproduce --table=ablations --workdir=runs/paper
  python -m experiments.reproduce --table=cora --rows=GAT,GCN-64 \
      --workdir=runs/paper
  python -m experiments.reproduce --table=ppi --rows=GAT --seeds=2 \
      --workdir=runs/paper
  python -m experiments.reproduce --table=smoke --seeds=4 \
      --workdir=runs/try                                     # needs no file

Tables: cora, citeseer, pubmed, ppi, ablations (on Cora), citeseer-ablations,
pubmed-ablations, ppi-ablations, smoke; all is the first four. The workdir is
results/ if none is given: the seeds that the repository keeps are not trained
again. Stopped or killed, the same command goes on; a later one adds tables,
rows and seeds. Writes into the workdir:
  seeds/                    a file a row, with a line for each finished seed
  unfinished/               runs of seeds that train, and their checkpoints;
                            empty when all have finished
  runs/                     with --keep_runs: what each program left, for
                            experiments.report and experiments.predict
  reproduction.json, .csv   the tables of all that is there, for machines:
                            scores, differences: fractions between 0 and 1
  reproduction.md, .tex     the same for people, in per cent
"""

import sys

from absl import flags

from experiments import cli
from experiments import documents
from experiments.reproduction import formats
from experiments.reproduction import reports
from experiments.reproduction import tables
from experiments.reproduction import training
from gat_jax.runs import workdirs

_TABLE = flags.DEFINE_string('table', None, 'which table, or all')
_WORKDIR = cli.path_flag('workdir', 'where seeds and tables stand', 'results')
_SEEDS = flags.DEFINE_integer(
  'seeds',
  None,
  "of each row; the paper's 100, on PPI 10, and fewer of some others, if not"
  ' given',
  1,
)
_ROWS = flags.DEFINE_list('rows', None, 'only these rows, by name')
_AT_ONCE = flags.DEFINE_integer(
  'at_once',
  None,
  'seeds that one program trains; by default for each device five, on a GPU or'
  ' TPU 50; on PPI one',
  1,
)
_KEEP = flags.DEFINE_bool(
  'keep_runs', False, 'keep metrics and parameters of what is trained, in runs/'
)
_MARGIN = flags.DEFINE_float(
  'margin',
  100 * reports.MARGIN,
  'points of %: smaller differences count as reproduced',
  0.0,
  99.0,
)
_OUTPUT = cli.path_flag(
  'output', 'write the Markdown table to this file as well'
)


def main() -> None:
  """Trains what is missing, then writes the tables."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; leave it out for results/')
  console = cli.Console()
  chosen = tables.named(_TABLE.value)
  rows = tables.rows_of(chosen, _ROWS.value or ())
  with workdirs.hold(_WORKDIR.value), cli.StopRequest() as stop:
    if _OUTPUT.value:
      documents.check_file(_OUTPUT.value)
    for row, paper_seeds in rows.items():
      num_seeds = _SEEDS.value or paper_seeds
      if not training.train_row(
        _WORKDIR.value,
        row,
        num_seeds,
        _AT_ONCE.value,
        console,
        stop,
        keep_runs=_KEEP.value,
      ):
        console.print(
          f'what is done stands in {_WORKDIR.value}; the same command goes on',
          soft_wrap=True,
        )
        sys.exit(stop.exit_code)
    report = reports.collect(_WORKDIR.value, _MARGIN.value / 100)
    formats.write(report, _WORKDIR.value, _OUTPUT.value)
  for name in chosen:
    if name in report.tables:
      console.print(formats.terminal(report.tables[name]))
  console.print(f'everything is in {_WORKDIR.value}', soft_wrap=True)


if __name__ == '__main__':
  cli.run(main)
