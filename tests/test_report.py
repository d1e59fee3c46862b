"""Reports of runs, reproductions and sweeps: as files and in a real browser."""

import html.parser
import json
import shutil
from xml.etree import ElementTree

import browsers
import commands
from commands import run
import numpy as np
import pytest

SMOKE = '--config=configs/smoke.py'
SHORT = '--config.max_epochs=40'
KINDS = ('run', 'labels', 'reproduction', 'sweep', 'large_sweep')


def report(environment, workdir, *flags):
  done = run(environment, 'report', f'--workdir={workdir}', *flags)
  assert done.returncode == 0, done.stderr
  return done


@pytest.fixture(scope='module')
def made(environment, tmp_path_factory):
  """A folder of each kind, with its report."""
  root = tmp_path_factory.mktemp('made')
  several_labels(root / 'labels & <more>.npz')
  sweep = (SMOKE, '--engine=debug', '--sweep=max_epochs=20', '--seeds=2')
  axes = ('--sweep=model.num_heads=1,2', '--sweep=model.hidden_dim=2,4')
  for kind, command, flags in (
    ('run', 'train', (SMOKE, SHORT, '--config.num_seeds=3')),
    (
      'labels',
      'train',
      (
        '--config=configs/custom.py',
        SHORT,
        f'--config.dataset.name={root}/labels & <more>.npz',
      ),
    ),
    ('reproduction', 'reproduce', ('--table=smoke', '--seeds=3')),
    ('sweep', 'sweep', (*sweep, *axes)),
    ('large_sweep', 'sweep', (*sweep, *axes, '--sweep=learning_rate=1e-3,0.1')),
  ):
    done = run(environment, command, *flags, f'--workdir={root}/{kind}')
    assert done.returncode == 0, done.stderr
    report(environment, root / kind)
  return root


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
      self.figures.append(attrs['id'])
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


def test_a_node_that_is_named_is_drawn(made, environment, tmp_path):
  report(environment, made / 'run', '--node=17', f'--output={tmp_path}/out')
  text = (tmp_path / 'out' / 'report.html').read_text()
  assert 'What node 17 attends to, layer 1' in text
  assert (tmp_path / 'out' / 'pictures' / 'neighborhood-1.png').exists()


@pytest.mark.parametrize(
  ('flags', 'absent'),
  [
    (('--config.model.name=gcn',), {'entropy-1', 'neighborhood-1'}),
    (('--config.model.num_layers=1',), {'t-sne', 'entropy-2'}),
  ],
)
def test_what_a_model_has_not_is_left_out(environment, tmp_path, flags, absent):
  workdir = f'--workdir={tmp_path}/w'
  assert (
    run(environment, 'train', SMOKE, SHORT, *flags, workdir).returncode == 0
  )
  report(environment, tmp_path / 'w')
  found = Found((tmp_path / 'w' / 'report.html').read_text())
  assert set(found.figures) < EXPECTED['run'] | {'entropy-1'}
  assert not absent & set(found.figures)


def test_bad_input_is_one_error_and_nothing_is_written(
  made, environment, tmp_path
):
  damaged = tmp_path / 'damaged'
  shutil.copytree(made / 'run', damaged)
  (damaged / 'report.html').unlink()
  unfinished = tmp_path / 'unfinished'
  unfinished.mkdir()
  shutil.copy(damaged / 'config.json', unfinished)
  for name, content, flags, words in (
    (made / 'run', None, ('--node=600',), 'nodes 0 to 599'),
    (made / 'run', None, ('--node=-1',), '--node'),
    (made / 'run', None, ('--graph=1',), 'has 1 graphs'),
    (made / 'run', None, ('--seed=7',), 'has no seed 7'),
    (tmp_path / 'nothing', None, (), 'neither a run'),
    (unfinished, None, (), 'has not finished'),
    (damaged, ('metrics.jsonl', '{}'), (), 'metrics.jsonl is damaged'),
    (damaged, ('results.json', '[1]'), (), 'results.json holds no results'),
    (damaged, ('sweep.json', '{"datasets": 3}'), (), 'holds no tables'),
  ):
    if content:
      (name / content[0]).write_text(content[1])
    output = tmp_path / 'out'
    flags = (f'--workdir={name}', f'--output={output}', *flags)
    done = run(environment, 'report', *flags)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert 'Traceback' not in done.stderr
    assert not output.exists()


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
    assert light[0] == dark[1] or light != dark
    page.reload()
    assert page.evaluate(look) == dark  # it is remembered
    page.locator('#theme').click()
    assert page.evaluate(look) == light
    text = page.locator('#curve-score svg text').first
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
    figure, tip = page.locator(f'#{chart}'), page.locator('#tip')
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


def test_the_pages_of_commands_are_found_by_their_files(environment, tmp_path):
  """A folder that was moved is still what it was."""
  workdir = tmp_path / 'w'
  flags = (SMOKE, SHORT, f'--workdir={workdir}')
  process = commands.start(environment, 'train', *flags)
  assert commands.finish(process).returncode == 0
  moved = workdir.rename(tmp_path / 'moved')
  assert 'moved/report.html' in report(environment, moved).stdout
