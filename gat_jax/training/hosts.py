"""The processes that train one run together: who writes, what all agree on.

`jax.distributed` connects them; a host here is one of its processes. All hosts
call the same functions in the same order, as they do with compiled programs
that span their devices. Without `jax.distributed` there is one host, and
nothing here does anything.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import pickle
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from gat_jax.errors import InputError

T = TypeVar('T')
E = TypeVar('E', bound=BaseException)
_AXIS = 'hosts'
_CHUNK = 2**26  # bytes that are sent at a time


class HostError(RuntimeError):
  """Another host has failed, other than by bad input."""


class Hosts:
  """This host among those of a run.

  What fails on one host alone must fail on all: the others would wait for it.
  Code that may do so stands in `together`, or is done by the writer in `tell`.
  Neither may have a program in it that spans hosts. An error anywhere else, as
  of memory in the middle of an epoch, can only end the process; then nothing
  that spans hosts can be run any more (`is_joint`).

  Attributes:
    index: of this one.
    count: how many there are.
    ended: whether they have come to the end of what they do together, which is
      a result, an error of all, or an end that was asked for.
  """

  def __init__(self, index: int = 0, count: int = 1):
    """See the class; `here` is what to call."""
    self.index = index
    self.count = count
    self.ended = False
    self._joint: BaseException | None = None

  @classmethod
  def here(cls) -> 'Hosts':
    """The hosts that `jax.distributed` has connected, or this one alone.

    It starts no backend where there is one.
    """
    return _connected() if jax.distributed.is_initialized() else cls()

  @property
  def is_writer(self) -> bool:
    """Whether this host writes files and says how it goes; others do not."""
    return self.index == 0

  def agree(self, *numbers: int) -> list[int]:
    """The largest of what all hosts say, for each of some small numbers."""
    if self.count == 1:
      return list(numbers)
    return self.stacked(np.array(numbers, np.int32)).max(axis=0).tolist()

  def gather(self, value: T) -> list[T]:
    """What each host says, by host; anything small that can be pickled."""
    if self.count == 1:
      return [value]
    own = pickle.dumps(value)
    (longest,) = self.agree(len(own))
    padded = np.zeros(longest, np.uint8)
    padded[: len(own)] = np.frombuffer(own, np.uint8)
    return [_unpickled(row.tobytes()) for row in self.stacked(padded)]

  def tell(self, make: Callable[[], T]) -> T:
    """What the writer makes, on all hosts.

    Args:
      make: is called by the writer; its error is an error of all.

    Returns:
      Its value, which has been pickled for others: arrays are of NumPy.
    """
    if self.count == 1:
      return make()
    value: Any = None
    with self.together():
      if self.is_writer:
        value = make()
    data = pickle.dumps(value) if self.is_writer else b''
    chunks, rest = self.agree(*divmod(len(data), _CHUNK))
    sizes = [_CHUNK] * chunks + [rest]
    found = []
    for i, size in enumerate(sizes):
      own = np.zeros(size, np.uint8)
      if self.is_writer:
        own[:] = np.frombuffer(data, np.uint8, size, i * _CHUNK)
      found.append(self._sum(own).tobytes())
    return value if self.is_writer else _unpickled(b''.join(found))

  @contextlib.contextmanager
  def together(self) -> Iterator[None]:
    """What fails inside on some hosts fails on all, where they leave this.

    Raises:
      InputError: on the others as well, says which host it is of.
      HostError: on the others, if it was anything else.
    """
    if self.count == 1:
      yield
      return
    error: Exception | None = None
    try:
      yield
    except Exception as own:
      error = own
    if not any(self.agree(error is not None)):
      return
    reports = self.gather(None if error is None else _report(error))
    if error is None:
      told = ((i, *r) for i, r in enumerate(reports) if r is not None)
      error = self._of(*next(told))
    raise self.joint(error)

  def _of(self, index: int, text: str, bad_input: InputError | None) -> Any:
    """The error of another host, as this one raises it."""
    where = f'on host {index} of {self.count}'
    if bad_input is None:
      return HostError(f'{where}: {text}')
    kind = type(bad_input)
    field, problem = bad_input.field, f'{where}: {bad_input.problem}'
    return kind(field, problem, bad_input.remedy)

  def joint(self, error: E) -> E:
    """Notes that all hosts raise an error here, which it returns."""
    self._joint = error
    self.ended = True
    return error

  def is_joint(self, error: BaseException) -> bool:
    """Whether all hosts have raised an error at the same place."""
    return self.count == 1 or error is self._joint

  def stacked(self, own: np.ndarray) -> np.ndarray:
    """Arrays [...] of all hosts, of the same shape: [hosts, ...]."""
    return own[None] if self.count == 1 else self._compute(_same, own)

  def _sum(self, own: np.ndarray) -> np.ndarray:
    """The sum of arrays of all hosts."""
    return self._compute(_sum, own)

  def _compute(self, function: Callable, own: np.ndarray) -> np.ndarray:
    mesh = _mesh()
    stacked = jax.make_array_from_process_local_data(
      NamedSharding(mesh, PartitionSpec(_AXIS)),
      own[None],
      (self.count, *own.shape),
    )
    with jax.disable_jit(False):
      return np.asarray(_on_all(function)(stacked))


@functools.cache
def _connected() -> Hosts:
  return Hosts(jax.process_index(), jax.process_count())


@functools.cache
def _mesh() -> Mesh:
  """One device of each host; they may have different numbers of them."""
  first: dict[int, jax.Device] = {}
  for device in jax.devices():
    first.setdefault(device.process_index, device)
  return Mesh(np.array([first[i] for i in sorted(first)]), (_AXIS,))


@functools.cache
def _on_all(function: Callable) -> Callable:
  """A function of what hosts have, compiled, with its result on all of them."""
  everywhere = NamedSharding(_mesh(), PartitionSpec())
  return jax.jit(function, out_shardings=everywhere)


def _same(stacked: jax.Array) -> jax.Array:
  return stacked


def _sum(stacked: jax.Array) -> jax.Array:
  return stacked.sum(axis=0, dtype=stacked.dtype)


def _report(error: Exception) -> tuple[str, InputError | None]:
  """What others are told of an error."""
  if isinstance(error, InputError):
    return str(error), error
  return f'{type(error).__name__}: {error}', None


def _unpickled(data: bytes) -> Any:
  return pickle.loads(data)  # noqa: S301, of this program on another host
