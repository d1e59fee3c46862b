"""The scores in the files for machines that a command leaves."""

from collections.abc import Iterator
import csv
import json
import pathlib
from typing import Any

from gat_jax.runs.fields import FIELDS

# Inputs, and what they are counted from; there are no scores in them.
_NO_RESULTS = {'changes', 'axes', 'fixed', 'versions', 'subject', 'seconds'}
_NO_SCORES = {
  *FIELDS,
  *('epoch', 'epochs', 'best_epoch', 'mean_epochs', 'hours', 'num_parameters'),
  *('train_loss', 'val_loss', 'n', 'failed', 'pruned', 'seeds_needed'),
  *('graph', 'node', 'label', 'prediction', 'finished'),
}
_INPUTS = {'config.json', 'dataset.json', '.holder.json'}


def scores(folder: pathlib.Path) -> Iterator[tuple[str, float]]:
  """Every number in .json, .jsonl and .csv files that nothing says is none."""
  for path in sorted(folder.rglob('*')):
    if path.name in _INPUTS or path.suffix not in ('.json', '.jsonl', '.csv'):
      continue
    text = path.read_text()
    if path.suffix == '.json':
      lines = [json.loads(text)]
    elif path.suffix == '.jsonl':
      lines = [json.loads(line) for line in text.splitlines()]
    else:
      lines = list(csv.DictReader(text.splitlines()))
    for line in lines:
      yield from _numbers(path.name, line)


def _numbers(where: str, content: Any) -> Iterator[tuple[str, float]]:
  if isinstance(content, dict):
    for name, value in content.items():
      if name not in _NO_RESULTS | _NO_SCORES:
        yield from _numbers(f'{where} {name}', value)
  elif isinstance(content, list):
    for value in content:
      yield from _numbers(where, value)
  elif isinstance(content, str):
    try:
      yield where, float(content)
    except ValueError:
      return
  elif isinstance(content, int | float) and not isinstance(content, bool):
    yield where, float(content)


def check_fractions(folder: pathlib.Path, *files: str) -> None:
  """Those files have scores, and no file has one above 1."""
  found = list(scores(folder))
  for file in files:
    assert any(where.startswith(file) and x for where, x in found), file
  assert [(where, x) for where, x in found if abs(x) > 1] == []
