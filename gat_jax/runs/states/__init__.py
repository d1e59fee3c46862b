"""Parameters and whole runs on disk."""

from gat_jax.runs.states import checkpoints as checkpoints
from gat_jax.runs.states import stored as stored
