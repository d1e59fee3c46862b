"""A grid and a search that have been trained, for the tests that read them."""

import pytest
import small_sweeps


@pytest.fixture(scope='session')
def trained_grid(tmp_path_factory):
  """Two fields with two values each; one learning rate breaks every seed."""
  workdir = tmp_path_factory.mktemp('grid')
  changes = small_sweeps.sweep('learning_rate=1e-2,1e29', 'weight_decay=0,1e-3')
  said = small_sweeps.train(small_sweeps.grid(workdir, changes), workdir)
  return workdir, changes, said


@pytest.fixture(scope='session')
def trained_search(tmp_path_factory):
  """Three combinations of a range."""
  workdir = tmp_path_factory.mktemp('search')
  changes = small_sweeps.sweep('learning_rate=1e-3..1e-1:log')
  found = small_sweeps.searching(workdir, changes, 3)
  small_sweeps.train(found, workdir)
  return workdir, changes
