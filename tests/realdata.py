"""The published files, for tests of real data: those are marked `slow`."""

import os
import pathlib

import pytest

from gat_jax import datasets
from gat_jax.datasets import files


def folder(collection: str, *names: str) -> pathlib.Path:
  """Where the loaders would find the files, without a download.

  A test that finds none is skipped; in CI it fails.
  """
  places = ('data', '../shared/data', datasets.cache_folder())
  chosen = os.environ.get(files.VARIABLE)
  for place in map(pathlib.Path, [chosen] if chosen else places):
    for candidate in (place, place / collection):
      if all((candidate / name).is_file() for name in names):
        return candidate.resolve()
  missing = f'no folder has {", ".join(names)}; see "Data" in README.md'
  if os.environ.get('CI'):
    pytest.fail(missing)
  pytest.skip(missing)
