"""Reports of runs, reproductions and sweeps: as files and in a real browser."""

import html.parser
import json
import shutil
from xml.etree import ElementTree

import browsers
from commands import run
import numpy as np
import pytest

from configs import custom
from configs import smoke
from experiments.pages import drawing
from experiments.pages import run as run_page
from experiments.pages import sweep as sweep_page
from gat_jax import runs
from gat_jax.errors import InputError

SMOKE = '--config=configs/smoke.py'
FILE = 'labels & <more>.npz'
KINDS = ('run', 'labels', 'reproduction', 'sweep', 'large_sweep')


@pytest.fixture(scope='module')
def made(environment, tmp_path_factory):
  """A folder of each kind, with its report."""
  root = tmp_path_factory.mktemp('made')
  train(root / 'run', num_seeds=3)
  several_labels(root / FILE)
  train(root / 'labels', custom, **{'dataset.name': f'{root}/{FILE}'})
  sweep = ('sweep', SMOKE, '--engine=debug', '--sweep=max_epochs=20')
  sweep += ('--sweep=model.num_heads=1,2', '--sweep=learning_rate=1e-3,0.1')
  for kind, flags in (
    ('reproduction', ('reproduce', '--table=smoke', '--seeds=3')),
    ('sweep', (*sweep, '--seeds=2')),
    ('large_sweep', (*sweep, '--sweep=weight_decay=0,1e-3')),
  ):
    done = run(environment, *flags, f'--workdir={root}/{kind}')
    assert done.returncode == 0, done.stderr
  for kind in KINDS:
    done = run(environment, 'report', f'--workdir={root}/{kind}')
    assert done.returncode == 0, done.stderr
    assert f'{root}/{kind}/report.html' in done.stdout
  return root


def train(workdir, module=smoke, **changes):
  """A short run, in this process."""
  config = module.get_config()
  config.update_from_flattened_dict({'max_epochs': 40} | changes)
  runs.train_and_evaluate(config, workdir)


def several_labels(path):
  """A graph whose nodes have several labels, one of them none at all."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, (120, 3))
  labels[0] = 0
  np.savez(
    path,
    edges=rng.integers(0, 120, (400, 2)),
    features=labels + rng.normal(size=(120, 3)),
    labels=labels,
    train_index=np.arange(60),
    val_index=np.arange(60, 80),
    test_index=np.arange(80, 120),
  )


class Found(html.parser.HTMLParser):
  """What a page holds."""

  def __init__(self, text):
    super().__init__()
    self.figures, self.alts, self.links = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    if tag == 'figure':
      self.figures.append(attrs['id'].removeprefix('chart-'))
    if attrs.get('role') == 'img':
      self.alts.append(attrs['aria-label'])
    self.links += [attrs[name] for name in ('src', 'href') if name in attrs]


EXPECTED = {
  'run': {
    *('curve-score', 'curve-loss', 'confusion', 'calibration', 't-sne'),
    *('entropy-1', 'entropy-2', 'own-class', 'degree-entropy'),
    *('neighborhood-1', 'neighborhood-2'),
  },
  'reproduction': {'seeds-smoke'},
  'sweep': {'heatmap-csbm', 'pareto-parameters-csbm', 'pareto-seconds-csbm'},
  'large_sweep': {
    *('parallel-csbm', 'pareto-parameters-csbm', 'pareto-seconds-csbm'),
  },
}
EXPECTED['labels'] = EXPECTED['run'] - {'confusion'} | {'label-f1'}


@pytest.mark.parametrize('kind', KINDS)
def test_a_page_has_its_charts_and_each_is_two_files(made, kind):
  text = (made / kind / 'report.html').read_text()
  found = Found(text)
  assert set(found.figures) == EXPECTED[kind]
  assert len(found.figures) == len(found.alts) == text.count('<figcaption>')
  assert all(len(alt) > 20 for alt in found.alts)
  for name in found.figures:
    picture = made / kind / 'pictures' / name
    assert picture.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
    ElementTree.parse(picture.with_suffix('.svg'))  # noqa: S314
  assert len(text) < 8e6


@pytest.mark.parametrize('kind', KINDS)
def test_a_page_needs_nothing_else(made, kind):
  found = Found((made / kind / 'report.html').read_text())
  assert all(
    link.startswith(('#', 'data:')) for link in found.links if link != 'data:,'
  )


def page_of(workdir, **wanted):
  with drawing.style():
    return run_page.make(workdir, run_page.Wanted(**wanted))


def test_a_node_that_is_named_is_drawn(made):
  titles = [chart.title for chart in page_of(made / 'run', node=17).charts]
  assert 'What node 17 attends to, layer 1' in titles


@pytest.mark.parametrize(
  ('changes', 'absent'),
  [
    ({'model.name': 'gcn'}, {'entropy-1', 'neighborhood-1'}),
    ({'model.num_layers': 1}, {'t-sne', 'entropy-2'}),
  ],
)
def test_what_a_model_has_not_is_left_out(tmp_path, changes, absent):
  train(tmp_path / 'w', **changes)
  names = {chart.name for chart in page_of(tmp_path / 'w').charts}
  assert names < EXPECTED['run']
  assert not absent & names


@pytest.mark.parametrize(
  ('wanted', 'words'),
  [
    ({'node': 600}, 'nodes 0 to 599'),
    ({'graph': 1}, 'has 1 graphs'),
    ({'seed': 7}, 'has no seed 7'),
  ],
)
def test_what_a_run_has_not_is_an_error(made, wanted, words):
  with pytest.raises(InputError, match=words):
    page_of(made / 'run', **wanted)


@pytest.mark.parametrize(
  ('name', 'content', 'words'),
  [
    ('metrics.jsonl', '{}', 'metrics.jsonl is damaged'),
    ('metrics.jsonl', '{"seed": 0, "epoch"', 'metrics.jsonl is damaged'),
    ('results.json', '[1]', 'results.json holds no results'),
    ('results.json', '{"seeds": 3}', 'results.json holds no results'),
    ('config.json', '[]', 'holds no config'),
  ],
)
def test_a_damaged_file_is_an_error(made, tmp_path, name, content, words):
  shutil.copytree(made / 'run', tmp_path / 'w')
  (tmp_path / 'w' / name).write_text(content)
  with pytest.raises(InputError, match=words):
    page_of(tmp_path / 'w')


def test_a_damaged_sweep_is_an_error(tmp_path):
  (tmp_path / 'sweep.json').write_text('{"datasets": 3}')
  with pytest.raises(InputError, match='holds no tables'):
    sweep_page.make(tmp_path)


def test_a_folder_of_nothing_is_one_error_and_nothing_is_written(
  made, environment, tmp_path
):
  (tmp_path / 'unfinished').mkdir()
  shutil.copy(made / 'run' / 'config.json', tmp_path / 'unfinished')
  for name, words in (
    ('nothing', 'neither a run, nor'),
    ('unfinished', 'has not finished'),
  ):
    flags = (f'--workdir={tmp_path}/{name}', f'--output={tmp_path}/out')
    done = run(environment, 'report', *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'out').exists()


def test_help_shows_examples(environment):
  done = run(environment, 'report', '--help')
  assert done.returncode == 0
  assert 'python -m experiments.report' in done.stdout


@pytest.fixture(scope='module')
def browser():
  with browsers.running() as found:
    yield found


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('kind', KINDS)
def test_every_chart_is_drawn(made, browser, kind, scheme):
  with browsers.showing(
    browser, made / kind / 'report.html', scheme=scheme
  ) as page:
    charts = page.locator('figure svg')
    assert charts.count() == len(EXPECTED[kind])
    for index in range(charts.count()):
      assert browsers.num_colors(charts.nth(index)) > 10


@pytest.mark.parametrize('width', [360, 1024, 2560])
@pytest.mark.parametrize('kind', KINDS)
def test_nothing_sticks_out(made, browser, kind, width):
  with browsers.showing(
    browser, made / kind / 'report.html', width=width
  ) as page:
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    widest = page.evaluate(
      """Math.max(...[...document.querySelectorAll('figure, .table')]
         .map((box) => box.getBoundingClientRect().right))"""
    )
    assert widest <= width


def test_the_switch_changes_the_ground_and_the_ink(made, browser):
  look = """() => ['backgroundColor', 'color'].map(
    (name) => getComputedStyle(document.body)[name])"""
  with browsers.showing(browser, made / 'run' / 'report.html') as page:
    light = page.evaluate(look)
    page.locator('#theme').click()
    dark = page.evaluate(look)
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    page.reload()
    assert page.evaluate(look) == dark  # it is remembered
    page.locator('#theme').click()
    assert page.evaluate(look) == light
    text = page.locator('#chart-curve-score svg text').first
    assert text.evaluate('(t) => getComputedStyle(t).fill') == light[1]


@pytest.mark.parametrize(
  ('kind', 'chart', 'words'),
  [
    ('run', 't-sne', 'node '),
    ('run', 'curve-score', 'seed '),
    ('run', 'confusion', 'of class '),
    ('labels', 'label-f1', 'F1 '),
    ('reproduction', 'seeds-smoke', ', seed '),
    ('sweep', 'heatmap-csbm', 'validation '),
    ('large_sweep', 'parallel-csbm', 'learning rate '),
  ],
)
def test_a_point_says_what_it_is(made, browser, kind, chart, words):
  with browsers.showing(browser, made / kind / 'report.html') as page:
    figure, tip = page.locator(f'#chart-{chart}'), page.locator('#tip')
    figure.scroll_into_view_if_needed()
    spots = json.loads(figure.locator('script.spots').text_content())
    x, y, _ = spots[len(spots) // 2]
    box = figure.locator('svg').bounding_box()
    _, _, width, height = figure.locator('svg').evaluate(
      '(svg) => svg.getAttribute("viewBox").split(" ").map(Number)'
    )
    assert not tip.is_visible()
    page.mouse.move(
      box['x'] + x * box['width'] / width, box['y'] + y * box['height'] / height
    )
    assert tip.is_visible()
    said = {t for a, b, t in spots if np.hypot(a - x, b - y) < 0.5}
    assert tip.text_content() in said
    assert words in tip.text_content()
    assert figure.locator('.ring').get_attribute('visibility') == 'visible'
    page.mouse.move(2, 2)
    assert not tip.is_visible()


def test_it_prints_without_controls(made, browser):
  with browsers.showing(
    browser, made / 'run' / 'report.html', scheme='dark'
  ) as page:
    page.emulate_media(media='print')
    assert not page.locator('#theme').is_visible()
    ground = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert ground == 'rgb(255, 255, 255)'
    assert page.pdf().startswith(b'%PDF')
