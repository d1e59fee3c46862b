"""The page of a sweep, from tables written by hand."""

from handmade import row
from handmade import write_summary
import numpy as np
import pytest

from experiments.pages import drawing
from experiments.pages import sweep
from gat_jax.errors import WorkdirError


def page_of(folder, rows, name='a $b$ c', *, writes=False):
  names = dict.fromkeys(k for r in rows for k in r.changes)
  axes = {
    k: list(dict.fromkeys(r.changes[k] for r in rows if k in r.changes))
    for k in names
  }
  write_summary(folder, name, rows, axes)
  with drawing.style():
    page = sweep.make(folder)
    if writes:
      page.write(folder)
    else:
      page.html()
  return {chart.name.partition('-')[0]: chart for chart in page.charts}


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
  rows = [row({'x': x, 'y': y}, 10.0 + x + y) for x in (1, 2) for y in (1, 2)]
  assert 'heatmap' in page_of(tmp_path, rows, writes=True)
  assert 'a $b$ c' in (tmp_path / 'report.html').read_text()


@pytest.mark.parametrize(
  'rows',
  [
    [row({'x': 1}, 10.0), row({'x': 2}, 11.0), row({'y': 5}, 12.0)],
    [row({'x': x / 7}, 10.0 + x) for x in range(12)],
    [row({'x': x}, 10.0) for x in [0, 1e-4, 1e-3, 1e-2, 'None']],
    [row({'x': f'word {x}'}, 10.0 + x) for x in range(12)],
    [row({'x': 1, 'y': 0.1 * i, 'z': True}, 10.0 + i) for i in range(9)],
    [row({'x': 1}, 10.0), row({'x': 2}, 11.0, n=0)],
  ],
  ids=['chain', 'range', 'mixed', 'words', 'many', 'unfinished'],
)
def test_all_axes_are_drawn_within_their_bounds(tmp_path, rows):
  charts = page_of(tmp_path, rows)
  assert 'heatmap' not in charts
  for spots in charts['parallel'].spots:
    assert len(spots.y) == sum(r.n > 0 for r in rows)
    assert np.min(spots.y) >= 0
    assert np.max(spots.y) <= 1


def test_larger_numbers_are_higher(tmp_path):
  rows = [row({'x': x}, 10.0) for x in [1e-2, 0, 1e-3]]
  heights = page_of(tmp_path, rows)['parallel'].spots[0].y
  np.testing.assert_array_equal(np.argsort(heights), [1, 2, 0])


def test_the_front_goes_from_the_cheapest_to_the_best(tmp_path):
  rows = [row({'x': x}, 10.0 + x) for x in (2, 1, 0)]
  charts = page_of(tmp_path, rows)
  assert (
    'from 10.0 s a seed (10.0 %) to 12.0 (12.0 %).' in charts['pareto'].caption
  )


@pytest.mark.parametrize('kind', ['finished', 'search'])
def test_a_sweep_of_version_0_1_is_drawn(old, kind):
  with drawing.style():
    page = sweep.make(old / 'sweep' / kind)
  assert 'parallel-csbm' in {chart.name for chart in page.charts}
  assert 'python -m experiments.sweep' in page.lead


@pytest.mark.parametrize('text', ['{"datasets": 3}', '[]', '{', '{}'])
def test_damaged_tables_are_an_error(tmp_path, text):
  (tmp_path / 'sweep.json').write_text(text)
  with pytest.raises(WorkdirError, match=r'sweep\.json'):
    sweep.make(tmp_path)


def test_a_sweep_without_a_finished_trial_is_an_error(tmp_path):
  write_summary(tmp_path, 'x', [row({'x': 1}, 0, n=0)], {'x': [1]})
  with pytest.raises(WorkdirError, match='no finished trial yet'):
    sweep.make(tmp_path)
