"""Sweeps of version 0.1.0 (commit 4ac1a8a) are continued, not begun again."""

import json
import pathlib
import tarfile

from commands import lines
import pytest
import small_sweeps

from configs import smoke
from experiments.sweeps import hyper
from experiments.sweeps import sources
from experiments.sweeps import summaries
from experiments.sweeps import trials
from experiments.sweeps.searches import search

# Of submitit's debug engine, which leaves its log files open.
pytestmark = pytest.mark.filterwarnings('ignore:.*FileIO.*')
ARCHIVE = pathlib.Path(__file__).parents[1] / 'old_workdirs' / 'sweep.tar.gz'
COMMON = ('dataset.num_nodes=260', 'dataset.num_features=8')
COMMON += ('model.hidden_dim=2', 'model.num_heads=2')
GRID = ('log_every=4', 'checkpoint_minutes=0.0', 'learning_rate=0.01,0.02')


@pytest.fixture
def old(tmp_path):
  """The folder of the archive's sweeps."""
  with tarfile.open(ARCHIVE) as archive:
    archive.extractall(tmp_path, filter='data')
  return tmp_path / 'sweep'


def changes(*texts):
  """Of --sweep flags, in the order in which they were given."""
  config = smoke.get_config()
  parsed = [hyper.parse(text, config) for text in (*COMMON, *texts)]
  return hyper.reseed(hyper.product(*parsed), 2)


def grid(workdir, *texts):
  found = trials.make(workdir, smoke.get_config(), changes(*GRID, *texts))
  return sources.Grid(found)


def files(folder):
  """The content of all files but what a process that runs leaves."""
  return {
    path: path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file() and path.name != '.lock'
  }


def test_a_finished_one_trains_nothing_and_writes_its_tables_in_fractions(old):
  workdir = old / 'finished'
  before = files(workdir)
  was = json.loads(before[workdir / 'sweep.json'])
  finished = grid(workdir, 'max_epochs=20')
  small_sweeps.train(finished, workdir, command=was['command'])
  after = files(workdir)
  changed = {path.name for path in after if before.get(path) != after[path]}
  assert changed == {'sweep.json', 'sweep.md'}
  now = json.loads(after[workdir / 'sweep.json'])
  assert now.pop('unit') == 'fraction'
  in_per_cent, fractions = (
    [
      number
      for row in content['datasets']['csbm']['rows']
      for split in ('val', 'test')
      for number in row.pop(split).values()
    ]
    for content in (was, now)
  )
  assert [100 * x for x in fractions] == pytest.approx(in_per_cent)
  assert now == was


def test_its_summary_can_be_read(old):
  content = json.loads((old / 'finished' / 'sweep.json').read_text())
  summary = summaries.Summary.from_json(content)
  table = summary.tables['csbm']
  in_per_cent = [row['test'] for row in content['datasets']['csbm']['rows']]
  assert [row.test.mean for row in table.rows] == pytest.approx(
    [test['mean'] / 100 for test in in_per_cent]
  )
  assert str(table.rows[0].test) == (
    f'{in_per_cent[0]["mean"]:.1f} ± {in_per_cent[0]["std"]:.1f}'
  )
  assert table.axes == {'learning_rate': (0.01, 0.02)}
  assert [row.n for row in table.rows] == [2, 2]


@pytest.mark.slow
def test_an_interrupted_one_goes_on_where_it_was(old):
  workdir = old / 'interrupted'
  (checkpoint,) = workdir.glob('groups/*/checkpoints/24')
  metrics = list(workdir.glob('trials/*/metrics.jsonl'))
  before = [path.read_text().splitlines()[:6] for path in metrics]
  assert [json.loads(own[-1])['epoch'] for own in before] == [24] * 4

  continued = grid(workdir, 'max_epochs=200', 'stop_rule=none')
  for trial in continued.trials:  # not after every evaluation: that takes long
    trial.config.checkpoint_minutes = 5.0
  small_sweeps.train(continued, workdir)
  assert small_sweeps.statuses(continued) == ['finished'] * 4
  assert [line['epochs'] for line in lines(workdir)] == [200] * 4
  for path, own in zip(metrics, before, strict=True):
    logged = path.read_text().splitlines()
    assert logged[:6] == own
    assert [json.loads(line)['epoch'] for line in logged] == list(
      range(4, 201, 4)
    )
  assert not checkpoint.exists()


@pytest.mark.slow
def test_a_search_goes_on(old):
  workdir = old / 'search'
  before = small_sweeps.written(workdir)
  drawn = [entry.params for entry in small_sweeps.study_of(workdir)]
  assert len(drawn) == 2
  swept = changes('max_epochs=20', 'learning_rate=1e-3..1e-1:log')
  continued = search.Search(workdir, smoke.get_config(), swept, 3)
  small_sweeps.train(continued, workdir)
  assert small_sweeps.statuses(continued) == ['finished'] * 6
  entries = small_sweeps.study_of(workdir)
  assert [entry.params for entry in entries][:2] == drawn
  assert [entry.state.name for entry in entries] == ['COMPLETE'] * 3
  assert before.items() <= small_sweeps.written(workdir).items()
