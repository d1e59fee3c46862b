"""Sweeps that train in a second and share one program, in this process."""

import io
import pathlib
import signal

import optuna
from rich.console import Console

from configs import smoke
from experiments import cli
from experiments.sweeps import coordinator
from experiments.sweeps import engines
from experiments.sweeps import hyper
from experiments.sweeps import outputs
from experiments.sweeps import sources
from experiments.sweeps import summaries
from experiments.sweeps import trials
from experiments.sweeps.searches import search
from gat_jax.runs import workdirs

FIELDS = {
  'dataset.num_nodes': 60,
  'dataset.num_features': 4,
  'dataset.train_per_class': 4,
  'dataset.num_val': 20,
  'model.name': 'mlp',
  'model.num_heads': 1,
  'model.hidden_dim': 2,
  'max_epochs': 40,
}
FLAGS = (
  '--config=configs/smoke.py',
  *(f'--config.{name}={value}' for name, value in FIELDS.items()),
)


def config(fields=()):
  changed = smoke.get_config()
  changed.update_from_flattened_dict(FIELDS | dict(fields))
  return changed


def sweep(*texts, seeds=2):
  """The changes of those --sweep flags, and of --seeds."""
  parsed = [hyper.parse(text, config()) for text in texts]
  return hyper.reseed(hyper.product(*parsed), seeds)


def grid(workdir, changes, fields=()):
  return sources.Grid(trials.make(workdir, config(fields), changes))


def searching(workdir, changes, num_combinations, fields=()):
  return search.Search(workdir, config(fields), changes, num_combinations)


def train(
  source,
  workdir,
  retry_failed=False,
  command='command',
  discard_unreadable=False,
):
  """As the command does with --engine=debug; returns what it printed."""
  console = Console(file=io.StringIO(), width=160)
  with workdirs.hold(workdir), cli.StopRequest() as stop:
    source.begin(retry_failed)
    if not source.done:
      options = engines.slurm_options()
      pool = engines.Pool(
        workdir,
        engines.DEBUG,
        1,
        options,
        discard_unreadable=discard_unreadable,
      )
      coordinator.train(source, pool, console, stop)
    summary = summaries.make(source.trials, command)
    outputs.write(summary, source.trials, workdir, None)
  return console.file.getvalue()


def interrupt_at(monkeypatch, number):
  """Sends SIGINT after the evaluation of that number, counted from 1."""
  before = cli.StoppableObserver.request
  seen = []

  def request(self, evaluation):
    seen.append(evaluation)
    if len(seen) == number:
      signal.raise_signal(signal.SIGINT)
    return before(self, evaluation)

  monkeypatch.setattr(cli.StoppableObserver, 'request', request)


def statuses(source):
  return [trial.status().value for trial in source.trials]


def study_of(workdir):
  """The entries of a search's study, read as Optuna's own tools do."""
  path = str(workdir / 'search.journal')
  backend = optuna.storages.journal.JournalFileBackend(path)
  storage = optuna.storages.JournalStorage(backend)
  return optuna.load_study(study_name='search', storage=storage).trials


def written(workdir: pathlib.Path) -> dict[pathlib.Path, int]:
  """When each file of each trial was written."""
  return {p: p.stat().st_mtime_ns for p in workdir.glob('trials/*/*.json*')}


def without_seconds(lines):
  """Lines of trials.jsonl without what two runs never share."""
  for line in lines:
    assert line.pop('seconds') >= 0
  return lines
