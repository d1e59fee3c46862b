"""The page of a reproduction, from ledgers written by hand."""

import ledgers
import numpy as np
import pytest

from experiments.pages import drawing
from experiments.pages import reproduction
from experiments.reproduction import tables
from gat_jax.errors import WorkdirError


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  folder = tmp_path_factory.mktemp('reproduction')
  rng = np.random.default_rng(0)
  for row in tables.TABLES['cora'].rows:
    mean = 100 * row.published.mean if row.published else 83.0
    ledgers.add(folder, row, mean + 0.5 + rng.normal(0, 0.3, 12))
  for row in tables.TABLES['ablations'].rows[1:4]:
    ledgers.add(folder, row, 82.0 + rng.normal(0, 0.3, 12))
  with drawing.style():
    yield reproduction.make(folder)


def chart(page, name):
  (found,) = [chart for chart in page.charts if chart.name == name]
  return found


def test_the_forest_has_every_published_row_at_its_distance(page):
  (spots,) = chart(page, 'forest-cora').spots
  names = [text.partition('\n')[0] for text in spots.texts]
  assert names == ['MLP', 'GCN', 'GCN-64', 'GAT']
  np.testing.assert_allclose(spots.x, 0.5, atol=0.3)
  assert 'paper 83.00 ± 0.70' in spots.texts[3]


def test_every_seed_is_a_dot(page):
  spots = chart(page, 'seeds-cora').spots
  assert [len(own.texts) for own in spots] == [12] * 6


def test_departures_are_held_against_the_same_seeds_of_the_baseline(page):
  (spots,) = chart(page, 'ablations-ablations').spots
  assert len(spots.texts) == 3
  assert all(-2.5 < x < -0.5 for x in spots.x)


def test_what_an_unfinished_folder_holds_is_shown_or_said(tmp_path):
  (tmp_path / 'seeds').mkdir()
  assert reproduction.is_one(tmp_path)
  with pytest.raises(WorkdirError, match='no finished seed'):
    reproduction.make(tmp_path)
  ledgers.add(tmp_path, tables.TABLES['cora'].rows[4], [83.0])
  with drawing.style():
    page = reproduction.make(tmp_path)
  assert '1 undecided' in page.lead
  assert 'forest-cora' in {chart.name for chart in page.charts}


def test_a_departure_without_its_baseline_is_not_held_against_it(tmp_path):
  ledgers.add(tmp_path, tables.TABLES['ablations'].rows[1], [83.0, 82.0])
  with drawing.style():
    page = reproduction.make(tmp_path)
  assert {chart.name for chart in page.charts} == {'seeds-ablations'}


@pytest.mark.parametrize('text', ['[]', '{}', '{"margin": "much"}'])
def test_a_damaged_table_is_an_error(tmp_path, text):
  ledgers.add(tmp_path, tables.TABLES['cora'].rows[3], [83.0])
  (tmp_path / 'reproduction.json').write_text(text)
  with pytest.raises(WorkdirError, match='damaged'):
    reproduction.make(tmp_path)


def test_a_reproduction_of_version_0_1_is_drawn(old):
  with drawing.style():
    page = reproduction.make(old / 'reproduction')
  (chart,) = page.charts
  (spots,) = chart.spots
  np.testing.assert_allclose(spots.x, [98.9189, 98.3784], atol=1e-4)
  assert 'below 1 point counts as none' in page.lead
