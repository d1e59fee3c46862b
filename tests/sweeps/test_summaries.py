"""Tables of a sweep: what they hold, on disk, in words and as a picture."""

import copy
import json

import narrow
import pytest
import small_sweeps

from configs import base
from experiments.sweeps import heatmaps
from experiments.sweeps import hyper
from experiments.sweeps import outputs
from experiments.sweeps import summaries
from experiments.sweeps import trials
from experiments.sweeps.summaries import DatasetTable
from experiments.sweeps.summaries import Row
from experiments.sweeps.summaries import Score
from experiments.sweeps.summaries import Summary
from gat_jax import runs
from gat_jax.runs import workdirs


def finish(trial: trials.Trial, score: float) -> None:
  """Writes what training would, had it come to that score."""
  seed = runs.SeedResult(
    seed=trial.config.seed,
    test=score / 2,
    val=score,
    val_loss=1.0,
    best_epoch=2,
    epochs=3,
  )
  result = runs.Result(
    dataset=trial.dataset,
    metric='accuracy',
    num_parameters=7,
    seeds=(seed,),
    compile_seconds=1.0,
    train_seconds=2.0,
  )
  trial.folder.mkdir(parents=True)
  workdirs.write_json(trial.folder / 'results.json', result.to_json())


def row(x, y, score):
  changes = {'x': x, 'model.y': y}
  if score is None:
    return Row(changes, n=0, failed=1, pruned=0)
  found = Score(score / 100, 0.005)
  return Row(changes, 2, 0, 0, found, found, 7, 3.0, 1.0)


def table(scores):
  rows = [row(*place, score) for place, score in scores.items()]
  axes = {'x': (1, 2), 'model.y': ('a', 'b')}
  return DatasetTable('some', 'micro_f1', tuple(rows), axes, {'z': 5})


def test_a_row_counts_its_trials_and_averages_those_that_finished(tmp_path):
  changes = hyper.product(
    hyper.sweep('patience', [5, 6]), hyper.sweep('seed', range(4))
  )
  planned = small_sweeps.grid(tmp_path, changes).trials
  finish(planned[0], 0.25)
  finish(planned[1], 0.75)
  planned[2].fail('why')
  planned[4].folder.mkdir(parents=True)
  planned[4].prune(20)
  summary = summaries.make(planned, 'command')
  found = summary.tables['csbm']
  assert found.axes == {'patience': (5, 6)}
  assert found.rows == (
    Row(
      changes={'patience': 5},
      n=2,
      failed=1,
      pruned=0,
      val=Score(0.5, pytest.approx(0.5 / 2**0.5)),
      test=Score(0.25, pytest.approx(0.25 / 2**0.5)),
      num_parameters=7,
      epochs=3.0,
      seconds=2.0,
    ),
    Row(changes={'patience': 6}, n=0, failed=0, pruned=1),
  )
  assert found.finished == found.rows[:1]
  assert outputs.cells(found)[1:] == [
    ['5', '50.0 ± 35.4', '25.0 ± 17.7', '2, 1 failed', '7', '3', '2.0'],
    ['6', '', '', '0, 1 pruned', '', '', ''],
  ]
  content = json.loads(json.dumps(summary.to_json()))
  assert Summary.from_json(content) == summary


def test_two_data_sets_stand_side_by_side(tmp_path):
  planned = []
  for name, score in (('one', 0.5), ('other', 0.75)):
    config = base.get_config(f'{name}.npz')
    own = trials.make(tmp_path, config, hyper.sweep('seed', [0, 1]))
    for trial in own:
      finish(trial, score)
    planned += own
  summary = summaries.make(planned, 'command')
  assert [
    (name, found.title, found.rows[0].val.mean, found.rows[0].n)
    for name, found in summary.tables.items()
  ] == [('one', 'one', 0.5, 2), ('other', 'other', 0.75, 2)]


def test_nothing_finished_is_a_table_too(tmp_path):
  planned = small_sweeps.grid(tmp_path, small_sweeps.sweep('patience=5,6'))
  summary = summaries.make(planned.trials, 'command')
  assert Summary.from_json(summary.to_json()) == summary
  assert 'score in %' in outputs.markdown(summary)


WHOLE = Summary('command', {'some': table({(1, 'a'): 50.0, (1, 'b'): None})})


@pytest.mark.parametrize(
  ('path', 'value'),
  [
    ((), []),
    ((), None),
    (('command',), 3),
    (('unit',), 'per cent'),
    (('unit',), None),
    (('datasets',), []),
    (('datasets', 'some'), 3),
    (('datasets', 'some', 'title'), None),
    (('datasets', 'some', 'rows'), 'many'),
    (('datasets', 'some', 'axes'), {'x': 1}),
    (('datasets', 'some', 'rows', 0), []),
    (('datasets', 'some', 'rows', 0, 'n'), '2'),
    (('datasets', 'some', 'rows', 0, 'n'), True),
    (('datasets', 'some', 'rows', 0, 'val'), 83.0),
    (('datasets', 'some', 'rows', 0, 'val'), {'mean': None, 'std': None}),
    (('datasets', 'some', 'rows', 0, 'seconds'), None),
  ],
)
def test_what_is_no_summary_is_refused(path, value):
  content = copy.deepcopy(WHOLE.to_json())
  *parents, last = ('content', *path)
  place = holder = {'content': content}
  for name in parents:
    place = place[name]
  place[last] = value
  with pytest.raises(ValueError, match='no tables of a sweep'):
    Summary.from_json(holder['content'])


def test_words_are_sorted_rows_and_a_grid():
  found = table({(2, 'b'): 60.0, (1, 'a'): 50.0, (1, 'b'): None})
  summary = Summary('command', {'some': found})
  text = outputs.markdown(summary)
  assert '## Sweep: some, micro-F1 in %, z=5, best validation first' in text
  assert '`command`' in text
  assert '| x \\ y | a | b |\n| --- | --- | --- |\n' in text
  assert '| 1 | 50.0 ± 0.5 |  |\n| 2 |  | 60.0 ± 0.5 |' in text
  shown = narrow.shown(*outputs.for_terminal(summary), width=120)
  assert shown.index('60.0') < shown.index('50.0')


@pytest.mark.parametrize('width', [80, 120])
@pytest.mark.parametrize('num_fields', [2, 4, 9])
def test_no_cell_is_broken_in_a_terminal(width, num_fields):
  """Of more fields than fit, every row becomes a list."""
  fields = [f'model.a_long_name_{i}' for i in range(num_fields)]
  changes = {name: f'1e-0{i}' for i, name in enumerate(fields)}
  score = Score(0.876, 0.0123)
  rows = Row(changes, 97, 2, 1, score, score, 1_234_567, 12_345.0, 1234.5)
  axes = {name: (changes[name], 'x') for name in fields}
  own = DatasetTable('a_long_name ' * 9, 'micro_f1', (rows,), axes, {'z': 5})
  text = narrow.shown(
    *outputs.for_terminal(Summary('command', {'own': own})), width=width
  )
  important = *map(heatmaps.short, fields), 'validation', 'test', 'seeds'
  narrow.check_whole(outputs.cells(own), text, important)
  assert 'micro-F1 in %' in ' '.join(text.split())
  assert 'mean ± sample deviation over seeds' in text


def test_a_picture_shows_every_number_at_its_place():
  found = table({(2, 'b'): 60.0, (1, 'a'): 50.0, (1, 'b'): None})
  panels = heatmaps.figure(found).axes
  assert [panel.get_title() for panel in panels] == ['validation', 'test']
  for panel in panels:
    words = {t.get_position(): t.get_text() for t in panel.texts}
    assert words == {
      (0, 0): '50.0 ± 0.5',
      (1, 0): '',
      (0, 1): '',
      (1, 1): '60.0 ± 0.5',
    }
    assert [t.get_text() for t in panel.get_xticklabels()] == ['a', 'b']
    assert [t.get_text() for t in panel.get_yticklabels()] == ['1', '2']


@pytest.mark.parametrize(
  ('scores', 'drawn'),
  [
    ({(1, 'a'): 50.0, (2, 'b'): 60.0, (1, 'b'): None}, True),
    ({(1, 'a'): 50.0, (2, 'b'): 60.0}, False),  # half of the grid
    ({(1, 'a'): None, (2, 'b'): None, (1, 'b'): None}, False),
  ],
)
def test_a_picture_needs_most_of_the_grid(tmp_path, scores, drawn):
  heatmaps.write('some', table(scores), tmp_path)
  names = {path.name for path in tmp_path.iterdir()}
  assert names == ({'heatmap-some.png', 'heatmap-some.svg'} if drawn else set())


@pytest.mark.parametrize(
  ('scores', 'is_said'),
  [
    ({'mlp': 0.75, 'gat': 0.5, 'gcn': 0.625}, True),
    ({'mlp': 0.625, 'gat': 0.5, 'gcn': 0.625}, True),
    ({'mlp': 0.5, 'gat': 0.625}, False),
    ({'mlp': 0.75}, False),
    ({'gcn': 0.75, 'gat': 0.5}, False),
    ({'mlp': None, 'gat': 0.5}, False),
  ],
)
def test_a_sweep_says_where_the_edges_do_not_help(scores, is_said):
  rows = [
    Row({'model.name': name}, 0, 1, 0)
    if score is None
    else Row({'model.name': name}, 1, 0, 0, Score(score, None))
    for name, score in scores.items()
  ]
  found = DatasetTable('own', 'accuracy', tuple(rows), {}, {})
  advice = outputs.advice(Summary('command', {'own': found}))
  assert len(advice) == is_said
  if is_said:
    assert 'the best of the others 6' in advice[0]
    assert 'the edges do not help' in advice[0]
