"""Charts: what can be pointed at lies where it is drawn."""

import dataclasses
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.pages import drawing
from experiments.pages import page
from gat_jax.errors import WorkdirError

SVG = '{http://www.w3.org/2000/svg}'


@pytest.fixture
def chart():
  with drawing.style():
    figure, axes = drawing.figure()
    x, y = np.array([0.1, 0.4, 0.95]), np.array([3.0, -1.0, 7.5])
    axes.plot(x, y, 'o')
    axes.set_ylabel('a label that takes some room')
    texts = ['one', 'two </script>', 'three']
    yield drawing.Chart(
      name='dots',
      title='Dots',
      caption='Three of them & more.',
      alt='Three dots',
      figure=figure,
      spots=(drawing.Spots(axes, x, y, texts),),
    )


def markers(svg):
  root = ElementTree.fromstring(svg)  # noqa: S314, our own text
  return [
    (float(use.get('x')), float(use.get('y')))
    for group in root.iter(f'{SVG}g')
    for use in group.findall(f'{SVG}use')
    if group.get('clip-path')
  ]


def test_spots_are_where_the_markers_are(chart):
  svg, places = chart.for_page()
  np.testing.assert_allclose([p[:2] for p in places], markers(svg), atol=0.06)


def test_what_is_out_of_sight_cannot_be_pointed_at(chart):
  chart.figure.axes[0].set_xlim(0, 0.5)
  _, places = chart.for_page()
  assert [text for *_, text in places] == ['one', 'two </script>']


def test_text_takes_the_colour_of_the_theme_and_files_do_not(chart, tmp_path):
  svg, _ = chart.for_page()
  assert drawing.INK not in svg
  assert 'currentColor' in svg
  chart.save(tmp_path)
  assert drawing.INK in (tmp_path / 'dots.svg').read_text()
  assert (tmp_path / 'dots.png').read_bytes().startswith(b'\x89PNG')


def test_a_drawing_repeats_itself(chart, tmp_path):
  assert chart.for_page() == chart.for_page()
  chart.save(tmp_path)
  first = (tmp_path / 'dots.svg').read_bytes()
  chart.save(tmp_path)
  assert (tmp_path / 'dots.svg').read_bytes() == first


def test_a_page_says_words_and_never_runs_them(chart):
  table = page.Table('<b>', [['<i>head', 'x'], ['</table>', '&']])
  html = page.Page(
    '<script>alert(1)</script>', '"quoted"', [page.Section('A', '<p>', [table])]
  ).html()
  assert '<script>alert' not in html
  assert '&lt;/table&gt;' in html
  html = page.Page('t', 'l', [page.Section('A', items=[chart])]).html()
  (data,) = re.findall(r'class="spots">(.*?)</script>', html, re.DOTALL)
  assert json.loads(data)[1][2] == 'two </script>'
  assert 'Three of them &amp; more.' in html


def test_a_page_that_cannot_be_written_is_an_error(chart, tmp_path):
  (tmp_path / 'file').write_text('')
  whole = page.Page('t', 'l', [page.Section('A', items=[chart])])
  with pytest.raises(WorkdirError, match='file: cannot be written'):
    whole.write(tmp_path / 'file')
  (tmp_path / 'out/report.html').mkdir(parents=True)
  with pytest.raises(WorkdirError, match='out: cannot be written'):
    whole.write(tmp_path / 'out')


def test_charts_on_one_page_share_no_name(chart):
  names = re.findall(r' id="([^"]+)"', chart.for_page()[0])
  other = dataclasses.replace(chart, name='others')
  assert names
  assert not set(names) & set(re.findall(r' id="([^"]+)"', other.for_page()[0]))
