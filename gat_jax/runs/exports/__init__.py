"""A trained model as two files, for programs that have JAX and nothing else."""

from gat_jax.runs.exports.artefact import PLATFORMS as PLATFORMS
from gat_jax.runs.exports.artefact import ExportedModel as ExportedModel
from gat_jax.runs.exports.artefact import export as export
