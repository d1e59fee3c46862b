"""The part of a page about the data: the card, with what its words mean."""

from typing import Any

from experiments.pages.page import Section
from experiments.pages.page import Table
from gat_jax import runs

# What the names of a card mean that do not say it themselves.
_MEANINGS = {
  'edges_raw': 'edges as the file lists them',
  'self_loops_in_file': 'nodes that the file joins with themselves',
  'edges_unique': 'pairs of different nodes that are joined, each counted once',
  'edges_repeated': 'edges that the file lists more than once; they count once',
  'missing_ids': 'test nodes that the files leave out; added without features',
  'directed': 'whether an edge is followed one way only',
  'normalize_features': 'whether the features of a node are scaled to sum to 1',
  'id_column': 'the column of the nodes that edges name them by',
  'label_column': 'the column of the nodes that has their classes or labels',
  'edge_columns': 'the columns of the edges that name their ends: from -> to',
  'feature_columns': 'the columns of the nodes that are features',
  'edge_feature_columns': 'the columns of the edges that are features',
  'left_out': 'columns that the config leaves out',
  'scale_columns': 'whether each feature was brought to mean 0, deviation 1',
  'splits': 'where train, val and test come from',
  'edges_with_loops': (
    'edges that a layer sees: both ways if they are not directed, and one from'
    ' each node to itself'
  ),
  'max_degree': 'the most edges into one node, that from itself left out',
  'isolated_nodes': 'nodes that no edge joins with another',
  'isolated_test_nodes': 'those of them that are test nodes',
  'features': 'numbers that describe a node',
  'nonzeros': 'entries of all features that are not 0',
  'classes': 'of which a node has one',
  'labels': 'of which a node may have several',
  'train': 'nodes that the model learns from',
  'val': 'nodes that decide when training ends (validation)',
  'test': 'nodes that are scored, and decide nothing',
  'homophily': 'the share of edges that are to join nodes of one class',
  'signal': 'how far apart the features of the classes lie',
  'parts': 'devices that share the graph, each with a part of its nodes',
  'partitioner': 'who dealt the nodes to the parts',
  'edges_cut': 'edges from a node of one part to one of another',
  'halo_rows': (
    'nodes of other parts that parts need in every layer, all parts together'
  ),
  'imbalance': 'edges of the largest part, as a multiple of the mean',
  'warnings': 'what looks wrong in the data',
}


def section(card: dict[str, Any], config: Any) -> Section:
  """The card of a data set, what it was read from, and the config.

  Args:
    card: the content of dataset.json.
    config: of the run.
  """
  facts = {k: v for k, v in card.items() if k not in ('sha256', 'digest')}
  facts['warnings'] = '; '.join(card.get('warnings', ())) or 'none'
  lines = _facts(facts)
  explained = [
    [*line, _MEANINGS.get(name, '')]
    for name, line in zip(facts, lines[1:], strict=True)
  ]
  return Section(
    'Data',
    'What the model was trained on. The SHA-256 of a file changes when anything'
    ' in it does; the fields of the config are all settings of the training.',
    [
      Table(
        'data set card',
        [['', 'value', 'what it is'], *explained],
        wordy=True,
      ),
      Table('SHA-256 of what was read', _facts(card['sha256']), folded=True),
      Table(
        'every field of the config',
        _facts(runs.settings.flat(config)),
        folded=True,
      ),
    ],
  )


def _facts(facts: dict[str, Any]) -> list[list[str]]:
  """Names and values, without a header."""
  lines: list[list[str]] = [[]]
  for name, value in facts.items():
    is_count = isinstance(value, int) and not isinstance(value, bool)
    word = f'{value:,}' if is_count else str(value)
    word = ', '.join(value) if isinstance(value, list) else word
    lines.append([name.replace('_', ' '), word])
  return lines
