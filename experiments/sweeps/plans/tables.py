"""What --dry_run shows: trials and groups, the memory and time they need."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from experiments import documents
from experiments.sweeps import heatmaps
from experiments.sweeps import trials
from experiments.sweeps.plans import costs
from gat_jax.runs import settings

_TYPICAL_EPOCHS = 1000  # where early stopping decides
_CONDITION = (
  f'on one core or device, if no trial runs more than {_TYPICAL_EPOCHS:,}'
  ' epochs'
)


def show(
  planned: Sequence[trials.Trial], console: Console, *, measure: bool = False
) -> None:
  """Prints the trials and the groups, and what each group needs.

  Args:
    planned: all trials.
    console: where it is printed.
    measure: compile and time each group; else what it needs is remembered, or
      estimated, in seconds.

  Raises:
    InputError: if the data cannot be used.
  """
  console.print(_trials(planned))
  lines, hours, notes = _groups(trials.group(planned), console, measure)
  table = documents.TerminalTable(
    'groups: each one compiled program',
    lines,
    wraps=('group', 'known from'),
    caption=f'{sum(hours):.2f} hours {_CONDITION}',
  )
  console.print(table, *notes, sep='\n')


def show_search(
  fields: dict[str, Sequence[Any]],
  corners: Sequence[trials.Group],
  num_combinations: int,
  console: Console,
  *,
  measure: bool = False,
) -> None:
  """Prints what a search chooses from, and what its corners need.

  Args:
    fields: the values of each field, or its range.
    corners: the smallest and the largest combination.
    num_combinations: how many it will try.
    console: where it is printed.
    measure: see `show`.

  Raises:
    InputError: if the data cannot be used.
  """
  seeds = len(corners[0].trials)
  lines = [[name, ', '.join(map(str, own))] for name, own in fields.items()]
  title = f'{num_combinations} combinations, {seeds} seeds each'
  head = ['field', 'values']
  console.print(
    documents.TerminalTable(title, [head, *lines], wraps=('values',))
  )
  lines, hours, notes = _groups(corners, console, measure)
  least, most = (num_combinations * pick(hours) for pick in (min, max))
  table = documents.TerminalTable(
    'the smallest and the largest combination',
    lines,
    wraps=('group', 'known from'),
    caption=f'all combinations: {least:.2f} to {most:.2f} hours {_CONDITION};'
    ' what is pruned takes less',
  )
  console.print(table, *notes, sep='\n')


def _groups(
  groups: Sequence[trials.Group], console: Console, measure: bool
) -> tuple[list[list[str]], list[float], list[str]]:
  """A line for each group, their hours on one core, where numbers are from."""
  firsts = [group.trials[0] for group in groups]
  configs = [trial.config for trial in firsts]
  with console.status('reading the data') as status:
    if measure:
      found = []
      for trial in firsts:
        status.update(f'compiling {trial.name}')
        found.append(costs.measure(trial.config))
    else:
      found = costs.expect(configs)
  head = 'group', 'trials', 'memory', 'ms an epoch', 'core hours', 'known from'
  lines, hours = [list(head)], []
  for group, cost in zip(groups, found, strict=True):
    epochs = sum(
      min(trial.config.max_epochs, _TYPICAL_EPOCHS) for trial in group.trials
    )
    hours.append(epochs * cost.seconds / 3600)
    lines.append(
      [
        _name(group.trials[0]),
        str(len(group.trials)),
        _memory(cost.num_bytes),
        f'{1e3 * cost.seconds:.1f}',
        f'{hours[-1]:.2f}',
        cost.origin,
      ]
    )
  used = {origin for c in found for origin in (c.memory_from, c.time_from)}
  return lines, hours, [o.explained for o in costs.Origin if o in used]


def _name(trial: trials.Trial) -> str:
  """What sets a group apart, in a few words."""
  fields = settings.flat(settings.program_fields(trial.config))
  own = [
    f'{k.rpartition(".")[2]}={v}'
    for k, v in trial.changes.items()
    if k in fields and k != 'model.dropout_rate'
  ]
  return ' '.join([trial.dataset, *own])


def _memory(num_bytes: int) -> str:
  if num_bytes < 1e9:
    return f'{num_bytes / 1e6:,.0f} MB'
  return f'{num_bytes / 1e9:,.1f} GB'


def _trials(planned: Sequence[trials.Trial]) -> documents.TerminalTable:
  fields = list(dict.fromkeys(k for trial in planned for k in trial.changes))
  lines = [['data set', *map(heatmaps.short, fields), 'status']]
  for trial in planned:
    values = [str(trial.changes.get(field, '')) for field in fields]
    lines.append([trial.dataset, *values, trial.status().value])
  return documents.TerminalTable(f'{len(planned)} trials', lines)
