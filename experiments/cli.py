"""What all commands share: flags, JAX's settings, errors, exit codes."""

from collections.abc import Callable
import contextlib
import difflib
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

from gat_jax.errors import InputError
from gat_jax.runs.observers import Observer

BROKEN = 1  # a seed ended because a number was not finite
BAD_INPUT = 2
INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

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
    sys.exit(0)
  logging.set_verbosity(logging.WARNING)
  _parse_flags()
  set_up_jax()
  try:
    main()
  except InputError as error:
    fail(str(error))
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
  """That a config file is not there, and which one may have been meant."""
  known = [str(file) for file in sorted(pathlib.Path('configs').glob('*.py'))]
  close = difflib.get_close_matches(path, known, n=1)
  return 'there is no such file; ' + (
    f'did you mean {close[0]}?' if close else 'see configs/'
  )


class StopRequest:
  """Turns the first SIGINT or SIGTERM into a wish, for a run to see.

  The second ends the process at once, as both do outside this context.

  Attributes:
    taken: the signals that came, in order.
  """

  def __init__(self, *patient: signal.Signals):
    """Nobody wants anything yet.

    Args:
      *patient: signals that are wishes too, but never end it at once.
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
    print('\nsaving after this look; once more ends at once', file=sys.stderr)

  def pass_on(self) -> None:
    """Sends what was taken to whoever takes it outside this context."""
    for number in self.taken:
      signal.raise_signal(number)

  @property
  def exit_code(self) -> int:
    """130 after SIGINT, 143 after SIGTERM."""
    return 128 + self.taken[0]


class StoppableObserver(Observer):
  """Ends a run after the look during which a signal came."""

  def __init__(self, stop: object):
    """Takes what is true as soon as the run is to be interrupted."""
    self._stop = stop

  def wants_stop(self) -> bool:
    """Whether a signal asked for it."""
    return bool(self._stop)


def fail(message: str) -> NoReturn:
  """Prints one error and leaves with exit code 2."""
  Console(stderr=True, highlight=False).print(
    'error:', style='bold red', end=' '
  )
  print(message, file=sys.stderr)
  sys.exit(BAD_INPUT)


def set_up_jax() -> None:
  """One CPU device a core, and compiled programs kept between processes.

  $JAX_NUM_CPU_DEVICES and $JAX_COMPILATION_CACHE_DIR have the last word.
  """
  if 'JAX_NUM_CPU_DEVICES' not in os.environ:
    jax.config.update('jax_num_cpu_devices', len(cores()))
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    cache = os.path.join(platformdirs.user_cache_dir('gat_jax'), 'compiled')
    jax.config.update('jax_compilation_cache_dir', cache)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def cores() -> list[int]:
  """The cores that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))
