"""Searches: nothing tried twice, nothing lost, the hopeless ended early."""

import json
import shutil
import signal

import commands
from commands import lines
from commands import run
import optuna
import pytest

from configs import smoke
from experiments.sweeps import hyper
from experiments.sweeps import search
from gat_jax.errors import ConfigError

SMOKE = '--config=configs/smoke.py'
SMALL = ('--sweep=model.name=mlp', '--sweep=model.num_heads=1')
RATES = '--sweep=learning_rate=1e-3..1e-1:log'
STATES = optuna.trial.TrialState


def study_of(workdir):
  backend = optuna.storages.journal.JournalFileBackend(
    str(workdir / 'search.journal')
  )
  storage = optuna.storages.JournalStorage(backend)
  return optuna.load_study(study_name='search', storage=storage).trials


def drawn(workdir):
  return [trial.params for trial in study_of(workdir)]


def times(workdir):
  return {p: p.stat().st_mtime_ns for p in workdir.glob('trials/*/*.json*')}


@pytest.fixture(scope='module')
def searched(environment, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('search') / 'w'
  flags = (
    SMOKE,
    f'--workdir={workdir}',
    '--search=tpe',
    RATES,
    *SMALL,
    '--sweep=max_epochs=40',
    '--seeds=2',
  )
  workers = ('--trials=3', '--engine=local', '--workers=2')
  return workdir, flags, run(environment, 'sweep', *flags, *workers)


def test_the_study_knows_each_combinations_mean_over_the_seeds(searched):
  workdir, _, done = searched
  assert done.returncode == 0, done.stderr
  assert '6 finished' in done.stdout
  found = study_of(workdir)
  assert [trial.state for trial in found] == [STATES.COMPLETE] * 3
  for trial in found:
    seeds = [
      line
      for line in lines(workdir)
      if all(line[name] == value for name, value in trial.params.items())
    ]
    assert {line['seed'] for line in seeds} == {0, 1}
    assert trial.value == sum(line['val'] for line in seeds) / 2
    assert list(trial.intermediate_values) == [20, 40]


def test_rows_are_sorted_by_validation_and_a_range_makes_no_picture(searched):
  workdir, *_ = searched
  table = json.loads((workdir / 'sweep.json').read_text())['datasets']['csbm']
  means = [row['val']['mean'] for row in table['rows']]
  assert means == sorted(means, reverse=True)
  assert len(means) == 3
  assert '--search=tpe --trials=3' in (workdir / 'sweep.md').read_text()
  assert not list(workdir.glob('heatmap*'))


def test_other_flags_are_refused_with_the_difference(searched, environment):
  workdir, flags, _ = searched
  before = (workdir / 'search.journal').read_bytes()
  done = run(
    environment, 'sweep', *flags, '--trials=3', '--sweep=patience=5..9'
  )
  assert done.returncode == 2
  assert "patience is None there and '5..9' now" in done.stderr
  assert (workdir / 'search.journal').read_bytes() == before


def test_more_trials_train_only_what_is_new(searched, environment):
  workdir, flags, _ = searched
  before = times(workdir)
  done = run(environment, 'sweep', *flags, '--trials=4', '--engine=debug')
  assert done.returncode == 0, done.stderr
  assert len(study_of(workdir)) == 4
  assert len(lines(workdir)) == 8
  assert before.items() <= times(workdir).items()


def test_what_is_lost_is_trained_again(searched, environment, tmp_path):
  workdir, flags, _ = searched
  shutil.copytree(workdir, tmp_path / 'w')
  gone = min((tmp_path / 'w').glob('trials/*'))
  shutil.rmtree(gone)
  with open(tmp_path / 'w' / 'search.journal', 'a') as file:
    file.write('{"op_code":6,"wor')  # of a power cut
  flags = (*flags, f'--workdir={tmp_path}/w', '--trials=3', '--engine=debug')
  done = run(environment, 'sweep', *flags)
  assert done.returncode == 0, done.stderr
  assert 'waiting' not in done.stdout
  assert (gone / 'results.json').exists()
  found = study_of(tmp_path / 'w')
  assert [trial.state for trial in found].count(STATES.COMPLETE) == len(found)
  again = [trial for trial in found if 'again' in trial.user_attrs]
  assert len(again) == 1


def test_stopped_it_goes_on_as_if_it_had_not_been(environment, tmp_path):
  flags = (SMOKE, '--workers=1', '--search=tpe', '--trials=3', *SMALL, RATES)
  flags += ('--sweep=max_epochs=2000', '--sweep=stop_rule=none')
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  process = commands.start(environment, 'sweep', *flags, f'--workdir={cut}')
  commands.wait_for(
    lambda: sum(map(commands.has_metrics, cut.glob('trials/*'))) == 2
  )
  process.send_signal(signal.SIGINT)
  done = commands.finish(process)
  assert done.returncode == 130, done.stderr
  assert 'waiting' in done.stdout
  assert 'the same command goes on' in done.stdout
  before = {p: t for p, t in times(cut).items() if p.name == 'results.json'}
  assert before

  assert run(environment, 'sweep', *flags, f'--workdir={cut}').returncode == 0
  assert before.items() <= times(cut).items()
  undisturbed = ('--engine=debug', f'--workdir={whole}')
  assert run(environment, 'sweep', *flags, *undisturbed).returncode == 0
  assert len(study_of(cut)) == 3
  assert drawn(cut) == drawn(whole)
  for line, other in zip(lines(whole), lines(cut), strict=True):
    assert line.pop('seconds') > 0
    assert other.pop('seconds') > 0
    assert line == other


def test_what_is_hopeless_is_pruned_and_that_is_no_error(environment, tmp_path):
  done = run(
    environment,
    'sweep',
    SMOKE,
    f'--workdir={tmp_path}/w',
    '--engine=debug',
    '--search=tpe',
    '--trials=6',
    *SMALL,
    '--sweep=learning_rate=1e-2,2e-2,3e-2,1e-6',
    '--sweep=weight_decay=0..1e-3',
    '--sweep=max_epochs=160',
    '--sweep=stop_rule=none',
  )
  assert done.returncode == 0, done.stderr
  assert 'pruned; everything is in' in done.stdout
  *others, last = lines(tmp_path / 'w')
  assert all(line['status'] == 'finished' for line in others)
  assert (last['learning_rate'], last['status']) == (1e-6, 'pruned')
  assert last['epochs'] == 120
  states = [trial.state for trial in study_of(tmp_path / 'w')]
  assert states == [STATES.COMPLETE] * 5 + [STATES.PRUNED]
  assert not list((tmp_path / 'w').glob('groups/*'))


def test_what_fails_is_recorded_and_tried_again_when_asked(
  environment, tmp_path
):
  flags = (SMOKE, f'--workdir={tmp_path}/w', '--engine=debug', *SMALL)
  flags += ('--search=tpe', '--trials=3', '--sweep=learning_rate=1e-2,1e29')
  flags += ('--sweep=weight_decay=0..1e-3', '--sweep=max_epochs=20')
  done = run(environment, 'sweep', *flags)
  assert done.returncode == 1
  status = {line['trial']: line['status'] for line in lines(tmp_path / 'w')}
  failed = [name for name, found in status.items() if found == 'failed']
  assert 0 < len(failed) < len(status) == 3
  assert all('e_29' in name for name in failed)

  before = times(tmp_path / 'w')
  again = run(environment, 'sweep', *flags, '--retry_failed')
  assert again.returncode == 1  # they diverge again
  found = study_of(tmp_path / 'w')
  assert len(found) == 3 + len(failed)
  assert sum(t.state is STATES.FAIL for t in found) == 2 * len(failed)
  assert len(lines(tmp_path / 'w')) == 3
  trained = {
    p.parent.name
    for p, t in times(tmp_path / 'w').items()
    if before.get(p) != t
  }
  assert trained == set(failed)


@pytest.mark.parametrize(
  ('flags', 'words'),
  [
    (['--trials=3', RATES], 'go together'),
    (['--search=tpe', '--trials=3', '--sweep=model.heads=1,2'], 'num_heads'),
    (
      ['--search=tpe', '--trials=3', f'{SMOKE},configs/cora.py'],
      'one --config',
    ),
  ],
)
def test_bad_input_is_one_error_and_nothing_is_written(
  environment, tmp_path, flags, words
):
  done = run(environment, 'sweep', SMOKE, f'--workdir={tmp_path}/w', *flags)
  assert done.returncode == 2
  assert words in done.stderr
  assert 'Traceback' not in done.stderr
  assert not (tmp_path / 'w').exists()


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
    (hyper.sweep('learning_rate', [1e-3, 'fast']), 'another type'),
    (hyper.sweep('model.dropout_rate', [hyper.Range(0.0, 1.0)]), 'below 1'),
    (hyper.sweep('patience', [hyper.Range(1, 9), 20]), 'something else'),
    (
      hyper.product(
        hyper.sweep('patience', [1, 2]),
        hyper.sweep('seed', [hyper.Range(0, 3)]),
      ),
      'seeds by number',
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


def test_dry_run_shows_ranges_memory_and_time(environment, tmp_path):
  done = run(
    environment | {'COLUMNS': '160'},
    'sweep',
    SMOKE,
    f'--workdir={tmp_path}/w',
    '--search=tpe',
    '--trials=7',
    '--seeds=3',
    RATES,
    *SMALL,
    '--dry_run',
  )
  assert done.returncode == 0, done.stderr
  assert '7 trials, seeds of each: 3' in done.stdout
  assert '0.001..0.1:log' in done.stdout
  assert ' GB' in done.stdout
  assert 'hours' in done.stdout
  assert not (tmp_path / 'w').exists()
