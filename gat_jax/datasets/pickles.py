"""Reads the pickles of the Planetoid release, and nothing else.

They are pickles of Python 2. This unpickler knows the few opcodes and six names
that they need and builds nothing but numbers, lists, dictionaries and the
classes below, so that a crafted file cannot run anything.
"""

from collections import defaultdict
import io
import pickle
import struct
from typing import Any, ClassVar, NoReturn

import numpy as np

from gat_jax.errors import DataError


class _DType:
  """Stands in for numpy.dtype: its kind and byte order, as text."""

  def __init__(self, kind: str, *unused_flags: int):
    if kind not in ('b1', 'i1', 'i4', 'i8', 'f4', 'f8'):
      raise pickle.UnpicklingError(f'the dtype {kind!r} is refused')
    self.kind, self.order = kind, '|'

  def __setstate__(self, state: tuple) -> None:
    if state[1] not in ('<', '>', '|'):
      raise pickle.UnpicklingError(f'the byte order {state[1]!r} is refused')
    self.order = state[1]


class _Array:
  """Stands in for numpy.ndarray: the parts of an array of numbers."""

  def __setstate__(self, state: tuple) -> None:
    _, self.shape, self.dtype, self.fortran, self.data = state

  def numpy(self) -> np.ndarray:
    """Returns the array; raises if its parts do not fit together."""
    data = self.data
    content = data.encode('latin1') if isinstance(data, str) else bytes(data)
    flat = np.frombuffer(content, self.dtype.order + self.dtype.kind)
    return flat.reshape(self.shape, order='F' if self.fortran else 'C')


class _Reconstruct:
  """Stands in for a function, but BUILD finds no attributes to change."""

  __slots__ = ()

  def __call__(self, *unused: Any) -> _Array:
    return _Array()


class Csr:
  """Stands in for scipy.sparse.csr_matrix: the dictionary of its parts."""

  state: dict[str, Any]

  def __setstate__(self, state: dict) -> None:
    self.state = state


_ADMITTED: dict[tuple[str, str], Any] = {
  ('scipy.sparse.csr', 'csr_matrix'): Csr,
  ('numpy.core.multiarray', '_reconstruct'): _Reconstruct(),
  ('numpy', 'ndarray'): _Array,
  ('numpy', 'dtype'): _DType,
  ('collections', 'defaultdict'): defaultdict,
  ('__builtin__', 'list'): list,
}
_OPCODES = b''.join(
  (
    pickle.PROTO + pickle.STOP + pickle.MARK + pickle.POP + pickle.POP_MARK,
    pickle.GLOBAL + pickle.NEWOBJ + pickle.REDUCE + pickle.BUILD,
    pickle.BINPUT + pickle.LONG_BINPUT + pickle.BINGET + pickle.LONG_BINGET,
    pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE + pickle.BINFLOAT,
    pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.LONG1,
    pickle.SHORT_BINSTRING + pickle.BINSTRING + pickle.BINUNICODE,
    pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2,
    pickle.TUPLE3 + pickle.EMPTY_LIST + pickle.APPEND + pickle.APPENDS,
    pickle.EMPTY_DICT + pickle.SETITEM + pickle.SETITEMS,
  )
)
# What damaged bytes can raise on their way to numbers, and nothing else.
DAMAGE = (
  ArithmeticError,
  AssertionError,
  AttributeError,
  EOFError,
  LookupError,
  MemoryError,
  TypeError,
  ValueError,
  RecursionError,
  pickle.UnpicklingError,
  struct.error,
)


class _Unpickler(pickle._Unpickler):  # the one in Python has a table of opcodes
  """Reads protocol 2, builds what `_ADMITTED` names and nothing else."""

  dispatch: ClassVar = {
    code: pickle._Unpickler.dispatch[code] for code in _OPCODES
  }

  def find_class(self, module: str, name: str) -> Any:
    """Refuses every name that the release does not need."""
    try:
      return _ADMITTED[module, name]
    except KeyError:
      raise pickle.UnpicklingError(
        f'it asks for {module}.{name}, which no Planetoid file needs'
      ) from None


def unpickle(data: bytes, where: str) -> Any:
  """Reads a pickle of numbers; nothing that stands in it is run.

  Raises:
    DataError: if it holds anything else or is damaged.
  """
  try:
    return _Unpickler(io.BytesIO(data), encoding='latin1').load()
  except DAMAGE as error:
    reason = str(error)
    if isinstance(error, KeyError):
      reason = f'it has the opcode {error}, which no Planetoid file needs'
    malformed(where, reason or type(error).__name__, error)


def malformed(
  where: str, reason: str, cause: Exception | None = None
) -> NoReturn:
  """Raises the error for a file that is not what it should be."""
  raise DataError(
    f'{where} is malformed: {reason}; replace it by the published file'
  ) from cause
