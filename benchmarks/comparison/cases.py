"""What is measured, and with what."""

import dataclasses
import importlib
import math
from typing import Any

from configs import recipes

# Of all that are known, the name that people read.
PEERS = {
  'pyg': 'PyTorch Geometric',
  'pyg-compiled': 'PyTorch Geometric, compiled',
  'dgl': 'DGL',
  'jraphx': 'jraphx',
  'jraph': 'plain JAX',
}
# How a peer can be written; each is tried, and the fastest takes the turns.
STYLES = {
  'pyg': ('edge_index', 'EdgeIndex'),
  'pyg-compiled': ('edge_index-compiled', 'EdgeIndex-compiled'),
}
LIBRARY_LAYER = recipes.LIBRARY_LAYER
_DEGREE = 20  # of drawn graphs
_SMALL = 10**5  # edges: up to here, all styles of a peer are tried
_EPOCHS = 10  # of each of several seeds, one after the other
_ENDLESS = 10**9  # epochs, more than anybody times
_LEAST = 10**4  # edges of a drawn graph
MEASURED, _QUICKLY = 4.0, 0.05  # seconds that a program measures for


@dataclasses.dataclass(frozen=True)
class Case:
  """Something that ours and all peers do.

  Attributes:
    name: as `--rows` knows it.
    config: module of `configs`.
    kind: `epoch`; `table`, from nothing to the paper's table, which peers are
      only projected to; `bound`, which is of ours alone.
    seeds: how many are trained.
    edges: of a drawn graph; 0 for another.
    rounds: turns of each program.
    recipes: of ours: `authors` does more than a peer does, `pyg` the same.
    limit_s: how long a process may take.
    is_quick: whether it is only seen that it runs.
  """

  name: str
  config: str
  kind: str = 'epoch'
  seeds: int = 1
  edges: int = 0
  rounds: int = 5
  recipes: tuple[str, ...] = ('pyg', 'authors')
  limit_s: float = 300
  is_quick: bool = False

  @property
  def data(self) -> str:
    """Cases with the same share the file that peers read."""
    return f'{self.config}-{self.edges}' if self.edges else self.config

  @property
  def changes(self) -> dict[str, Any]:
    """Of the config, by field."""
    changes: dict[str, Any] = {
      'stop_rule': 'none',
      'max_epochs': _ENDLESS,
      'num_seeds': self.seeds,
    }
    if self.edges:
      changes |= {
        'dataset.num_nodes': self.edges // _DEGREE,
        'dataset.average_degree': float(_DEGREE),
        'dataset.num_features': 64,
        'model.dropout_rate': 0.6,
      }
    if self.is_quick:
      changes['batch_shapes'] = 1
    return changes

  def settings(self, recipe: str = 'pyg') -> Any:
    """The config of ours."""
    config = importlib.import_module(f'configs.{self.config}').get_config()
    changes = self.changes | (LIBRARY_LAYER if recipe == 'pyg' else {})
    config.update_from_flattened_dict(changes)
    return config

  @property
  def is_long(self) -> bool:
    """Whether one call of a peer takes longer than is measured."""
    return self.config == 'ppi' or self.seeds > 1 or self.edges > 10**6

  @property
  def needs_best_style(self) -> bool:
    """Whether it is too large to try all styles of a peer."""
    return self.edges > _SMALL

  def spec(self, recipe: str, threads: int) -> dict[str, Any]:
    """What every program is told of it: see `benchmarks.peers.common`."""
    config = self.settings(recipe)
    model = config.model
    hidden = [[model.hidden_dim, model.num_heads]] * (model.num_layers - 1)
    return {
      'case': self.name,
      'is_quick': self.is_quick,
      'recipe': recipe,
      'hidden': hidden,
      'output_heads': model.num_output_heads,
      'dropout': model.dropout_rate,
      'skip': model.residual,
      'learning_rate': config.learning_rate,
      'weight_decay': config.weight_decay,
      'seeds': self.seeds,
      'epochs': 1 if self.is_quick else _EPOCHS,
      'validates': not config.batch_size,
      'threads': threads,
      'seconds': _QUICKLY if self.is_quick else MEASURED,
      'least': 1 if self.is_quick or self.is_long else 3,
      'most': 1 if self.is_quick else 1000,
    }


def _growth(exponent: float) -> Case:
  edges = round(10**exponent / _DEGREE) * _DEGREE
  power = f'{exponent:g}'
  return Case(
    f'growth-{power}',
    'large',
    edges=edges,
    rounds=1,
    recipes=('pyg',),
    limit_s=240,
  )


LARGEST = 7.0
CASES = {
  case.name: case
  for case in (
    Case('cora', 'cora'),
    Case('citeseer', 'citeseer'),
    Case('pubmed', 'pubmed'),
    Case('ppi', 'ppi'),
    Case('cora-10-seeds', 'cora', seeds=10),
    *map(_growth, (4, 5, 5.5, 6, 6.5, LARGEST)),
    Case('bound-cora', 'cora', 'bound', rounds=3, recipes=('authors',)),
    Case('bound-ppi', 'ppi', 'bound', rounds=3, recipes=('authors',)),
    Case(
      'bound-largest',
      'large',
      'bound',
      edges=round(10**LARGEST),
      rounds=1,
      recipes=('pyg',),
    ),
    Case(
      'cora-100-seeds',
      'cora',
      'table',
      seeds=100,
      rounds=1,
      recipes=('authors',),
      limit_s=3000,
    ),
    # Not among those that are run if none is named: for trying the command.
    Case('smoke', 'smoke', rounds=1),
  )
}
USUAL = tuple(name for name in CASES if name != 'smoke')


def find(name: str, is_quick: bool = False) -> Case:
  """A case by name; a quick one has two seeds and a hundredth of the edges."""
  case = CASES[name]
  if not is_quick:
    return case
  edges = case.edges and max(_LEAST, case.edges // 100)
  seeds = min(2, case.seeds)
  return dataclasses.replace(
    case, edges=edges, seeds=seeds, rounds=1, is_quick=True
  )


def chosen(names: list[str], is_quick: bool = False) -> list[Case]:
  """Cases by name, with those that they need; see `find`.

  Raises:
    KeyError: with the name that none has.
  """
  wanted = set(names or USUAL)
  for name in wanted - CASES.keys():
    raise KeyError(name)
  if 'cora-100-seeds' in wanted:
    wanted.add('cora-10-seeds')  # which theirs is projected from
  found = [find(name, is_quick) for name in CASES if name in wanted]
  # Quick ones may be on the same graph: once is enough.
  return list({(c.kind, c.data, c.seeds): c for c in reversed(found)}.values())[
    ::-1
  ]


def exponent(edges: int) -> str:
  """As in 10^4.5."""
  return f'10^{math.log10(edges):.2g}'
