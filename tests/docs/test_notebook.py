"""What the documents show is what their code does."""

import pathlib
import re

import nbclient
import nbformat
import numpy as np
import pytest
import realdata

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / 'docs' / 'cora.ipynb'
WITH_CODE = ('README.md', 'docs/gat.md', 'docs/contract.md')
DOCUMENTS = [
  path
  for part in ('.', 'docs', 'benchmarks')
  for path in ROOT.glob(f'{part}/*.md')
]
# Code, and what it prints: a block of text that follows, else nothing.
BLOCK = re.compile(
  r'^```(?:python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?'
  r'|text\n(?P<stray>.*?)^```\n)',
  re.DOTALL | re.MULTILINE,
)
# Traces of a machine or a day: folders, memory addresses, times, warnings.
TRACES = re.compile(
  r'/(tmp|home|root|Users|usr|work)/|0x[0-9a-f]{6}|\d\d:\d\d:\d\d|Warning'
)


def run(text, name, capsys):
  """Runs the blocks in order, in one namespace, and compares what they print.

  Returns the namespace.
  """
  names = {'__name__': 'document'}
  with np.printoptions():  # a document may set its own
    for block in BLOCK.finditer(text):
      line = text.count('\n', 0, block.start()) + 1
      assert block['stray'] is None, f'{name}:{line}: printed by no code'
      code = '\n' * line + block['code']  # errors name the document's line
      exec(compile(code, name, 'exec'), names)  # noqa: S102, our own text
      printed = capsys.readouterr().out
      assert printed == (block['shown'] or ''), f'{name}:{line}'
  return names


@pytest.mark.parametrize('name', WITH_CODE)
def test_code_prints_what_the_document_shows(
  name, capsys, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  names = run((ROOT / name).read_text(), name, capsys)
  if name == 'README.md':
    assert names['logits'].shape == (4, 3)
    assert names['alpha'].shape == (10, 4)


@pytest.mark.parametrize(
  'text',
  [
    '```python\nprint(1)\n```\n\n```text\n2\n```\n',
    '```python\nprint(1)\n```\n\nand so on\n',
    '```python\nx = 1\n```\n\nprints\n\n```text\n1\n```\n',
    '```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n',
  ],
)
def test_a_document_that_is_wrong_is_noticed(text, capsys):
  with pytest.raises(AssertionError):
    run(text, 'wrong.md', capsys)


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path):
  links = re.findall(r'\]\(([^)#\s]+)', path.read_text())
  for link in links:
    if not link.startswith(('http://', 'https://')):
      assert (path.parent / link).exists(), link


@pytest.fixture
def execute(tmp_path, monkeypatch):
  """Runs a notebook as Jupyter does, in a process and a folder of its own."""
  for variable in ('IPYTHONDIR', 'JUPYTER_RUNTIME_DIR', 'MPLCONFIGDIR'):
    monkeypatch.setenv(variable, str(tmp_path))

  def execute(notebook, folder):
    nbclient.NotebookClient(
      notebook,
      timeout=600,
      kernel_name='python3',
      resources={'metadata': {'path': str(folder)}},
    ).execute()

  return execute


@pytest.mark.slow
def test_notebook_runs_and_leaves_nothing(execute, monkeypatch):
  """In docs/, where Jupyter starts it, without its kept outputs."""
  data = realdata.folder('planetoid', 'ind.cora.graph')
  monkeypatch.setenv('GAT_JAX_DATA', str(data))
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  for cell in code_cells(notebook):
    cell.update(outputs=[], execution_count=None)
  before = files_of_the_repository()
  execute(notebook, NOTEBOOK.parent)
  check_outputs(notebook)
  assert files_of_the_repository() == before


@pytest.mark.slow
def test_notebook_finds_the_library_from_the_root_too(execute):
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  notebook.cells = code_cells(notebook)[:1]
  execute(notebook, ROOT)


def test_notebook_is_kept_executed_and_clean():
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  nbformat.validate(notebook)
  check_outputs(notebook)
  texts = [cell.source for cell in notebook.cells]
  texts += [
    str(output.get('text', output.get('data', {}).get('text/plain')))
    for cell in code_cells(notebook)
    for output in cell.outputs
  ]
  assert not [text for text in texts if TRACES.search(text)]
  assert not any(cell.metadata for cell in notebook.cells)
  assert NOTEBOOK.stat().st_size < 400_000


def code_cells(notebook):
  return [cell for cell in notebook.cells if cell.cell_type == 'code']


def files_of_the_repository():
  return {
    path
    for folder in ('.', 'docs', 'configs')
    for path in ROOT.glob(f'{folder}/*')
    if path.name != '__pycache__'
  }


def check_outputs(notebook):
  """Every cell ran, in order; nothing went to stderr; pictures are there."""
  cells = code_cells(notebook)
  assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
  outputs = [output for cell in cells for output in cell.outputs]
  assert not [o for o in outputs if o.get('name') == 'stderr']
  pictures = [o for o in outputs if 'image/png' in o.get('data', {})]
  assert len(pictures) >= 2
