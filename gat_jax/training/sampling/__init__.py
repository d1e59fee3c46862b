"""Graphs that no device holds: sampled to train on, layer by layer to evaluate.

`loading` and what it needs, Numba and Grain, is imported where a run samples.
"""

from gat_jax.training.sampling.applying import SplitCounter as SplitCounter
from gat_jax.training.sampling.applying import apply_model as apply_model
from gat_jax.training.sampling.applying import data_bytes as data_bytes
from gat_jax.training.sampling.csr import Csr as Csr
from gat_jax.training.sampling.layerwise import Layerwise as Layerwise
