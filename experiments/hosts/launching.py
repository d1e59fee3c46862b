"""Who started this process among others, how many there are, which one it is.

Slurm, Open MPI and a TPU slice say so in the environment, and JAX finds the
rest there. Elsewhere three flags do. Kubernetes does not say whether the pods
of a job are to work together: there it takes --coordinator=auto.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import os
import re
from typing import Any

from absl import flags

from experiments import arguments
from gat_jax.errors import ConfigError

flags.disclaim_key_flags()  # --help shows a flag where it is asked for
_AUTO = 'auto'
_NAMES = 'hosts', 'host', 'coordinator'


@dataclasses.dataclass(frozen=True)
class Launch:
  """How this process was started among others.

  Attributes:
    by: what started it, in words.
    count: how many there are; None if only JAX can find out.
    index: of this one; likewise.
    coordinator: address and port where host 0 brings them together; None if JAX
      finds it.
    devices: the accelerators of this machine that it has, by number; empty
      if all that it sees; None leaves that to JAX.
  """

  by: str
  count: int | None = None
  index: int | None = None
  coordinator: str | None = None
  devices: tuple[int, ...] | None = None

  @property
  def parameters(self) -> dict[str, Any]:
    """What `jax.distributed.initialize` takes."""
    found = {
      'coordinator_address': self.coordinator,
      'num_processes': self.count,
      'process_id': self.index,
      'local_device_ids': None if self.devices is None else [*self.devices],
    }
    if None not in (self.coordinator, self.count, self.index):
      found['cluster_detection_method'] = 'deactivate'
    return {name: value for name, value in found.items() if value is not None}


def define_flags(
  hosts: str,
  host: str,
  coordinator: str,
  values: flags.FlagValues = flags.FLAGS,
) -> None:
  """Defines the three flags, whose names are in the source of the command."""
  flags.DEFINE_integer(
    hosts,
    None,
    'processes that train together, where neither Slurm nor the like says it',
    1,
    flag_values=values,
  )
  flags.DEFINE_integer(
    host,
    None,
    'which of --hosts this one is, from 0; host 0 writes',
    0,
    flag_values=values,
  )
  flags.DEFINE_string(
    coordinator,
    None,
    'address and free port of host 0, as in 10.0.0.1:8476, the same on all'
    f' --hosts; {_AUTO} lets JAX find all three, as on a TPU pod or in an'
    ' indexed job of Kubernetes',
    flag_values=values,
  )


def find(
  words: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> Launch | None:
  """How this process was started; None if it is alone.

  Args:
    words: arguments of the command; only the flags above are looked at.
    environment: of this process.

  Raises:
    ConfigError: if they contradict each other or are not enough.
  """
  values = flags.FlagValues()
  define_flags(*_NAMES, values)
  try:
    values(['', *words], known_only=True)
  except flags.Error as error:
    raise arguments.FlagError('', str(error)) from error
  hosts, host, coordinator = (values[name].value for name in _NAMES)
  found = _launched(environment)
  if coordinator == _AUTO:
    return found or Launch('JAX')
  if hosts is None and host is None:
    if found is None:
      if coordinator is not None:
        raise ConfigError(
          '--coordinator',
          'there are no other hosts',
          'add --hosts and --host, or leave it out',
        )
      return None
    return dataclasses.replace(found, coordinator=coordinator)
  if hosts == 1 and not host:
    return None
  given = {'hosts': hosts, 'host': host, 'coordinator': coordinator}
  missing = [f'--{name}' for name, value in given.items() if value is None]
  if missing:
    raise ConfigError(
      missing[0],
      'missing',
      'it takes all three, as in --hosts=2 --host=0'
      ' --coordinator=10.0.0.1:8476 on the first host',
    )
  if host >= hosts:
    raise ConfigError(
      f'--host={host}',
      f'there is no such host of {hosts}',
      f'they are counted from 0 to {hosts - 1}',
    )
  if not re.fullmatch(r'.+:\d+', coordinator):
    raise ConfigError(
      f'--coordinator={coordinator}',
      'is no address and port',
      'as in --coordinator=10.0.0.1:8476',
    )
  return Launch('--hosts', hosts, host, coordinator)


def _launched(environment: Mapping[str, str]) -> Launch | None:
  """What a launcher of several processes says in the environment."""

  def number(name: str) -> int:
    value = environment.get(name, '')
    return int(value) if value.isdecimal() else 0

  # Of the step, not of the job: a shell of `salloc -n2` is one process.
  if (
    'SLURM_STEP_NODELIST' in environment
    and (count := number('SLURM_STEP_NUM_TASKS')) > 1
  ):
    return Launch(
      'Slurm', count, number('SLURM_PROCID'), devices=_own_gpus(environment)
    )
  if (count := number('OMPI_COMM_WORLD_SIZE')) > 1:
    return Launch('Open MPI', count, number('OMPI_COMM_WORLD_RANK'))
  workers = environment.get('TPU_WORKER_HOSTNAMES', '').split(',')
  if len(workers) > 1:
    return Launch('TPU', len(workers), number('TPU_WORKER_ID'))
  return None


def _own_gpus(environment: Mapping[str, str]) -> tuple[int, ...] | None:
  """All GPUs that a task of Slurm sees, if it shares them with no other.

  JAX would give the first task of a node the first of them, and so on.
  """
  tasks = environment.get('SLURM_STEP_TASKS_PER_NODE', '')
  is_alone = re.fullmatch(r'1(\(x\d+\))?(,1(\(x\d+\))?)*', tasks)
  if not is_alone and 'SLURM_GPUS_PER_TASK' not in environment:
    return None
  for name in ('CUDA_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES'):
    if environment.get(name):
      return tuple(range(len(environment[name].split(','))))
  return () if is_alone else None
