"""Pickles that ask for more than a release of Planetoid needs."""

import os
import pathlib
import pickle

import pytest

from gat_jax.datasets import pickles
from gat_jax.errors import DataError


class Payload:
  def __init__(self, function, *args):
    self._call = function, args

  def __reduce__(self):
    return self._call


def ran(path):
  return [
    Payload(os.system, f'touch {path}'),
    Payload(eval, f'open({str(path)!r}, "w")'),
    Payload(exec, f'open({str(path)!r}, "w")'),
    Payload(pathlib.Path.touch, path),
    Payload(getattr, 'text', 'upper'),
    [1, {'deep': Payload(os.system, f'touch {path}')}],
  ]


@pytest.mark.parametrize('protocol', range(6))
def test_crafted_pickle_runs_nothing(protocol, tmp_path):
  path = tmp_path / 'it-ran'
  for payload in ran(path):
    data = pickle.dumps(payload, protocol=protocol)
    with pytest.raises(DataError, match='which no Planetoid file needs'):
      pickles.unpickle(data, 'ind.cora.x')
    assert not path.exists()


def test_refusal_names_what_was_asked_for():
  data = b'\x80\x02cposix\nsystem\nU\x02lsR.'
  with pytest.raises(DataError, match=r'posix\.system') as error:
    pickles.unpickle(data, 'ind.cora.x')
  assert error.value.field == 'ind.cora.x'
