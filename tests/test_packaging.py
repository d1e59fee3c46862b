"""The wheel: all packages of the library, and what they import, no more."""

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

ROOT = pathlib.Path(__file__).parents[1]
# What the road 'fused' alone imports, and only where it is taken.
TRITON = {'jax_triton', 'triton'}
# Run in an empty folder: imports every module, then tells where each was.
IMPORT_ALL = f"""
import importlib, json, pkgutil, sys
import gat_jax
for module in pkgutil.walk_packages(gat_jax.__path__, 'gat_jax.'):
  try:
    importlib.import_module(module.name)
  except ModuleNotFoundError as error:
    if error.name not in {TRITON}:
      raise
found = [m for n, m in sys.modules.items() if n.startswith('gat_jax')]
print(json.dumps([module.__file__ for module in found]))
"""


def names(requirements):
  return {re.match(r'[\w.-]+', line)[0].lower() for line in requirements}


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
  folder = tmp_path_factory.mktemp('wheel')
  source = folder / 'source'
  source.mkdir()
  for name in ('pyproject.toml', 'README.md', 'LICENSE'):
    shutil.copy(ROOT / name, source)
  for name in ('gat_jax', 'experiments', 'configs', 'tests'):
    shutil.copytree(
      ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__')
    )
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


def test_wheel_has_every_module_of_the_library_and_nothing_else(wheel):
  inside = {n for n in zipfile.ZipFile(wheel).namelist() if n.endswith('.py')}
  files = (ROOT / 'gat_jax').rglob('*.py')
  assert inside == {str(path.relative_to(ROOT)) for path in files}


def test_every_module_imports_from_the_wheel_alone(wheel, tmp_path):
  installed, empty = tmp_path / 'installed', tmp_path / 'empty'
  empty.mkdir()
  zipfile.ZipFile(wheel).extractall(installed)
  done = subprocess.run(
    [sys.executable, '-c', IMPORT_ALL],
    cwd=empty,
    env=os.environ | {'PYTHONPATH': str(installed)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  origins = json.loads(done.stdout)
  assert len(origins) > 30
  assert all(origin.startswith(str(installed)) for origin in origins)


def test_requirements_are_those_of_the_library_and_its_extras():
  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  lines = (ROOT / 'requirements.txt').read_text().splitlines()
  listed = {line for line in lines if line and not line.startswith('#')}
  extras = project['optional-dependencies']
  assert extras.pop('gpu')  # not needed anywhere else
  parts = [project['dependencies'], *extras.values()]
  parts = {line for part in parts for line in part} - {'gat_jax[commands]'}
  assert listed == parts


def test_library_depends_on_what_it_imports():
  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  imported = set()
  for path in (ROOT / 'gat_jax').rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        imported |= {alias.name.partition('.')[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        imported.add(node.module.partition('.')[0])
  imported -= {*sys.stdlib_module_names, *TRITON, 'gat_jax'}
  distributions = importlib.metadata.packages_distributions()
  needed = {d.lower() for name in imported for d in distributions[name]}
  # pooch asks for the last two by itself: to download, and to show how far.
  assert {n.replace('_', '-') for n in needed} | {'requests', 'tqdm'} == names(
    project['dependencies']
  )
