"""Draws what a run, a reproduction or a sweep found, as one page.

Try:
  python -m experiments.report --workdir=runs/cora-20260101-120000
  python -m experiments.report --workdir=runs/mine --seed=3 --node=1701
  python -m experiments.report --workdir=runs/mine --layer=1 --head=2
  python -m experiments.report --workdir=runs/paper      # of reproduce
  python -m experiments.report --workdir=runs/heads      # of sweep

Writes report.html, which needs no network, into the workdir or --output, and
every picture of it as PNG and SVG under pictures/. It trains nothing. The page
of a run needs its data; that of a reproduction shows the seeds that have
finished so far, that of a sweep what stood in its last tables.
"""

from collections.abc import Callable
import pathlib
import time

from absl import flags

from experiments import cli
from experiments.pages import drawing
from experiments.pages import reproduction
from experiments.pages import run
from experiments.pages import sweep
from experiments.pages.page import Page
from experiments.sweeps import summaries
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs

_WORKDIR = cli.path_flag('workdir', 'a folder of train, reproduce or sweep')
_OUTPUT = cli.path_flag(
  'output', 'the folder to write to; by default the workdir'
)
_SEED = flags.DEFINE_integer(
  'seed', None, "of a run: whose predictions; by default the best validation's"
)
_NODE = flags.DEFINE_integer(
  'node', None, 'of a run: whose neighbourhood is drawn', 0
)
_LAYER = flags.DEFINE_integer(
  'layer',
  None,
  'of a run: the layer whose attention is drawn around --node, counted from 1;'
  ' by default all',
  1,
)
_HEAD = flags.DEFINE_integer(
  'head',
  None,
  'of a run: the head whose attention is drawn around --node, counted from 1,'
  ' in the layers that have it; by default the mean of all heads',
  1,
)
_GRAPH = flags.DEFINE_integer(
  'graph', 0, 'of a run: which of the graphs with test nodes --node is in', 0
)
_DATA_DIR = cli.path_flag(
  'data_dir', 'where the data are now, if not where training found them'
)


def main() -> None:
  """Writes the page of whatever the workdir holds."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; name a folder of train, reproduce or sweep')
  start = time.perf_counter()
  workdir = pathlib.Path(_WORKDIR.value)
  console = cli.Console()
  with drawing.style(), console.status('drawing'):
    page = maker(workdir)(workdir)
    path = page.write(pathlib.Path(_OUTPUT.value or workdir))
  seconds = time.perf_counter() - start
  console.print(
    f'{path} ({path.stat().st_size / 1e6:.1f} MB) and {len(page.charts)}'
    f' pictures beside it, in {seconds:.0f} s',
    soft_wrap=True,
  )


def maker(workdir: pathlib.Path) -> Callable[[pathlib.Path], Page]:
  """Chooses what makes the page, by the files that the folder holds.

  Raises:
    ConfigError: if a flag is for another kind of folder.
    WorkdirError: if the folder holds nothing that has a page.
  """
  if (workdir / summaries.FILE).exists():
    check_flags('a sweep')
    return sweep.make
  if reproduction.is_one(workdir):
    check_flags('a reproduction')
    return reproduction.make
  if (workdir / workdirs.RESULTS).exists():
    return lambda folder: run.make(
      folder,
      run.Wanted(
        seed=_SEED.value,
        graph=_GRAPH.value,
        view=run.View(_NODE.value, _LAYER.value, _HEAD.value),
        data_dir=_DATA_DIR.value,
      ),
    )
  if (workdir / workdirs.CONFIG).exists():
    raise WorkdirError(
      '--workdir',
      f'{workdir} holds a run that has not finished',
      'the command that began it goes on',
    )
  raise WorkdirError(
    '--workdir',
    f'{workdir} holds neither a run, nor a reproduction, nor a sweep that has'
    ' written its tables',
    'name a folder that train, reproduce or sweep wrote',
  )


def check_flags(kind: str) -> None:
  """Refuses the flags that only the page of a run has a use for.

  Raises:
    ConfigError: if one of them is given.
  """
  for flag in (_SEED, _NODE, _LAYER, _HEAD, _GRAPH, _DATA_DIR):
    if flag.present:
      raise ConfigError(
        f'--{flag.name}',
        f'is for the report of a run; {_WORKDIR.value} is {kind}',
        'leave it out',
      )


if __name__ == '__main__':
  cli.run(main, on_hosts='first')
