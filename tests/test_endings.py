"""How commands end whose user, terminal or machine is not as they expect."""

import pathlib
import re
import signal
import time

import commands
from commands import run
import pytest

COMMANDS = ('train', 'predict', 'sweep', 'reproduce', 'report', 'export')
# It compiles in a fraction of a second.
PLAIN = (
  '--config=configs/smoke.py',
  '--config.max_epochs=40',
  '--config.model.name=mlp',
  '--config.model.dropout_rate=0.0',
)
slow = pytest.mark.slow


@pytest.fixture(scope='module')
def trained(environment, tmp_path_factory):
  """A small run in a folder that rich would read as markup and pictures."""
  workdir = tmp_path_factory.mktemp('lr[') / 'b]' / ':cat: [gat]'
  process = run(environment, 'train', *PLAIN, f'--workdir={workdir}')
  assert process.returncode == 0, process.stderr
  return workdir, process.stdout


def flags_of(command, workdir, tmp_path):
  """What makes a command do its work."""
  return {
    'train': (*PLAIN, f'--workdir={tmp_path}/run'),
    'predict': (f'--workdir={workdir}', f'--output={tmp_path}/predicted'),
    'sweep': (
      *(*PLAIN, f'--workdir={tmp_path}/sweep', '--workers=1'),
      *('--sweep=learning_rate=0.01,0.02', '--seeds=1'),
    ),
    'reproduce': (
      *('--table=smoke', '--rows=GCN-64', '--seeds=1'),
      f'--workdir={tmp_path}/reproduction',
    ),
    'report': (f'--workdir={workdir}', f'--output={tmp_path}/drawn'),
    'export': (f'--workdir={workdir}', f'--output={tmp_path}/exported'),
  }[command]


def is_waiting_for_interrupts(process):
  """Whether Ctrl-C would be handled by Python, as it is once Python runs."""
  status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
  (caught,) = [x for x in status.splitlines() if x.startswith('SigCgt')]
  return bool(int(caught.split()[1], 16) & 1 << (signal.SIGINT - 1))


@pytest.mark.parametrize(
  ('command', 'seconds'),
  [
    ('train', 0.2),
    *(
      pytest.param(command, seconds, marks=slow)
      for command in COMMANDS
      for seconds in (0, 0.1, 0.4, 0.8, 1.2, 1.6, 2.4)
    ),
  ],
)
def test_ctrl_c_while_a_command_starts_ends_it_without_a_traceback(
  environment, trained, tmp_path, command, seconds
):
  flags = flags_of(command, trained[0], tmp_path)
  process = commands.start(environment, command, *flags)
  commands.wait_for(lambda: is_waiting_for_interrupts(process))  # Python runs
  commands.wait_for(lambda: not is_waiting_for_interrupts(process))  # we do
  time.sleep(seconds)
  process.send_signal(signal.SIGINT)
  done = commands.finish(process)
  assert 'Traceback' not in done.stderr
  if done.returncode != 0:  # else it had finished
    # By the signal, which a shell shows as 130, or by our own hand.
    assert done.returncode in (-signal.SIGINT, 130)


def test_output_that_nobody_reads_ends_predict_without_a_word(
  environment, trained, tmp_path
):
  """And a tilde is the home of the user."""
  workdir, _ = trained
  flags = (f'--workdir=~/{workdir.name}', '--output=~/predicted')
  home = environment | {'HOME': str(workdir.parent)}
  assert into_a_closed_pipe(home, 'predict', *flags, cwd=tmp_path) == (141, '')
  assert (workdir.parent / 'predicted/predictions.csv').exists()
  assert not (tmp_path / '~').exists()


@slow
@pytest.mark.parametrize('command', ['train', 'sweep', 'reproduce'])
def test_output_that_nobody_reads_ends_a_command_without_a_word(
  environment, trained, tmp_path, command
):
  flags = flags_of(command, trained[0], tmp_path)
  assert into_a_closed_pipe(environment, command, *flags) == (141, '')
  if command == 'train':  # what was trained is saved: it goes on
    process = run(environment, command, *flags)
    assert process.returncode == 0
    assert 'goes on after epoch 20' in process.stdout


def test_help_that_nobody_reads_ends_without_a_word(environment):
  assert into_a_closed_pipe(environment, 'train', '--help') == (141, '')


def into_a_closed_pipe(environment, command, *flags, **options):
  """Exit code and errors of `command | true`."""
  process = commands.start(environment, command, *flags, **options)
  process.stdout.close()  # before it has said anything
  errors = process.stderr.read()
  process.stderr.close()
  return process.wait(timeout=60), errors


def test_a_platform_that_is_not_there_is_one_line(
  environment, trained, tmp_path
):
  flags = flags_of('predict', trained[0], tmp_path / 'new')
  process = run(environment | {'JAX_PLATFORMS': 'tpu'}, 'predict', *flags)
  assert process.returncode == 2
  assert process.stderr.startswith('error: $JAX_PLATFORMS')
  assert len(process.stderr.splitlines()) == 1
  made = [path for path in tmp_path.rglob('*') if path.is_file()]
  assert {path.name for path in made} <= {'.lock'}


def test_a_folder_is_shown_by_its_name(trained):
  workdir, output = trained
  assert f'everything is in {workdir};' in output


@slow
@pytest.mark.parametrize('command', ['predict', 'sweep', 'report'])
def test_other_commands_show_their_folder_by_its_name(
  environment, trained, tmp_path, command
):
  folder = tmp_path / 'a[' / 'b] :dog: [bold]'
  process = run(environment, command, *flags_of(command, trained[0], folder))
  assert process.returncode == 0, process.stderr
  assert str(folder) in process.stdout


def test_model_without_attention_says_that_it_has_none(environment, trained):
  flags = (f'--workdir={trained[0]}', '--attention')
  process = run(environment, 'predict', *flags)
  assert process.returncode == 2
  assert 'has no attention' in process.stderr


SETTINGS = {
  'JAX_ENABLE_X64': '1',
  'JAX_DEBUG_NANS': '1',
  'JAX_NUMPY_RANK_PROMOTION': 'raise',
  'JAX_NUMPY_DTYPE_PROMOTION': 'strict',
}


def test_settings_of_jax_change_no_bit_of_a_run(environment, trained, tmp_path):
  flags = (*PLAIN, f'--workdir={tmp_path}/run')
  process = run(environment | SETTINGS, 'train', *flags)
  assert process.returncode == 0, process.stderr
  for name in ('metrics.jsonl', 'dataset.json', 'config.json'):
    theirs = (trained[0] / name).read_bytes()
    assert (tmp_path / 'run' / name).read_bytes() == theirs


@slow
@pytest.mark.parametrize(
  ('model', 'settings'),
  [
    ('gat', SETTINGS),
    ('mlp', {'JAX_DISABLE_JIT': '1'}),
  ],
)
def test_commands_work_under_settings_of_jax(
  environment, tmp_path, model, settings
):
  environment = environment | settings
  few = 'JAX_DISABLE_JIT' in settings  # a second an epoch
  process = run(
    environment,
    'train',
    '--config=configs/smoke.py',
    f'--config.max_epochs={2 if few else 40}',
    f'--config.model.name={model}',
    f'--workdir={tmp_path}/run',
  )
  assert process.returncode == 0, process.stderr
  flags = [f'--workdir={tmp_path}/run']
  if model != 'mlp':
    flags += ['--attention']
  for command in ('predict', 'report'):
    process = run(environment, command, *flags)
    assert process.returncode == 0, process.stderr
    flags = flags[:1]


@slow
def test_a_nan_that_is_looked_for_is_found(environment, tmp_path):
  """The usual way: a traceback to the line that made it."""
  process = run(
    environment | {'JAX_DEBUG_NANS': '1'},
    'train',
    *PLAIN,
    '--config.learning_rate=1e29',
    f'--workdir={tmp_path}/run',
  )
  assert process.returncode == 1
  assert 'FloatingPointError: invalid value (nan)' in process.stderr
  assert re.search('gat_jax/(nn|training)/', process.stderr)
