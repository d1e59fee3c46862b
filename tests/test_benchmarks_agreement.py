"""benchmarks.agreement: the same seeds of two machines, number by number."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest

from benchmarks import agreement
from configs import smoke
from experiments.reproduction import ledger
from gat_jax.errors import WorkdirError
from gat_jax.runs import RuleResult
from gat_jax.runs import SeedResult

ROOT = pathlib.Path(__file__).parents[1]
RULES = {'loss': RuleResult(test=0.79, val=0.8, best_epoch=7, epochs=20)}


def write(workdir, machine, changes, **fields):
  """A row of as many seeds as there are changes to what each scored."""
  config = smoke.get_config()
  config.update(fields)
  own = ledger.Ledger(
    workdir / ledger.FOLDER / 'smoke-gat.jsonl',
    ledger.Subject.of(config, 'digest'),
  )
  for seed, change in enumerate(changes):
    scored = SeedResult(seed, 0.8, 0.7, 0.625, 10, 20, RULES)
    entry = ledger.FinishedSeed(
      result=dataclasses.replace(scored, **change),
      dataset='csbm',
      seconds=1.0,
      finished='2026-01-31',
      versions={'machine': machine},
    )
    own.add([entry])


def test_counts_what_agrees_and_how_far_the_rest_is(tmp_path):
  write(tmp_path / 'a', 'cpu', [{}, {}, {}, {}, {}])
  other_rule = {'loss': dataclasses.replace(RULES['loss'], test=0.78)}
  changes = [{}, {'val_loss': 0.5}, {'test': 0.82, 'best_epoch': 12}]
  write(tmp_path / 'b', 'gpu', [*changes, {'rules': other_rule}])
  (line,) = agreement.compare(tmp_path / 'a', tmp_path / 'b')
  assert line == {
    'row': 'smoke-gat',
    'other': 'b',
    'trained by': 'cpu',
    'other trained by': 'gpu',
    'seeds': '4',
    'same in all': '1',
    'same epoch kept': '3',
    'mean difference, points': '+0.50',
    'largest': '+2.0',
  }


def test_other_configs_and_strangers_are_refused(tmp_path):
  write(tmp_path / 'a', 'cpu', [{}])
  write(tmp_path / 'b', 'cpu', [{}], learning_rate=0.5)
  with pytest.raises(WorkdirError, match='learning_rate'):
    agreement.compare(tmp_path / 'a', tmp_path / 'b')
  with pytest.raises(WorkdirError, match='shares no seed with'):
    agreement.compare(tmp_path / 'a', tmp_path / 'c')


def test_the_kept_seeds_of_two_machines_make_the_table(tmp_path):
  output = tmp_path / 'out.md'
  command = [sys.executable, '-m', 'benchmarks.agreement', 'results']
  others = sorted((ROOT / 'results' / 'devices').iterdir())
  done = subprocess.run(
    [*command, *others, f'--output={output}'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  kept = (ROOT / 'RESULTS.md').read_text()
  table = done.stdout.strip()
  assert table.count('| pubmed-gat | ') == 2
  assert table in output.read_text()
  assert table in kept  # what the page says is what the seeds say
