"""A grid and a search that have been trained, for the tests that read them."""

import pytest
import small_sweeps


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory):
  """A user's cache folder, where this process remembers what training took."""
  folder = tmp_path_factory.mktemp('cache')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('XDG_CACHE_HOME', str(folder))
    yield folder / 'gat_jax'


@pytest.fixture(scope='session')
def trained_grid(tmp_path_factory, cache):
  """Two fields with two values each; one learning rate breaks every seed."""
  workdir = tmp_path_factory.mktemp('grid')
  changes = small_sweeps.sweep('learning_rate=1e-2,1e29', 'weight_decay=0,1e-3')
  said = small_sweeps.train(small_sweeps.grid(workdir, changes), workdir)
  return workdir, changes, said


@pytest.fixture(scope='session')
def trained_search(tmp_path_factory, cache):
  """Three combinations of a range."""
  workdir = tmp_path_factory.mktemp('search')
  changes = small_sweeps.sweep('learning_rate=1e-3..1e-1:log')
  found = small_sweeps.searching(workdir, changes, 3)
  small_sweeps.train(found, workdir)
  return workdir, changes
