"""Reads the pickles of the Planetoid release, which Python 2 wrote.

Their bytes are checked against published SHA-256 sums before they come here.
Even so a pickle gets only the six names that the release needs, so that none
can run anything.
"""

import collections
import io
import pickle
from typing import Any, NoReturn

import numpy as np
import scipy.sparse

from gat_jax.errors import DataError


def _dtype(kind: str, *unused_flags: int) -> np.dtype:
  """A dtype of its own, whose byte order the pickle then sets.

  `numpy.dtype` itself warns of flags that are numbers, as Python 2 wrote them.
  """
  return np.dtype(kind, copy=True)


_ADMITTED: dict[tuple[str, str], Any] = {
  ('scipy.sparse.csr', 'csr_matrix'): scipy.sparse.csr_matrix,
  # The function has moved since; an array tells where it is now.
  ('numpy.core.multiarray', '_reconstruct'): np.empty(0).__reduce__()[0],
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): _dtype,
  ('collections', 'defaultdict'): collections.defaultdict,
  ('__builtin__', 'list'): list,
}


class _Unpickler(pickle.Unpickler):
  """Finds what `_ADMITTED` names and nothing else."""

  def find_class(self, module: str, name: str) -> Any:
    """Refuses every name that the release does not need."""
    try:
      return _ADMITTED[module, name]
    except KeyError:
      raise pickle.UnpicklingError(
        f'it asks for {module}.{name}, which no Planetoid file needs'
      ) from None


def unpickle(data: bytes, where: str) -> Any:
  """Reads a pickle of the release.

  Args:
    data: the bytes of a file, whose sum was checked: damaged ones could take
      all memory.
    where: the path of that file, for errors.

  Raises:
    DataError: if it asks for another name, which is not run, or is damaged.
  """
  try:
    return _Unpickler(io.BytesIO(data), encoding='latin1').load()
  except MemoryError:
    raise
  except Exception as error:  # the bytes decide which one
    malformed(where, str(error) or type(error).__name__, error)


def malformed(
  where: str, reason: str, cause: Exception | None = None
) -> NoReturn:
  """Raises the DataError of a file that is not what it should be."""
  raise DataError(
    where, f'is malformed: {reason}', 'replace it by the published file'
  ) from cause
