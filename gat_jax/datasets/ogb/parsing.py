"""What the files of a data set of OGB hold, written as arrays that are mapped.

Shapes: N nodes, E0 edges of a file, D features, C classes or labels.
"""

import dataclasses
import pathlib

import numpy as np

from gat_jax.datasets import structures
from gat_jax.datasets.ogb import papers
from gat_jax.datasets.ogb import reading
from gat_jax.datasets.ogb import sorting
from gat_jax.datasets.ogb.source import Source
from gat_jax.errors import DataError

_SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}  # OGB's names
_EDGES, _LABELS = 'raw/edge.csv.gz', 'raw/node-label.csv.gz'
_FEATURES, _OF_EDGES = 'raw/node-feat.csv.gz', 'raw/edge-feat.csv.gz'
_NUM_NODES, _NUM_EDGES = 'raw/num-node-list.csv.gz', 'raw/num-edge-list.csv.gz'
_SPECIES = 'raw/node_species.csv.gz'


@dataclasses.dataclass(frozen=True)
class About:
  """What OGB's master.csv says of a data set.

  Attributes:
    title: of the archive.
    num_classes: C; classes, or labels that a node may have.
    split: its kind, which is the name of a folder.
    num_features: D; 0 for none.
    num_edge_features: of an edge; 0 for none.
    multilabel: whether a node may have several.
    one_way: whether its edges have a direction; else each stands for both.
  """

  title: str
  num_classes: int
  split: str
  num_features: int
  num_edge_features: int = 0
  multilabel: bool = False
  one_way: bool = False


SETS = {
  'ogbn-arxiv': About('arxiv', 40, 'time', 128, one_way=True),
  'ogbn-products': About('products', 47, 'sales_ranking', 100),
  'ogbn-proteins': About('proteins', 112, 'species', 0, 8, multilabel=True),
  'ogbn-papers100M': About('papers100M-bin', 172, 'time', 128, one_way=True),
}


def members(source: Source, about: About, of_papers: bool) -> list[str]:
  """All files that are read, in a folder."""
  splits = [_split(about, name) for name in _SPLITS.values()]
  if of_papers:
    return [papers.DATA, papers.LABELS, *splits]
  return [
    _NUM_NODES,
    _NUM_EDGES,
    _EDGES,
    *([_FEATURES] if about.num_features else []),
    *([_OF_EDGES] if about.num_edge_features else []),
    *([_species(source)] if about.num_edge_features else []),
    _LABELS,
    *splits,
  ]


def _split(about: About, name: str) -> str:
  return f'split/{about.split}/{name}.csv.gz'


def _species(source: Source) -> str:
  """The archive has it by the first name, the package renames it."""
  first = 'raw/species.csv.gz'
  return first if source.has(first) else _SPECIES


def parse_tables(
  source: Source, about: About, both_ways: bool, folder: pathlib.Path
) -> None:
  """Writes what the tables of a data set hold as .npy files."""
  n_node = reading.number(source, _NUM_NODES)
  n_edge = reading.number(source, _NUM_EDGES)
  new = _New(folder)

  _write_splits(source, about, n_node, new)
  edges = new('edges', np.int32, n_edge, 2)
  reading.numbers(source, _EDGES, edges, low=0, stop=n_node)
  of_edges = None
  if about.num_features:
    features = new('features', np.float32, n_node, about.num_features)
    reading.numbers(source, _FEATURES, features)
  if about.num_edge_features:
    species = np.zeros((n_node, 1), np.int32)
    reading.numbers(source, _species(source), species)
    of_edges = new('of_edges', np.float32, n_edge, about.num_edge_features)
    reading.numbers(source, _OF_EDGES, of_edges)
  if about.multilabel:
    labels = new('labels', np.int32, n_node, about.num_classes)
    reading.numbers(source, _LABELS, labels, low=0, stop=2)
  else:
    labels = np.zeros((n_node, 1), np.int32)
    reading.numbers(source, _LABELS, labels, low=0, stop=about.num_classes)
    new('labels', np.int32, n_node)[:] = labels[:, 0]
  sums, counts = sorting.sort_edges(
    edges.T,
    n_node,
    folder,
    lambda problem: source.fail(_EDGES, problem),
    both_ways=both_ways,
    features=of_edges,
  )
  new('num_edges', np.int64, 2)[:] = n_edge, n_edge - counts.sum()
  if about.num_edge_features:
    new('sums', np.float32, *sums.shape)[:] = sums
    means = sums / np.maximum(counts, 1)[:, None]
    new('means', np.float32, *sums.shape)[:] = means
    (folder / 'of_edges.npy').unlink()
  (folder / 'edges.npy').unlink()


def parse_papers(
  source: Source, about: About, both_ways: bool, folder: pathlib.Path
) -> None:
  """Sorts the edges of ogbn-papers100M; its features stay where they are."""
  if source.path.is_file():
    raise DataError(
      source.path,
      'is an archive, whose arrays cannot be mapped into memory',
      f'unpack it: unzip {source.path.name}',
    )
  n_node, n_edge = papers.sizes(source, folder)
  most = min(n_edge, sorting.MOST)
  structures.require_memory(
    40 * most + 32 * n_node, f'to sort {n_edge:,} edges of {n_node:,} nodes'
  )
  new = _New(folder)

  papers.check_features(source, papers.features(source, n_node, folder))
  _write_splits(source, about, n_node, new)
  labels = papers.labels(source, n_node, about.num_classes, folder)
  for split, name in _SPLITS.items():
    unknown = np.load(folder / f'{split}.npy') & (labels < 0)
    if unknown.any():
      source.fail(
        _split(about, name),
        f'has node {int(unknown.argmax()):,}, which has no label',
      )
  new('labels', np.int32, n_node)[:] = labels
  _, counts = sorting.sort_edges(
    papers.edges(source, n_node, n_edge, folder),
    n_node,
    folder,
    lambda problem: source.fail(papers.DATA, problem),
    both_ways=both_ways,
  )
  new('num_edges', np.int64, 2)[:] = n_edge, n_edge - counts.sum()
  for key in papers.READ_ONCE:
    (folder / f'{key}.npy').unlink(missing_ok=True)


def _write_splits(
  source: Source, about: About, n_node: int, new: '_New'
) -> None:
  """Writes a mask for each split; no node is in two, none is empty."""
  taken = np.zeros(n_node, bool)
  for split, name in _SPLITS.items():
    member = _split(about, name)
    nodes = reading.column(source, member, n_node)
    mask = new(split, bool, n_node)
    mask[nodes] = True
    if not len(nodes) or mask.sum() < len(nodes):
      source.fail(member, 'is empty, or names a node twice')
    if taken[nodes].any():
      node = int(nodes[taken[nodes].argmax()])
      source.fail(member, f'has node {node:,}, which is in another split')
    taken |= mask


@dataclasses.dataclass(frozen=True)
class _New:
  """Makes arrays that are files of a folder."""

  folder: pathlib.Path

  def __call__(self, name: str, dtype: type, *shape: int) -> np.ndarray:
    """The array of that name, to be filled."""
    path = self.folder / f'{name}.npy'
    return np.lib.format.open_memmap(path, 'w+', dtype, shape)
