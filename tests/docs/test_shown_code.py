"""What a page shows is what its code does."""

import re

import documents
import numpy as np
import pytest
import realdata

WITH_CODE = [
  pytest.param(path, marks=pytest.mark.slow if documents.is_slow(text) else ())
  for path in documents.PAGES
  if '```python' in (text := path.read_text())
]
FILES = {
  'citeseer': ('planetoid', 'ind.citeseer.graph'),
  'cora': ('planetoid', 'ind.cora.graph'),
  'ppi': ('ppi', 'ppi.zip'),
  'pubmed': ('planetoid', 'ind.pubmed.graph'),
}


def run(text, name, capsys):
  """Runs the blocks in order, in one namespace, and compares what they print.

  Returns the namespace.
  """
  names = {'__name__': 'document'}
  num_run = 0
  with np.printoptions():  # a document may set its own
    for block in documents.BLOCK.finditer(text):
      line = text.count('\n', 0, block.start()) + 1
      assert block['stray'] is None, f'{name}:{line}: printed by no code'
      code = '\n' * line + block['code']  # errors name the document's line
      exec(compile(code, name, 'exec'), names)  # noqa: S102, our own text
      printed = capsys.readouterr().out
      assert printed == (block['shown'] or ''), f'{name}:{line}'
      num_run += 1
  assert num_run == text.count('```python'), f'{name}: a block did not run'
  return names


@pytest.mark.parametrize('path', WITH_CODE, ids=documents.name)
def test_code_prints_what_the_page_shows(path, capsys, tmp_path, monkeypatch):
  """In an empty folder; only a page that says so finds the files of a data set.

  Elsewhere no folder has them, and none can be made for a download.
  """
  text = path.read_text()
  folder = tmp_path / 'file' / 'no-folder'
  folder.parent.touch()
  if data_set := documents.data_set(text):
    folder = realdata.folder(*FILES[data_set])
  monkeypatch.setenv('GAT_JAX_DATA', str(folder))
  empty = tmp_path / 'empty'
  empty.mkdir()
  monkeypatch.chdir(empty)
  run(text, documents.name(path), capsys)


@pytest.mark.parametrize(
  'text',
  [
    '```python\nprint(1)\n```\n\n```text\n2\n```\n',
    '```python\nprint(1)\n```\n\nand so on\n',
    '```python\nx = 1\n```\n\nprints\n\n```text\n1\n```\n',
    '```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n',
    '- a list\n\n  ```python\n  print(1)\n  ```\n',
  ],
)
def test_a_page_that_is_wrong_is_noticed(text, capsys):
  with pytest.raises(AssertionError):
    run(text, 'wrong.md', capsys)


@pytest.mark.parametrize('path', documents.PAGES, ids=documents.name)
def test_links_lead_to_files(path):
  """On GitHub; the site checks what stands behind a # as well."""
  text = path.read_text()
  links = re.findall(r'\]\(([^)#\s]+)', text)
  links += re.findall(r'(?:src|srcset|href)="([^"#\s]+)', text)
  for link in links:
    if not link.startswith(('http://', 'https://')):
      assert (path.parent / link).exists(), link
