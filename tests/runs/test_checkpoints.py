import logging
import pathlib

import numpy as np
import pytest

from gat_jax.runs.checkpoints import Checkpoints


def tree(value):
  return {
    'weights': np.full((40, 50), value, np.float32),
    'epoch': np.int32(value),
    'stopped': np.array(False),
  }


@pytest.fixture
def workdir(tmp_path):
  """Three checkpoints were written, of which two are kept."""
  with Checkpoints(tmp_path) as saved:
    for epoch in (20, 40, 60):
      saved.save(epoch, tree(epoch), {'metrics_bytes': 10 * epoch})
  return tmp_path


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


def test_saving_an_epoch_twice_keeps_the_first(workdir):
  with Checkpoints(workdir) as saved:
    saved.save(60, tree(99), {})
  assert latest(workdir)[1]['epoch'] == 60


def files_of(workdir, epoch):
  folder = pathlib.Path(workdir) / 'checkpoints' / str(epoch)
  return [p for p in folder.rglob('*') if p.is_file() and p.stat().st_size]


def damage_bits(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 0xFF
  path.write_bytes(bytes(content))


def cut(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.filterwarnings(  # of threads that Orbax leaves when a read fails
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


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_another_structure_is_not_taken(workdir):
  with Checkpoints(workdir) as saved:
    assert saved.latest({'weights': np.zeros((3, 3), np.float32)}) is None
