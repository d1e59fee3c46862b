"""What all commands share, without starting one."""

import ast
import os
import pathlib
import subprocess
import sys
import time

from absl import flags
import narrow
import numpy as np
import pytest
from rich.table import Table

from experiments import arguments
from experiments import cli
from experiments import documents
from experiments import progress
from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError
from gat_jax.errors import did_you_mean

ROOT = pathlib.Path(__file__).parents[1]
SLOW = '--xla_backend_extra_options=-nvptx-allow-ftz-atomics'


@pytest.mark.parametrize(
  ('version', 'is_slow'),
  [
    ('0.8.1', False),
    ('0.10.1', False),
    ('0.10.2', True),
    ('0.11.0', True),
    ('0.11.0.dev20260701', True),
    ('0.11.1', False),
    ('0.12.0.1', False),
  ],
)
def test_versions_that_are_slow_on_a_gpu_are_named(version, is_slow):
  warning = cli.slow_gpu(version, True, {})
  assert (warning is not None) == is_slow
  if is_slow:
    assert version in warning
    assert SLOW in warning
  assert cli.slow_gpu(version, False, {}) is None
  assert cli.slow_gpu(version, True, {'XLA_FLAGS': f'--a {SLOW}'}) is None


def test_programs_are_kept_for_so_many_cores(tmp_path):
  """What XLA compiles for one core keeps to it, also where there are more."""
  script = (
    'import os, jax\nfrom experiments import cli\n'
    'os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n'
    'cli.set_up_jax()\nprint(jax.config.jax_compilation_cache_dir)'
  )
  own = ('JAX_COMPILATION_CACHE_DIR', 'JAX_NUM_CPU_DEVICES')
  environment = {k: v for k, v in os.environ.items() if k not in own}
  done = subprocess.run(
    [sys.executable, '-c', script],
    cwd=ROOT,
    env=environment | {'XDG_CACHE_HOME': str(tmp_path)},
    capture_output=True,
    text=True,
    check=True,
  )
  folder = tmp_path / 'gat_jax' / 'compiled-1-cores'
  assert done.stdout.strip() == str(folder)


@pytest.fixture
def known(monkeypatch):
  """Flags of a command that trains."""
  values = flags.FlagValues()
  flags.DEFINE_string('config', None, '', flag_values=values)
  flags.DEFINE_string('workdir', None, '', flag_values=values)
  monkeypatch.setattr(flags, 'FLAGS', values)
  return values


def test_names_of_the_library_become_flags_of_the_command(known):
  error = ConfigError(
    'config.seed', 'too large', 'lower `config.num_seeds` or move `workdir`'
  )
  assert str(error) == (
    'config.seed: too large; lower `config.num_seeds` or move `workdir`'
  )
  assert cli.as_flags(error) == (
    '--config.seed: too large; lower --config.num_seeds or move --workdir'
  )


@pytest.mark.filterwarnings('ignore:the load_module')  # of ml_collections
@pytest.mark.parametrize(
  ('words', 'error'),
  [
    ((), '--config: missing; try --config=configs/cora.py'),
    (
      ('--config=configs/coar.py',),
      '--config=configs/coar.py: there is no such file; did you mean'
      ' configs/cora.py?',
    ),
  ],
)
def test_a_config_that_is_not_there_is_bad_input(monkeypatch, words, error):
  """And no exit at once: where there are other hosts, they are told."""
  values = flags.FlagValues()
  monkeypatch.setattr(flags, 'FLAGS', values)
  monkeypatch.chdir(ROOT)
  holder = arguments.config_flag('config', '', values)
  values(['command', *words])
  with pytest.raises(ConfigError) as caught:
    cli.config_of(holder)
  assert cli.as_flags(caught.value) == error


def test_names_that_are_no_flags_stay(known):
  error = WorkdirError('runs/workdir/best', 'damaged', 'name a `seed`')
  assert cli.as_flags(error) == 'runs/workdir/best: damaged; name a seed'


def test_folder_of_the_data_is_a_flag_of_its_own_where_there_is_no_config(
  known,
):
  del known.config
  flags.DEFINE_string('data_dir', None, '', flag_values=known)
  error = ConfigError('config.data_dir', 'is no folder')
  assert cli.as_flags(error) == '--data_dir: is no folder'


TEXT = 'runs/lr[/b]/[bold]gat:cat:'


def test_what_is_printed_is_shown_as_it_is(capsys):
  console = cli.Console()
  table = Table('column', title=TEXT, caption=TEXT)
  table.add_row(TEXT)
  console.print(TEXT, table, sep='\n')
  with console.status(TEXT) as status:
    status.update(f'{TEXT} {TEXT}')
    console.print(status.renderable.text)
  assert capsys.readouterr().out.count(TEXT) == 6


def test_only_the_terminal_makes_consoles_and_nothing_reads_markup():
  """Else the text of a path, a name or an error is read as markup again."""
  for path in (ROOT / 'experiments').rglob('*.py'):
    text = path.read_text()
    assert 'from_markup' not in text, path
    nodes = list(ast.walk(ast.parse(text)))
    of_rich = {
      alias.name
      for node in nodes
      if isinstance(node, ast.ImportFrom) and str(node.module)[:4] == 'rich'
      for alias in node.names
    }
    for call in (node for node in nodes if isinstance(node, ast.Call)):
      name = ast.unparse(call.func)
      readers = of_rich & {'Console', 'Panel', 'Status', 'print'}
      assert name not in readers, path
      if name == 'TextColumn':
        assert 'markup=False' in ast.unparse(call), path


FIELDS = ('seed', 'num_seeds', 'model.num_heads', 'model.name', 'dataset.name')


@pytest.mark.parametrize(
  ('word', 'known', 'remedy'),
  [
    ('seeed', FIELDS, 'did you mean seed?'),
    ('model.num_head', FIELDS, 'did you mean model.num_heads?'),
    ('modle.num_heads', FIELDS, 'did you mean model.num_heads?'),
    ('num_heads', FIELDS, 'did you mean model.num_heads?'),
    ('model.seed', FIELDS, 'did you mean seed?'),
    ('name', FIELDS, 'did you mean model.name or dataset.name?'),
    ('xyz', FIELDS, 'otherwise'),
    ('configs/coar.py', ['configs/cora.py'], 'did you mean configs/cora.py?'),
    ('other.py', ['configs/cora.py', 'configs/ppi.py'], 'otherwise'),
  ],
)
def test_names_that_were_meant(word, known, remedy):
  assert did_you_mean(word, known, 'otherwise') == remedy


RESULT = runs.Result(
  dataset='a_data_set_with_a_long_name ' * 3,
  metric='micro_f1',
  num_parameters=1,
  seeds=tuple(
    runs.SeedResult(2**31 - 1 - i, 0.98765, 1.0, 0.1, 12_345, 123_456)
    for i in range(3)
  ),
  compile_seconds=12345.6,
  train_seconds=123456.7,
)


def test_results_of_a_run_fit_in_a_narrow_terminal():
  text = narrow.shown(progress.result_table(RESULT))
  words = ' '.join(text.split())
  assert 'micro-F1 in %' in words
  assert 'mean ± sample deviation, 3 seeds' in words
  for cell in ('2147483647', '98.8', '98.77 ± 0.00', '12,345', '123,456'):
    assert cell in text
  (mean,) = [line for line in text.splitlines() if '98.77' in line]
  assert '12,345' not in mean  # the epochs that were kept have no mean


@pytest.mark.parametrize(
  ('scores', 'said'),
  [
    ((-np.inf, -np.inf), 'epoch 2, 2 of 2 seeds running'),
    ((0.5, -np.inf), 'epoch 2, validation accuracy 50.0 %, loss 1.000, 2'),
  ],
)
def test_what_is_not_validated_yet_is_not_shown(scores, said, capsys):
  observer = progress.TerminalObserver(cli.Console())
  observer._metric = 'accuracy'
  scores = np.array(scores)
  losses = np.where(np.isfinite(scores), 1.0, np.inf)
  both = np.array([True, True])
  observer.on_evaluation(
    runs.Evaluation(both, 2 * both, both, losses, losses, scores)
  )
  assert capsys.readouterr().out.startswith(said)


LINES = [
  ['name', 'first score', 'second score', 'a very long third score', 'other'],
  ['a_name_of_one_word', '98.77 ± 0.12', '', '12 ± 3', 'x'],
  ['short', '1.00 ± 0.00', '5 of 7', '', 'some words'],
]


@pytest.mark.parametrize('width', [33, 50, 60, 80, 120])
@pytest.mark.parametrize('wraps', [(), ('other',)])
def test_a_table_in_a_terminal_breaks_no_cell(width, wraps):
  important = ('name', 'first score')
  table = documents.TerminalTable(
    TEXT, LINES, important=important, wraps=wraps, file='all.md'
  )
  text = narrow.shown(table, width=width)
  narrow.check_whole(LINES, text, important, wraps)
  assert ('left out here, but in all.md' in text) == (width in (50, 60))


class Garbage:
  """Ctrl-C falls into what is done while it is collected."""

  def __del__(self):
    raise KeyboardInterrupt


def collect_garbage_and_wait():
  with cli._interruptible():
    Garbage()
    time.sleep(10)


def test_ctrl_c_while_garbage_is_collected_counts():
  with pytest.raises(KeyboardInterrupt):
    collect_garbage_and_wait()
