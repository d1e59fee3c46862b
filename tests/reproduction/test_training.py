"""The seeds that a ledger lacks, trained in this process on a tiny graph."""

import dataclasses
import io
import json
import re
import shutil

import pytest
from rich.console import Console

from experiments.reproduction import ledger
from experiments.reproduction import tables
from experiments.reproduction import training
from gat_jax import runs
from gat_jax.errors import WorkdirError

ROW = tables.Row(
  'tiny',
  'smoke',
  {
    'dataset.num_nodes': 260,
    'dataset.num_features': 8,
    'model.num_heads': 1,
    'model.hidden_dim': 2,
    'max_epochs': 9,
    'log_every': 3,
  },
  num_seeds=3,
)


class Stop:
  """A request to stop that comes once it was asked for so often."""

  def __init__(self, after):
    self.left = after

  def __bool__(self):
    self.left -= 1
    return self.left < 0


def train(workdir, num_seeds=3, stop_after=99):
  """Three seeds a program: whether all finished, and what it said."""
  said = io.StringIO()
  console = Console(file=said, width=120)
  done = training.train_row(
    str(workdir), ROW, num_seeds, 3, console, Stop(stop_after)
  )
  return done, said.getvalue()


def seeds_of(workdir):
  """Finished seeds without what no two runs share."""
  entries = ledger.read(workdir, ROW).values()
  own = {'seconds': 0, 'finished': '', 'versions': {}}
  return [dataclasses.replace(entry, **own) for entry in entries]


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('undisturbed')
  done, said = train(workdir, num_seeds=6)
  assert done
  assert '6 of 6 seeds' in said
  return seeds_of(workdir)


def test_seeds_are_those_of_a_run_and_nothing_is_left_over(
  undisturbed, tmp_path
):
  config = ROW.config()
  config.num_seeds = 3
  folder = tmp_path / 'unfinished/smoke-tiny-0-2'
  result = runs.train_and_evaluate(config, folder)
  assert [own.result for own in undisturbed[:3]] == list(result.seeds)
  # As if killed after the last epoch: taken, and trained no second time.
  seconds = json.loads((folder / 'results.json').read_text())['seconds']
  done, _ = train(tmp_path)
  assert done
  found = ledger.read(tmp_path, ROW)
  assert seeds_of(tmp_path) == undisturbed[:3]
  assert found[0].seconds == pytest.approx(sum(seconds.values()) / 3, abs=1e-3)
  assert not list((tmp_path / 'unfinished').iterdir())
  if (training._ROOT / '.git').exists():
    assert re.match('[0-9a-f]{7}', found[0].versions['commit'])


def test_runs_are_kept_on_request(undisturbed, tmp_path):
  said = Console(file=io.StringIO())
  for _ in range(2):  # the second time in place of what the first one left
    shutil.rmtree(tmp_path / ledger.FOLDER, ignore_errors=True)
    assert training.train_row(
      str(tmp_path), ROW, 3, 3, said, Stop(99), keep_runs=True
    )
  kept = runs.read_result(tmp_path / training.KEPT / 'smoke-tiny-0-2')
  assert list(kept.seeds) == [own.result for own in undisturbed[:3]]
  assert not list((tmp_path / 'unfinished').iterdir())


def test_interrupted_seeds_go_on_from_their_checkpoint(undisturbed, tmp_path):
  done, _ = train(tmp_path, stop_after=1)
  assert not done
  assert not ledger.read(tmp_path, ROW)
  done, said = train(tmp_path)
  assert done
  assert 'smoke tiny: seeds 0 to 2: goes on after epoch 6' in said
  assert seeds_of(tmp_path) == undisturbed[:3]


def test_stopped_between_programs_keeps_what_is_done_and_takes_more(
  undisturbed, tmp_path
):
  # Two evaluations ask, then it is asked once more before the next program.
  done, said = train(tmp_path, num_seeds=6, stop_after=2)
  assert (done, '3 of 6 seeds' in said) == (False, True)
  before = ledger.path_of(tmp_path, ROW).read_bytes()
  done, said = train(tmp_path, num_seeds=6)
  assert (done, '6 of 6 seeds' in said) == (True, True)
  assert ledger.path_of(tmp_path, ROW).read_bytes().startswith(before)
  assert seeds_of(tmp_path) == undisturbed


def test_runs_of_finished_seeds_are_not_left_over(undisturbed, tmp_path):
  assert train(tmp_path)[0]
  unfinished = tmp_path / 'unfinished'
  for name in ('smoke-tiny-0-1', 'smoke-tiny-2-4', 'smoke-tiny-v2-0-1'):
    (unfinished / name).mkdir()
  assert train(tmp_path)[0]
  left = sorted(path.name for path in unfinished.iterdir())
  assert left == ['smoke-tiny-2-4', 'smoke-tiny-v2-0-1']
  assert seeds_of(tmp_path) == undisturbed[:3]


def test_damaged_results_of_a_finished_run_are_an_error(tmp_path):
  folder = tmp_path / 'unfinished/smoke-tiny-0-2'
  folder.mkdir(parents=True)
  (folder / 'results.json').write_text('{"seeds": 3}')
  with pytest.raises(WorkdirError, match=r'results\.json: holds no results'):
    train(tmp_path)


def test_stretches_are_contiguous_and_short():
  assert training.stretches([0, 1, 2, 5, 6, 7, 8], 3) == [
    [0, 1, 2],
    [5, 6, 7],
    [8],
  ]
  assert training.stretches([], 3) == []


def test_an_accelerator_trains_more_seeds_at_once():
  assert training.seeds_a_device(False, 'cpu') == 5
  assert training.seeds_a_device(False, 'gpu') == 50
  assert training.seeds_a_device(True, 'gpu') == 1
