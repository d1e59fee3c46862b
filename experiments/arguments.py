"""The flags of a command: paths, configs, and what is wrong with them."""

import os
import re
import sys

from absl import flags
from ml_collections import config_dict
from ml_collections import config_flags

from gat_jax import runs
from gat_jax.errors import ConfigError
from gat_jax.errors import InputError
from gat_jax.errors import did_you_mean

flags.disclaim_key_flags()  # --help shows a flag where it is asked for


def path_flag(
  name: str, help_string: str, default: str | None = None
) -> flags.FlagHolder[str]:
  """Defines a flag whose value is a path: `~` in front is the home of a user.

  A shell leaves the `~` of `--name=~/x` as it is.
  """
  return flags.DEFINE(_PathParser(), name, default, help_string)


class _PathParser(flags.ArgumentParser):
  """An empty path stays empty: commands say then that it is missing."""

  def parse(self, argument: str) -> str:
    return expand(argument)


def expand(path: str) -> str:
  """The path with the home of a user for `~`.

  Raises:
    ValueError: if there is no such user.
  """
  expanded = os.path.expanduser(path)
  if expanded.startswith('~'):
    raise ValueError(
      'there is no such user; write ./~ for a name that begins with ~'
    )
  return expanded


def config_flag(
  name: str,
  help_string: str,
  flag_values: flags.FlagValues = flags.FLAGS,
) -> flags.FlagHolder:
  """Defines a flag that names a config file; its fields are flags as well."""
  holder = config_flags.DEFINE_config_file(name, None, help_string, flag_values)
  flag = flag_values[name]
  flag.parser = _ConfigParser(name, flag.parser)
  return holder


class _ConfigParser(flags.ArgumentParser):
  """Reads a config, and checks which of its fields the arguments set."""

  def __init__(self, name: str, parser: flags.ArgumentParser):
    self.name = name
    self._parser = parser

  def parse(self, argument: str) -> config_dict.ConfigDict:
    config = self._parser.parse(expand(argument))
    if isinstance(config, config_dict.ConfigDict):  # else it says so when used
      check_fields(self.name, config)
    return config


def check_fields(name: str, config: config_dict.ConfigDict) -> None:
  """Refuses arguments that set a field which a config has not.

  ml_collections would refuse them as well, but knows no other place of a name.

  Args:
    name: of the flag that named the config.
    config: with all its fields.

  Raises:
    ConfigError: names the first such field, and the one that was meant.
  """
  fields = runs.settings.flat(config)
  for argument in sys.argv[1:]:
    found = re.match(rf'--?(?:no)?{re.escape(name)}\.([\w.]+)', argument)
    if not found:
      continue
    is_known = any(f'{field}.'.startswith(f'{found[1]}.') for field in fields)
    if not is_known:
      given = f'--{name}.{found[1]}'
      remedy = did_you_mean(found[1], fields, '--help lists all fields')
      raise ConfigError(given, 'the config has no such field', remedy)


class FlagError(InputError):
  """Flags that cannot be read, in words that name them already."""

  def __init__(self, unused_field: str, text: str, unused_remedy: str = ''):
    """See the class."""
    super().__init__('', text)

  def __str__(self) -> str:
    return self.problem


def parse() -> None:
  """Parses `sys.argv`.

  Raises:
    FlagError: says what is wrong with it.
  """
  try:
    rest = flags.FLAGS(sys.argv)
  except Exception as error:  # whatever a config file or its overrides raise
    raise FlagError('', explain(error)) from error
  if len(rest) > 1:
    raise FlagError(
      '',
      f'unexpected argument {rest[1]!r}; every setting starts with --'
      ' (--help shows examples)',
    )


def explain(error: Exception) -> str:
  """What went wrong with a flag, a config file or one of its fields."""
  cause: BaseException | None = error
  while cause is not None:  # absl adds the file, ml_collections a traceback
    if isinstance(cause, InputError):
      return str(cause)
    cause = cause.__context__
  return f'{_words(error)} (--help shows examples)'


def _words(error: Exception) -> str:
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
