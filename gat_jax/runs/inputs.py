"""What a run is made of, settings and data: the same on all its hosts."""

from collections.abc import Sequence
import hashlib
from typing import Any

from gat_jax import datasets
from gat_jax import training
from gat_jax.errors import ConfigError
from gat_jax.errors import DataError
from gat_jax.errors import InputError
from gat_jax.runs import settings
from gat_jax.runs.observers import Observer

# Each host may have its data in another place.
_OWN_FIELDS = ('data_dir',)


def load_dataset(config: Any, progress: bool = False) -> datasets.Dataset:
  """The data set that `config.dataset` and `config.data_dir` name.

  Args:
    config: see `train_and_evaluate`.
    progress: show a progress bar while downloading.

  Raises:
    DataError: if there is no such data set, or its files cannot be used.
  """
  options = config.dataset.to_dict()
  dataset = datasets.load(
    options.pop('name'), config.data_dir, progress=progress, **options
  )
  if config.model.edge_features or not dataset.num_edge_features:
    return dataset
  return dataset.without_edge_features()


def load_on_all(
  config: Any, observer: Observer, hosts: training.Hosts
) -> datasets.Dataset:
  """Loads the data set on all hosts, in parts where devices share a graph.

  Raises:
    ConfigError: if they cannot share it, or deal it to parts in other ways.
    DataError: on all hosts, if one has no such data, or others than host 0.
  """
  with hosts.together():
    dataset = load_dataset(config, observer.show_downloads)
    dataset = training.take_apart(config, dataset)
  found = hosts.gather((dataset.card['digest'], _digest_of_parts(dataset)))
  error: InputError
  for index, (digest, of_parts) in enumerate(found):
    if digest != found[0][0]:
      error = DataError(
        'config.dataset',
        f'the data on host {index} are others than those on host 0',
        'give all hosts the same files',
      )
      raise hosts.joint(error)
    if of_parts != found[0][1]:
      error = ConfigError(
        'config.mesh.partitioner',
        f'{config.mesh.partitioner!r} deals the nodes to other parts on host'
        f' {index} than on host 0',
        'install the same pymetis on all hosts, or choose `ranges`',
      )
      raise hosts.joint(error)
  return dataset


def _digest_of_parts(dataset: datasets.Dataset) -> str:
  """Of which nodes are where."""
  digest = hashlib.sha256()
  if dataset.num_parts > 1:
    for example in (*dataset.train, *dataset.val, *dataset.test):
      digest.update(example.graph.structure.part.sender_ids.tobytes())
  return digest.hexdigest()


def check_on_all(configs: Sequence[Any], hosts: training.Hosts) -> None:
  """Checks that all hosts were given the same settings.

  Raises:
    ConfigError: on all hosts, if not; names the fields.
  """
  if hosts.count == 1:
    return
  flats = [settings.flat(config) for config in configs]
  own = [
    {name: value for name, value in flat.items() if name not in _OWN_FIELDS}
    for flat in flats
  ]
  asked = hosts.gather(own)
  for index, others in enumerate(asked):
    if others == asked[0]:
      continue
    words = 'the number of configs'
    for here, there in zip(asked[0], others, strict=False):
      names = sorted(here.keys() | there.keys())
      differing = [n for n in names if here.get(n) != there.get(n)]
      if differing:
        words = '; '.join(
          f'`config.{n}` is {there.get(n)!r} on host {index} and'
          f' {here.get(n)!r} on host 0'
          for n in differing
        )
        break
    error = ConfigError(
      'config',
      f'hosts have other settings than each other: {words}',
      'start the same command on all',
    )
    raise hosts.joint(error)
