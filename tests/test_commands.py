"""The command line as a person types it, in processes of its own."""

import ast
import csv
import json
import re
import shlex
import subprocess
import sys

import commands
from commands import run
import machine_files
import numpy as np
import pytest

from gat_jax.runs.fields import FIELDS

SMOKE = ('--config=configs/smoke.py', '--config.max_epochs=40')
# For what does not depend on the model: it compiles in a fraction of the time.
PLAIN = (*SMOKE, '--config.model.name=mlp', '--config.model.dropout_rate=0.0')


@pytest.fixture(scope='module')
def finished(environment, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('runs') / 'smoke'
  flags = (*SMOKE, f'--workdir={workdir}', '--config.num_seeds=3')
  process = run(environment, 'train', *flags)
  assert process.returncode == 0, process.stderr
  return workdir, process.stdout


def test_train_shows_card_table_and_folder(finished):
  workdir, output = finished
  for said in ('data set csbm', 'nodes', '600', 'accuracy in %', 'best epoch'):
    assert said in output
  assert str(workdir) in output


def test_workdir_holds_what_is_promised(finished):
  workdir, _ = finished
  names = {path.name.split('.out.')[0] for path in workdir.iterdir()}
  assert names == {
    '.lock',
    'best',
    'config.json',
    'dataset.json',
    'events',
    'metrics.jsonl',
    'results.json',
  }
  config = json.loads((workdir / 'config.json').read_text())
  assert config['model']['num_heads'] == 8
  assert config['max_epochs'] == 40
  card = json.loads((workdir / 'dataset.json').read_text())
  assert card['nodes'] == 600


@pytest.mark.parametrize(
  'umask', [0o007, pytest.param(0o077, marks=pytest.mark.slow)]
)
def test_files_have_the_rights_that_the_user_wants(
  environment, tmp_path, umask
):
  workdir = tmp_path / 'run'
  flags = (*PLAIN, '--config.max_epochs=1000000', '--config.stop_rule=none')
  process = commands.start(
    environment, 'train', *flags, f'--workdir={workdir}', umask=umask
  )
  commands.wait_for(lambda: commands.has_metrics(workdir))
  process.terminate()
  assert commands.finish(process).returncode == 143
  paths = [workdir, *workdir.rglob('*')]
  assert any('checkpoints' in str(path) for path in paths)
  for path in paths:
    wanted = (0o777 if path.is_dir() else 0o666) & ~umask
    assert path.stat().st_mode & 0o777 == wanted, path


def test_metrics_have_a_line_per_seed_and_evaluation(finished):
  workdir, _ = finished
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  records = [json.loads(line) for line in lines]
  assert [(r['seed'], r['epoch']) for r in records] == [
    (seed, epoch) for epoch in (20, 40) for seed in (0, 1, 2)
  ]
  for record in records:
    assert set(record) == {
      'seed',
      'epoch',
      'train_loss',
      'val_loss',
      'val_score',
    }


def test_files_for_machines_hold_fractions(finished):
  machine_files.check_fractions(finished[0], 'results.json', 'metrics.jsonl')


def test_results_have_the_shape_that_other_tools_read(finished):
  workdir, _ = finished
  results = json.loads((workdir / 'results.json').read_text())
  assert list(results) == [
    'dataset',
    'metric',
    'num_parameters',
    'seeds',
    'test',
    'seconds',
  ]
  assert results['dataset'] == 'csbm'
  assert results['metric'] == 'accuracy'
  assert [seed['seed'] for seed in results['seeds']] == [0, 1, 2]
  for seed in results['seeds']:
    assert list(seed) == [
      'seed',
      'test',
      'val',
      'val_loss',
      'best_epoch',
      'epochs',
    ]
    assert seed['epochs'] == 40
    assert 1 <= seed['best_epoch'] <= 40
    assert (seed['test'] * 370) == pytest.approx(round(seed['test'] * 370))
  scores = [seed['test'] for seed in results['seeds']]
  assert results['test'] == {
    'mean': pytest.approx(np.mean(scores)),
    'std': pytest.approx(np.std(scores, ddof=1)),
    'n': 3,
  }
  assert set(results['seconds']) == {'compile', 'train'}


@pytest.mark.slow
def test_one_seed_of_many_alone_gives_the_same_result(
  finished, environment, tmp_path
):
  workdir, _ = finished
  flags = (*SMOKE, f'--workdir={tmp_path / "one"}', '--config.seed=1')
  assert run(environment, 'train', *flags).returncode == 0
  alone = json.loads((tmp_path / 'one/results.json').read_text())
  among = json.loads((workdir / 'results.json').read_text())
  assert alone['seeds'] == [among['seeds'][1]]
  assert alone['test']['std'] is None


def test_predictions_reproduce_the_test_score(finished, environment, tmp_path):
  workdir, _ = finished
  process = run(
    environment,
    'predict',
    f'--workdir={workdir}',
    f'--output={tmp_path}',
    '--seed=2',
    '--attention',
  )
  assert process.returncode == 0, process.stderr
  with open(tmp_path / 'predictions.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert [int(row['node']) for row in rows] == list(range(600))
  test = [row for row in rows if row['split'] == 'test']
  accuracy = np.mean([row['prediction'] == row['label'] for row in test])
  results = json.loads((workdir / 'results.json').read_text())
  assert accuracy == pytest.approx(results['seeds'][2]['test'])
  for row in rows[:50]:
    p = [float(row[f'probability_{c}']) for c in range(4)]
    assert sum(p) == pytest.approx(1, abs=1e-4)
    assert int(np.argmax(p)) == int(row['prediction'])
  machine_files.check_fractions(tmp_path, 'predictions.csv')
  with np.load(tmp_path / 'attention.npz') as attention:
    for layer, heads in ((0, 8), (1, 1)):
      key = f'graph_0_layer_{layer}_'
      alpha = attention[key + 'alpha']
      assert alpha.shape == (len(attention[key + 'senders']), heads)
      sums = np.zeros((600, heads))
      np.add.at(sums, attention[key + 'receivers'], alpha)
      np.testing.assert_allclose(sums, 1, rtol=1e-4)


def test_prediction_takes_the_best_validation_seed(finished, environment):
  workdir, _ = finished
  process = run(environment, 'predict', f'--workdir={workdir}')
  results = json.loads((workdir / 'results.json').read_text())
  best = max(results['seeds'], key=lambda seed: seed['val'])['seed']
  assert f'seed {best}' in process.stdout
  (workdir / 'predictions.csv').unlink()


BAD_TRAIN = {
  'unknown flag': (('--confg=configs/cora.py',), 'confg'),
  'no config': ((), '--config: missing'),
  'misspelt config': (
    ('--config=configs/coar.py',),
    'did you mean configs/cora.py?',
  ),
  'unknown field': (
    ('--config=configs/cora.py', '--config.modle.num_heads=4'),
    '--config.modle.num_heads: the config has no such field; did you mean'
    ' model.num_heads?',
  ),
  'unknown deep field': (
    ('--config=configs/cora.py', '--config.model.num_head=4'),
    '--config.model.num_head: the config has no such field; did you mean'
    ' model.num_heads?',
  ),
  'a field in another place': (
    ('--config=configs/custom.py', '--config.directed=True'),
    '--config.directed: the config has no such field; did you mean'
    ' dataset.directed?',
  ),
  'a user that there is not': (
    ('--config=configs/cora.py', '--config.seed=1', '--workdir=~no-body/x'),
    '--workdir=~no-body/x: there is no such user; write ./~',
  ),
  'no config in the file': (
    ('--config=experiments/cli.py',),
    'the file of --config defines no get_config()',
  ),
  'a number too wide': (
    ('--config=configs/cora.py', f'--config.max_epochs={2**31}'),
    'a whole number from 1 to 2**31 - 1',
  ),
  'a rate that rounds to 1': (
    ('--config=configs/cora.py', '--config.model.dropout_rate=0.99999999999'),
    '--config.model.dropout_rate: 0.99999999999 is not from 0 to below 1',
  ),
  'wrong type': (
    ('--config=configs/cora.py', '--config.model.num_heads=many'),
    'num_heads',
  ),
  'bad value': (
    ('--config=configs/cora.py', '--config.model.dropout_rate=1.0'),
    '--config.model.dropout_rate: 1.0 is not from 0 to below 1',
  ),
  'bad choice': (
    ('--config=configs/cora.py', '--config.stop_rule=acuracy'),
    'did you mean accuracy?',
  ),
  'bad model': (
    ('--config=configs/cora.py', '--config.model.name=gta'),
    "--config.model.name: 'gta' is not one of gat, gatv2, const_gat, gcn, mlp;"
    ' did you mean gat?',
  ),
  'bad data set': (
    ('--config=configs/cora.py', '--config.dataset.name=coar'),
    'did you mean cora?',
  ),
  'no such graph': (
    ('--config=configs/custom.py', '--config.dataset.name=nowhere.npz'),
    'nowhere.npz',
  ),
  'no such folder': (
    ('--config=configs/cora.py', '--config.data_dir=nowhere'),
    'nowhere is not a folder',
  ),
  'a data set after a colon': (
    ('--config=configs/base.py:ogbn-protein',),
    'did you mean ogbn-proteins?',
  ),
  'a recipe after a colon': (
    ('--config=configs/cora.py:sharedmask',),
    'did you mean shared_mask?',
  ),
  'a word too many': (('--config=configs/cora.py', 'fast'), "'fast'"),
  'a misspelt tracker': (
    ('--config=configs/cora.py', '--track=wadnb'),
    '--track=wadnb: there is no such tracker; did you mean wandb?',
  ),
}


@pytest.fixture(scope='module')
def refused(environment, tmp_path_factory):
  folder = tmp_path_factory.mktemp('refused')
  cases = {
    case: (*flags, f'--workdir={folder}/run')
    for case, (flags, _) in BAD_TRAIN.items()
  }
  return folder / 'run', commands.run_each(environment, 'train', folder, cases)


@pytest.mark.parametrize('case', BAD_TRAIN)
def test_bad_input_is_one_error_and_code_2(refused, case):
  workdir, processes = refused
  process, (_, words) = processes[case], BAD_TRAIN[case]
  assert process.returncode == 2, process.stderr
  assert words in process.stderr
  assert process.stderr.startswith('error: ')
  assert 'Traceback' not in process.stderr
  assert not workdir.exists()


def test_finished_run_is_not_overwritten(finished, environment):
  workdir, _ = finished
  before = (workdir / 'results.json').read_bytes()
  process = run(environment, 'train', *SMOKE, f'--workdir={workdir}')
  assert process.returncode == 2
  assert 'already holds a finished run' in process.stderr
  assert (workdir / 'results.json').read_bytes() == before


def test_unwritable_workdir_is_one_error(environment, tmp_path):
  (tmp_path / 'file').write_text('')
  process = run(environment, 'train', *SMOKE, f'--workdir={tmp_path}/file/run')
  assert process.returncode == 2
  assert 'cannot be written' in process.stderr
  assert 'Traceback' not in process.stderr


def test_bad_predict_is_one_error(finished, environment, tmp_path):
  workdir, _ = finished
  cases = {
    '--workdir is missing': (),
    'config.json: missing': (f'--workdir={tmp_path}',),
    'has no seed 7; it has 0 to 2': (f'--workdir={workdir}', '--seed=7'),
    'holds no config': (f'--workdir={damaged(tmp_path / "a", "[]")}',),
    'error: --data_dir: missing': (
      f'--workdir={damaged(tmp_path / "b", "{}")}',
    ),
  }
  processes = commands.run_each(environment, 'predict', tmp_path, cases)
  for words, process in processes.items():
    assert process.returncode == 2
    assert words in process.stderr
    assert 'Traceback' not in process.stderr


def damaged(folder, config):
  folder.mkdir()
  (folder / 'config.json').write_text(config)
  return folder


def test_misspelt_field_in_a_config_file_is_refused(environment, tmp_path):
  cases = {}
  for line, words in (
    ('config.learning_rte = 1', 'no field learning_rte; did you mean'),
    ('config.model.heads = 2', 'no field heads; '),
    ('config.dataset.direct = True', 'no field direct'),
  ):
    path = tmp_path / f'config{len(cases)}.py'
    path.write_text(
      'from configs import cora\n\n\ndef get_config():\n'
      f'  config = cora.get_config()\n  {line}\n  return config\n'
    )
    cases[words] = (f'--config={path}',)
  for words, done in commands.run_each(
    environment, 'train', tmp_path, cases
  ).items():
    assert done.returncode == 2
    assert f'error: the config has {words}' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('command', ['train', 'predict'])
def test_help_shows_examples_and_every_field(environment, command):
  process = run(environment, command, '--help')
  assert process.returncode == 0
  assert f'python -m experiments.{command}' in process.stdout
  assert '--workdir' in process.stdout
  for name, field in FIELDS.items() if command == 'train' else ():
    assert f'config.{name} = {field.default!r}' in process.stdout


def test_seed_that_breaks_is_said_and_results_stay_json(environment, tmp_path):
  flags = ('--config.learning_rate=1e29', '--config.max_epochs=30')
  process = run(environment, 'train', *SMOKE, *flags, f'--workdir={tmp_path}/r')
  assert process.returncode == 1, process.stderr
  said = ' '.join(process.stdout.split())
  results = json.loads(
    (tmp_path / 'r/results.json').read_text(), parse_constant=pytest.fail
  )
  (seed,) = results['seeds']
  assert seed['epochs'] < 30
  assert (
    f'seed 0 ended in epoch {seed["epochs"]}: its {seed["broken"]} is not'
    f' finite; its scores are those of epoch {seed["best_epoch"]}' in said
  )


def test_default_workdir_has_data_set_and_time(environment, tmp_path):
  (tmp_path / 'configs').symlink_to(commands.ROOT / 'configs')
  process = run(environment, 'train', *PLAIN, cwd=tmp_path)
  assert process.returncode == 0, process.stderr
  (workdir,) = (tmp_path / 'runs').iterdir()
  assert workdir.name.startswith('csbm-20')
  assert (workdir / 'results.json').exists()


# Parses the flags of each list of words in a process of its own, without more.
PARSE = """
import importlib, json, os, sys
name, lines = sys.argv[1], json.loads(sys.argv[2])
from absl import flags
from experiments import arguments
from experiments.sweeps import engines  # once for all
from gat_jax import runs
for words in lines:
  if not os.fork():
    sys.argv = [name, *words]
    try:
      module = importlib.import_module(f'experiments.{name}')
      arguments.parse()
      if name == 'train':
        runs.settings.check(flags.FLAGS.config)
      if name == 'sweep':
        list(map(module.changes, flags.FLAGS.config))
    except BaseException as error:
      print(words, error, flush=True)
    os._exit(0)
  os.wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
  'name', ['train', 'predict', 'sweep', 'reproduce', 'report', 'export']
)
def test_examples_of_help_are_taken_as_they_are_shown(environment, name):
  code = (commands.ROOT / f'experiments/{name}.py').read_text()
  text = ast.get_docstring(ast.parse(code)).replace('\\\n', '')
  found = re.findall(r'^  python -m experiments\.(\w+)(.*)$', text, re.M)
  assert len(found) > 1
  assert {command for command, _ in found} == {name}
  lines = [shlex.split(words, comments=True) for _, words in found]
  done = subprocess.run(
    [sys.executable, '-c', PARSE, name, json.dumps([*lines, ['--no_flag=1']])],
    cwd=commands.ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=True,
  )
  (refused,) = done.stdout.splitlines()
  assert 'no_flag' in refused
