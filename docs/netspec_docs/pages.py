"""Pages of the site: what stands in the place of ``<!-- generated: NAME -->``, and the page of every source."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from netspec import api, diagnostics
from netspec.diagnostics import CODES
from netspec.docstrings import read
from netspec.explanation.codes import CodePage, code_page
from netspec.explanation.families import BY_NAME, FAMILIES
from netspec_docs import commands, formulas, kinds, sections

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_MARK = re.compile(r"^<!-- generated: ([A-Za-z. ]+) -->$", re.MULTILINE)
_LINK = re.compile(r"\]\((?:docs/([^)]*)|(CHANGELOG|CONTRIBUTING)(\.md[^)]*))\)")
_ROOT = Path(__file__).parents[2]
SOURCES = BY_NAME["source"]


def _codes() -> str:
    """Every code with its explanation, as `netspec explain` gives it."""
    return "\n\n".join(_code(code_page(code)) for code in sorted(CODES))


def _code(page: CodePage) -> str:
    is_said = page.prose.startswith(page.meaning.rstrip("."))
    parts = [f"## {page.code}", *([] if is_said else [page.meaning]), page.prose]
    if page.bad:
        parts += [f"```yaml\n{page.bad}```", f"```text\n{page.says()}```", "Mended:", f"```yaml\n{page.good}```"]
    return "\n\n".join(parts)


def _kinds(name: str) -> Callable[[], str]:
    family = BY_NAME[name]
    return lambda: "\n".join(kinds.part(family, kind) for kind in family.kinds)


def _sources() -> str:
    rows = [f"[{kind.kind}]({kind.kind}.md)\n: {read(kind).prose.split(chr(10) * 2)[0]}\n" for kind in SOURCES.kinds]
    return "\n".join(rows)


def _root_file(name: str) -> str:
    """A file from beside the folder of the pages, its links as seen from there."""
    text = (_ROOT / name).read_text(encoding="utf-8")
    return _LINK.sub(lambda link: f"]({link[1] or link[2].lower() + link[3]})", text)


def _types() -> str:
    """The classes that `netspec.api` imports only for the annotations of what is public in it."""
    files = sorted(Path(api.__file__).parent.glob("*.py"))
    body = [node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body]
    guarded = {
        alias.name: f"{statement.module}.{alias.name}"
        for node in body
        if isinstance(node, ast.If)
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    public = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"]
    signatures = [node for top in public for node in (_signature(top) if isinstance(top, ast.FunctionDef) else [top])]
    used = {node.id for part in signatures for node in ast.walk(part) if isinstance(node, ast.Name)}
    listed = [f".. autoclass:: {path}\n   :members:" for name, path in guarded.items() if name in used]
    return "\n\n".join(["```{eval-rst}", *listed, "```"])


def _signature(function: ast.FunctionDef) -> list[ast.AST]:
    return [function.args, *([function.returns] if function.returns else [])]


def _faults() -> str:
    """What a fault is made of, and the classes of all of them."""
    known = [value for value in vars(diagnostics).values() if isinstance(value, type)]
    faults = [kind.__name__ for kind in known if issubclass(kind, diagnostics.NetspecError)]
    lines = [f".. autoclass:: netspec.diagnostics.{name}" for name in ("Diagnostic", "Span")]
    lines += [f".. autoexception:: netspec.diagnostics.{name}" for name in faults]
    return "\n\n".join(["```{eval-rst}", *lines, "```"])


GENERATED: Mapping[str, Callable[[], str]] = {
    **{f"{family.name} kinds": _kinds(family.name) for family in FAMILIES if family is not SOURCES},
    "sources": _sources,
    "sections": sections.page,
    "codes": _codes,
    "commands": commands.page,
    "functions": formulas.functions,
    "types": _types,
    "faults": _faults,
    "CHANGELOG.md": lambda: _root_file("CHANGELOG.md"),
    "CONTRIBUTING.md": lambda: _root_file("CONTRIBUTING.md"),
}


def filled(text: str) -> str:
    """A page with everything that is generated in its place."""
    return _MARK.sub(lambda mark: GENERATED[mark[1]](), text)


def write_sources(folder: Path) -> None:
    """A page for every source, written only where it changed, so that Sphinx builds only those anew."""
    for kind in SOURCES.kinds:
        text = f"# {kind.kind}\n\n{kinds.body(SOURCES, kind, to='../reference/')}"
        file = folder / f"{kind.kind}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: write_sources(Path(app.srcdir) / "sources"))
    app.connect("env-get-outdated", _generated_pages)
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = filled(source[0])


def _generated_pages(_app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Pages that change with the code, which Sphinx does not look at: they are built anew every time."""
    return [name for name in env.found_docs if _MARK.search(Path(env.doc2path(name)).read_text(encoding="utf-8"))]
