"""The directive `config-fields`: a table of fields of a config.

It is made of what the code itself checks by, so it cannot be out of date.
"""

import re

from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from gat_jax import datasets
from gat_jax.runs import fields


def setup(app):
  """Adds the directive."""
  app.add_directive('config-fields', _ConfigFields)
  return {'parallel_read_safe': True, 'parallel_write_safe': True}


class _ConfigFields(SphinxDirective):
  """Of all data sets; `:of-some:` shows those of some alone."""

  option_spec = {'of-some': directives.flag}  # noqa: RUF012, as Sphinx has it

  def run(self):
    if 'of-some' in self.options:
      table = _table(('field', 'default', 'what it is', 'of'), _of_datasets())
    else:
      table = _table(('field', 'default', 'what it is'), _general())
    made = self.parse_text_to_nodes('\n'.join(table))
    made[0]['classes'].append('config-fields')
    return made


def _general():
  for name, field in fields.FIELDS.items():
    about = _text(f'{field.about} ({field.wanted})')
    yield f'`{name}`', f'`{field.default!r}`', about


def _of_datasets():
  known_to: dict[tuple, list[str]] = {}
  for name in (*datasets.NAMES, 'graph.npz'):
    about = datasets.explain(name)
    for option, default in datasets.options(name).items():
      row = f'`dataset.{option}`', f'`{default!r}`', _text(about[option])
      known_to.setdefault(row, []).append(f'`{name}`')
  for row, names in known_to.items():
    yield *row, ', '.join(names)


def _text(words: str) -> str:
  """Plain words as Markdown."""
  return re.sub(r'([\\|*_$<])', r'\\\1', words)


def _table(header: tuple[str, ...], rows) -> list[str]:
  rows = [header, ['---'] * len(header), *rows]
  return [f'| {" | ".join(row)} |' for row in rows]
