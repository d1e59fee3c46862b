"""Where local workers train: never on a GPU that the sweep was not given."""

import os
import pickle

import commands
import pytest
import small_sweeps

from experiments.sweeps import places

CUDA = 'PJRT C API\ncuda 12090'
ROCM = 'PJRT C API\nrocm 60300'
ONE, OTHER = 'GPU-8932f937-d72c', 'MIG-GPU-8932f937-d72c/3/0'


def given(seen, environment, num_workers=None):
  """The variables of each worker's place."""
  found = places.choose(seen, environment, [0, 1, 2], num_workers)
  assert {place.core for place in found} == {None}
  return [dict(place.variables) for place in found]


@pytest.mark.parametrize(
  ('listed', 'numbers', 'expected'),
  [
    (None, [0, 1], ['0', '1']),
    ('3,5', [0, 1], ['3', '5']),
    ('5, 3', [0, 1], ['5', '3']),
    (f'{ONE},2', [0, 1], [ONE, '2']),
    (OTHER, [0], [OTHER]),  # CUDA sees one part of a divided GPU at most
    # NVIDIA ignores what follows an entry that there is not; JAX has counted.
    ('2,9,3', [0], ['2']),
    ('2,-1,3', [0], ['2']),
    ('2,,3', [0], ['2']),
    # $JAX_CUDA_VISIBLE_DEVICES=1 leaves the second of the list.
    ('3,5', [1], ['5']),
  ],
)
def test_each_worker_has_an_entry_of_the_users_list(listed, numbers, expected):
  environment = {} if listed is None else {'CUDA_VISIBLE_DEVICES': listed}
  found = given(places.Seen('gpu', CUDA, numbers), environment)
  assert found == [{'CUDA_VISIBLE_DEVICES': entry} for entry in expected]


@pytest.mark.parametrize(
  ('environment', 'expected'),
  [
    ({}, '1'),
    ({'HIP_VISIBLE_DEVICES': '4,6'}, '6'),
    ({'CUDA_VISIBLE_DEVICES': '4,6'}, '6'),
    ({'ROCR_VISIBLE_DEVICES': '4,6'}, '1'),  # it renumbers what HIP counts
    ({'ROCR_VISIBLE_DEVICES': '4,6,7', 'HIP_VISIBLE_DEVICES': '2,0'}, '0'),
  ],
)
def test_rocm_has_lists_of_its_own(environment, expected):
  _, second = given(places.Seen('gpu', ROCM, [0, 1]), environment)
  assert second == dict.fromkeys(
    ('HIP_VISIBLE_DEVICES', 'CUDA_VISIBLE_DEVICES'), expected
  )


def test_more_workers_than_gpus_share_them_and_their_memory():
  seen = places.Seen('gpu', CUDA, [0, 1])
  listed = {'CUDA_VISIBLE_DEVICES': '3,5'}
  found = given(seen, listed, 3)
  assert [p['CUDA_VISIBLE_DEVICES'] for p in found] == ['3', '5', '3']
  assert {p['XLA_PYTHON_CLIENT_PREALLOCATE'] for p in found} == {'false'}
  assert given(seen, listed, 1) == [{'CUDA_VISIBLE_DEVICES': '3'}]


def test_a_tpu_has_one_worker_and_cpus_one_a_core():
  assert places.choose(
    places.Seen('tpu', 'libtpu', [0, 1, 2, 3]), {}, [0, 1]
  ) == [places.Place()]
  seen = places.Seen('cpu', 'cpu', [0])
  found = places.choose(seen, {'CUDA_VISIBLE_DEVICES': '3,5'}, [4, 6], 3)
  assert found == [places.Place(core=core) for core in (4, 6, 4)]


def test_a_worker_takes_its_place_whatever_it_was_started_with(monkeypatch):
  """submitit empties the list; the place travels by pickle, as a job does."""
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  cores = os.sched_getaffinity(0)
  try:
    pickle.loads(pickle.dumps(places.Place(core=max(cores)))).take()
    assert os.sched_getaffinity(0) == {max(cores)}
  finally:
    os.sched_setaffinity(0, cores)
  assert os.environ['CUDA_VISIBLE_DEVICES'] == ''
  place = places.Place(variables={'CUDA_VISIBLE_DEVICES': ONE})
  pickle.loads(pickle.dumps(place)).take()
  assert os.environ['CUDA_VISIBLE_DEVICES'] == ONE
  assert os.sched_getaffinity(0) == cores


def test_jax_is_asked_in_a_process_of_its_own():
  seen = places.look()
  assert seen.platform in ('cpu', 'gpu', 'tpu')
  assert 0 in seen.numbers


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['local', 'debug'])
def test_a_platform_that_is_not_there_is_one_error(
  environment, tmp_path, engine
):
  done = commands.run(
    environment | {'JAX_PLATFORMS': 'nowhere'},
    'sweep',
    *small_sweeps.FLAGS,
    '--sweep=patience=5',
    f'--workdir={tmp_path}/w',
    f'--engine={engine}',
  )
  assert done.returncode == 2
  assert done.stderr.startswith('error: $JAX_PLATFORMS=nowhere: ')
  assert done.stderr.count('\n') == 1
  assert not (tmp_path / 'w').exists()
