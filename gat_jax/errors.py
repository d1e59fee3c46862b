"""Errors that a person can mend: one message, shown without a traceback."""

from collections.abc import Iterable
import difflib
import re


class InputError(ValueError):
  """Bad input: where it is, what is wrong with it, how to mend it.

  Attributes:
    field: what it is about: a field of the config, as in
      `config.learning_rate`; an argument of the function that was called, as in
      `workdir`; a file, with a place in it where that is known; or `memory`.
    problem: what is wrong with it.
    remedy: how to mend it; empty where the problem already tells. Here and in
      the problem, names in backticks are fields or arguments, which a command
      shows as its flags.
  """

  def __init__(self, field: object, problem: str, remedy: str = ''):
    """See the class."""
    super().__init__(field, problem, remedy)
    self.field = str(field)
    self.problem = problem
    self.remedy = remedy

  def __str__(self) -> str:
    mend = f'; {self.remedy}' if self.remedy else ''
    return f'{self.field}: {self.problem}{mend}'


class DataError(InputError):
  """A data set that cannot be found, is damaged or contradicts itself."""


class ConfigError(InputError):
  """A config field with a value that cannot be used."""


class WorkdirError(InputError):
  """A working directory that cannot be written, or not be read as a run."""


def did_you_mean(
  word: object, known: Iterable[str], otherwise: str = ''
) -> str:
  """A remedy for a misspelt name, or for one that was looked for elsewhere.

  Args:
    word: what was given.
    known: what could have been meant; of dotted names, as those of fields, also
      the last part, wherever it is.
    otherwise: the remedy where nothing of it is close.

  Returns:
    'did you mean ...?', or `otherwise`.
  """
  names: dict[str, list[str]] = {}
  for name in known:
    names.setdefault(name, []).append(name)
    if re.fullmatch(r'-*(\w+\.)+\w+', name):
      names.setdefault(name.rpartition('.')[2], []).append(name)
  last = str(word).rpartition('.')[2]
  close = (
    [last]
    if last in names
    else difflib.get_close_matches(str(word), names, n=1)
    or difflib.get_close_matches(last, names, n=1)
  )
  return f'did you mean {" or ".join(names[close[0]])}?' if close else otherwise
