"""Formulas of the site as MathML, which browsers draw by themselves: nothing is loaded, and nothing is run.

The translation from LaTeX is docutils', which Sphinx brings; a command that it does not know is a warning, and so an
error of the build.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


def _draw(translator: Any, node: nodes.Element, *, as_block: bool) -> None:
    latex = node.astext()
    try:
        shown = tex2mathml(latex, as_block=as_block)
    except MathError as fault:
        _log.warning("%s: %s", fault, latex, location=node, type="math")
        shown = latex
    translator.body.append(f'<div class="math">{shown}</div>\n' if as_block else shown)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer(
        "mathml",
        (lambda translator, node: _draw(translator, node, as_block=False), None),
        (lambda translator, node: _draw(translator, node, as_block=True), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
