"""A folder of every kind with its page, made once for all tests of pages."""

import shutil

from commands import ROOT
import handmade
import ledgers
import numpy as np
import pytest

from configs import custom
from experiments.pages import drawing
from experiments.pages import reproduction
from experiments.pages import run
from experiments.pages import sweep
from experiments.reproduction import tables
from gat_jax import runs

FILE = 'labels & <more>.npz'
TINY = {
  'model.num_heads': 2,
  'model.hidden_dim': 2,
  'model.dropout_rate': 0.0,
  'max_epochs': 3,
}


@pytest.fixture(scope='session')
def old(tmp_path_factory):
  """The workdirs of version 0.1, made by commit 4ac1a8a."""
  folder = tmp_path_factory.mktemp('old')
  for name in ('run', 'reproduction', 'sweep'):
    archive = ROOT / f'tests/old_workdirs/{name}.tar.gz'
    shutil.unpack_archive(archive, folder, filter='data')
  return folder


@pytest.fixture(scope='session')
def made(old, tmp_path_factory):
  """By kind: the folder of a run, a reproduction or a sweep, with its page."""
  root = tmp_path_factory.mktemp('made')
  shutil.copytree(old / 'run/finished', root / 'run')
  handmade.several_labels(root / FILE)
  config = custom.get_config()
  config.dataset.name = f'{root}/{FILE}'
  config.update_from_flattened_dict(TINY)
  runs.train_and_evaluate(config, root / 'labels')
  for row in tables.TABLES['cora'].rows:
    ledgers.add(root / 'reproduction', row, 82 + np.linspace(0, 1.5, 9))
  for row in tables.TABLES['ablations'].rows[1:4]:
    ledgers.add(root / 'reproduction', row, 81 + np.linspace(0, 1, 9))
  two = {'model.num_heads': (1, 2), 'learning_rate': (1e-3, 0.1)}
  handmade.grid(root / 'sweep', two)
  handmade.grid(root / 'large_sweep', two | {'weight_decay': (0.0, 1e-3)})
  with drawing.style():
    for kind in ('run', 'labels'):
      run.make(root / kind, run.Wanted()).write(root / kind)
    for kind in ('sweep', 'large_sweep'):
      sweep.make(root / kind).write(root / kind)
    reproduction.make(root / 'reproduction').write(root / 'reproduction')
  return root
