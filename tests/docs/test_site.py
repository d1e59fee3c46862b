"""The site builds without a warning, is whole, and needs no network."""

import html.parser
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
HIDDEN = 'gat_jax.nn', 'gat_jax.graphs'  # rooms, which are pages


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
    self.loaded += ADDRESS.findall(attrs.get('style') or '')


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
    found = ADDRESS.findall(path.read_text())
    loaded |= {(path, address) for pair in found for address in pair if address}
  assert len(loaded) > 100
  assert not [x for x in loaded if re.match(r'\w*:?//', x[1])]


def test_every_public_name_is_explained(site):
  inventory = InventoryFile.loads((site / 'objects.inv').read_bytes(), '')
  explained = {entry for kind in inventory.data.values() for entry in kind}
  public = {f'gat_jax.{name}' for name in vars(gat_jax) if name[0] != '_'}
  rooms = {f'gat_jax.{path.stem}' for path in documents.LIBRARY.iterdir()}
  assert public - rooms <= explained


@pytest.fixture(scope='module')
def browser():
  with browsers.running() as found:
    yield found


@pytest.mark.parametrize('width', [360, 2560])
def test_nothing_sticks_out(site, pages, browser, width):
  too_wide = {}
  with shown(browser, width) as page:
    for path in pages:
      if path.parts[-2] != '_modules' and path != site / 'index.html':
        page.goto(path.as_uri())
        own = page.evaluate('document.documentElement.scrollWidth')
        if own > width:
          too_wide[path] = own
  assert not too_wide


def test_search_finds_a_word_without_a_server(site, browser):
  pass
