"""Pages in a real browser."""

import json

import browsers
from handmade import CHARTS
import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def browser():
  with browsers.running() as found:
    yield found


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('kind', CHARTS)
def test_every_chart_is_drawn(made, browser, kind, scheme):
  with browsers.showing(
    browser, made / kind / 'report.html', scheme=scheme
  ) as page:
    charts = page.locator('figure svg')
    assert charts.count() == len(CHARTS[kind])
    for index in range(charts.count()):
      assert browsers.num_colors(charts.nth(index)) > 10


@pytest.mark.parametrize('width', [360, 1024, 2560])
@pytest.mark.parametrize('kind', CHARTS)
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
    ('reproduction', 'seeds-cora', ', seed '),
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
