"""How a command finds out that it was started several times."""

import pytest

from experiments.hosts import launching
from gat_jax.errors import InputError

STEP = {
  'SLURM_JOB_ID': '7',
  'SLURM_STEP_NODELIST': 'n[1-2]',
  'SLURM_STEP_NUM_TASKS': '4',
  'SLURM_STEP_TASKS_PER_NODE': '2(x2)',
  'SLURM_NTASKS': '4',
  'SLURM_PROCID': '3',
  'SLURM_LOCALID': '1',
}
BY_HAND = ('--hosts=2', '--host=1', '--coordinator=10.0.0.1:8476')


@pytest.mark.parametrize(
  'environment',
  [
    {},
    STEP | {'SLURM_STEP_NUM_TASKS': '1'},
    # The script of `sbatch --ntasks=4` and a shell of `salloc`: no step.
    {'SLURM_JOB_ID': '7', 'SLURM_NTASKS': '4', 'SLURM_PROCID': '0'},
    {'OMPI_COMM_WORLD_SIZE': '1', 'OMPI_COMM_WORLD_RANK': '0'},
    # It does not say whether its pods are to work together.
    {'KUBERNETES_SERVICE_HOST': '10.0.0.1', 'JOB_COMPLETION_INDEX': '0'},
    {'TPU_WORKER_HOSTNAMES': 'localhost', 'TPU_WORKER_ID': '0'},
  ],
)
def test_one_process_is_alone(environment):
  assert launching.find(['--workdir=x'], environment) is None
  assert launching.find(['--hosts=1'], environment) is None


@pytest.mark.parametrize(
  ('environment', 'count', 'index'),
  [
    (STEP, 4, 3),
    ({'OMPI_COMM_WORLD_SIZE': '2', 'OMPI_COMM_WORLD_RANK': '1'}, 2, 1),
    ({'TPU_WORKER_HOSTNAMES': 'a,b', 'TPU_WORKER_ID': '1'}, 2, 1),
  ],
)
def test_launchers_say_how_many_there_are(environment, count, index):
  found = launching.find([], environment)
  assert (found.count, found.index) == (count, index)
  # JAX finds the rest.
  assert found.parameters == {'num_processes': count, 'process_id': index}
  address = launching.find(['--coordinator=a:1'], environment)
  assert address.parameters['coordinator_address'] == 'a:1'


@pytest.mark.parametrize(
  ('changes', 'devices'),
  [
    ({}, None),
    ({'CUDA_VISIBLE_DEVICES': '0,1'}, None),  # two tasks share them
    ({'SLURM_STEP_TASKS_PER_NODE': '1(x4)'}, []),  # all, however many
    (
      {
        'CUDA_VISIBLE_DEVICES': '0,1,2,3',
        'SLURM_STEP_TASKS_PER_NODE': '1(x4)',
      },
      [0, 1, 2, 3],
    ),
    ({'CUDA_VISIBLE_DEVICES': '0', 'SLURM_GPUS_PER_TASK': '1'}, [0]),
  ],
)
def test_a_task_takes_all_gpus_that_are_its_own(changes, devices):
  found = launching.find([], STEP | changes)
  assert found.parameters.get('local_device_ids') == devices


def test_flags_say_it_by_hand():
  found = launching.find([*BY_HAND, '--config.x=1', '--other'], STEP)
  assert found.parameters == {
    'coordinator_address': '10.0.0.1:8476',
    'num_processes': 2,
    'process_id': 1,
    'cluster_detection_method': 'deactivate',
  }
  assert launching.find(['--coordinator=auto'], {}).parameters == {}


@pytest.mark.parametrize(
  ('words', 'error'),
  [
    (BY_HAND[:2], '--coordinator: missing'),
    (BY_HAND[1:], '--hosts: missing'),
    (('--hosts=2', BY_HAND[2]), '--host: missing'),
    (('--coordinator=a:1',), '--coordinator: there are no other hosts'),
    (('--hosts=2', '--host=2', BY_HAND[2]), '--host=2: there is no such host'),
    ((*BY_HAND[:2], '--coordinator=a'), '--coordinator=a: is no address'),
    (('--hosts=two',), '--hosts=two'),
    (('--hosts=0',), '--hosts=0'),
  ],
)
def test_flags_that_say_too_little_are_one_error(words, error):
  with pytest.raises(InputError, match=error):
    launching.find(words, {})
