"""--dry_run: a plan without compiling, and better with what is remembered."""

from concurrent import futures
import io
import json
import logging
import math
import pathlib
import re

import commands
import jax
import pytest
import realdata
from rich.console import Console
import small_sweeps

from configs import smoke
from experiments.sweeps import hyper
from experiments.sweeps import plans
from experiments.sweeps import trials
from experiments.sweeps.plans import costs
from experiments.sweeps.plans import estimates
from experiments.sweeps.plans import records
from gat_jax import nn
from gat_jax import runs

# Of submitit's debug engine, which leaves its log files open.
pytestmark = pytest.mark.filterwarnings('ignore:.*FileIO.*')
# The training program; see gat_jax.training.over_replicas.
COMPILED = 'Compiling jit(on_one_device)'
CARD = {'digest': 'of the data'}
CORA = 'cora', ('planetoid', 'ind.cora.graph')
CITESEER = 'citeseer', ('planetoid', 'ind.citeseer.graph')
PPI = 'ppi', ('ppi', 'ppi.zip')
FAST = {'model.dropout_rate': 0.0}  # it compiles faster


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
  """The folder of the records, in an empty cache."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  return tmp_path / 'cache' / 'gat_jax' / 'costs'


@pytest.fixture
def fresh(environment, tmp_path):
  """For commands, which remember nothing yet that another test has trained."""
  return environment | {'XDG_CACHE_HOME': str(tmp_path / 'cache')}


def said(workdir, *sweeps, measure=False, fields=()):
  console = Console(file=io.StringIO(), width=160, markup=False)
  grid = small_sweeps.grid(workdir, small_sweeps.sweep(*sweeps), fields)
  plans.show(grid.trials, console, measure=measure)
  return console.file.getvalue()


def rows(text):
  """The group, memory, milliseconds and origin of each group."""
  cells = [
    re.split(' {2,}', line.strip())
    for line in text.splitlines()
    if ' MB ' in line
  ]
  return [[row[0], row[2], row[3], row[5]] for row in cells]


def test_a_plan_compiles_no_training_and_writes_nothing(
  own_cache, tmp_path, caplog
):
  with jax.log_compiles(), caplog.at_level(logging.WARNING):
    text = said(tmp_path / 'w', 'model.hidden_dim=2,30000', 'patience=5,6')
  assert COMPILED not in caplog.text
  assert '8 trials' in text
  assert 'hours on one core' in text
  assert 'shapes: by the sizes of data and model' in text
  small, large = rows(text)
  assert small[0] == 'csbm hidden_dim=2'
  assert float(small[2]) < float(large[2])
  assert {small[3], large[3]} == {'shapes'}
  assert not own_cache.exists()
  assert not (tmp_path / 'w').exists()


def test_no_cell_is_broken_in_a_terminal(tmp_path):
  """Of the trials, the groups, and the corners of a search."""
  texts = 'model.hidden_dim=2,30000', 'model.num_output_heads=1,2', 'patience=5'
  changes = small_sweeps.sweep(*texts, 'learning_rate=0.00123,0.00456')
  grid = small_sweeps.grid(tmp_path, changes)
  console = Console(file=io.StringIO(), width=80, markup=False)
  plans.show(grid.trials, console)
  corners = [trials.Group(tuple(grid.trials[:2]))] * 2
  fields = {'learning_rate': ['0.0001..0.1:log'], 'model.num_heads': [1, 2]}
  plans.show_search(fields, corners, 50, console)
  text = console.file.getvalue()
  assert max(map(len, text.splitlines())) <= 80
  for whole in (
    *('hidden_dim=30000', 'num_output_heads=2', '0.00123', 'waiting', 'MB'),
    *('hours', '0.0001..0.1:log', 'model.num_heads', 'num output'),
  ):
    assert whole in text


def test_what_was_measured_is_remembered_and_scales_what_was_not(
  own_cache, tmp_path, caplog
):
  with jax.log_compiles(), caplog.at_level(logging.WARNING):
    measured = said(tmp_path, measure=True, fields=FAST)
  assert COMPILED in caplog.text
  assert 'measured: compiled and timed just now' in measured
  (row,) = rows(measured)
  assert row[3] == 'measured'

  (path,) = own_cache.glob('*.json')
  record = json.loads(path.read_text())
  record['seconds'] = 1e3  # slower than shapes could say
  path.write_text(json.dumps(record))
  sweeps = 'model.hidden_dim=2,3', 'learning_rate=1e-3,1e-2'
  text = said(tmp_path, *sweeps, fields=FAST)
  known, unknown = rows(text)
  assert known[1:] == [row[1], '1000000.0', 'remembered']
  assert unknown[3] == 'scaled shapes; memory: shapes'
  assert 5e5 < float(unknown[2]) < 5e6
  for words in ('remembered: as it', 'scaled shapes: by', 'shapes: by the si'):
    assert words in text


def test_training_is_remembered(trained_grid):
  """Under another rate, seed and number of epochs it is the same program."""
  workdir, *_ = trained_grid
  fields = {'max_epochs': 7, 'learning_rate': 0.3, 'log_every': 9}
  (row,) = rows(said(workdir, fields=fields))
  assert row[3] == 'remembered; memory: shapes'
  (other,) = rows(said(workdir, fields={'model.num_layers': 3}))
  assert 'remembered' not in other[3]


def test_a_record_is_of_one_program_on_the_same_data(own_cache):
  config = small_sweeps.config()
  records.remember(config, CARD, 0.5, 1000)
  for field in ('data_dir', 'log_every', 'seed', 'patience'):
    other = small_sweeps.config({field: 'x' if field == 'data_dir' else 7})
    assert records.recall(other, CARD) == (0.5, 1000)
  for fields in ({'model.hidden_dim': 3}, {'dataset.num_nodes': 61}):
    assert records.recall(small_sweeps.config(fields), CARD) is None
  assert records.recall(config, {'digest': 'of others'}) is None

  records.remember(config, CARD, 0.25)  # training does not tell the bytes
  assert records.recall(config, CARD) == (0.25, 1000)


def test_what_takes_longer_to_find_errors_is_not_remembered(own_cache):
  config = small_sweeps.config()
  with jax.debug_nans(True):
    records.remember(config, CARD, 9.0, 0)
  assert records.recall(config, CARD) is None


def test_the_plan_is_there_where_nothing_is_to_be_compiled():
  with jax.disable_jit():
    assert estimates.slowness() > 0


def test_a_damaged_record_is_none_and_is_replaced(own_cache):
  config = small_sweeps.config()
  records.remember(config, CARD, 0.5, 1000)
  (path,) = own_cache.glob('*.json')
  content = json.loads(path.read_text())
  good = path.read_bytes()
  damaged = [b'', good[:-9], b'[1]', b'null', b'[' * 100_000, b'\xff\xfe']
  for key, value in (
    *(('version', v) for v in (0, 2, None)),
    *(('seconds', v) for v in (0, -1, '1', None, True, math.nan, math.inf)),
    *(('num_bytes', v) for v in (0, -1, 1.5, '1', True)),
    ('program', content['program'] | {'jax': '0.1'}),
  ):
    damaged.append(json.dumps(content | {key: value}).encode())
  damaged.append(json.dumps({'version': 1}).encode())
  for other in damaged:
    path.write_bytes(other)
    assert records.recall(config, CARD) is None, other[:80]
  records.remember(config, CARD, 0.5, 1000)
  assert path.read_bytes() == good


@pytest.mark.parametrize('place', ['a file', 'nowhere'])
def test_without_a_cache_nothing_is_remembered(tmp_path, monkeypatch, place):
  """Root may write into a read-only folder, but into no file and not here."""
  folder = pathlib.Path('/proc/nowhere')
  if place == 'a file':
    folder = tmp_path / 'cache'
    folder.touch()
  monkeypatch.setenv('XDG_CACHE_HOME', str(folder))
  records.remember(small_sweeps.config(), CARD, 0.5, 1000)
  assert records.recall(small_sweeps.config(), CARD) is None


def test_who_remembers_at_the_same_time_leaves_a_whole_record(own_cache):
  config, numbers = small_sweeps.config(), (1, 2, 3)
  records.remember(config, CARD, 1, 1)

  def remember_often(number):
    for _ in range(30):
      records.remember(config, CARD, number, number)

  with futures.ThreadPoolExecutor() as pool:
    writing = [pool.submit(remember_often, number) for number in numbers]
    while not all(each.done() for each in writing):
      assert records.recall(config, CARD) in [(n, n) for n in numbers]
    for each in writing:
      each.result()
  assert len(list(own_cache.iterdir())) == 1


def ratio(config):
  """Bytes by shapes, as a multiple of those that XLA needs."""
  by_shapes = estimates.estimate(config, runs.load_dataset(config))
  return by_shapes.num_bytes / costs.measure(config).num_bytes


@pytest.mark.slow
@pytest.mark.parametrize('name', nn.LAYERS)
def test_memory_by_shapes_is_right_within_a_factor_of_two(own_cache, name):
  config = smoke.get_config()
  config.model.name, config.model.dropout_rate = name, 0.5
  assert 0.5 < ratio(config) < 2


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'files', 'fields'),
  [
    (*CORA, {'model.num_heads': 1, 'model.hidden_dim': 4}),
    (*CITESEER, {'model.num_heads': 8, 'model.hidden_dim': 32}),
    (*PPI, {'model.num_heads': 2, 'model.hidden_dim': 64, 'batch_shapes': 1}),
  ],
)
def test_so_it_is_for_the_data_sets_of_the_paper(
  own_cache, name, files, fields
):
  realdata.folder(*files)
  config, _ = hyper.load(f'configs/{name}.py')
  config.update_from_flattened_dict(fields)
  assert 0.5 < ratio(config) < 2


@pytest.mark.slow
def test_the_plan_of_their_sweeps_compiles_none_of_38_groups(fresh, tmp_path):
  for _, files in (CORA, CITESEER, PPI):
    realdata.folder(*files)
  files = 'configs/cora.py,configs/citeseer.py,configs/ppi.py'
  done = commands.run(
    fresh | {'JAX_LOG_COMPILES': '1'},
    'sweep',
    f'--config={files}',
    f'--workdir={tmp_path}/w',
    '--dry_run',
  )
  assert done.returncode == 0, done.stderr
  assert 'Compiling' in done.stderr  # the short calculation
  assert 'on_one_device' not in done.stderr
  assert '332 trials' in done.stdout
  assert len(rows(done.stdout)) == 38


@pytest.mark.slow
def test_the_command_measures_when_it_is_asked_to(fresh, tmp_path):
  flags = (*small_sweeps.FLAGS, '--sweep=model.num_layers=1,2')
  flags += (f'--workdir={tmp_path}/w', '--config.patience=7')
  for argument, origin in (
    ('--dry_run', 'shapes'),
    ('--dry_run=measure', 'measured'),
    ('--dry_run=true', 'remembered'),
  ):
    done = commands.run(fresh, 'sweep', *flags, argument)
    assert done.returncode == 0, done.stderr
    assert [row[3] for row in rows(done.stdout)] == [origin] * 2
  assert not (tmp_path / 'w').exists()
  flags = (*flags, '--config.max_epochs=2', '--engine=debug')
  done = commands.run(fresh, 'sweep', *flags, '--dry_run', '--nodry_run')
  assert '2 finished' in done.stdout
