"""Docstrings as they are written here: a deeper block is shown as it stands."""


def setup(app):
  """Runs before napoleon, whose sections follow their headings directly."""
  app.setup_extension('sphinx.ext.autodoc')
  app.connect('autodoc-process-docstring', _mark_blocks, priority=400)
  return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _mark_blocks(app, what, name, obj, options, lines):
  marked, in_block = [], False
  for before, line in zip(['', *lines], lines, strict=False):
    if line.strip():
      is_deep = line.startswith('    ')
      if is_deep and not before.strip() and not in_block:
        marked += ['::', '']
      in_block = is_deep and (in_block or not before.strip())
    marked.append(line)
  lines[:] = marked
