import pytest

from experiments.reproduction import tables
from gat_jax.errors import ConfigError
from gat_jax.runs import settings


@pytest.mark.parametrize('name', tables.TABLES)
def test_every_row_is_a_valid_config_of_its_own(name):
  rows = tables.TABLES[name].rows
  assert len({row.key for row in rows}) == len(rows)
  assert tables.TABLES[name].baseline in {row.name for row in rows}
  for row in rows:
    settings.check(row.config())


def test_rows_that_share_a_file_train_the_same():
  by_key = {}
  for table in tables.TABLES.values():
    for row in table.rows:
      by_key.setdefault(row.key, []).append(row.config().to_dict())
  assert any(len(configs) > 1 for configs in by_key.values())
  for first, *others in by_key.values():
    assert all(other == first for other in others)


def test_a_name_stands_for_its_table_and_all_for_those_of_the_paper():
  assert tables.named('ablations') == ('ablations',)
  assert tables.named('all') == tables.PAPER


@pytest.mark.parametrize(
  ('name', 'words'),
  [
    (None, '--table: missing; choose one of cora'),
    ('coar', '--table: there is no table coar; did you mean cora?'),
    ('x', 'choose one of cora, .*, all'),
  ],
)
def test_a_table_that_is_not_there_is_an_error(name, words):
  with pytest.raises(ConfigError, match=words):
    tables.named(name)


def test_rows_are_taken_once_with_the_seeds_of_the_paper():
  rows = tables.rows_of(('cora', 'ablations', 'ppi'))
  names = [(row.dataset, row.name) for row in rows]
  assert names.count(('cora', 'GAT')) == 1
  wanted = {(row.dataset, row.name): n for row, n in rows.items()}
  assert wanted['ppi', 'GAT'] == 10
  assert wanted['cora', 'GAT'] == wanted['cora', 'Const-GAT'] == 100
  assert wanted['cora', 'pyg'] == 20
  for row in rows:
    assert row.published is None or row.published.n in (10, 100)


def test_only_the_rows_that_are_wanted():
  rows = tables.rows_of(('cora', 'ppi'), ['GAT', 'GCN'])
  names = [(row.dataset, row.name) for row in rows]
  assert names == [('cora', 'GCN'), ('cora', 'GAT'), ('ppi', 'GAT')]
  with pytest.raises(ConfigError, match='no row GTA; did you mean GAT'):
    tables.rows_of(('cora',), ['GAT', 'GTA'])
