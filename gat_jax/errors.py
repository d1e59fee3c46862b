"""Errors that a person can mend: one message, shown without a traceback."""


class InputError(ValueError):
  """Bad input: which file or field, what is wrong with it, how to mend it."""


class DataError(InputError):
  """A data set that cannot be found, is damaged or contradicts itself."""


class ConfigError(InputError):
  """A config field with a value that cannot be used."""


class WorkdirError(InputError):
  """A working directory that cannot be written, or not be read as a run."""
