"""Searches: nothing tried twice, nothing lost, the hopeless ended early."""

import io
import json
import shutil

import commands
from commands import lines
import optuna
import pytest
from rich.console import Console
import small_sweeps
from small_sweeps import FLAGS
from small_sweeps import study_of

from configs import smoke
from experiments.sweeps import hyper
from experiments.sweeps import plans
from experiments.sweeps.searches import search
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError

# Of submitit's debug engine, which leaves its log files open.
pytestmark = pytest.mark.filterwarnings('ignore:.*FileIO.*')
RATES = 'learning_rate=1e-3..1e-1:log'
STATES = optuna.trial.TrialState


def states(workdir):
  return [entry.state for entry in study_of(workdir)]


def drawn(workdir):
  return [entry.params for entry in study_of(workdir)]


def test_the_study_knows_each_combinations_mean_over_the_seeds(trained_search):
  workdir, _ = trained_search
  assert states(workdir) == [STATES.COMPLETE] * 3
  for entry in study_of(workdir):
    seeds = [
      line
      for line in lines(workdir)
      if line['learning_rate'] == entry.params['learning_rate']
    ]
    assert {line['seed'] for line in seeds} == {0, 1}
    assert entry.value == sum(line['val'] for line in seeds) / 2
    assert list(entry.intermediate_values) == [20, 40]


def test_rows_are_sorted_by_validation_and_a_range_makes_no_picture(
  trained_search,
):
  workdir, _ = trained_search
  table = json.loads((workdir / 'sweep.json').read_text())['datasets']['csbm']
  means = [row['val']['mean'] for row in table['rows']]
  assert means == sorted(means, reverse=True)
  assert len(means) == 3
  assert not list(workdir.glob('heatmap*'))


def test_another_search_is_refused_with_the_difference(trained_search):
  workdir, changes = trained_search
  before = (workdir / 'search.journal').read_bytes()
  for changed, fields, words in (
    (
      small_sweeps.sweep(RATES, 'patience=5..9'),
      {},
      "sweep.patience` is None there and '5..9' now",
    ),
    (changes, {'patience': 7}, 'config.patience` is 100 there and 7 now'),
    (small_sweeps.sweep(RATES, seeds=1), {}, 'seeds` is '),
  ):
    other = small_sweeps.searching(workdir, changed, 3, fields)
    with pytest.raises(WorkdirError, match='holds a search') as caught:
      other.begin(retry_failed=False)
    assert caught.value.field == 'workdir'
    assert words in str(caught.value)
  assert (workdir / 'search.journal').read_bytes() == before


def test_a_journal_that_cannot_be_written_is_named(tmp_path):
  (tmp_path / 'search.journal').mkdir()
  found = small_sweeps.searching(tmp_path, small_sweeps.sweep(RATES), 3)
  with pytest.raises(WorkdirError, match=f'{tmp_path} cannot be written'):
    found.begin(retry_failed=False)


def test_more_combinations_train_only_what_is_new(trained_search, tmp_path):
  workdir = tmp_path / 'w'
  shutil.copytree(trained_search[0], workdir)
  before = small_sweeps.written(workdir)
  more = small_sweeps.searching(workdir, trained_search[1], 4)
  small_sweeps.train(more, workdir)
  assert len(study_of(workdir)) == 4
  assert len(lines(workdir)) == 8
  assert before.items() <= small_sweeps.written(workdir).items()
  assert drawn(workdir)[:3] == drawn(trained_search[0])


def test_what_is_lost_is_trained_again(trained_search, tmp_path):
  workdir = tmp_path / 'w'
  shutil.copytree(trained_search[0], workdir)
  gone = min(workdir.glob('trials/*'))
  shutil.rmtree(gone)
  with open(workdir / 'search.journal', 'a') as file:
    file.write('{"op_code":6,"wor')  # of a power cut
  again = small_sweeps.searching(workdir, trained_search[1], 3)
  small_sweeps.train(again, workdir)
  assert small_sweeps.statuses(again) == ['finished'] * 6
  assert (gone / 'results.json').exists()
  assert set(states(workdir)) == {STATES.COMPLETE}
  retried = [e for e in study_of(workdir) if 'again' in e.user_attrs]
  assert len(retried) == 1


@pytest.mark.slow
def test_stopped_it_goes_on_as_if_it_had_not_been(
  trained_search, tmp_path, monkeypatch
):
  changes = trained_search[1]
  with monkeypatch.context() as patch:
    small_sweeps.interrupt_at(patch, 2)  # the last of a group asks nothing
    cut = small_sweeps.searching(tmp_path, changes, 3)
    small_sweeps.train(cut, tmp_path)
  assert small_sweeps.statuses(cut) == ['finished'] * 2 + ['waiting'] * 4
  before = small_sweeps.written(tmp_path)
  finished = {p: t for p, t in before.items() if p.name == 'results.json'}

  small_sweeps.train(small_sweeps.searching(tmp_path, changes, 3), tmp_path)
  assert finished.items() <= small_sweeps.written(tmp_path).items()
  assert drawn(tmp_path) == drawn(trained_search[0])
  assert small_sweeps.without_seconds(
    lines(tmp_path)
  ) == small_sweeps.without_seconds(lines(trained_search[0]))


@pytest.mark.slow
def test_what_is_hopeless_is_pruned_and_that_is_no_error(tmp_path):
  changes = small_sweeps.sweep(
    'learning_rate=1e-2,2e-2,3e-2,1e-6', 'weight_decay=0..1e-3', seeds=1
  )
  fields = {'stop_rule': 'none', 'log_every': 5}
  found = small_sweeps.searching(tmp_path, changes, 6, fields)
  small_sweeps.train(found, tmp_path)
  *others, last = lines(tmp_path)
  assert all(line['status'] == 'finished' for line in others)
  assert (last['learning_rate'], last['status']) == (1e-6, 'pruned')
  assert last['epochs'] == 30
  assert states(tmp_path) == [STATES.COMPLETE] * 5 + [STATES.PRUNED]
  assert not list(tmp_path.glob('groups/*'))


def test_what_fails_is_recorded_and_tried_again_when_asked(tmp_path):
  changes = small_sweeps.sweep(
    'learning_rate=1e-2,1e29', 'weight_decay=0..1e-3', seeds=1
  )
  found = small_sweeps.searching(tmp_path, changes, 3)
  small_sweeps.train(found, tmp_path)
  status = {line['trial']: line['status'] for line in lines(tmp_path)}
  failed = [name for name, found in status.items() if found == 'failed']
  assert 0 < len(failed) < len(status) == 3
  assert all('e_29' in name for name in failed)

  before = small_sweeps.written(tmp_path)
  again = small_sweeps.searching(tmp_path, changes, 3)
  small_sweeps.train(again, tmp_path, retry_failed=True)
  assert len(states(tmp_path)) == 3 + len(failed)
  assert states(tmp_path).count(STATES.FAIL) == 2 * len(failed)
  assert len(lines(tmp_path)) == 3
  after = small_sweeps.written(tmp_path)
  trained = {p.parent.name for p, t in after.items() if before.get(p) != t}
  assert trained == set(failed)


@pytest.mark.parametrize(
  'engine',
  [
    pytest.param(
      # What --combinations was called before.
      ('--engine=debug', '--trials=2'),
      marks=pytest.mark.slow,
    ),
    pytest.param(
      ('--engine=local', '--workers=2', '--combinations=4'),
      marks=pytest.mark.slow,
    ),
  ],
)
def test_the_command_searches(environment, tmp_path, engine):
  flags = (*FLAGS, '--search=tpe', f'--sweep={RATES}', '--seeds=2', *engine)
  workdir = tmp_path / 'w'
  done = commands.run(environment, 'sweep', *flags, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  num_combinations = len(study_of(workdir))
  assert engine[-1].endswith(f'={num_combinations}')
  assert f'{2 * num_combinations} finished' in done.stdout
  for entry in study_of(workdir):
    assert entry.state is STATES.COMPLETE
    assert list(entry.intermediate_values) == [20, 40]
  said = f'--search=tpe --combinations={num_combinations} --workdir={workdir}`'
  assert said in (workdir / 'sweep.md').read_text()


@pytest.mark.parametrize(
  ('changes', 'words'),
  [
    ([], 'nothing to choose'),
    (hyper.sweep('model.num_heads', [2]), 'nothing to choose'),
    (
      hyper.zipit(
        hyper.sweep('model.num_heads', [1, 2]),
        hyper.sweep('model.hidden_dim', [2, 4]),
      ),
      'only some of the combinations',
    ),
    (
      hyper.chain(
        hyper.sweep('model.num_heads', [1, 2]), hyper.sweep('patience', [2, 4])
      ),
      'only some of the combinations',
    ),
    (hyper.sweep('model.num_heads', [1, 0, 2]), 'from 1'),
    (hyper.sweep('model.heads', [1, 2]), r'did you mean model\.num_heads\?'),
    (hyper.sweep('learning_rate', [1e-3, 'fast']), 'another type'),
    (hyper.sweep('model.dropout_rate', [hyper.Range(0.0, 1.0)]), 'below 1'),
    (hyper.sweep('patience', [hyper.Range(1, 9), 20]), 'something else'),
    (
      hyper.product(
        hyper.sweep('patience', [1, 2]),
        hyper.sweep('seed', [hyper.Range(0, 3)]),
      ),
      'no range of seeds',
    ),
  ],
)
def test_mistakes_are_found_before_anything_runs(tmp_path, changes, words):
  with pytest.raises(ConfigError, match=words):
    search.Search(tmp_path, smoke.get_config(), changes, 3)
  assert not list(tmp_path.iterdir())


def test_a_configs_own_sweep_can_be_searched(tmp_path):
  config, changes = hyper.load('configs/smoke.py')
  found = search.Search(tmp_path, config, changes, 3)
  assert found.fields == {
    'model.num_heads': [1, 4],
    'model.hidden_dim': [4, 16],
  }
  assert found.total == 9
  for pick, heads, hidden in ((min, 1, 4), (max, 4, 16)):
    config = found.corner(pick).trials[0].config
    assert (config.model.num_heads, config.model.hidden_dim) == (heads, hidden)


def test_dry_run_shows_ranges_memory_and_time(tmp_path):
  console = Console(file=io.StringIO(), width=160)
  changes = small_sweeps.sweep(RATES, seeds=3)
  found = small_sweeps.searching(tmp_path / 'w', changes, 7)
  corners = [found.corner(min), found.corner(max)]
  plans.show_search(found.fields, corners, 7, console)
  said = console.file.getvalue()
  assert '7 combinations, 3 seeds each' in said
  assert '0.001..0.1:log' in said
  assert ' MB' in said
  assert 'hours' in said
  assert not (tmp_path / 'w').exists()
