"""The site builds without a warning, is whole, and needs no network."""

import contextlib
import html.parser
import inspect
import re
import shlex
import subprocess
import sys
import urllib.parse

import browsers
import documents
import pytest
from sphinx.util.inventory import InventoryFile

import gat_jax

pytestmark = pytest.mark.slow
# What a browser loads by itself when it shows a page.
LOADED = {
  'audio': 'src',
  'embed': 'src',
  'iframe': 'src',
  'img': 'src',
  'link': 'href',
  'script': 'src',
  'source': 'srcset',
  'video': 'src',
}
ADDRESS = re.compile(r'url\(\s*["\']?([^"\')]+)|@import\s+["\']([^"\']+)')


def addresses(style):
  """What a style sheet, or an attribute, loads."""
  return [''.join(found) for found in ADDRESS.findall(style)]


class Page(html.parser.HTMLParser):
  """What a page links to, loads, and can be linked at."""

  def __init__(self, path):
    super().__init__()
    self.path = path
    self.links, self.loaded, self.ids = [], [], {''}
    self.feed(path.read_text())

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.ids |= {attrs.get('id'), attrs.get('name')}
    if tag == 'a' and 'href' in attrs:
      self.links.append(attrs['href'])
    if attrs.get(LOADED.get(tag)):
      self.loaded.append(attrs[LOADED[tag]])
    self.loaded += addresses(attrs.get('style') or '')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  """By the command that CONTRIBUTING.md shows, into another folder."""
  folder = tmp_path_factory.mktemp('site')
  words = shlex.split(documents.SITE)
  assert words[-1] == 'docs/_build'
  done = subprocess.run(
    [sys.executable, '-m', *words[:-1], str(folder), '-q'],
    cwd=documents.ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert done.stderr == ''
  return folder


@pytest.fixture(scope='module')
def pages(site):
  return {path: Page(path) for path in sorted(site.rglob('*.html'))}


def test_every_page_and_picture_is_there(site, pages):
  for path in documents.PAGES:
    name = path.relative_to(documents.ROOT).with_suffix('.html')
    assert site / name in pages, name
  assert (site / 'docs' / 'cora.html') in pages
  assert 'docs/index.html' in (site / 'index.html').read_text()


def test_links_lead_to_pages_and_places_in_them(site, pages):
  for page in pages.values():
    for link in {*page.links, *page.loaded}:
      parts = urllib.parse.urlsplit(link)
      if parts.scheme in ('http', 'https', 'mailto', 'data'):
        continue
      path = page.path
      if parts.path:
        path = (page.path.parent / urllib.parse.unquote(parts.path)).resolve()
      assert path.is_relative_to(site), (page.path, link)
      assert path.is_file(), (page.path, link)
      if path in pages:
        place = urllib.parse.unquote(parts.fragment)
        assert place in pages[path].ids, (page.path, link)


def test_nothing_is_loaded_from_a_network(site, pages):
  loaded = {(p.path, address) for p in pages.values() for address in p.loaded}
  for path in site.rglob('*.css'):
    loaded |= {(path, address) for address in addresses(path.read_text())}
  assert len(loaded) > 100
  assert not [x for x in loaded if re.match(r'\w*:?//', x[1])]


def test_every_public_name_is_explained(site):
  inventory = InventoryFile.loads((site / 'objects.inv').read_bytes(), uri='')
  explained = {name for kind in inventory.data.values() for name in kind}
  public = {
    f'gat_jax.{name}'
    for name, value in vars(gat_jax).items()
    if name[0] != '_' and not inspect.ismodule(value)
  }
  assert len(public) > 20
  assert public <= explained


@pytest.fixture(scope='module')
def browser():
  with browsers.running() as found:
    yield found


@contextlib.contextmanager
def shown(browser, width, scheme='light'):
  """A page without a network: what it asks of one, and any error, fails."""
  context = browser.new_context(
    viewport={'width': width, 'height': 900}, color_scheme=scheme
  )
  wrong = []
  page = context.new_page()
  page.on('console', lambda message: wrong.append(message.text))
  page.on('pageerror', lambda error: wrong.append(str(error)))
  page.on('request', lambda request: wrong.append(request.url))
  yield page
  context.close()
  assert not [text for text in wrong if not text.startswith('file://')]


@pytest.mark.parametrize('width', [360, 2560])
def test_nothing_sticks_out(site, pages, browser, width):
  """Of all pages but those of source code, which are alike."""
  source = [path for path in pages if path.stem.endswith('.py')]
  too_wide = {}
  with shown(browser, width) as page:
    for path in {*pages} - {*source[1:], site / 'index.html'}:
      page.goto(path.as_uri(), wait_until='domcontentloaded')
      own = page.evaluate('document.documentElement.scrollWidth')
      if own > width:
        too_wide[path] = own
  assert not too_wide


def test_it_is_dark_where_that_is_wanted(site, browser):
  """Ground and ink, and the ground of code."""
  look = """() => ['body', 'div.highlight'].map((name) => {
    const style = getComputedStyle(document.querySelector(name));
    return [style.backgroundColor, style.color].map(
      (color) => Math.max(...color.match(/\\d+/g).slice(0, 3)));
  })"""
  found = {}
  for scheme in ('light', 'dark'):
    with shown(browser, 1280, scheme) as page:
      page.goto((site / 'docs' / 'gat.html').as_uri())
      found[scheme] = page.evaluate(look)
  for ground, ink in found['light']:
    assert ground > 200 > 100 > ink
  for ground, ink in found['dark']:
    assert ground < 60 < 150 < ink


def test_search_finds_a_word_without_a_server(site, browser):
  with shown(browser, 1280) as page:
    page.goto((site / 'docs' / 'index.html').as_uri())
    page.locator('input.sidebar-search').fill('segment_softmax')
    page.keyboard.press('Enter')
    page.wait_for_selector('ul.search li a')
    found = page.locator('ul.search li a').all_text_contents()
  assert any('segment_softmax' in text for text in found)
