import hashlib
import http.server
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from gat_jax.datasets import files
from gat_jax.errors import DataError

CONTENT = os.urandom(200_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
  """/good, /wrong, /short (breaks off), /slow (never ends), /missing."""

  def do_GET(self):
    self.server.asked.append(self.path)
    if self.path == '/missing':
      self.send_error(404)
      return
    body = CONTENT[::-1] if self.path == '/wrong' else CONTENT
    self.send_response(200)
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    if self.path in ('/short', '/slow'):
      self.wfile.write(body[: len(body) // 2])
      self.wfile.flush()
      if self.path == '/slow':
        time.sleep(60)
    else:
      self.wfile.write(body)

  def log_message(self, *args):
    pass


@pytest.fixture
def server():
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
  server.asked = []
  server.daemon_threads = True
  server.block_on_close = False
  thread = threading.Thread(
    target=server.serve_forever, args=(0.02,), daemon=True
  )
  thread.start()
  yield server
  server.shutdown()
  server.server_close()
  thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv(files.VARIABLE, raising=False)
  return files.cache_folder() / 'things'


def wanted(server, *paths, sha256=SUM):
  base = f'http://127.0.0.1:{server.server_port}'
  return [files.DataFile('thing', (sha256,), tuple(base + p for p in paths))]


def test_download_lands_in_the_cache_and_is_asked_for_once(server, cache):
  for _ in range(2):
    contents = files.read('things', wanted(server, '/good'))
    assert contents.data == {'thing': CONTENT}
    assert contents.sums == {'thing': SUM}
  assert server.asked == ['/good']
  assert [path.name for path in cache.iterdir()] == ['thing']


def test_without_a_sum_only_what_is_whole_is_taken(server, cache):
  """As the archives of OGB, of which none is published."""
  torn, good = wanted(server, '/short', '/good', sha256=None)[0].urls
  for url, name in ((torn, 'torn.zip'), (good, 'good.zip')):
    file = files.DataFile(name, (), (url,))
    if url == torn:
      with pytest.raises(DataError, match='could not be downloaded'):
        files.locate('things', file, ('folder',), 'raw')
      assert not list(cache.iterdir())
    else:
      for _ in range(2):
        found = files.locate('things', file, ('folder',), 'raw')
        assert found.name == 'good.zip'
  assert server.asked == ['/short', '/good']


def test_file_has_the_permissions_of_the_umask(server, cache):
  files.read('things', wanted(server, '/good'))
  mask = os.umask(0)
  os.umask(mask)
  assert (cache / 'thing').stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize('bad', ['/missing', '/wrong', '/short'])
def test_next_mirror_is_tried(server, cache, bad):
  contents = files.read('things', wanted(server, bad, '/good'))
  assert contents.data == {'thing': CONTENT}
  assert server.asked == [bad, '/good']


def test_nothing_is_left_of_a_wrong_or_torn_file(server, cache):
  with pytest.raises(DataError) as error:
    files.read('things', wanted(server, '/wrong', '/short', '/missing'))
  for reason in ('wrong SHA-256', 'HTTP 404'):
    assert reason in str(error.value)
  assert list(cache.iterdir()) == []


def test_damaged_file_in_the_cache_is_fetched_again(server, cache):
  cache.mkdir(parents=True)
  (cache / 'thing').write_bytes(CONTENT[:-1])
  contents = files.read('things', wanted(server, '/good'))
  assert contents.data == {'thing': CONTENT}


def test_any_of_its_sums_is_believed_in_the_cache(cache):
  cache.mkdir(parents=True)
  (cache / 'thing').write_bytes(CONTENT)
  url = 'http://127.0.0.1:9/thing'
  either = [files.DataFile('thing', ('0' * 64, SUM), (url,))]
  assert files.read('things', either).sums == {'thing': SUM}


def test_folder_that_may_not_be_entered_is_passed_over(
  server, cache, monkeypatch
):
  def refuse(path, *args, **kwargs):
    if str(path).startswith('data'):
      raise PermissionError(13, 'Permission denied')
    return stat(path, *args, **kwargs)

  stat = os.stat
  monkeypatch.setattr(os, 'stat', refuse)
  contents = files.read('things', wanted(server, '/good'))
  assert contents.data == {'thing': CONTENT}


def test_home_folder_as_data_dir(cache, tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine/thing').write_bytes(CONTENT)
  thing = [files.DataFile('thing', (SUM,), ())]
  assert files.read('things', thing, '~/mine').sums == {'thing': SUM}


@pytest.mark.parametrize('field', ['config.data_dir', '$GAT_JAX_DATA'])
def test_a_chosen_folder_without_the_files_is_named(
  cache, tmp_path, monkeypatch, field
):
  thing = [files.DataFile('thing', (SUM,), ())]
  chosen = tmp_path if field == 'config.data_dir' else None
  monkeypatch.setenv(files.VARIABLE, str(tmp_path))
  with pytest.raises(DataError, match='lacks thing') as error:
    files.read('things', thing, chosen)
  assert error.value.field == field
  assert str(tmp_path) in error.value.problem


def test_no_network_and_no_file_is_one_error_that_says_it_all(cache):
  nobody = [files.DataFile('thing', (SUM,), ('http://127.0.0.1:9/thing',))]
  with pytest.raises(DataError) as error:
    files.read('things', nobody)
  for said in (
    'thing',
    'http://127.0.0.1:9/thing',
    'no connection',
    'data, ../shared/data',
    str(cache),
    '`config.data_dir`',
    'csbm',
  ):
    assert said in str(error.value)
  assert error.value.field == 'config.data_dir'


def test_progress_bar_only_when_asked(server, cache, capsys):
  files.read('things', wanted(server, '/good'), progress=False)
  assert capsys.readouterr().err == ''
  (cache / 'thing').unlink()
  files.read('things', wanted(server, '/good'), progress=True)
  assert '100%' in capsys.readouterr().err


def test_killed_download_leaves_nothing_that_is_believed(server, cache):
  code = (
    'import sys; from gat_jax.datasets import files\n'
    'files.read("things", [files.DataFile("thing", (sys.argv[1],),'
    ' (sys.argv[2],))])'
  )
  url = wanted(server, '/slow')[0].urls[0]
  process = subprocess.Popen(
    [sys.executable, '-c', code, SUM, url],
    env=os.environ | {'PYTHONPATH': str(pathlib.Path(__file__).parents[2])},
  )
  deadline = time.monotonic() + 60
  while not server.asked and time.monotonic() < deadline:
    time.sleep(0.05)
  time.sleep(0.3)
  process.send_signal(signal.SIGKILL)
  process.wait()
  left = list(cache.iterdir())
  assert all(path.name != 'thing' for path in left)
  contents = files.read('things', wanted(server, '/good'))
  assert contents.data == {'thing': CONTENT}


def test_what_is_verified_is_what_is_parsed(server, cache, monkeypatch):
  """Bytes are read once, so that no swap between the two goes unseen."""
  files.read('things', wanted(server, '/good'))
  reads = []
  original = pathlib.Path.read_bytes
  monkeypatch.setattr(
    pathlib.Path,
    'read_bytes',
    lambda path: (reads.append(path), original(path))[1],
  )
  files.read('things', wanted(server, '/good'))
  assert reads == [cache / 'thing']
