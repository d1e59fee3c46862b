"""Node-property sets of the Open Graph Benchmark (Hu et al., NeurIPS 2020).

They are read from the files that OGB publishes, without its package: from an
archive or from the folder that it was unpacked to. No sums of these files are
published. What was read is hashed onto the card, and what does not fit together
is refused.

Reading them takes minutes, so the arrays are kept from one run to the next and
mapped into memory; see `kept`.

Shapes: N nodes, E0 edges of a file, E edges of the graph, D features, C classes
or labels.
"""

import functools

import jraph
import numpy as np

from gat_jax import graphs
from gat_jax.datasets import structures
from gat_jax.datasets.ogb import kept as kept_arrays
from gat_jax.datasets.ogb import papers
from gat_jax.datasets.ogb import parsing
from gat_jax.datasets.ogb.source import Source
from gat_jax.errors import DataError

_PAPERS = 'ogbn-papers100M'


def arxiv(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  directed: bool = True,
) -> structures.Dataset:
  """Loads ogbn-arxiv: papers that cite papers, 40 subjects.

  Args:
    name: of the data set.
    data_dir: see `files.read`.
    progress: see `files.read`.
    directed: keep edges one-way, from who cites to who is cited, as OGB has
      them.

  Raises:
    DataError: if a file is missing, malformed or does not fit the others.
  """
  return _load(name, data_dir, progress, both_ways=not directed)


def products(
  name: str, data_dir: str | None = None, progress: bool = False
) -> structures.Dataset:
  """Loads ogbn-products: goods that were bought together, 47 categories.

  Args:
    name: of the data set.
    data_dir: see `files.read`.
    progress: see `files.read`.

  Raises:
    DataError: if a file is missing, malformed or does not fit the others.
  """
  return _load(name, data_dir, progress, both_ways=True)


def proteins(
  name: str,
  data_dir: str | None = None,
  progress: bool = False,
  *,
  node_features: str = 'sum',
) -> structures.Dataset:
  """Loads ogbn-proteins: associations of proteins, with 8 features each.

  Its nodes have no features of their own and 112 labels, whose score is the
  mean area under the ROC curve.

  Args:
    name: of the data set.
    data_dir: see `files.read`.
    progress: see `files.read`.
    node_features: what the features of a node are made of those of its edges,
      their sum or mean.

  Raises:
    DataError: if a file is missing, malformed or does not fit the others.
  """
  if node_features not in ('sum', 'mean'):
    raise DataError(
      'config.dataset.node_features',
      f'there is no {node_features!r}',
      'choose sum or mean',
    )
  return _load(name, data_dir, progress, both_ways=True, of_nodes=node_features)


def papers100m(
  name: str, data_dir: str | None = None, progress: bool = False
) -> structures.Dataset:
  """Loads ogbn-papers100M: papers that cite papers, 172 subjects.

  Edges stay one-way, as OGB has them: with their reverse they would be more
  than an int32 counts. It is read from the folder that the archive of 57 GB was
  unpacked to, where features stay unless they are compressed.

  Args:
    name: of the data set.
    data_dir: see `files.read`.
    progress: not used, so much is not downloaded unasked.

  Raises:
    DataError: if a file is missing, malformed or does not fit the others.
  """
  return _load(name, data_dir, progress, both_ways=False)


LOADERS = {
  'ogbn-arxiv': arxiv,
  'ogbn-products': products,
  'ogbn-proteins': proteins,
  _PAPERS: papers100m,
}


def _load(
  name: str,
  data_dir: str | None,
  progress: bool,
  *,
  both_ways: bool,
  of_nodes: str = '',
) -> structures.Dataset:
  about = parsing.SETS[name]
  source = Source.find(
    about.title, data_dir, progress, downloads=name != _PAPERS
  )
  if 'RELEASE_v1.txt' not in source.names():
    source.fail('RELEASE_v1.txt', 'is missing: this is another release of it')
  of_papers = name == _PAPERS
  found = kept_arrays.keep(
    source,
    parsing.members(source, about, of_papers),
    '.both_ways' if about.one_way and both_ways else '',
    functools.partial(
      parsing.parse_papers if of_papers else parsing.parse_tables,
      source,
      about,
      both_ways,
    ),
  )
  arrays = found.arrays
  num_nodes = len(arrays['labels'])
  if of_papers:
    features = papers.features(source, num_nodes, found.folder)
  else:
    features = arrays[f'{of_nodes}s' if of_nodes else 'features']
  edges = graphs.Edges(
    arrays['senders'], arrays['receivers'], num_nodes, num_nodes
  )
  graph = graphs.PreparedGraph.of(
    jraph.GraphsTuple(
      nodes=features,
      edges=arrays.get('edge_features'),
      senders=edges.senders,
      receivers=edges.receivers,
      n_node=np.array([num_nodes], np.int32),
      n_edge=np.array([len(edges.senders)], np.int32),
      globals=None,
    ),
    graphs.Ungrouped(edges),
  )
  masks = {split: arrays[split] for split in structures.SPLITS}
  facts = {
    'source': f'OGB, {about.title}, release 1, split by {about.split}',
    'sums_are_pinned': False,  # OGB publishes none
    'edges_raw': int(arrays['num_edges'][0]),
    'directed': not both_ways,
  }
  if both_ways:
    facts['edges_unique'] = (len(edges.senders) - num_nodes) // 2
  else:
    facts['edges_repeated'] = int(arrays['num_edges'][1])
  if about.num_edge_features:
    facts |= {
      'edge_features': about.num_edge_features,
      'loop_features': 'mean',
      'node_features': of_nodes,
    }
  dataset = structures.from_one_graph(
    name,
    graph,
    arrays['labels'],
    masks,
    facts,
    found.sums,
    num_classes=about.num_classes,
    metric='roc_auc' if about.multilabel else '',
    card=found.cards.get(of_nodes),
  )
  if of_nodes not in found.cards:
    found.keep_card(of_nodes, dataset.card)
  return dataset
