"""What is published: sources, the wheel made of them, and what it imports."""

import ast
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

import gat_jax

ROOT = pathlib.Path(__file__).parents[1]
# What the road 'fused' alone imports, and only where it is taken.
TRITON = {'jax_triton', 'triton'}
# Run in an empty folder: what `import gat_jax` imports besides the libraries it
# always needs; then every module, and where each was.
IMPORT_ALL = f"""
import importlib, json, pkgutil, sys
import flax.nnx, jraph, ml_collections, optax, scipy.sparse
needed = set(sys.modules)
import gat_jax
first = sorted(set(sys.modules) - needed)
for module in pkgutil.walk_packages(gat_jax.__path__, 'gat_jax.'):
  try:
    importlib.import_module(module.name)
  except ModuleNotFoundError as error:
    if error.name not in {TRITON}:
      raise
found = [m for n, m in sys.modules.items() if n.startswith('gat_jax')]
print(json.dumps([first, [module.__file__ for module in found]]))
"""
# What the commands alone need, and what takes long to import.
NOT_AT_ONCE = {
  *('absl.app', 'jinja2', 'matplotlib', 'networkx', 'optuna', 'rich'),
  *('sklearn', 'submitit', 'threadpoolctl'),
  *('orbax', 'pooch', 'requests', 'scipy.sparse.csgraph', 'tensorboardX'),
  *('polars', 'pymetis', 'tqdm', 'triton', 'grain', 'numba'),
}


def names(requirements):
  return {re.match(r'[\w.-]+', line)[0].lower() for line in requirements}


def tracked():
  """Every file that git knows."""
  if not (ROOT / '.git').exists():
    pytest.skip('no git repository')
  listing = ('git', '-C', ROOT, 'ls-files', '-z')
  done = subprocess.run(listing, check=True, capture_output=True, text=True)
  return {name for name in done.stdout.split('\0') if name}


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  """The source distribution, unpacked."""
  folder = tmp_path_factory.mktemp('source')
  copy, built = folder / 'copy', folder / 'built'
  copy.mkdir()
  for path in ROOT.iterdir():  # a build leaves files beside what it builds
    if path.is_file() and not path.name.startswith('.'):
      shutil.copy(path, copy)
  manifest = (ROOT / 'MANIFEST.in').read_text()
  for name in ('gat_jax', *re.findall(r'^graft (.*)$', manifest, re.M)):
    if (ROOT / name).exists():
      # What Python compiles comes and goes while other tests run.
      ignore = shutil.ignore_patterns('__pycache__')
      shutil.copytree(ROOT / name, copy / name, ignore=ignore)
  compiled = copy / 'tests' / '__pycache__' / 'compiled.pyc'
  compiled.parent.mkdir()
  compiled.touch()
  command = 'from setuptools import build_meta as b; b.build_sdist("../built")'
  subprocess.run(
    [sys.executable, '-c', command],
    cwd=copy,
    check=True,
    stdout=subprocess.DEVNULL,
  )
  (path,) = built.glob('*.tar.gz')
  shutil.unpack_archive(path, folder, filter='data')
  return folder / f'gat_jax-{gat_jax.__version__}'


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
  folder = tmp_path_factory.mktemp('wheel')
  subprocess.run(
    [
      *(sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps'),
      *('--no-build-isolation', '--wheel-dir', folder, source),
    ],
    check=True,
    env=os.environ | {'PIP_DISABLE_PIP_VERSION_CHECK': '1'},
  )
  (path,) = folder.glob('*.whl')
  return path


def test_sources_are_the_repository(source):
  inside = {str(p.relative_to(source)) for p in source.rglob('*')}
  expected = {name for name in tracked() if (ROOT / name).exists()}
  assert {name for name in expected if not name.startswith('.')} <= inside
  assert not [name for name in inside if '__pycache__' in name]


def test_wheel_has_every_file_of_the_library_and_nothing_else(wheel):
  inside = {n for n in zipfile.ZipFile(wheel).namelist() if '-info/' not in n}
  files = {
    path
    for path in (ROOT / 'gat_jax').rglob('*')
    if path.is_file() and path.parent.name != '__pycache__'
  }
  assert ROOT / 'gat_jax/py.typed' in files
  assert inside == {str(path.relative_to(ROOT)) for path in files}


def test_the_version_is_the_same_everywhere(wheel):
  citation = (ROOT / 'CITATION.cff').read_text()
  changelog = (ROOT / 'CHANGELOG.md').read_text()
  found = {
    wheel.name.split('-')[1],
    re.search(r'^version: (.*)$', citation, re.M)[1],
    re.search(r'^## \[?([\d.]+)', changelog, re.M)[1],
  }
  assert found == {gat_jax.__version__}


def test_import_from_the_wheel_alone_and_of_little_at_once(wheel, tmp_path):
  installed, empty = tmp_path / 'installed', tmp_path / 'empty'
  empty.mkdir()
  shutil.unpack_archive(wheel, installed, 'zip')
  done = subprocess.run(
    [sys.executable, '-c', IMPORT_ALL],
    cwd=empty,
    env=os.environ | {'PYTHONPATH': str(installed)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  first, origins = json.loads(done.stdout)
  assert 'gat_jax.runs.states.stored' in first
  assert not NOT_AT_ONCE & set(first)
  assert len(origins) > 30
  assert all(origin.startswith(str(installed)) for origin in origins)


def required(name):
  """The lines of a file of requirements, without those of other files."""
  lines = (ROOT / name).read_text().splitlines()
  return {line for line in lines if line and line[0] not in '#-'}


def test_requirements_are_those_of_the_library_and_its_extras():
  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  extras = project['optional-dependencies']
  assert extras.pop('gpu')  # not needed anywhere else
  assert extras.pop('track')  # large, and for those who have one of the two
  assert required('requirements-docs.txt') == set(extras.pop('docs'))
  parts = [project['dependencies'], *extras.values()]
  parts = {line for part in parts for line in part} - {'gat_jax[commands]'}
  assert required('requirements.txt') == parts


def test_library_depends_on_what_it_imports():
  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  imported = set()
  for path in (ROOT / 'gat_jax').rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        imported |= {alias.name.partition('.')[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        imported.add(node.module.partition('.')[0])
  # The data set 'tables' alone imports polars, and says so where it is missing;
  # one graph on several devices pymetis, sampling the other two.
  imported -= {'polars', 'pymetis', 'grain', 'numba'}
  imported -= {*sys.stdlib_module_names, *TRITON, 'gat_jax'}
  distributions = importlib.metadata.packages_distributions()
  needed = {d.lower() for name in imported for d in distributions[name]}
  # pooch asks for the last two by itself: to download, and to show how far.
  assert {n.replace('_', '-') for n in needed} | {'requests', 'tqdm'} == names(
    project['dependencies']
  )
