"""Docstrings and signatures as they are written here."""

import dataclasses

from flax import nnx
from sphinx.domains.python import PyObject
from sphinx.util import inspect


def setup(app):
  """Blocks run before napoleon, whose sections follow their headings."""
  app.setup_extension('sphinx.ext.autodoc')
  app.connect('autodoc-process-docstring', _mark_lines, priority=400)
  app.connect('autodoc-process-signature', _sign_classes)
  for field in PyObject.doc_field_types:
    if field.name == 'variable':
      field.label = 'Attributes'
  return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _mark_lines(app, what, name, obj, options, lines):
  """Shows what is deeper than the text around it as it stands.

  What is returned is no type and its description, whatever colons it has.
  """
  marked, in_block = [], False
  for before, line in zip(['', *lines], lines, strict=False):
    if before == 'Returns:':
      line = f'  : {line.strip()}'
    if line.strip():
      is_deep = line.startswith('    ')
      if is_deep and not before.strip() and not in_block:
        marked += ['::', '']
      in_block = is_deep and (in_block or not before.strip())
    marked.append(line)
  lines[:] = marked


def _sign_classes(app, what, name, obj, options, signature, returned):
  """Those of `__init__`, with defaults that can be read.

  The metaclass of NNX takes anything and passes it on.
  """
  is_known = what == 'class' and (
    dataclasses.is_dataclass(obj) or issubclass(obj, nnx.Module)
  )
  if not is_known:
    return None
  own = inspect.signature(obj.__init__, bound_method=True)
  parameters = [
    p.replace(default=_Shown(p.default))
    if p.default is not p.empty and repr(p.default).startswith('<')
    else p
    for p in own.parameters.values()
  ]
  own = own.replace(parameters=parameters)
  shown = inspect.stringify_signature(own, unqualified_typehints=True)
  return shown.removesuffix(' -> None'), None


class _Shown:
  """A function by its name; `...` for what is made anew for each object."""

  def __init__(self, default):
    self._name = getattr(default, '__name__', '...')

  def __repr__(self):
    return self._name
