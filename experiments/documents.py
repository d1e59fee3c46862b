"""Sections of a Markdown file that several commands share."""

import pathlib

from gat_jax import workdirs
from gat_jax.errors import WorkdirError


def put_section(path: str, name: str, text: str) -> None:
  """Replaces one section of a file, or adds it at the end.

  Args:
    path: of the file; made if it is not there.
    name: what it is found again by; not shown.
    text: Markdown.

  Raises:
    WorkdirError: if the file cannot be read or written.
  """
  begin, end = f'<!-- {name} -->\n', f'<!-- end of {name} -->\n'
  section = f'{begin}\n{text.strip()}\n\n{end}'
  file = pathlib.Path(path)
  try:
    before = file.read_text(encoding='utf-8') if file.exists() else ''
    head, found, tail = before.partition(begin)
    if found:
      _, _, after = tail.partition(end)
    else:
      head, after = (f'{before.rstrip()}\n\n' if before.strip() else ''), ''
    workdirs.write_text(file, head + section + after)
  except OSError as error:
    raise WorkdirError(f'{path} cannot be written: {error}') from error
