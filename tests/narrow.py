"""Tables as a terminal of so many columns shows them."""

import io

from rich.console import Console


def shown(*tables, width=80) -> str:
  """What is printed; no line is longer than the terminal is wide."""
  console = Console(file=io.StringIO(), width=width, markup=False, emoji=False)
  console.print(*tables, sep='\n')
  text = console.file.getvalue()
  assert max(map(len, text.splitlines())) <= width
  return text


def check_whole(lines, text, important=(), wraps=()):
  """No cell is broken; a column that is left out is named, and not important.

  Args:
    lines: of cells, the header first.
    text: what was shown of them.
    important: names of columns; all if none is named.
    wraps: columns whose cells may be broken between two words.
  """
  _, _, left_out = ' '.join(text.split()).partition('left out here')
  header, *rows = lines
  for index, name in enumerate(header):
    if important and name not in important and name in left_out:
      continue
    for word in name.split():
      assert word in text
    for row in rows:
      parts = row[index].split() if name in wraps else [row[index]]
      for part in parts:
        assert part in text, (name, part)
