"""RESULTS.md and the chart of growth, of rows that are kept."""

import os
import pathlib

from benchmarks import speed
from benchmarks.comparison import charts
from benchmarks.comparison import tables
from experiments import documents


def write(
  folder: pathlib.Path, page: pathlib.Path, chart: pathlib.Path
) -> None:
  """The sections of a page and the chart, of all rows that a folder has."""
  rows, bounds = speed.read(folder), speed.read_bounds(folder)
  picture = os.path.relpath(chart, page.parent)
  for name, text in sections(rows, bounds, picture).items():
    documents.put_section(str(page), name, text)
  charts.save(rows, chart)


def sections(
  rows: list[speed.Row],
  bounds: list[speed.Bound],
  picture: str = '../docs/pictures/growth.svg',
) -> dict[str, str]:
  """By name, those that there are rows for."""
  made = {
    'speed': tables.speeds(rows),
    'growth': tables.growth(rows, picture),
    'bounds': tables.bounds(bounds),
  }
  return {name: text for name, text in made.items() if text}
