"""README.md is short, and its figures are those of the results files."""

from xml.etree import ElementTree

import pytest

from benchmarks import readme
from benchmarks import speed


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
  ],
)
def test_a_time_is_written_without_an_exponent(milliseconds, words):
  assert readme._time(milliseconds) == words


def test_chart_shows_the_same():
  root = ElementTree.parse(readme.CHART).getroot()  # noqa: S314, our own file
  described = root.find('.//{http://purl.org/dc/elements/1.1/}description')
  assert described.text == readme.described()


def test_table_of_speed_is_that_of_the_kept_rows():
  assert speed.markdown(speed.read()).strip() in speed.TABLE.read_text()
