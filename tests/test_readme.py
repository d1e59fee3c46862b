"""README.md is short, and its figures are those of the results files."""

import json
from xml.etree import ElementTree

import pytest

from benchmarks import readme
from benchmarks import speed
from benchmarks.comparison import charts
from benchmarks.comparison import pages
from benchmarks.comparison import tables


def test_it_is_a_door_and_no_diary():
  assert len(readme.README.read_text().splitlines()) <= 130


@pytest.mark.parametrize('name', readme.SECTIONS)
def test_figures_are_those_of_the_results(name):
  section = readme.SECTIONS[name]()
  marked = f'<!-- {name} -->\n\n{section}\n\n<!-- end of {name}'
  text = readme.README.read_text()
  assert marked in text, 'python -m benchmarks.readme writes it anew'


@pytest.mark.parametrize(
  ('milliseconds', 'words'),
  [
    (0.2657, '0.27 ms'),
    (9.89, '9.9 ms'),
    (13.97, '14 ms'),
    (99.6, '100 ms'),
    (239.55, '240 ms'),
    (5178.87, '5.2 s'),
    (612_000, '10 min'),
  ],
)
def test_a_time_is_written_without_an_exponent(milliseconds, words):
  assert tables.milliseconds(milliseconds) == words


def described(path):
  root = ElementTree.parse(path).getroot()  # noqa: S314, our own file
  return root.find('.//{http://purl.org/dc/elements/1.1/}description').text


def test_charts_show_the_same():
  assert described(readme.CHART) == readme.described()
  points = json.dumps(tables.curves(speed.read()))
  assert charts.GROWTH.exists() == (points != '{}')
  if charts.GROWTH.exists():
    assert described(charts.GROWTH) == points


def test_tables_of_speed_are_those_of_the_kept_rows():
  sections = pages.sections(speed.read(), speed.read_bounds())
  assert 'speed' in sections
  text = speed.TABLE.read_text()
  for name, section in sections.items():
    assert f'<!-- {name} -->\n\n{section.strip()}\n' in text, name
