"""From finished trials to the tables and pictures of a sweep.

A summary is a plain dictionary, which `sweep.json` holds as it is: data sets by
name, each with one row a combination. Scores are in points (per cent). Rows are
sorted by the validation score; the test score is shown and selects nothing.
"""

from collections.abc import Sequence
import json
import pathlib
from typing import Any

from rich import box
from rich.table import Table

from experiments import documents
from experiments.sweeps import heatmaps
from experiments.sweeps import hyper
from experiments.sweeps import trials
from gat_jax.runs import results
from gat_jax.runs import workdirs

NAME = 'sweep'
FILE = f'{NAME}.json'


def make(planned: Sequence[trials.Trial], command: str) -> dict[str, Any]:
  """Means and deviations over the seeds of each combination.

  Args:
    planned: all trials.
    command: what asks for them, for whoever wants to do it again.
  """
  found: dict[str, Any] = {}
  for trial in planned:
    table = found.setdefault(
      trial.dataset, {'title': trial.dataset, 'metric': None, 'rows': {}}
    )
    changes = {k: v for k, v in trial.changes.items() if k != 'seed'}
    row = table['rows'].setdefault(
      json.dumps(changes),
      {'changes': changes, 'entries': [], 'failed': 0, 'pruned': 0},
    )
    result = trial.result()
    if trial.status() is trials.Status.FINISHED:
      table['title'] = result['dataset']
      table['metric'] = result['metric']
      row['entries'].append(result)
    row['failed'] += trial.status() is trials.Status.FAILED
    row['pruned'] += trial.status() is trials.Status.PRUNED
  for table in found.values():
    rows = [_row(**row) for row in table['rows'].values()]
    values = hyper.fields([row['changes'] for row in rows])
    table['axes'] = {k: v for k, v in values.items() if len(v) > 1}
    table['fixed'] = {k: v for k, (v, *more) in values.items() if not more}
    table['rows'] = sorted(rows, key=_by_validation)
  return {'command': command, 'datasets': found}


def _row(changes, entries, failed, pruned) -> dict[str, Any]:
  row = {'changes': changes, 'n': len(entries), 'failed': failed}
  row['pruned'] = pruned
  if not entries:
    return row
  seeds = [entry['seeds'][0] for entry in entries]
  for split in ('val', 'test'):
    found = results.summarize([100 * seed[split] for seed in seeds])
    row[split] = {'mean': found['mean'], 'std': found['std']}
  return row | {
    'num_parameters': entries[0]['num_parameters'],
    'epochs': results.summarize([s['epochs'] for s in seeds])['mean'],
    'seconds': results.summarize([e['seconds']['train'] for e in entries])[
      'mean'
    ],
  }


def _by_validation(row) -> float:
  return -row['val']['mean'] if row['n'] else 1.0


def tables(summary: dict[str, Any]) -> list[Table]:
  """One table a data set, for the terminal."""
  shown = []
  for table in summary['datasets'].values():
    header, *rows = cells(table)
    drawn = Table(title=_title(table), box=box.SIMPLE_HEAD)
    for word in header:
      drawn.add_column(word, justify='right')
    for row in rows:
      drawn.add_row(*row)
    shown.append(drawn)
  return shown


def _title(table: dict[str, Any]) -> str:
  metric = documents.metric_name(table['metric'])
  fixed = ''.join(f', {k}={v}' for k, v in table['fixed'].items())
  return f'{table["title"]}, {metric} in %{fixed}, best validation first'


def cells(table: dict[str, Any]) -> list[list[str]]:
  """A data set's rows as words, the header first."""
  names = list(table['axes'])
  header = [name.rpartition('.')[2] for name in names]
  header += ['validation', 'test', 'seeds', 'parameters', 'epochs', 's a seed']
  lines = [header]
  for row in table['rows']:
    line = [_short(row['changes'].get(name, '')) for name in names]
    if row['n']:
      line += [heatmaps.score(row['val']), heatmaps.score(row['test'])]
    else:
      line += ['', '']
    counts = [str(row['n'])]
    counts += [f'{row[s]} {s}' for s in ('failed', 'pruned') if row[s]]
    line.append(', '.join(counts))
    if row['n']:
      line += [
        f'{row["num_parameters"]:,}',
        f'{row["epochs"]:,.0f}',
        f'{row["seconds"]:.1f}',
      ]
    lines.append(line + [''] * (len(header) - len(line)))
  return lines


def _short(value: Any) -> str:
  """In words; what a search drew has more digits than anyone reads."""
  return str(float(f'{value:.4g}') if isinstance(value, float) else value)


def write(
  summary: dict[str, Any],
  planned: Sequence[trials.Trial],
  workdir: pathlib.Path,
  output: str | None,
) -> None:
  """Writes trials.csv, trials.jsonl, sweep.json, sweep.md and the heatmaps.

  Args:
    summary: see `make`.
    planned: all trials.
    workdir: where they go.
    output: a Markdown file that gets the tables as a section of its own.

  Raises:
    WorkdirError: if one of them cannot be written.
  """
  lines = [_line(trial) for trial in planned]
  text = markdown(summary)
  with workdirs.explained(workdir):
    for name, content in (
      ('trials.jsonl', ''.join(json.dumps(line) + '\n' for line in lines)),
      ('trials.csv', documents.as_csv(lines)),
      (FILE, json.dumps(summary, indent=2) + '\n'),
      (f'{NAME}.md', text),
    ):
      workdirs.write_text(workdir / name, content)
    for name, table in summary['datasets'].items():
      heatmaps.draw(name, table, workdir)
  if output:
    names = ', '.join(summary['datasets'])
    documents.put_section(output, f'{NAME} of {names}', text)


def markdown(summary: dict[str, Any]) -> str:
  """All tables; where two fields were swept, as a grid too."""
  parts = []
  for table in summary['datasets'].values():
    parts.append(f'## Sweep: {_title(table)}\n')
    parts.append(f'`{summary["command"]}`\n')
    parts.append(documents.markdown_table(cells(table)))
    if heatmaps.has_grid(table):
      parts.append('\nTest score, mean and deviation:\n')
      parts.append(documents.markdown_table(heatmaps.grid(table, 'test')))
    parts.append('')
  return '\n'.join(parts)


def _line(trial: trials.Trial) -> dict[str, Any]:
  """A trial as one flat record."""
  line: dict[str, Any] = {
    'trial': trial.name,
    'dataset': trial.dataset,
    **trial.changes,
    'status': trial.status().value,
    'error': trial.error(),
  }
  if epochs := trial.pruned_after():
    line['epochs'] = epochs
  result = trial.result()
  if result:
    (seed,) = result['seeds']
    line |= {
      name: seed[name]
      for name in ('val', 'val_loss', 'test', 'best_epoch', 'epochs')
    }
    line['num_parameters'] = result['num_parameters']
    line['seconds'] = result['seconds']['train']
  return line
