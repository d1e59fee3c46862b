"""The notebook: kept with its outputs, and true."""

import re

from documents import NOTEBOOK
from documents import ROOT
import nbclient
import nbformat
import pytest
import realdata

# Traces of a machine or a day: folders, memory addresses, times, warnings.
TRACES = re.compile(
  r'/(tmp|home|root|Users|usr|work)/|0x[0-9a-f]{6}|\d\d:\d\d:\d\d|Warning'
)


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
