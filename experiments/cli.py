"""What all commands share: flags, JAX's settings, errors, exit codes."""

from collections.abc import Callable, Mapping
import contextlib
import functools
import glob
import importlib.metadata
import os
import pathlib
import re
import signal
import sys
from typing import NoReturn

from absl import flags
from absl import logging
import jax
from ml_collections import config_dict
from ml_collections import config_flags
import platformdirs
from rich.console import Console

from gat_jax import runs
from gat_jax.errors import InputError
from gat_jax.errors import did_you_mean

BROKEN = 1  # a seed ended because a number was not finite
BAD_INPUT = 2
INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_FAST_ATOMICS = '--xla_backend_extra_options=-nvptx-allow-ftz-atomics'
_HELP = {'-h', '-help', '--help', '--helpshort', '--helpfull'}


def run(main: Callable[[], None]) -> None:
  """Parses the flags, calls `main` and leaves with an exit code.

  Bad input becomes one line on standard error and exit code 2, Ctrl-C becomes
  130. Any other exception is a defect and keeps its traceback.

  Args:
    main: the command; the docstring of its module is shown by --help.
  """
  module = sys.modules[main.__module__]
  if _HELP & set(sys.argv[1:]):
    with contextlib.suppress(BrokenPipeError):  # of `--help | head`
      print(module.__doc__.strip())
      print('\nflags:')
      print(flags.FLAGS.module_help(module), flush=True)
      if 'config' in flags.FLAGS:
        print('\nfields of a config, each a flag as in --config.seed=1:')
        print(runs.settings.describe(), flush=True)
    sys.exit(0)
  logging.set_verbosity(logging.WARNING)
  _parse_flags()
  set_up_jax()
  try:
    main()
  except InputError as error:
    fail(as_flags(error))
  except KeyboardInterrupt:
    print('\ninterrupted', file=sys.stderr)
    sys.exit(INTERRUPTED)


def _parse_flags() -> None:
  try:
    rest = flags.FLAGS(sys.argv)
  except Exception as error:  # whatever a config file or its overrides raise
    fail(f'{_explain(error)} (--help shows examples)')
  if len(rest) > 1:
    fail(
      f'unexpected argument {rest[1]!r}; every setting starts with --'
      ' (--help shows examples)'
    )


def _explain(error: Exception) -> str:
  """What went wrong with a flag, a config file or one of its fields."""
  text = str(error)
  meant = re.search(r'Did you mean "(\w+)" instead of "(\w+)"', text)
  if meant:
    return f'the config has no field {meant[2]}; did you mean {meant[1]}?'
  if unknown := re.search(r'Key "(\w+)" does not exist', text):
    return f'the config has no field {unknown[1]}; --help lists all fields'
  if isinstance(error, flags.Error | ValueError | OSError):
    return text
  if 'get_config' in text:
    return 'the file of --config defines no get_config()'
  if isinstance(error, KeyError | AttributeError):
    return f'the config has no field {text}'
  return f'the file of --config fails with {type(error).__name__}: {text}'


def config_of(holder: flags.FlagHolder) -> config_dict.ConfigDict:
  """The config that a flag names; a missing or broken one is an error."""
  try:
    config = holder.value
    if config is None:
      fail(f'--{holder.name} is missing; try --{holder.name}=configs/cora.py')
    config.to_dict()  # a config that could not be loaded raises when it is used
    return config
  except OSError:
    path = config_flags.get_config_filename(flags.FLAGS[holder.name])
    fail(f'--{holder.name}={path}: {no_such_config(path)}')


def no_such_config(path: str) -> str:
  """Says that a config file is not there, and which one may have been meant."""
  known = [str(file) for file in sorted(pathlib.Path('configs').glob('*.py'))]
  return f'there is no such file; {did_you_mean(path, known, "see configs/")}'


class StopRequest:
  """Takes the first SIGINT or SIGTERM as a request to stop.

  Whatever trains checks `bool(stop)`, saves and ends. A second signal ends the
  process at once. Outside this context a first one does.

  Attributes:
    taken: the signals that came, in order.
  """

  def __init__(self, *patient: signal.Signals):
    """No signal has come yet.

    Args:
      *patient: signals that ask it to stop, but never end it at once.
    """
    self.taken: list[int] = []
    self._patient = patient

  def __bool__(self) -> bool:
    return bool(self.taken)

  def __enter__(self) -> 'StopRequest':
    self._before = {
      number: signal.signal(number, self._take)
      for number in {*_SIGNALS, *self._patient}
    }
    return self

  def __exit__(self, *unused_error) -> None:
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def _take(self, number: int, unused_frame) -> None:
    if self.taken and number not in self._patient:
      signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third would cut saving
      sys.exit(128 + number)
    self.taken.append(number)
    print(
      '\nsaving after the epochs that are running; once more ends at once',
      file=sys.stderr,
    )

  def pass_on(self) -> None:
    """Raises the signals again, for the handlers outside this context."""
    for number in self.taken:
      signal.raise_signal(number)

  @property
  def exit_code(self) -> int:
    """130 after SIGINT, 143 after SIGTERM."""
    return 128 + self.taken[0]


class StoppableObserver(runs.Observer):
  """Interrupts a run after the evaluation during which a signal came."""

  def __init__(self, stop: object):
    """Takes what is true as soon as the run is to be interrupted."""
    self._stop = stop

  def request(self, evaluation: runs.Evaluation) -> runs.Outcome | None:
    """Asks for an interruption if a signal came."""
    return runs.Outcome.INTERRUPTED if self._stop else None


def as_flags(error: InputError) -> str:
  """The text of an error, with fields and arguments as this command's flags.

  The library names them as a caller in Python knows them: `config.seed`,
  `workdir`. A name that is no flag of this command stays as it is.
  """

  def flag(name: str) -> str:
    if name == 'config.data_dir' and 'data_dir' in flags.FLAGS:
      name = 'data_dir'  # a command that reads the config from a workdir
    of_config = 'config' if name.startswith('config.') else name
    return f'--{name}' if of_config in flags.FLAGS else name

  text = str(type(error)(flag(error.field), error.problem, error.remedy))
  return re.sub(r'`([\w.]+)`', lambda found: flag(found[1]), text)


def fail(message: str) -> NoReturn:
  """Prints one error and leaves with exit code 2."""
  Console(stderr=True, highlight=False).print(
    'error:', style='bold red', end=' '
  )
  print(message, file=sys.stderr)
  sys.exit(BAD_INPUT)


def set_up_jax() -> None:
  """One CPU device a core, and compiled programs kept between processes.

  $JAX_NUM_CPU_DEVICES and $JAX_COMPILATION_CACHE_DIR have the last word. Warns
  on standard error of a jaxlib that is slow on the GPU of this machine.
  """
  _warn_of_slow_gpu()
  if 'JAX_NUM_CPU_DEVICES' not in os.environ:
    jax.config.update('jax_num_cpu_devices', len(cores()))
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    cache = os.path.join(platformdirs.user_cache_dir('gat_jax'), 'compiled')
    jax.config.update('jax_compilation_cache_dir', cache)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def slow_gpu(
  version: str, uses_nvidia_gpu: bool, environment: Mapping[str, str]
) -> str | None:
  """A warning for versions of jaxlib that are slow on NVIDIA GPUs, else None.

  Args:
    version: of jaxlib.
    uses_nvidia_gpu: whether this process would use one.
    environment: whose XLA_FLAGS may mend it.
  """
  numbers = tuple(map(int, re.findall(r'\d+', version)[:3]))
  is_slow = (0, 10, 2) <= numbers <= (0, 11, 0)  # openxla/xla issue 46225
  is_mended = _FAST_ATOMICS in environment.get('XLA_FLAGS', '')
  if not uses_nvidia_gpu or not is_slow or is_mended:
    return None
  return (
    f'jaxlib {version} adds float32 numbers on NVIDIA GPUs up to 450 times too'
    f' slowly; install jax 0.11.1 or newer, or set XLA_FLAGS={_FAST_ATOMICS}'
  )


@functools.cache  # a process that sets JAX up again says it once
def _warn_of_slow_gpu() -> None:
  version = importlib.metadata.version('jaxlib')
  if warning := slow_gpu(version, _uses_nvidia_gpu(), os.environ):
    print(f'warning: {warning}', file=sys.stderr)


def _uses_nvidia_gpu() -> bool:
  """Whether JAX would take an NVIDIA GPU; starts no backend to find out."""
  platforms = jax.config.jax_platforms
  if platforms and not {'cuda', 'gpu'} & set(platforms.split(',')):
    return False
  if os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
    return False
  if not glob.glob('/dev/nvidia[0-9]*'):
    return False
  names = [d.metadata['Name'] for d in importlib.metadata.distributions()]
  return any(re.fullmatch(r'jax-cuda\d+-plugin', str(name)) for name in names)


def cores() -> list[int]:
  """The cores that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))
