"""The files that a sweep leaves beside its trials, and its tables in words."""

from collections.abc import Sequence
import json
import pathlib
from typing import Any

from experiments import documents
from experiments.sweeps import heatmaps
from experiments.sweeps import summaries
from experiments.sweeps import trials
from gat_jax import storage
from gat_jax.runs import workdirs

_OVER_SEEDS = f'{documents.SPREAD} over seeds'
_EXPLAINED = (
  'A row is a combination, trained with so many seeds; scores are'
  f' {_OVER_SEEDS}. Parameters are those of one model; epochs, and seconds of'
  ' training, are means of one seed.'
)


def write(
  summary: summaries.Summary,
  planned: Sequence[trials.Trial],
  workdir: pathlib.Path,
  output: str | None,
) -> None:
  """Writes trials.csv, trials.jsonl, sweep.json, sweep.md and the heatmaps.

  Args:
    summary: of the trials.
    planned: all trials.
    workdir: where the files go.
    output: a Markdown file that gets the tables as a section of its own.

  Raises:
    WorkdirError: if a file of a trial is damaged, or one cannot be written.
  """
  records = [_record(trial) for trial in planned]
  text = markdown(summary)
  for name, content in (
    ('trials.jsonl', ''.join(json.dumps(r) + '\n' for r in records)),
    ('trials.csv', documents.as_csv(records)),
    (summaries.FILE, json.dumps(summary.to_json(), indent=2) + '\n'),
    ('sweep.md', text),
  ):
    with (
      workdirs.explained(workdir),
      storage.whole_file(workdir / name) as file,
    ):
      file.write(content)
  for name, table in summary.tables.items():
    heatmaps.write(name, table, workdir)
  if output:
    names = ', '.join(summary.tables)
    documents.put_section(output, f'sweep of {names}', text)


def _record(trial: trials.Trial) -> dict[str, Any]:
  """A trial as one flat record."""
  record: dict[str, Any] = {
    'trial': trial.name,
    'dataset': trial.dataset,
    **trial.changes,
    'status': trial.status().value,
    'error': trial.error(),
  }
  if epochs := trial.pruned_after():
    record['epochs'] = epochs
  if result := trial.result():
    (seed,) = result.seeds
    record |= {
      'val': seed.val,
      'val_loss': seed.val_loss,
      'test': seed.test,
      'best_epoch': seed.best_epoch,
      'epochs': seed.epochs,
      'num_parameters': result.num_parameters,
      'seconds': result.train_seconds,
    }
  return record


def markdown(summary: summaries.Summary) -> str:
  """All tables; where two fields were swept, as a grid too."""
  parts = []
  for table in summary.tables.values():
    parts.append(f'## Sweep: {_title(table)}\n')
    parts.append(f'`{summary.command}`\n')
    parts.append(f'{_EXPLAINED}\n')
    parts.append(documents.markdown_table(cells(table)))
    if words := _advice(table):
      parts.append(f'\n{words}')
    if heatmaps.has_grid(table):
      parts.append(f'\nTest {_metric(table)} in %, {_OVER_SEEDS}:\n')
      parts.append(documents.markdown_table(heatmaps.grid(table, 'test')))
    parts.append('')
  return '\n'.join(parts)


def advice(summary: summaries.Summary) -> list[str]:
  """What a person should hear besides the tables, a sentence each."""
  return [words for t in summary.tables.values() if (words := _advice(t))]


def _advice(table: summaries.DatasetTable) -> str:
  """Says so where the edges did not help; empty where they did."""
  models: dict[bool, list[summaries.Score]] = {True: [], False: []}
  for row in table.finished:
    if row.val and 'model.name' in row.changes:
      models[row.changes['model.name'] == 'mlp'].append(row.val)
  if not (models[True] and models[False]):
    return ''
  blind, seeing = (
    max(models[key], key=lambda score: score.mean) for key in (True, False)
  )
  if blind.mean < seeing.mean:
    return ''
  return (
    f'On {table.title} the best MLP, which does not look at the edges, has a'
    f' validation {_metric(table)} of {blind} %, the best of the others'
    f' {seeing} %: here the edges do not help. Are they the right ones, and do'
    ' they go the right way?'
  )


def for_terminal(
  summary: summaries.Summary,
) -> list[documents.TerminalTable]:
  """One table a data set; a narrow one shows the scores at least."""
  return [
    documents.TerminalTable(
      _title(table),
      (lines := cells(table)),
      important=lines[0][: len(table.axes) + 3],
      caption=_OVER_SEEDS,
      file='sweep.md',
    )
    for table in summary.tables.values()
  ]


def _metric(table: summaries.DatasetTable) -> str:
  return documents.metric_name(table.metric)


def _title(table: summaries.DatasetTable) -> str:
  fixed = ''.join(f', {k}={v}' for k, v in table.fixed.items())
  return f'{table.title}, {_metric(table)} in %{fixed}, best validation first'


def cells(table: summaries.DatasetTable) -> list[list[str]]:
  """The header and the rows of a data set's table, as words."""
  header = [heatmaps.short(name) for name in table.axes]
  header += ['validation', 'test', 'seeds', 'parameters', 'epochs', 's a seed']
  return [header, *(_line(row, table) for row in table.rows)]


def _line(row: summaries.Row, table: summaries.DatasetTable) -> list[str]:
  counts = [str(row.n)]
  counts += [f'{row.failed} failed'] if row.failed else []
  counts += [f'{row.pruned} pruned'] if row.pruned else []
  values = [_short(row.changes.get(name, '')) for name in table.axes]
  if not row.n:
    return [*values, '', '', ', '.join(counts), '', '', '']
  return [
    *values,
    str(row.val),
    str(row.test),
    ', '.join(counts),
    f'{row.num_parameters:,}',
    f'{row.epochs:,.0f}',
    f'{row.seconds:.1f}',
  ]


def _short(value: Any) -> str:
  """In words; what a search drew has more digits than anyone reads."""
  return str(float(f'{value:.4g}') if isinstance(value, float) else value)
