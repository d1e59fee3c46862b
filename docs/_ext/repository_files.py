"""Links to files and folders of the repository that are no pages of the site.

A file that is linked gets a page that shows its text, a folder one that lists
what is in it. Both are named after the path. What the API reference explains
is linked to its lines.
"""

import html
import importlib
import inspect
import pathlib

from docutils import nodes
from pygments import lexers
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

_TYPE = 'repository'
_HIDDEN = ('.', '__pycache__')


def setup(app):
  """Finds the links, resolves them, makes the pages."""
  app.add_transform(_Links)
  app.connect('missing-reference', _resolve)
  app.connect('html-collect-pages', _pages)
  return {'parallel_read_safe': True, 'parallel_write_safe': True}


class _Links(SphinxTransform):
  """Takes the links that MyST would offer as downloads, or not find."""

  default_priority = 500

  def apply(self):
    for node in list(self.document.findall(_leads_to_no_page)):
      _, path = self.env.relfn2path(node['reftarget'], self.env.docname)
      path = pathlib.Path(path).resolve()
      if path.is_dir() or _is_text(path):
        node.replace_self(self._link(path, *node.children))
    for signature in self.document.findall(addnodes.desc_signature):
      if place := _source(signature['module'], signature['fullname']):
        text = nodes.inline('', '[source]', classes=['viewcode-link'])
        signature += self._link(place[0], text, line=place[1])

  def _link(self, path, *children, line=None):
    name = path.relative_to(self.env.srcdir.resolve()).as_posix()
    metadata = self.env.metadata[self.env.docname]
    metadata[_TYPE] = [*metadata.get(_TYPE, []), name]
    return addnodes.pending_xref(
      '',
      *children,
      refdomain='',
      reftype=_TYPE,
      reftarget=name,
      line=line,
      refdoc=self.env.docname,
    )


def _source(module: str, name: str) -> tuple[pathlib.Path, int] | None:
  """The file and the line where something begins; none of an attribute."""
  found = importlib.import_module(module)
  for part in name.split('.'):
    found = getattr(found, part, None)
  found = inspect.unwrap(getattr(found, 'fget', found))
  if not (inspect.isroutine(found) or inspect.isclass(found)):
    return None
  return pathlib.Path(inspect.getfile(found)), inspect.getsourcelines(found)[1]


def _leads_to_no_page(node) -> bool:
  return (
    isinstance(node, addnodes.download_reference | addnodes.pending_xref)
    and node['reftype'] == 'myst'
    and node['refdomain'] is None
    and not node['reftarget'].startswith('#')
  )


def _is_text(path: pathlib.Path) -> bool:
  try:
    return path.is_file() and '\0' not in path.read_text('utf-8')
  except UnicodeDecodeError:
    return False


def _resolve(app, env, node, content):
  if node['reftype'] != _TYPE:
    return None
  page = _page(app, node['reftarget'])
  address = app.builder.get_relative_uri(node['refdoc'], page)
  if node['line'] is not None:
    address += f'#line-{node["line"]}'
  return nodes.reference('', '', content, internal=True, refuri=address)


def _page(app, name: str) -> str:
  document = app.env.path2doc(app.srcdir / name)
  if document in app.env.all_docs:
    return document
  return f'{name}/contents' if (app.srcdir / name).is_dir() else name


def _pages(app):
  """Those of all links, and of what is in the folders among them."""
  waiting = {
    name
    for metadata in app.env.metadata.values()
    for name in metadata.get(_TYPE, [])
  }
  made = set(app.env.all_docs)
  while waiting:
    name = waiting.pop()
    page = _page(app, name)
    if page in made:
      continue
    made.add(page)
    if (app.srcdir / name).is_dir():
      inside = _inside(app.srcdir / name)
      waiting.update(f'{name}/{path.name}' for path in inside)
      body = _listing(app, name, inside)
    else:
      body = _text(app, name)
    title = html.escape(name)
    yield page, {'title': title, 'body': f'<h1>{title}</h1>{body}'}, 'page.html'


def _inside(folder: pathlib.Path) -> list[pathlib.Path]:
  return [
    path
    for path in sorted(folder.iterdir())
    if not path.name.startswith(_HIDDEN) and (path.is_dir() or _is_text(path))
  ]


def _listing(app, name: str, inside: list[pathlib.Path]) -> str:
  items = []
  for path in inside:
    page = _page(app, f'{name}/{path.name}')
    address = app.builder.get_relative_uri(_page(app, name), page)
    shown = html.escape(path.name) + '/' * path.is_dir()
    items.append(f'<li><a href="{address}"><code>{shown}</code></a></li>')
  return f'<ul>{"".join(items)}</ul>'


def _text(app, name: str) -> str:
  text = (app.srcdir / name).read_text('utf-8')
  lexer = lexers.find_lexer_class_for_filename(name)
  language = lexer.aliases[0] if lexer else 'text'
  return app.builder.highlighter.highlight_block(
    text, language, lineanchors='line'
  )
