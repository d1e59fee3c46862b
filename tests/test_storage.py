"""Files that are written whole: what a reader sees, whatever happens."""

import os
import pathlib
import stat
import subprocess
import sys

import pytest

from gat_jax import storage


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'file.txt'
  path.write_text('before')
  return path


def test_content_replaces_what_was_there(path):
  with storage.whole_file(path) as file:
    file.write('äfter\n')
    assert path.read_text() == 'before'
  assert path.read_bytes() == 'äfter\n'.encode()
  with storage.whole_file(path, binary=True) as file:
    file.write(b'\0')
  assert path.read_bytes() == b'\0'
  assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(path):
  def write_half():
    with storage.whole_file(path) as file:
      file.write('half')
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    write_half()
  assert path.read_text() == 'before'
  assert list(path.parent.iterdir()) == [path]


def test_a_kill_leaves_what_was_there(path):
  program = (
    'import os, sys\n'
    'from gat_jax import storage\n'
    'with storage.whole_file(sys.argv[1]) as file:\n'
    "  file.write('half')\n"
    '  file.flush()\n'
    '  os.kill(os.getpid(), 9)\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', program, path],
    cwd=pathlib.Path(__file__).parents[1],
    check=False,
  )
  assert done.returncode == -9
  assert path.read_text() == 'before'


def test_content_is_on_the_disk_before_it_gets_its_name(path, monkeypatch):
  done = []
  fsync, replace = os.fsync, os.replace
  monkeypatch.setattr(os, 'fsync', lambda n: (done.append('fsync'), fsync(n)))
  monkeypatch.setattr(
    os, 'replace', lambda *a: (done.append('replace'), replace(*a))
  )
  with storage.whole_file(path) as file:
    file.write('after')
  assert done == ['fsync', 'replace', 'fsync']  # the file, then its folder


def test_the_umask_decides_who_may_read(path):
  before = os.umask(0o027)
  try:
    with storage.whole_file(path.with_name('new')) as file:
      file.write('x')
  finally:
    os.umask(before)
  mode = stat.S_IMODE(path.with_name('new').stat().st_mode)
  assert mode == 0o640
