"""Loads small archives as if they were the published one."""

import hashlib

import pytest
from small_archives import packed

from gat_jax import datasets
from gat_jax.datasets import files
from gat_jax.datasets import ppi


@pytest.fixture
def load(tmp_path, monkeypatch):
  """Loads any bytes as the archive: their sum is pinned instead."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv(files.VARIABLE, raising=False)
  (tmp_path / 'mine').mkdir()

  def load(data, which='published', **options):
    data = packed(data) if isinstance(data, dict) else data
    monkeypatch.setattr(
      ppi, 'SHA256', {which: hashlib.sha256(data).hexdigest()}
    )
    (tmp_path / 'mine/ppi.zip').write_bytes(data)
    return datasets.load('ppi', str(tmp_path / 'mine'), **options)

  return load
