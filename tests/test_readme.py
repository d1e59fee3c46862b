"""README.md is short, and its figures are those of the results files."""

import json
from xml.etree import ElementTree

import pytest

from benchmarks import readme
from benchmarks import speed


def test_it_is_a_door_and_no_diary():
  assert len(readme.README.read_text().splitlines()) <= 130


@pytest.mark.parametrize('name', sorted(readme.sections()))
def test_figures_are_those_of_the_results(name):
  text = readme.README.read_text()
  marked = f'<!-- {name} -->\n\n{readme.sections()[name]}\n\n<!-- end of {name}'
  assert marked in text, 'python -m benchmarks.readme writes it anew'


def test_chart_shows_the_same():
  root = ElementTree.parse(readme.CHART).getroot()  # noqa: S314, our own file
  described = root.find('.//{http://purl.org/dc/elements/1.1/}description')
  assert described.text == readme.described()
  shown = json.loads(described.text)
  assert [name for name, *_ in shown] == [n for n, *_ in readme.measured()]


def test_table_of_speed_is_that_of_the_kept_rows():
  assert speed.markdown(speed.read()).strip() in speed.TABLE.read_text()
