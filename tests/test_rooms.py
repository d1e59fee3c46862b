"""Imports point one way, and into a room only by the names it gives out."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
LIBRARY = (
  *('errors', 'storage', 'machine', 'graphs', 'nn', 'datasets', 'training'),
  'runs',
)
ALL = {f'gat_jax.{name}' for name in LIBRARY} | {'gat_jax'}
TOOLS = {
  f'experiments.{name}'
  for name in (
    *('arguments', 'cli', 'documents', 'hosts', 'progress', 'terminal'),
  )
}
# What each room may import besides itself.
MAY_IMPORT = {
  'gat_jax': ALL | {'gat_jax.interop'},
  'gat_jax.errors': set(),
  'gat_jax.storage': set(),
  'gat_jax.machine': set(),
  'gat_jax.graphs': {'gat_jax.errors'},
  'gat_jax.nn': {'gat_jax.errors', 'gat_jax.graphs'},
  'gat_jax.interop': {'gat_jax.errors', 'gat_jax.nn'},
  'gat_jax.datasets': {
    f'gat_jax.{name}' for name in ('errors', 'storage', 'machine', 'graphs')
  },
  'gat_jax.training': ALL - {'gat_jax', 'gat_jax.runs'},
  'gat_jax.runs': ALL - {'gat_jax'},
  'configs': ALL,
  'experiments.arguments': ALL,
  'experiments.hugepages': set(),
  'experiments.terminal': set(),
  'experiments.hosts': ALL | {'experiments.arguments', 'experiments.terminal'},
  'experiments.cli': ALL
  | {'experiments.arguments', 'experiments.hosts', 'experiments.terminal'},
  'experiments.documents': ALL,
  'experiments.progress': ALL | TOOLS,
  'experiments.tracking': ALL | TOOLS,
  'experiments.sweeps': ALL | TOOLS | {'experiments.tracking'},
  'experiments.reproduction': ALL | TOOLS | {'configs'},
  'experiments.pages': ALL
  | TOOLS
  | {'experiments.sweeps', 'experiments.reproduction'},
  # The five commands, which no room may import.
  'experiments': ALL
  | TOOLS
  | {
    'experiments.sweeps',
    'experiments.reproduction',
    'experiments.pages',
    'experiments.tracking',
    'experiments.hugepages',
  },
  'benchmarks': ALL
  | {
    'experiments.hugepages',
    'configs',
    'experiments.documents',
    'experiments.reproduction',
    'experiments.pages',
  },
}
PROJECT = ('gat_jax', 'configs', 'experiments', 'benchmarks')


def sources() -> dict[str, str]:
  """Every module of the project by its name, as text."""
  found = {}
  for package in PROJECT:
    for path in (ROOT / package).rglob('*.py'):
      parts = path.relative_to(ROOT).with_suffix('').parts
      found['.'.join(parts).removesuffix('.__init__')] = path.read_text()
  return found


def room_of(module: str) -> str:
  """The longest name in MAY_IMPORT that the module is in."""
  parts = module.split('.')
  names = ('.'.join(parts[:n]) for n in range(len(parts), 0, -1))
  return next(name for name in names if name in MAY_IMPORT)


def given_out(text: str) -> set[str]:
  """What an `__init__.py` names: by `__all__`, `import x as x` or itself."""
  names = set()
  for node in ast.parse(text).body:
    if isinstance(node, ast.ImportFrom | ast.Import):
      names |= {a.asname for a in node.names if a.asname == a.name}
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
      names.add(node.name)
    elif isinstance(node, ast.Assign):
      targets = {t.id for t in node.targets if isinstance(t, ast.Name)}
      names |= targets
      if '__all__' in targets:
        names |= set(ast.literal_eval(node.value))
  return {name for name in names if not name.startswith('_')}


def imports(text: str):
  """Every import of the project, also inside functions: module and name."""
  for node in ast.walk(ast.parse(text)):
    if isinstance(node, ast.ImportFrom) and node.module:
      yield from ((node.module, alias.name) for alias in node.names)
    elif isinstance(node, ast.Import):
      yield from ((alias.name, '') for alias in node.names)


def problems(modules: dict[str, str]) -> list[str]:
  """What is wrong with the imports of modules, given by name and text."""
  found = []
  for module, text in modules.items():
    room = room_of(module)
    for origin, name in imports(text):
      if origin.partition('.')[0] not in PROJECT:
        continue
      whole = f'{origin}.{name}' if f'{origin}.{name}' in modules else origin
      theirs = room_of(whole)
      if theirs == room:
        if room == 'experiments':
          found.append(f'{module} imports the command {whole}')
        continue
      said = f'{module} imports {name or "all"} of {origin}'
      if theirs not in MAY_IMPORT[room]:
        found.append(f'{said}: {room} may not import {theirs}')
        continue
      inside = f'{origin}.{name}'.rstrip('.').removeprefix(theirs).strip('.')
      first = inside.partition('.')[0]
      is_room = f'{theirs}.' in ' '.join(
        f'{m}.' for m in modules if m != theirs
      )
      if first.startswith('_') or name.startswith('_'):
        found.append(f'{said}, which is private')
      elif (
        is_room
        and theirs != 'configs'
        and first
        and first not in given_out(modules[theirs])
      ):
        found.append(f'{said}: {theirs} does not give out {first}')
  return found


def test_imports_point_one_way_and_use_public_names():
  assert problems(sources()) == []


@pytest.mark.parametrize(
  ('module', 'line', 'expected'),
  [
    ('gat_jax.nn.layers', 'from gat_jax import runs', 'may not import'),
    ('gat_jax.graphs', 'import gat_jax.nn', 'may not import'),
    ('gat_jax.nn.layers', 'from experiments import cli', 'may not import'),
    ('gat_jax.runs.run', 'from gat_jax.nn.layers import GATLayer', 'give out'),
    ('gat_jax.runs.run', 'from gat_jax.nn import heads', 'give out'),
    ('gat_jax.runs.run', 'from gat_jax.errors import _x', 'private'),
    ('experiments.sweeps.trials', 'from experiments import train', 'may not'),
    ('experiments.train', 'from experiments import predict', 'the command'),
    (
      'gat_jax.runs.run',
      'def f():\n  from experiments.sweeps import trials',
      'may not import',
    ),
  ],
)
def test_a_wrong_import_is_noticed(module, line, expected):
  modules = sources()
  modules[module] += f'\n{line}\n'
  (problem,) = set(problems(modules)) - set(problems(sources()))
  assert expected in problem


def test_library_reads_no_flags_and_prints_nothing():
  for module, text in sources().items():
    if module.split('.')[0] != 'gat_jax':
      continue
    origins = {origin.partition('.')[0] for origin, _ in imports(text)}
    assert not origins & {'absl', 'rich', 'configs', 'experiments'}, module
    calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
    names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
    assert 'print' not in names, module


def test_no_room_is_crowded_and_no_file_is_long():
  folders: dict[pathlib.Path, int] = {}
  for package in ('gat_jax', 'experiments'):
    for path in (ROOT / package).rglob('*.py'):
      folders[path.parent] = folders.get(path.parent, 0) + 1
      assert len(path.read_text().splitlines()) <= 310, path
  assert max(folders.values()) <= 13
  commands = {p.stem for p in (ROOT / 'experiments').glob('*.py')}
  assert {'train', 'predict', 'sweep', 'reproduce', 'report'} <= commands
