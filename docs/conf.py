"""The site: `sphinx-build -W docs build/docs`, then open build/docs/index.html."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from netspec import __version__  # noqa: E402  the package that lies beside, installed or not

project = "netspec"
author = "the netspec authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "netspec_docs.mathml", "netspec_docs.pages"]
exclude_patterns = ["netspec_docs"]
nitpicky = True
# Types in signatures that no page describes, such as those of the standard library, are just not links.
nitpick_ignore_regex = [("py:class", ".*")]
smartquotes = False  # it would make a dash of `--set`


default_role = "code"  # docstrings name things in single backticks

myst_enable_extensions = ["attrs_block", "attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "netspec"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
