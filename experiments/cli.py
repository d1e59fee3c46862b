"""What all commands share: flags, JAX's settings, errors, exit codes."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import functools
import glob
import importlib.metadata
import os
import pathlib
import re
import signal
import sys
import threading
import types
from typing import Any, Literal, NoReturn

from absl import flags
from absl import logging
import jax
from ml_collections import config_dict
from ml_collections import config_flags
import platformdirs

from experiments import arguments
from experiments import hosts
from experiments import terminal
from experiments.arguments import config_flag as config_flag
from experiments.arguments import path_flag as path_flag
from experiments.terminal import Console as Console
from experiments.terminal import StopRequest as StopRequest
from gat_jax import runs
from gat_jax import training
from gat_jax.errors import ConfigError
from gat_jax.errors import InputError
from gat_jax.errors import did_you_mean

BROKEN = 1  # a seed ended because a number was not finite
BAD_INPUT = 2

_FAST_ATOMICS = '--xla_backend_extra_options=-nvptx-allow-ftz-atomics'
_HELP = {'-h', '-help', '--help', '--helpshort', '--helpfull'}


def run(
  main: Callable[[], None],
  *,
  starts_jax: bool = True,
  on_hosts: Literal['all', 'first', 'none'] = 'none',
) -> None:
  """Parses the flags, calls `main` and leaves with an exit code.

  Bad input becomes one line on standard error and exit code 2, Ctrl-C becomes
  130. Where nobody reads standard output any more, the command ends without a
  word. Any other exception is a defect and keeps its traceback.

  Args:
    main: the command; the docstring of its module is shown by --help.
    starts_jax: whether it computes anything in this process.
    on_hosts: where Slurm or the like has started it several times, whether all
      of them work together, the first alone works, or it is an error.
  """
  if _HELP & set(sys.argv[1:]):
    with terminal.reading(sys.stdout):
      _show_help(sys.modules[main.__module__])
    return
  logging.set_verbosity(logging.WARNING)
  with _explained():
    launch = _launch(on_hosts)
  if launch is None:
    _run(main, starts_jax)
  else:
    with _explained():
      set_up_jax()
      hosts.run(launch, functools.partial(_run, main, starts_jax))


def _launch(on_hosts: str) -> hosts.Launch | None:
  """How this process was started among others it works with, if it was."""
  launch = hosts.find(sys.argv[1:] if on_hosts == 'all' else ())
  if launch is None or on_hosts == 'all':
    return launch
  if launch.index:  # what there is to say, the first one says
    sys.exit(0 if on_hosts == 'first' else BAD_INPUT)
  if on_hosts == 'none':
    raise ConfigError(
      f'{launch.by} has started several processes',
      'one does the work of this command',
      'start it once, as with srun --ntasks=1',
    )
  return None


def _run(main: Callable[[], None], starts_jax: bool) -> None:
  with terminal.reading(sys.stdout), _explained(), _interruptible():
    here = training.Hosts.here()
    with here.together():
      arguments.parse()
      if here.count == 1:
        set_up_jax()
      if starts_jax:
        check_platform()
    main()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
  """Shows an error that a person can mend as one line, and leaves."""
  try:
    yield
  except InputError as error:
    fail(as_flags(error))
  except training.HostError as error:
    _show_error(str(error))
    sys.exit(BROKEN)
  except KeyboardInterrupt:
    terminal.tell('\ninterrupted')
    sys.exit(terminal.INTERRUPTED)


def _show_help(module: types.ModuleType) -> None:
  print(str(module.__doc__).strip())
  print('\nflags:')
  print(flags.FLAGS.module_help(module))
  if 'config' in flags.FLAGS:
    print('\nfields of a config, each a flag as in --config.seed=1:')
    print(runs.settings.describe())


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
  """Ctrl-C raises KeyboardInterrupt here, wherever it ends the process else."""
  before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook

  def again(unraisable: Any) -> None:
    # Python ignores what is raised while it collects garbage, where JAX runs
    # code that Ctrl-C may fall into. So it comes again, once that is over.
    if unraisable.exc_type is KeyboardInterrupt:
      sent = functools.partial(os.kill, os.getpid(), signal.SIGINT)
      threading.Timer(0.01, sent).start()
    else:
      hook(unraisable)

  if before is signal.SIG_DFL:  # see __init__.py
    signal.signal(signal.SIGINT, signal.default_int_handler)
  sys.unraisablehook = again
  try:
    yield
  finally:
    sys.unraisablehook = hook
    signal.signal(signal.SIGINT, before)


def config_of(holder: flags.FlagHolder) -> config_dict.ConfigDict:
  """The config that a flag names.

  Raises:
    ConfigError: if there is none.
  """
  flag = f'--{holder.name}'
  try:
    config = holder.value
    if config is None:
      raise ConfigError(flag, 'missing', f'try {flag}=configs/cora.py')
    config.to_dict()  # a config that could not be loaded raises when it is used
    return config
  except OSError as error:
    path = config_flags.get_config_filename(flags.FLAGS[holder.name])
    raise ConfigError(f'{flag}={path}', no_such_config(path)) from error


def no_such_config(path: str) -> str:
  """Says that a config file is not there, and which one may have been meant."""
  known = [str(file) for file in sorted(pathlib.Path('configs').glob('*.py'))]
  return f'there is no such file; {did_you_mean(path, known, "see configs/")}'


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
  _show_error(message)
  sys.exit(BAD_INPUT)


def _show_error(message: str) -> None:
  Console(stderr=True).print('error:', style='bold red', end=' ')
  terminal.tell(message)


def set_up_jax() -> None:
  """One CPU device a core; compiled programs are kept for so many cores.

  $JAX_NUM_CPU_DEVICES and $JAX_COMPILATION_CACHE_DIR have the last word. Warns
  on standard error of a jaxlib that is slow on the GPU of this machine.
  """
  _warn_of_slow_gpu()
  if 'JAX_NUM_CPU_DEVICES' not in os.environ:
    jax.config.update('jax_num_cpu_devices', len(cores()))
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    # XLA compiles for so many cores, and JAX does not look at their number:
    # what one core had compiled would keep all others idle.
    cache = os.path.join(
      platformdirs.user_cache_dir('gat_jax'), f'compiled-{len(cores())}-cores'
    )
    jax.config.update('jax_compilation_cache_dir', cache)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def check_platform() -> None:
  """Starts the backend that $JAX_PLATFORMS names, if it names another than cpu.

  Raises:
    ConfigError: if it does not start here.
  """
  platforms = jax.config.jax_platforms
  if not platforms or platforms == 'cpu':
    return  # JAX takes what there is; not yet, as a bad flag must not wait
  try:
    jax.devices()
  except Exception as error:  # of a plugin; JAX's own may be a bare assertion
    reason = str(error).partition(' (set JAX_PLATFORMS')[0].strip()
    said = f' ({reason.splitlines()[0]})' if reason else ''
    raise ConfigError(
      f'$JAX_PLATFORMS={platforms}',
      f'JAX finds no such device here{said}',
      'unset it, or install the JAX for that device',
    ) from error


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
    terminal.tell(f'warning: {warning}')


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
