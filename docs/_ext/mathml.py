"""Formulas as MathML, made when the site is built: browsers draw it alone."""

from docutils import nodes
from latex2mathml import converter


def setup(app):
  """Adds a renderer of formulas: `html_math_renderer = 'mathml'`."""
  app.add_html_math_renderer('mathml', (_inline, None), (_block, None))
  return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _inline(translator, node):
  translator.body.append(converter.convert(node.astext(), display='inline'))
  raise nodes.SkipNode


def _block(translator, node):
  formula = converter.convert(node.astext(), display='block')
  translator.body.append(f'<div class="math">{formula}</div>')
  raise nodes.SkipNode
