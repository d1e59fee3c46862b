"""Calls a tracker, in a process of its own that nobody has to wait for.

A tracker that hangs, and what it does when its process ends, must not hold a
run: whoever started this process may kill it. Reads a call a line from standard
input and answers each with a line on standard output. Imports nothing of the
project, as that would take seconds.
"""

import contextlib
import json
import os
import secrets
import sys
import time
from typing import Any

# What each tracker calls a run that has ended so. Both know no fourth way.
_WANDB_EXIT_CODES = {'finished': 0, 'pruned': 0, 'failed': 1, 'interrupted': 1}
_MLFLOW_STATUSES = {
  'finished': 'FINISHED',
  'pruned': 'KILLED',
  'failed': 'FAILED',
  'interrupted': 'KILLED',
}
_PROJECT = 'gat_jax'


class Wandb:
  """Weights & Biases; its own variables say where to: WANDB_MODE and others.

  Attributes:
    open: the runs that have begun and not ended, by name.
  """

  def __init__(self):
    """Imports it."""
    import wandb

    self._wandb = wandb
    self.open: dict[str, Any] = {}

  def begin(
    self,
    run: str,
    group: str | None,
    fields: dict[str, Any],
    previous: str | None,
  ) -> str:
    """Begins a new run in any case: offline, no run can be continued."""
    if previous:
      fields = fields | {'continues': previous}
    begun = self._wandb.init(
      # Not the environment's: a sweep has many runs in one process.
      id=secrets.token_hex(4),
      project=os.environ.get('WANDB_PROJECT', _PROJECT),
      name=run,
      group=group,
      config=fields,
      reinit='create_new',
      settings=self._wandb.Settings(silent=True, console='off'),
    )
    begun.define_metric('epoch')
    begun.define_metric('*', step_metric='epoch')
    self.open[run] = begun
    return begun.id

  def log(self, run: str, epoch: int, values: dict[str, float]) -> None:
    """Adds to its curves."""
    self.open[run].log({'epoch': epoch} | values)

  def end(
    self, run: str, status: str, epoch: int, values: dict[str, float]
  ) -> None:
    """Says what it came to."""
    ended = self.open.pop(run)
    ended.summary.update(values | {'status': status})
    ended.finish(exit_code=_WANDB_EXIT_CODES[status])


class Mlflow:
  """MLflow; its own variables say where to: MLFLOW_TRACKING_URI and others.

  Attributes:
    open: the ids of the runs that have begun and not ended, by name.
  """

  def __init__(self):
    """Imports it, and makes a store of this machine if there is none."""
    import filelock
    import mlflow

    self._mlflow = mlflow
    name = os.environ.get('MLFLOW_EXPERIMENT_NAME', _PROJECT)
    where, _, path = mlflow.get_tracking_uri().partition(':///')
    # Workers of a sweep, which begin at the same time, would make it together.
    lock = (
      filelock.FileLock(f'{path}.lock', timeout=60)
      if where == 'sqlite'
      else contextlib.nullcontext()
    )
    with lock:
      self._client = mlflow.MlflowClient()
      found = self._client.get_experiment_by_name(name)
      self._experiment = (
        found.experiment_id if found else self._client.create_experiment(name)
      )
    self.open: dict[str, str] = {}

  def begin(
    self,
    run: str,
    group: str | None,
    fields: dict[str, Any],
    previous: str | None,
  ) -> str:
    """Goes on with the previous run, if the store still has it."""
    tags = {'sweep': group} if group else {}
    known = self._known(previous)
    if known is not None:
      run_id = known.info.run_id
      self._client.update_run(run_id, status='RUNNING')
    else:
      if previous:
        tags['continues'] = previous
      made = self._client.create_run(self._experiment, run_name=run, tags=tags)
      run_id = made.info.run_id
    there = known.data.params if known is not None else {}
    params = [
      self._mlflow.entities.Param(name, str(value))
      for name, value in fields.items()
      if name not in there  # none may be changed
    ]
    for first in range(0, len(params), 100):  # as many as it takes at once
      self._client.log_batch(run_id, params=params[first : first + 100])
    self.open[run] = run_id
    return run_id

  def _known(self, run_id: str | None) -> Any:
    if run_id is None:
      return None
    try:
      found = self._client.get_run(run_id)
    except self._mlflow.exceptions.MlflowException:
      return None
    return found if found.info.lifecycle_stage == 'active' else None

  def log(self, run: str, epoch: int, values: dict[str, float]) -> None:
    """Adds to its curves."""
    now = int(1e3 * time.time())
    metrics = [
      self._mlflow.entities.Metric(name, value, now, epoch)
      for name, value in values.items()
    ]
    for first in range(0, len(metrics), 1000):  # as many as it takes at once
      self._client.log_batch(
        self.open[run], metrics=metrics[first : first + 1000]
      )

  def end(
    self, run: str, status: str, epoch: int, values: dict[str, float]
  ) -> None:
    """Says what it came to."""
    self.log(run, epoch, values)
    run_id = self.open.pop(run)
    self._client.set_tag(run_id, 'status', status)
    self._client.set_terminated(run_id, _MLFLOW_STATUSES[status])


TRACKERS = {'wandb': Wandb, 'mlflow': Mlflow}


def main() -> None:
  """Answers calls until there are no more, or one fails."""
  answers = os.fdopen(os.dup(1), 'w', buffering=1)
  os.dup2(2, 1)  # whatever a tracker prints goes elsewhere

  def answer(**content: Any) -> None:
    answers.write(f'{json.dumps(content)}\n')

  try:
    tracker = TRACKERS[sys.argv[1]]()
    answer()
    for line in sys.stdin:
      call = json.loads(line)
      answer(value=getattr(tracker, call.pop('call'))(**call))
    for run in list(tracker.open):  # whoever called has been killed
      tracker.end(run, 'interrupted', 0, {})
  except BaseException as error:
    said = str(error).strip().splitlines()
    answer(error=f'{type(error).__name__}: {said[0] if said else ""}'[:300])
    raise


if __name__ == '__main__':
  main()
