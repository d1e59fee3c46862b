"""The Markdown file that a benchmark puts its table into."""

import argparse
from typing import Any

from experiments import documents
from gat_jax.errors import InputError


def file(path: str) -> str:
  """The type of a flag: a path that `documents.put_section` can write.

  Raises:
    ArgumentTypeError: if it cannot, so that the command ends before its work.
  """
  try:
    documents.check_file(path)
  except InputError as error:
    raise argparse.ArgumentTypeError(str(error)) from error
  return path


FLAG: dict[str, Any] = {
  'type': file,
  'help': 'put the table into this Markdown file',
}
