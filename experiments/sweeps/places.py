"""Where local workers train: on a core each, or on a GPU each.

JAX says what there is, in a short process of its own: a backend that this one
started would hold a GPU's memory for as long as the sweep lasts.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import json
import os
import subprocess
import sys
from typing import NamedTuple

import jax

from experiments import cli
from gat_jax.errors import ConfigError

# The variables that say which GPUs a process may use, by a word of the version
# of the platform. Where several are set, the first is heeded.
_VARIABLES = {
  'cuda': ('CUDA_VISIBLE_DEVICES',),
  'rocm': ('HIP_VISIBLE_DEVICES', 'CUDA_VISIBLE_DEVICES'),
}
_ASK = """
import json
import jax
devices = jax.local_devices()
numbers = [d.local_hardware_id or 0 for d in devices]
version = devices[0].client.platform_version
print(json.dumps([devices[0].platform, version, numbers]))
"""


@dataclasses.dataclass(frozen=True)
class Place:
  """Where one local worker trains; by default on all that JAX sees.

  Attributes:
    core: the only core that it uses; None for all.
    variables: what its environment says, before JAX starts a backend there.
  """

  core: int | None = None
  variables: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def take(self) -> None:
    """Restricts this process to the place."""
    if self.core is not None and hasattr(os, 'sched_setaffinity'):
      os.sched_setaffinity(0, {self.core})
    if self.variables:
      os.environ.update(self.variables)
      # JAX's own lists number what the first process saw, not what is left.
      jax.config.update('jax_cuda_visible_devices', 'all')
      jax.config.update('jax_rocm_visible_devices', 'all')


class Seen(NamedTuple):
  """What JAX sees on this machine.

  Attributes:
    platform: `cpu`, `gpu`, `tpu`.
    version: of the platform, in which `cuda` or `rocm` stands.
    numbers: of its devices, counted among those that it may see.
  """

  platform: str
  version: str
  numbers: Sequence[int]


def find(num_workers: int | None) -> list[Place]:
  """A place for each local worker.

  Args:
    num_workers: how many; None for one a GPU, else one a core.

  Raises:
    ConfigError: if JAX cannot start here.
  """
  return choose(look(), os.environ, cli.cores(), num_workers)


@functools.cache
def look() -> Seen:
  """What JAX sees; starts no backend in this process.

  Raises:
    ConfigError: if JAX cannot start.
  """
  if jax.config.jax_platforms == 'cpu':
    return Seen('cpu', '', (0,))
  done = subprocess.run(  # noqa: S603, nothing of it is anybody's input
    [sys.executable, '-c', _ASK],
    # It takes no more of a GPU's memory than it needs.
    env=os.environ | {'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'},
    stdin=subprocess.DEVNULL,
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    lines = done.stderr.strip().splitlines()
    platforms = jax.config.jax_platforms
    raise ConfigError(
      f'$JAX_PLATFORMS={platforms}' if platforms else 'JAX',
      f'it cannot start here ({lines[-1] if lines else done.returncode})',
      'JAX_PLATFORMS=cpu trains on the cores',
    )
  return Seen(*json.loads(done.stdout.splitlines()[-1]))


def choose(
  seen: Seen,
  environment: Mapping[str, str],
  cores: Sequence[int],
  num_workers: int | None = None,
) -> list[Place]:
  """The places of so many workers, for what is seen.

  A list of GPUs in the environment names them by number or UUID, and ends at
  the first entry that there is not. JAX has counted how many that leaves; here
  each worker is given one entry of the list.

  Args:
    seen: by JAX, under that environment.
    environment: of this process.
    cores: that this process may use.
    num_workers: if there are too few places, workers share them; None for one
      worker a place.
  """
  if seen.platform == 'cpu':
    places = [Place(core=core) for core in cores]
  else:
    places = _devices(seen, environment)
  if num_workers is None:
    return places
  if num_workers > len(places) and seen.platform != 'cpu':
    # The first of several on a GPU would take most of its memory.
    shared = {'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'}
    places = [Place(p.core, shared | dict(p.variables)) for p in places]
  return [places[i % len(places)] for i in range(num_workers)]


def _devices(seen: Seen, environment: Mapping[str, str]) -> list[Place]:
  found = [names for word, names in _VARIABLES.items() if word in seen.version]
  if not found:
    return [Place()]  # one process has all chips of a TPU
  (names,) = found
  listed = next((environment[n] for n in names if environment.get(n)), '')
  entries = [entry.strip() for entry in listed.split(',')] if listed else None
  return [
    Place(
      variables=dict.fromkeys(
        names, entries[number] if entries else str(number)
      )
    )
    for number in seen.numbers
  ]
