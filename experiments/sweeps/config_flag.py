"""The flag --config of a sweep: several files, and fields set in all of them.

    --config=configs/cora.py,configs/citeseer.py --config.max_epochs=50

ml_collections reads `--config.field=value` for one config. This flag asks it
once for each file, so a field may be written as for experiments.train, and is
checked in the same way.
"""

from typing import NamedTuple

from absl import flags
from ml_collections import config_dict
from ml_collections import config_flags

from experiments import arguments
from experiments.sweeps import hyper
from gat_jax.errors import ConfigError


class ConfigFile(NamedTuple):
  """A file of --config.

  Attributes:
    path: as it was given.
    config: what its get_config returned, with the fields that were set.
    sweep: what its get_hyper returned, if it has one.
  """

  path: str
  config: config_dict.ConfigDict
  sweep: hyper.Sweep | None


class ConfigFilesFlag(flags.Flag):
  """Its value is a list of `ConfigFile`."""

  def __init__(
    self,
    name: str,
    help_string: str,
    flag_values: flags.FlagValues = flags.FLAGS,
  ):
    """Defines no flag yet; `flags.DEFINE_flag` does.

    Args:
      name: of the flag.
      help_string: what --help says of it.
      flag_values: to which the flags for fields are added.
    """
    super().__init__(
      flags.ArgumentParser(), None, name, None, help_string, allow_override=True
    )
    self._flag_values = flag_values
    self._fields: dict[str, _FieldFlag] = {}

  @property
  def words(self) -> list[str]:
    """The arguments that set fields."""
    return [f'--{flag.name}={flag.argument}' for flag in self._fields.values()]

  def parse(self, argument: str) -> None:
    """Loads the files, and defines a flag for each field that is to be set.

    Raises:
      InputError: if a file cannot be used.
      Exception: what ml_collections raises if a field is not there.
    """
    self.value, self._fields = [], {}
    for path in filter(None, map(str.strip, argument.split(','))):
      config, sweep = hyper.load(path)
      arguments.check_fields(self.name, config)
      own = flags.FlagValues()
      config_flags.DEFINE_config_dict(self.name, config, flag_values=own)
      own[self.name].parse(config)  # defines those that sys.argv sets
      self.value.append(ConfigFile(path, config, sweep))
      for name in own:  # in the order of the arguments
        if name == self.name:
          continue
        field = name.removeprefix(f'{self.name}.')
        if field not in self._fields:
          self._fields[field] = _FieldFlag(own[name])
          flags.DEFINE_flag(self._fields[field], self._flag_values)
        self._fields[field].targets.append(own[name])
    self.present += 1

  def check(self, changes: hyper.Sweep) -> None:
    """Raises ConfigError if a field was set that a sweep decides."""
    if 'num_seeds' in self._fields:
      raise ConfigError(
        f'--{self.name}.num_seeds', 'a trial has one seed', 'give --seeds'
      )
    for swept in hyper.fields(changes):
      for field in self._fields:
        if f'{swept}.'.startswith(f'{field}.'):
          raise ConfigError(
            f'--{self.name}.{field}',
            f'it is set, and the sweep changes {swept}',
            'leave one of them out; --sweep replaces what a config sweeps',
          )


class _FieldFlag(flags.Flag):
  """Sets a field in every config.

  Attributes:
    targets: a flag for each config.
    argument: the last one that was parsed.
  """

  def __init__(self, first: flags.Flag):
    super().__init__(
      flags.ArgumentParser(),
      None,
      first.name,
      None,
      first.help,
      boolean=first.boolean,
      allow_override=True,
    )
    self.targets: list[flags.Flag] = []
    self.argument = ''

  def parse(self, argument: str) -> None:
    for flag in self.targets:
      flag.parse(argument)
    self.argument = argument
    self.present += 1
