"""The parts by name: where their code is, and how long each may take."""

from collections.abc import Callable
import importlib
from typing import NamedTuple


class Part(NamedTuple):
  """Something that is run in a process of its own.

  Attributes:
    module: of this package.
    function: of the module; takes a `rows.Report`.
    seconds: at most so many.
    uses_torch: then JAX keeps to the CPU, so that the GPU is PyTorch's.
    is_extra: only run if asked for.
    is_timed: whether it measures times. Those that do not run side by side.
  """

  module: str
  function: str
  seconds: int
  uses_torch: bool = False
  is_extra: bool = False
  is_timed: bool = True

  def load(self) -> Callable:
    """Imports the function."""
    module = importlib.import_module(f'benchmarks.gpu.{self.module}')
    return getattr(module, self.function)


# What matters most comes first: the last ones are dropped if time is short.
PARTS = {
  'machine': Part('machine', 'run', 45),
  'cora': Part('epochs', 'cora', 75),
  'kernels': Part('kernels', 'run', 90, is_extra=True),
  'roads': Part('roads', 'run', 120, is_timed=False),
  'bits_again': Part('bits', 'run', 120, is_timed=False),
  'ppi': Part('epochs', 'ppi', 150),
  'torch_citation': Part('peers', 'citation', 45, uses_torch=True),
  'torch_ppi': Part('peers', 'ppi', 45, uses_torch=True),
  'bits': Part('bits', 'run', 100),
  'sums': Part('sums', 'run', 75),
  'torch_sums': Part('peers', 'sums', 40, uses_torch=True),
  'seeds100': Part('epochs', 'seeds100', 50),
  'citeseer': Part('epochs', 'citeseer', 40),
  'gatv2': Part('epochs', 'gatv2', 60),
  'layers': Part('sums', 'layers', 60),
  'torch_layers': Part('peers', 'layers', 30, uses_torch=True),
  'seeds1000': Part('epochs', 'seeds1000', 60),
}
