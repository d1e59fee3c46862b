"""The environments of the peers, which the project never imports."""

import functools
import hashlib
import pathlib
import shutil
import subprocess
import sys

from benchmarks.comparison import processes

_FOLDERS = {
  'pyg': 'pyg',
  'pyg-compiled': 'pyg',
  'dgl': 'dgl',
  'jraphx': 'jraphx',
  'jraph': '',  # of ours, in the project's own
}
_SCRIPTS = {
  'pyg': 'pyg_gat.py',
  'pyg-compiled': 'pyg_gat.py',
  'dgl': 'dgl_gat.py',
  'jraphx': 'jraphx_gat.py',
  'jraph': 'jraph_gat.py',
}
_PYTHON = 'python3.11'  # which all of them have wheels for
_STAMP = 'requirements.sha256'
_MINUTES = 30  # that building one may take


class MissingPeerError(Exception):
  """A peer that cannot be run; says why."""


def command(peer: str) -> list[str]:
  """What runs a peer's script, but for its argument.

  Raises:
    MissingPeerError: if its environment is missing or of other requirements.
  """
  script = processes.ROOT / 'benchmarks' / 'peers' / _SCRIPTS[peer]
  name = _FOLDERS[peer]
  if not name:
    return [sys.executable, str(script)]
  folder = _folder(name)
  if not folder.exists():
    raise MissingPeerError(f'{folder.name} is missing: add --build')
  if not _is_built(name):
    raise MissingPeerError(
      f'{folder.name} is not what is required: add --build'
    )
  return [str(_interpreter(folder)), str(script)]


def build(peer: str) -> bool:
  """Makes a peer's environment unless it is there.

  Returns:
    Whether anything had to be made.

  Raises:
    MissingPeerError: if it cannot be made.
  """
  name = _FOLDERS[peer]
  if not name or _is_built(name):
    return False
  folder = _folder(name)
  _run([_python(), '-m', 'venv', '--clear', str(folder)])
  pip = [str(_interpreter(folder)), '-m', 'pip', 'install', '--quiet']
  required, *unchecked = _requirements(name)
  _run([*pip, '-r', str(required)])
  for path in unchecked:
    _run([*pip, '--no-deps', '-r', str(path)])
  (folder / _STAMP).write_text(_digest(name))
  return True


def _folder(name: str) -> pathlib.Path:
  return processes.ROOT / f'.venv-peers-{name}'


def _interpreter(folder: pathlib.Path) -> pathlib.Path:
  return folder / 'bin' / 'python'


def _requirements(name: str) -> list[pathlib.Path]:
  """The first is installed with what it depends on, another without."""
  folder = processes.ROOT / 'benchmarks'
  first = folder / f'requirements-{name}.txt'
  return [first, *folder.glob(f'requirements-{name}-no-deps.txt')]


def _digest(name: str) -> str:
  text = b''.join(path.read_bytes() for path in _requirements(name))
  return hashlib.sha256(text).hexdigest()


def _is_built(name: str) -> bool:
  stamp = _folder(name) / _STAMP
  return stamp.exists() and stamp.read_text() == _digest(name)


@functools.cache
def _python() -> str:
  """Python 3.11 where there is one, else the one that runs."""
  found = shutil.which(_PYTHON)
  if found:
    done = subprocess.run([found, '-c', ''], capture_output=True, check=False)
    if done.returncode == 0:  # a shim may stand for nothing
      return found
  return sys.executable


def _run(words: list[str]) -> None:
  try:
    done = subprocess.run(
      words,
      capture_output=True,
      text=True,
      check=False,
      timeout=60 * _MINUTES,
    )
  except subprocess.TimeoutExpired as error:
    raise MissingPeerError(
      f'not built: took more than {_MINUTES} min'
    ) from error
  if done.returncode:
    lines = [x for x in done.stderr.splitlines() if x.startswith('ERROR')]
    lines = lines or done.stderr.strip().splitlines() or ['no reason given']
    raise MissingPeerError(f'not built: {lines[-1][:200]}')
