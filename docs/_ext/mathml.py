"""Formulas as MathML, made when the site is built: browsers draw it alone."""

import re

from docutils import nodes
from latex2mathml import converter
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)


def setup(app):
  """Adds a renderer of formulas: `html_math_renderer = 'mathml'`."""
  app.add_html_math_renderer('mathml', (_inline, None), (_block, None))
  return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _inline(translator, node):
  translator.body.append(_convert(node, 'inline'))
  raise nodes.SkipNode


def _block(translator, node):
  translator.body.append(f'<div class="math">{_convert(node, "block")}</div>')
  raise nodes.SkipNode


def _convert(node, display: str) -> str:
  # A size is understood in front of a bracket alone.
  latex = re.sub(r'\\[Bb]igg?(?=\\Vert)', '', node.astext())
  formula = converter.convert(latex, display=display)
  if '\\' in formula:
    _LOGGER.warning('not understood: %s', latex, location=node)
  return formula
