import json
import logging
import os
import pathlib
import shutil

import numpy as np
import pytest

from gat_jax.errors import WorkdirError
from gat_jax.runs.states import checkpoints
from gat_jax.runs.states import stored
from gat_jax.runs.states.checkpoints import Checkpoints


def tree(value):
  return {
    'weights': np.full((40, 50), value, np.float32),
    'epoch': np.int32(value),
    'stopped': np.array(False),
  }


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  """Three checkpoints were written, of which two are kept."""
  folder = tmp_path_factory.mktemp('written')
  with Checkpoints(folder) as saved:
    for epoch in (20, 40, 60):
      saved.save(epoch, tree(epoch), {'metrics_bytes': 10 * epoch})
  return folder


@pytest.fixture
def workdir(written, tmp_path):
  return shutil.copytree(written, tmp_path / 'run')


def latest(workdir):
  with Checkpoints(workdir) as saved:
    return saved.latest(tree(0))


def test_the_newest_comes_back_as_it_was(workdir):
  epoch, found, facts = latest(workdir)
  assert (epoch, facts['metrics_bytes']) == (60, 600)
  for name, value in tree(60).items():
    assert found[name].dtype == value.dtype
    np.testing.assert_array_equal(found[name], value)


def test_no_checkpoint_is_none(tmp_path):
  assert latest(tmp_path) is None


def test_two_are_kept(workdir):
  names = {path.name for path in (workdir / 'checkpoints').iterdir()}
  assert names == {'40', '60'}


def test_what_is_saved_replaces_what_could_not_be_used(workdir):
  """A run that is at epoch 50 has not used the checkpoint of epoch 60."""
  with Checkpoints(workdir) as saved:
    saved.save(50, tree(50), {})
  assert latest(workdir)[0] == 50
  names = {path.name for path in (workdir / 'checkpoints').iterdir()}
  assert names == {'40', '50'}


def files_of(workdir, epoch):
  folder = pathlib.Path(workdir) / 'checkpoints' / str(epoch)
  return [p for p in folder.rglob('*') if p.is_file() and p.stat().st_size]


def damage_bits(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 0xFF
  path.write_bytes(bytes(content))


def cut(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.filterwarnings(  # of what Orbax leaves open when a read fails
  'ignore::pytest.PytestUnraisableExceptionWarning'
)
@pytest.mark.parametrize('damage', [damage_bits, cut, pathlib.Path.unlink])
def test_damage_anywhere_is_noticed(workdir, damage, caplog):
  """Whatever file of the newest is damaged: it is as written, or not used."""
  number = len(files_of(workdir, 60))
  assert number > 5
  originals = {p: p.read_bytes() for p in files_of(workdir, 60)}
  fell_back = 0
  for path, content in originals.items():
    damage(path)
    with caplog.at_level(logging.WARNING):
      epoch, found, _ = latest(workdir)
    assert found['epoch'] == epoch
    assert (found['weights'] == epoch).all()
    fell_back += epoch == 40
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
  assert fell_back
  assert 'is damaged' in caplog.text
  assert latest(workdir)[0] == 60


def snapshot(folder):
  """Every file with its content and the moment it was written."""
  return {
    path: (path.read_bytes(), path.stat().st_mtime_ns)
    for path in folder.rglob('*')
    if path.is_file()
  }


def change_facts(workdir, epoch, **facts):
  path = workdir / 'checkpoints' / str(epoch) / 'facts/metadata'
  path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def another_layout(workdir):
  for epoch in (40, 60):
    change_facts(workdir, epoch, layout=7)
  return tree(0), '60 has layout 7 where this version knows 1; 40 has'


def another_field(workdir):
  like = tree(0) | {'momentum': np.zeros(3, np.float32)}
  return like, "60 has other arrays than this version: ['momentum'] is missing"


def a_field_less(workdir):
  like = tree(0)
  del like['stopped']
  return like, "['stopped'] is unknown"


def another_shape(workdir):
  like = tree(0) | {'weights': np.zeros((3, 3), np.float32)}
  return like, "['weights'] is float32[40, 50] there and float32[3, 3] here"


def another_dtype(workdir):
  like = tree(0) | {'epoch': np.int64(0)}
  return like, "['epoch'] is int32[] there and int64[] here"


def all_damaged(workdir):
  for epoch in (40, 60):
    change_facts(workdir, epoch, sha256='0')
  return tree(0), '60 is damaged (its SHA-256 is not'


@pytest.mark.parametrize(
  'case',
  [
    another_layout,
    another_field,
    a_field_less,
    another_shape,
    another_dtype,
    all_damaged,
  ],
)
def test_where_none_can_be_used_it_says_why_and_touches_nothing(workdir, case):
  like, words = case(workdir)
  before = snapshot(workdir)
  with pytest.raises(WorkdirError) as caught, Checkpoints(workdir) as saved:
    saved.latest(like)
  assert 'none of the checkpoints can be used: 60 ' in str(caught.value)
  assert words in str(caught.value)
  assert '; 40 ' in str(caught.value)
  assert '`discard_unreadable`' in str(caught.value)
  assert snapshot(workdir) == before
  with Checkpoints(workdir, discard_unreadable=True) as saved:
    assert saved.latest(like) is None
  assert latest(workdir) is None


def test_what_is_lacking_besides_makes_a_checkpoint_unusable(workdir):
  def lacks(facts):
    return 'is too long' if facts['metrics_bytes'] > 400 else ''

  with Checkpoints(workdir) as saved:
    assert saved.latest(tree(0), lacks)[0] == 40


def test_checkpoints_without_a_layout_are_of_the_first(workdir):
  path = workdir / 'checkpoints/60/facts/metadata'
  facts = json.loads(path.read_text())
  assert facts.pop('layout') == 1
  path.write_text(json.dumps(facts))
  assert latest(workdir)[0] == 60


def test_what_cannot_be_read_is_not_called_damaged(workdir, monkeypatch):
  path = workdir / 'checkpoints/60/facts/metadata'
  path.unlink()
  path.symlink_to(path)
  with pytest.raises(WorkdirError, match=r'cannot be read \(Too many levels'):
    latest(workdir)
  for error in (MemoryError, OSError(24, 'Too many open files')):
    with monkeypatch.context() as patch:
      patch.setattr(stored, 'read', raising(error))
      path.unlink()
      path.write_text((workdir / 'checkpoints/40/facts/metadata').read_text())
      with pytest.raises(error if isinstance(error, type) else OSError):
        latest(workdir)


def raising(error):
  def fail(*_):
    raise error

  return fail


def test_what_orbax_refuses_keeps_its_type(tmp_path):
  """It is a defect, and no disk is at fault."""
  with (
    pytest.raises(ValueError, match='zero size') as caught,
    Checkpoints(tmp_path) as saved,
  ):
    saved.save(20, {'empty': np.zeros((0, 3))}, {})
  assert not isinstance(caught.value, WorkdirError)
  assert not list((tmp_path / 'checkpoints').iterdir())


@pytest.mark.parametrize(
  'name',
  ['k[1]', 'k[1]/run', ' [*?\\{%j}#\nGrüße\udce9', '[' + 254 * 'x', 'x' * 255],
)
def test_any_folder_keeps_its_arrays(tmp_path, name):
  workdir = tmp_path / name
  workdir.mkdir(parents=True)
  params = {'layers': {i: {'kernel': np.full((2, 3), i)} for i in range(12)}}
  checkpoints.save_best(workdir, params)
  found = checkpoints.load_best(workdir, params)
  for i in range(12):
    assert (found['layers'][i]['kernel'] == i).all()
  with Checkpoints(workdir) as saved:
    saved.save(20, tree(20), {})
  assert latest(workdir)[1]['epoch'] == 20


def test_best_has_the_rows_of_other_seeds_as_well(tmp_path):
  def params(*rows):
    return {'kernel': np.array(rows, np.float32)}

  for name, rows in (('one', (1, 2)), ('two', (3,))):
    (tmp_path / name).mkdir()
    checkpoints.save_best(tmp_path / name, params(*rows))
  for _ in range(2):  # doing it again changes nothing
    checkpoints.join_best(tmp_path / 'one', 2, tmp_path / 'two')
    found = checkpoints.load_best(tmp_path / 'one', params(0, 0, 0))
    np.testing.assert_array_equal(found['kernel'], [1, 2, 3])
  found = checkpoints.load_best(tmp_path / 'one', params(0, 0))
  np.testing.assert_array_equal(found['kernel'], [1, 2])
  with pytest.raises(WorkdirError, match='of another model: kernel is float32'):
    checkpoints.load_best(tmp_path / 'one', params(0, 0, 0, 0))


def test_what_is_not_read_as_it_was_written_is_an_error(tmp_path, monkeypatch):
  monkeypatch.setattr(stored, 'read', lambda path: {'kernel': np.ones(3)})
  with pytest.raises(WorkdirError, match='cannot be read again'):
    checkpoints.save_best(tmp_path, {'kernel': np.zeros(3)})
  assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_on_the_disk_before_the_one_before_goes(
  workdir, monkeypatch
):
  synced, rename = set(), os.rename
  fsync = os.fsync

  def record(handle):
    synced.add(os.fstat(handle).st_ino)
    fsync(handle)

  def check(old, new):
    if pathlib.Path(new).name == '80':
      paths = [pathlib.Path(old), *pathlib.Path(old).rglob('*')]
      assert len(paths) > 5
      assert {path.stat().st_ino for path in paths} <= synced
      assert (workdir / 'checkpoints/40').exists()
    if pathlib.Path(old).name == '40':
      assert (workdir / 'checkpoints').stat().st_ino in synced
    rename(old, new)

  monkeypatch.setattr(os, 'fsync', record)
  monkeypatch.setattr(os, 'rename', check)
  with Checkpoints(workdir) as saved:
    saved.save(80, tree(80), {})
  assert not (workdir / 'checkpoints/40').exists()


def test_a_kill_at_any_moment_leaves_one_of_the_same_epoch(
  tmp_path, monkeypatch
):
  """Within a long epoch, a run saves again and again, and is where it was."""
  folder, moments = tmp_path / 'checkpoints', {}

  def look():
    seen = tuple(sorted((p.name, p.stat().st_ino) for p in folder.iterdir()))
    if seen not in moments:
      moments[seen] = tmp_path / str(len(moments))
      shutil.copytree(folder, moments[seen] / 'checkpoints')

  def watched(function):
    def call(*args, **options):
      look()
      result = function(*args, **options)
      look()
      return result

    return call

  with Checkpoints(tmp_path) as saved:
    saved.save(0, tree(1), {})
    saved.wait()
    for module, name in ((stored, 'write'), (os, 'rename'), (shutil, 'rmtree')):
      monkeypatch.setattr(module, name, watched(getattr(module, name)))
    saved.save(0, tree(2), {})
    saved.wait()
  monkeypatch.undo()
  found = [int(latest(m)[1]['epoch']) for m in moments.values()]
  assert found == sorted(found)
  assert set(found) == {1, 2}
  (aside,) = [
    moment
    for moment in moments.values()
    if not (moment / 'checkpoints/0').exists()
  ]
  with Checkpoints(aside) as saved:
    for epoch in (0, 20):
      saved.save(epoch, tree(3), {})
  assert {p.name for p in (aside / 'checkpoints').iterdir()} == {'0', '20'}


def test_what_a_kill_left_is_cleared(workdir):
  folder = workdir / 'checkpoints'
  for name in ('.80.new', '.20.new', '80.orbax-checkpoint-tmp-1'):
    (folder / name).mkdir()
    (folder / name / 'file').write_text('')
  with Checkpoints(workdir) as saved:
    saved.save(80, tree(80), {})
  assert {path.name for path in folder.iterdir()} == {'60', '80'}


def test_nobody_changes_the_umask(workdir, monkeypatch):
  """Not for a moment: another thread may create a file in it."""
  monkeypatch.setattr(os, 'umask', raising(AssertionError('of the process')))
  with Checkpoints(workdir) as saved:
    saved.save(80, tree(80), {})
  assert latest(workdir)[0] == 80


def test_where_no_other_name_can_be_given_it_is_said_before(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(stored.tempfile, 'gettempdir', lambda: '/t[x]')
  stored.check_path(tmp_path)
  with pytest.raises(WorkdirError, match='set TMPDIR'):
    stored.check_path(tmp_path / 'k[1]')
