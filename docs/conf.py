"""How Sphinx makes a site of the Markdown, the docstrings and the notebook.

    python -m sphinx -W --keep-going -c docs . docs/_build

The source folder is the root of the repository, so that a relative link means
on the site what it means on GitHub. The site needs no network, neither to be
built nor to be read.
"""

import pathlib
import sys

DOCS = pathlib.Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / '_ext')]

project = 'gat_jax'
author = 'the authors of gat_jax'
language = 'en'
root_doc = 'docs/index'
include_patterns = ['*.md', 'benchmarks/**.md', 'docs/**.md', 'docs/*.ipynb']
# Other folders are not walked through: data and runs are large.
exclude_patterns = ['docs/_*'] + [
  path.name
  for path in ROOT.iterdir()
  if path.is_dir() and path.name not in ('docs', 'benchmarks')
]

extensions = [
  'config_fields',
  'docstrings',
  'mathml',
  'myst_nb',
  'repository_files',
  'sphinx.ext.autodoc',
  'sphinx.ext.napoleon',
  'sphinx_copybutton',
]

# Markdown as GitHub reads it.
myst_enable_extensions = ['dollarmath', 'html_image']
myst_fence_as_directive = ['math']
myst_heading_anchors = 4
nb_execution_mode = 'off'  # the outputs that the notebook keeps; a test runs it

# Docstrings: Google style, `names` in single backticks.
default_role = 'py:obj'
autodoc_member_order = 'bysource'
autoclass_content = 'both'
autodoc_typehints = 'signature'
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 60
add_module_names = False
toc_object_entries_show_parents = 'hide'

html_theme = 'furo'
html_math_renderer = 'mathml'
html_title = 'gat_jax'
html_static_path = ['_static']
html_css_files = ['site.css']
html_extra_path = ['_root']
html_copy_source = False
html_show_search_summary = False  # it would be fetched, which a file cannot
html_show_sphinx = False
html_show_copyright = False
pygments_style = 'default'
pygments_dark_style = 'github-dark'
copybutton_exclude = '.linenos, .gp, .go'
