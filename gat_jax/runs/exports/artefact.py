"""A trained model as a `jax.export` artefact.

Shapes: N nodes, E edges, D features, D_e features of an edge.
"""

from collections.abc import Callable, Sequence
import dataclasses
import hashlib
import os
import pathlib
from typing import Any

import jax
from jax import export as jax_export
import jraph
import numpy as np

from gat_jax import nn
from gat_jax import storage
from gat_jax import training
from gat_jax.errors import InputError
from gat_jax.runs import predictions
from gat_jax.runs import workdirs
from gat_jax.runs.exports import descriptions

PLATFORMS = ('cpu', 'cuda', 'tpu')
ARTEFACT = 'model.jaxexport'
DESCRIPTION = 'model.json'


@dataclasses.dataclass(frozen=True)
class ExportedModel:
  """A model that needs JAX alone.

  Attributes:
    seed: whose parameters it has.
    artefact: what `jax.export.deserialize` reads.
    description: what the artefact takes and returns, fit for JSON; the guide
      `docs/guides/export.md` explains it.
  """

  seed: int
  artefact: bytes
  description: dict[str, Any]

  def write(
    self, folder: str | os.PathLike
  ) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes `model.jaxexport` and `model.json`, each whole or not at all.

    Files of these names are replaced.

    Args:
      folder: is made if it is not there.

    Returns:
      Their paths.

    Raises:
      WorkdirError: if they cannot be written.
    """
    path = workdirs.folder(folder)
    with workdirs.explained(path, field=path):
      storage.make_folder(path)
      with storage.whole_file(path / ARTEFACT, binary=True) as file:
        file.write(self.artefact)
      # Last: what it says of the other file is true as soon as it is there.
      workdirs.write_json(path / DESCRIPTION, self.description)
    return path / ARTEFACT, path / DESCRIPTION


@training.own_jax_settings()
def export(
  workdir: str | os.PathLike,
  seed: int | None = None,
  *,
  platforms: Sequence[str] = PLATFORMS,
  attention: bool = False,
) -> ExportedModel:
  """Exports the model that one seed kept; its data are not needed.

  Args:
    workdir: the folder of a finished run.
    seed: which one; None takes the one with the best validation score, of
      an interrupted run the first.
    platforms: some of `PLATFORMS`; none of them needs to be here.
    attention: return alpha as well; only models that have attention can.

  Raises:
    InputError: if the folder, the seed or a platform do not fit, or the model
      has no attention.
  """
  platforms = _checked(platforms)
  config = predictions.read_config(workdir)
  card = descriptions.read_card(workdir)
  seed = predictions.choose_seed(workdir, config, seed)
  sizes = descriptions.sizes_of(config, card)
  model = predictions.restore(workdir, config, seed, *sizes)
  function = _function_of(model, attention)
  exported = jax_export.export(jax.jit(function), platforms=platforms)(
    *_inputs_of(sizes)
  )
  artefact = bytes(exported.serialize())
  description = {
    'format': 1,
    'artefact': ARTEFACT,
    'sha256': hashlib.sha256(artefact).hexdigest(),
    **descriptions.of_calls(exported),
    **descriptions.of_training(config, card),
    'seed': seed,
    'platforms': list(exported.platforms),
    'jax': jax.__version__,
    'calling_convention_version': exported.calling_convention_version,
  }
  return ExportedModel(seed, artefact, description)


def _checked(platforms: Sequence[str]) -> tuple[str, ...]:
  """Each platform once.

  Raises:
    InputError: if there are none, or one is unknown.
  """
  choice = f'choose some of {", ".join(PLATFORMS)}'
  if not platforms:
    raise InputError('platforms', 'there are none', choice)
  for platform in platforms:
    if platform not in PLATFORMS:
      raise InputError('platforms', f'there is no {platform!r}', choice)
  return tuple(dict.fromkeys(platforms))


def _function_of(model: nn.Model, attention: bool) -> Callable[..., Any]:
  """What is exported: arrays to a dictionary of outputs by name."""

  def call(features, senders, receivers, edge_features=None):
    # No layer asks for n_node, which would have to be a number.
    graph = jraph.GraphsTuple(
      features, edge_features, receivers, senders, None, None, None
    )
    outputs = {'logits': model.forward(graph)}
    for index, one in enumerate(model.attention(graph) if attention else ()):
      outputs[f'attention_{index}'] = one.alpha
    return outputs

  return call


def _inputs_of(sizes: descriptions.Sizes) -> list[jax.ShapeDtypeStruct]:
  """Shapes of the arguments; N and E are left open.

  JAX takes a symbol to be at least 1: N is, but there may be no edges.
  """
  n_node, n_edge = jax_export.symbolic_shape('N, E_plus_1 - 1')
  shapes = [((n_node, sizes.features), np.float32)]
  shapes += [((n_edge,), np.int32)] * 2
  if sizes.edge_features:
    shapes += [((n_edge, sizes.edge_features), np.float32)]
  return [jax.ShapeDtypeStruct(*shape) for shape in shapes]
