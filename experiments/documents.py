"""Tables as text, and sections of a Markdown file that commands share.

It knows cells and words, not what they mean.
"""

from collections.abc import Sequence
import csv
import io
import pathlib
from typing import Any

from gat_jax import storage
from gat_jax.runs import workdirs


def metric_name(metric: str | None) -> str:
  """What a reader calls it; 'score' before anything has finished."""
  return (metric or 'score').replace('micro_f1', 'micro-F1')


def mean_and_deviation(mean: float, std: float | None, digits: int = 2) -> str:
  """For example 83.05 ± 0.71; the mean alone if there is no deviation."""
  shown = f'{mean:.{digits}f}'
  return shown if std is None else f'{shown} ± {std:.{digits}f}'


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
  """Cells as a Markdown table, the header first; no line break at the end."""
  header, *rows = lines
  lines = [header, ['---'] * len(header), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def as_csv(lines: Sequence[dict[str, Any]]) -> str:
  """Records as CSV, with a column for every name that any of them has.

  Args:
    lines: by name, the values of each record; None leaves a cell empty.

  Returns:
    The text, names first; empty if there is no record.
  """
  names = list(dict.fromkeys(name for line in lines for name in line))
  file = io.StringIO()
  if lines:
    writer = csv.DictWriter(file, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
  return file.getvalue()


def put_section(path: str, name: str, text: str) -> None:
  """Replaces one section of a file, or adds it at the end.

  Args:
    path: of the file; made if it is not there.
    name: marks the section in the file; a reader does not see it.
    text: Markdown.

  Raises:
    WorkdirError: if the file cannot be read or written.
  """
  begin, end = f'<!-- {name} -->\n', f'<!-- end of {name} -->\n'
  section = f'{begin}\n{text.strip()}\n\n{end}'
  file = pathlib.Path(path)
  with workdirs.explained(path, path, 'choose another file'):
    before = file.read_text(encoding='utf-8') if file.exists() else ''
    head, found, tail = before.partition(begin)
    if found:
      _, _, after = tail.partition(end)
    else:
      head, after = (f'{before.rstrip()}\n\n' if before.strip() else ''), ''
    with storage.whole_file(file) as opened:
      opened.write(head + section + after)
