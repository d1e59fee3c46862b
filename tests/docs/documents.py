"""The pages of the documentation, and what stands in them."""

import pathlib
import re
import textwrap
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / 'docs'
# What makes the site of the repository, in its root.
SITE = 'sphinx -W --keep-going -c docs . docs/_build'
NOTEBOOK = DOCS / 'cora.ipynb'
PAGES = sorted(
  path
  for pattern in ('*.md', 'docs/**/*.md', 'benchmarks/**/*.md')
  for path in ROOT.glob(pattern)
  if '_build' not in path.parts
)
# Invisible to a reader: the code of this page runs in the second tier, with the
# files of that data set, if one is named.
_SLOW = re.compile(r'^<!-- slow(?:: (\w+))? -->$', re.MULTILINE)
# Code, and what it prints: a block of text that follows, else nothing.
BLOCK = re.compile(
  r'^```(?:python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?'
  r'|text\n(?P<stray>.*?)^```\n)',
  re.DOTALL | re.MULTILINE,
)
_FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r'(?:(?<=\n\n)|\A)(?:(?: {4}.*)?\n)+', re.MULTILINE)
_INLINE = re.compile(r'`(python -m [^`]+)`')


def name(path: pathlib.Path) -> str:
  """As a test or an error names a page."""
  return path.relative_to(ROOT).as_posix()


def is_slow(text: str) -> bool:
  """Whether a page's code belongs to the second tier."""
  return _SLOW.search(text) is not None


def data_set(text: str) -> str | None:
  """The data set whose files a page's code needs."""
  found = _SLOW.search(text)
  return found and found[1]


class Command(NamedTuple):
  """A line for a shell.

  Attributes:
    page: where it stands.
    words: what follows `python -m`, still to be split.
  """

  page: str
  words: str


def commands(path: pathlib.Path) -> list[Command]:
  """Every `python -m ...` of a page, in a block or in a sentence."""
  text = path.read_text()
  blocks = [body for kind, body in _FENCE.findall(text) if kind in ('sh', '')]
  rest = _FENCE.sub('', text)
  blocks += map(textwrap.dedent, _INDENTED.findall(rest))
  lines = [
    part
    for block in blocks
    for line in re.sub(r'\\\n\s*', '', block).splitlines()
    for part in re.split(r'&&|\||;', line)
  ]
  lines += [found.replace('\n', ' ') for found in _INLINE.findall(rest)]
  found = (re.match(r'\s*(?:\$ |\w+=\S+ )*python -m (.*)', x) for x in lines)
  return [Command(name(path), match[1]) for match in found if match]
