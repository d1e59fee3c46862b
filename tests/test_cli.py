"""What all commands share, without starting one."""

from absl import flags
import pytest

from experiments import cli
from gat_jax.errors import ConfigError
from gat_jax.errors import WorkdirError

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
