"""Tables as text, and sections of a Markdown file that commands share."""

from collections.abc import Sequence
import csv
import io
import pathlib
from typing import Any

from gat_jax.errors import WorkdirError
from gat_jax.runs import workdirs


def metric_name(metric: str | None) -> str:
  """As a reader knows it; before anything has finished, 'score'."""
  return (metric or 'score').replace('micro_f1', 'micro-F1')


def mean_and_deviation(mean: float, std: float | None, digits: int = 2) -> str:
  """As in 83.05 ± 0.71; the mean alone if there is no deviation."""
  shown = f'{mean:.{digits}f}'
  return shown if std is None else f'{shown} ± {std:.{digits}f}'


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
  """Cells as a Markdown table, the header first; no line break at the end."""
  header, *rows = lines
  lines = [header, ['---'] * len(header), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def as_csv(lines: Sequence[dict[str, Any]]) -> str:
  """Records under the names that any of them has; nothing if there is none."""
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
