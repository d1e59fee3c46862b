"""Pages of runs, reproductions and sweeps as files, and the command."""

import html
import html.parser
import json
import re
import shutil
from xml.etree import ElementTree

from commands import run
from handmade import CHARTS
import numpy as np
import pytest

from configs import smoke
from experiments.pages import drawing
from experiments.pages import run as run_page
from experiments.pages.run import View
from gat_jax import runs
from gat_jax.errors import InputError

# What each picture says that it was drawn of.
SUBJECTS = {
  'run': 'GAT on csbm',
  'labels': 'GAT on labels & <more>, seed 0',
  'reproduction': 'accuracy in %',
  'sweep': 'sweep on csbm',
  'large_sweep': 'sweep on csbm',
}


class Found(html.parser.HTMLParser):
  """What a page holds."""

  def __init__(self, text):
    super().__init__()
    self.figures, self.alts, self.links, self.ids = [], [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    if tag == 'figure':
      self.figures.append(attrs['id'].removeprefix('chart-'))
    if attrs.get('role') == 'img':
      self.alts.append(attrs['aria-label'])
    self.links += [
      attrs[name] for name in ('src', 'href', 'xlink:href') if name in attrs
    ]
    self.ids += [attrs['id']] if 'id' in attrs else []


@pytest.fixture(params=CHARTS)
def kind(request):
  return request.param


def test_a_page_has_its_charts_and_each_is_two_files(made, kind):
  text = (made / kind / 'report.html').read_text()
  found = Found(text)
  assert set(found.figures) == CHARTS[kind]
  assert len(found.figures) == len(found.alts) == text.count('<figcaption>')
  assert all(len(alt) > 20 for alt in found.alts)
  for name in found.figures:
    picture = made / kind / 'pictures' / name
    assert picture.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
    ElementTree.parse(picture.with_suffix('.svg'))  # noqa: S314
    assert SUBJECTS[kind] in words_of(picture.with_suffix('.svg'))
  assert len(text) < 8e6


def words_of(path):
  """The text that is seen in a picture of matplotlib."""
  seen = re.findall(r'<!-- (.*?) -->', path.read_text(), re.DOTALL)
  return html.unescape(' '.join(seen))


def test_a_page_needs_nothing_else_and_no_name_is_given_twice(made, kind):
  found = Found((made / kind / 'report.html').read_text())
  links = {link for link in found.links if not link.startswith('data:')}
  assert links <= {f'#{name}' for name in found.ids}
  assert len(found.ids) == len(set(found.ids))


def page_of(workdir, **wanted):
  with drawing.style():
    return run_page.make(workdir, run_page.Wanted(**wanted))


def test_a_node_that_is_named_is_drawn_and_scores_are_those_of_the_run(made):
  page = page_of(made / 'run', view=View(17))
  titles = [chart.title for chart in page.charts]
  assert 'What node 17 attends to, layer 1, mean of 2 heads' in titles
  (scores,) = page.sections[0].items
  results = json.loads((made / 'run/results.json').read_text())
  for line, seed in zip(scores.lines[1:], results['seeds'], strict=False):
    assert line[:2] == [str(seed['seed']), f'{100 * seed["test"]:.2f}']
  tests = [100 * seed['test'] for seed in results['seeds']]
  shown = f'{np.mean(tests):.2f} ± {np.std(tests, ddof=1):.2f}'
  spread = 'mean ± sample deviation'
  assert scores.lines[-1][:2] == [f'{spread}, n = 2', shown]
  assert page.lead == f'Test accuracy {shown} %, {spread} over 2 seeds.'


@pytest.mark.parametrize(
  ('changes', 'absent'),
  [
    pytest.param(
      {'model.name': 'gcn'},
      {'entropy-1', 'neighborhood-1'},
      marks=pytest.mark.slow,
    ),
    pytest.param(
      {'model.num_layers': 1},
      {'t-sne', 'entropy-2'},
      marks=pytest.mark.slow,
    ),
  ],
)
def test_what_a_model_has_not_is_left_out(tmp_path, changes, absent):
  config = smoke.get_config()
  tiny = {'dataset.num_nodes': 260, 'model.num_heads': 1, 'max_epochs': 2}
  config.update_from_flattened_dict(tiny | changes)
  runs.train_and_evaluate(config, tmp_path / 'w')
  names = {chart.name for chart in page_of(tmp_path / 'w').charts}
  assert names < CHARTS['run']
  assert not absent & names
  if changes == {'model.name': 'gcn'}:
    with pytest.raises(InputError, match='head: is for models with attention'):
      page_of(tmp_path / 'w', view=View(head=1))


@pytest.mark.parametrize(
  ('wanted', 'words'),
  [
    (
      {'view': View(node=260)},
      'node: .* has no node 260; it has nodes 0 to 259',
    ),
    (
      {'view': View(layer=3)},
      'layer: the model has no layer 3; it has layers 1 to 2',
    ),
    ({'view': View(head=3)}, 'head: no layer has a head 3; .* heads 1 to 2'),
    (
      {'view': View(layer=2, head=2)},
      'head: layer 2 has no head 2; it has only head 1',
    ),
    ({'graph': 1}, 'graph: there is no graph 1; .* are 0 to 0'),
    ({'seed': 7}, 'has no seed 7'),
  ],
)
def test_what_a_run_has_not_is_an_error(made, wanted, words):
  with pytest.raises(InputError, match=words):
    page_of(made / 'run', **wanted)


@pytest.mark.parametrize(
  ('name', 'content', 'words'),
  [
    ('metrics.jsonl', '{}', r'metrics\.jsonl: is damaged'),
    ('metrics.jsonl', '{"seed": 0, "epoch"', r'metrics\.jsonl: cannot be read'),
    ('results.json', '[1]', r'results\.json: holds no results'),
    ('results.json', '{"seeds": 3}', r'results\.json: holds no results'),
    ('config.json', '[]', 'holds no config'),
  ],
)
def test_a_damaged_file_is_an_error(made, tmp_path, name, content, words):
  shutil.copytree(made / 'run', tmp_path / 'w')
  (tmp_path / 'w' / name).write_text(content)
  with pytest.raises(InputError, match=words):
    page_of(tmp_path / 'w')


def test_the_command_draws_and_says_where(environment, old, tmp_path):
  workdir = old / 'sweep/finished'
  flags = (f'--workdir={workdir}', f'--output={tmp_path}')
  done = run(environment, 'report', *flags)
  assert done.returncode == 0, done.stderr
  assert f'{tmp_path}/report.html' in done.stdout
  assert 'and 3 pictures beside it' in done.stdout
  assert len(list((tmp_path / 'pictures').iterdir())) == 6


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['run', 'reproduction'])
def test_the_command_knows_what_a_folder_holds(
  environment, made, tmp_path, kind
):
  flags = (f'--workdir={made / kind}', f'--output={tmp_path}')
  done = run(environment, 'report', *flags)
  assert done.returncode == 0, done.stderr
  found = Found((tmp_path / 'report.html').read_text())
  assert set(found.figures) == CHARTS[kind]


BAD = {
  'nothing': ('nothing', (), 'neither a run, nor'),
  'unfinished run': ('unfinished', (), 'has not finished'),
  'flag of a run': ('sweep', ('--node=3',), '--node: is for the report of'),
  'no such head': ('run', ('--head=9',), '--head: no layer has a head 9'),
  'layer of a sweep': (
    'sweep',
    ('--layer=1',),
    '--layer: is for the report',
  ),
  'no such node': ('run', ('--node=999',), '--node: the graph has no node'),
}


@pytest.mark.parametrize(
  'case',
  [
    'nothing',
    *(pytest.param(c, marks=pytest.mark.slow) for c in BAD if c != 'nothing'),
  ],
)
def test_bad_input_is_one_error_and_nothing_is_written(
  made, environment, tmp_path, case
):
  kind, more, words = BAD[case]
  (tmp_path / 'nothing').mkdir()
  (tmp_path / 'unfinished').mkdir()
  shutil.copy(made / 'run' / 'config.json', tmp_path / 'unfinished')
  root = made if kind in CHARTS else tmp_path
  flags = (f'--workdir={root / kind}', f'--output={tmp_path}/out', *more)
  done = run(environment, 'report', *flags)
  assert done.returncode == 2
  assert words in done.stderr
  assert 'Traceback' not in done.stderr
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_help_shows_examples(environment):
  done = run(environment, 'report', '--help')
  assert done.returncode == 0
  assert 'python -m experiments.report' in done.stdout


def test_predictions_of_a_run_of_version_0_1(environment, old, tmp_path):
  flags = (f'--workdir={old}/run/finished', f'--output={tmp_path}')
  done = run(environment, 'predict', *flags, '--attention')
  assert done.returncode == 0, done.stderr
  results = json.loads((old / 'run/finished/results.json').read_text())
  best = max(results['seeds'], key=lambda seed: seed['val'])
  assert f'predictions of seed {best["seed"]}: ' in done.stdout
  lines = np.genfromtxt(
    tmp_path / 'predictions.csv',
    delimiter=',',
    names=True,
    dtype=None,
    encoding='utf-8',
  )
  test = lines[lines['split'] == 'test']
  right = test['label'] == test['prediction']
  assert right.mean() == pytest.approx(best['test'])
  with np.load(tmp_path / 'attention.npz') as attention:
    for layer, heads in ((0, 2), (1, 1)):
      key = f'graph_0_layer_{layer}_'
      sums = np.zeros((len(lines), heads))
      np.add.at(sums, attention[key + 'receivers'], attention[key + 'alpha'])
      np.testing.assert_allclose(sums, 1, rtol=1e-5)
