"""Links to files and folders of the repository that are no pages of the site.

A file that is linked gets a page that shows its text, a folder one that lists
what is in it. Both are named after the path.
"""

import html
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
    root = pathlib.Path(self.env.srcdir).resolve()
    for node in list(self.document.findall(_leads_to_no_page)):
      _, path = self.env.relfn2path(node['reftarget'], self.env.docname)
      path = pathlib.Path(path).resolve()
      if not (path.is_relative_to(root) and (path.is_dir() or _is_text(path))):
        continue
      name = path.relative_to(root).as_posix()
      metadata = self.env.metadata[self.env.docname]
      metadata[_TYPE] = [*metadata.get(_TYPE, []), name]
      link = addnodes.pending_xref(
        '',
        *node.children,
        refdomain='',
        reftype=_TYPE,
        reftarget=name,
        refdoc=self.env.docname,
      )
      node.replace_self(link)


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
  return app.builder.highlighter.highlight_block(text, language)
