"""Files that are written whole: what a reader sees, whatever happens."""

import errno
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


KILLED = """
import os, pathlib, sys
from gat_jax import storage

def die(*_):
  os.kill(os.getpid(), 9)

def in_a_file():
  with storage.whole_file(sys.argv[1]) as file:
    file.write('half')
    file.flush()
    die()

def in_a_folder(moves):
  rename = os.rename
  os.rename = lambda *paths: rename(*paths) if moves.pop() else die()
  with storage.whole_folder(sys.argv[2] + str(len(moves))) as new:
    new.mkdir()
    (new / 'file').write_text('after')

for act, arguments in (
  (in_a_file, ()),
  (in_a_folder, ([False],)),  # before the old content is put aside
  (in_a_folder, ([False, True],)),  # before the new one has its name
):
  if not os.fork():
    act(*arguments)
  assert os.wait()[1] == 9
"""


def test_a_kill_leaves_what_was_there(path):
  folders = [path.with_name(f'folder{n}') for n in (1, 2)]
  for folder in folders:
    folder.mkdir()
    (folder / 'file').write_text('before')
  subprocess.run(
    [sys.executable, '-c', KILLED, path, path.with_name('folder')],
    cwd=pathlib.Path(__file__).parents[1],
    check=True,
  )
  assert path.read_text() == 'before'
  assert [folder.exists() for folder in folders] == [True, False]
  for folder in folders:
    assert (storage.whole(folder) / 'file').read_text() == 'before'
    with storage.whole_folder(folder) as new:
      new.mkdir()
      (new / 'file').write_text('after')
    assert (storage.whole(folder) / 'file').read_text() == 'after'
  left = {p.name for p in path.parent.iterdir() if 'folder' in p.name}
  assert left == {'folder1', 'folder2'}


def test_an_error_leaves_the_folder_that_was_there(tmp_path):
  def fill(content):
    with storage.whole_folder(tmp_path / 'folder') as new:
      new.mkdir()
      (new / 'file').write_text(content)
      if content == 'half':
        raise KeyboardInterrupt

  fill('before')
  with pytest.raises(KeyboardInterrupt):
    fill('half')
  assert (tmp_path / 'folder/file').read_text() == 'before'
  assert [path.name for path in tmp_path.iterdir()] == ['folder']


def test_a_new_folder_survives_a_power_cut(tmp_path, monkeypatch):
  synced, fsync = [], os.fsync

  def record(handle):
    synced.append(os.fstat(handle).st_ino)
    fsync(handle)

  monkeypatch.setattr(os, 'fsync', record)
  for _ in range(2):  # what is there is left as it is
    storage.make_folder(tmp_path / 'a/b')
  assert synced == [tmp_path.stat().st_ino, (tmp_path / 'a').stat().st_ino]


@pytest.mark.parametrize(
  ('error', 'said'),
  [
    (OSError(errno.ENOSPC, 'x'), 'No space left on device'),
    (OSError(errno.EDQUOT, 'x'), 'Disk quota exceeded'),
    (OSError(errno.EROFS, 'x'), 'Read-only file system'),
    (PermissionError(errno.EACCES, 'x'), 'Permission denied'),
    (ValueError("RESOURCE_EXHAUSTED: ... [os_error_code='28']"), 'No space'),
    (OSError(errno.EMFILE, 'x'), None),
    (ProcessLookupError(errno.ESRCH, 'x'), None),
    (OSError('of a library'), None),
    (ValueError('28'), None),
    (MemoryError(), None),
  ],
)
def test_only_what_choosing_another_place_mends_is_a_refusal(error, said):
  found = storage.refusal(error)
  assert found is None if said is None else found.startswith(said)


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
