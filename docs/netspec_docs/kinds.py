"""One kind as the site describes it, all of it from its class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from netspec.catalog.activations import FormulaActivation
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Compared, Decoded
from netspec.compiler.formula import parse
from netspec.declared import Declared
from netspec.docstrings import read
from netspec.explanation.families import COMPARISONS, FAMILIES, Family
from netspec.explanation.fields import described, inner_models
from netspec.explanation.kinds import kept, takes_several
from netspec.inspection import Compiled
from netspec.pipeline import static_program
from netspec_docs.formulas import curves, latex


def part(family: Family, kind: type[Declared], to: str = "") -> str:
    """The section of one kind, on a page from which ``to`` leads to the folder of the reference."""
    return f"## {kind.kind}\n\n{body(family, kind, to)}"


def body(family: Family, kind: type[Declared], to: str = "") -> str:
    """What stands below the heading of a kind."""
    links = {other.name: f"{to}{other.page}.md" for other in FAMILIES}
    told = read(kind)
    prose = _of_formula(kind) if issubclass(kind, FormulaActivation) else told.prose
    parts = [prose, takes_several(kind), kept(kind), _compared(family, kind)]
    parts += [f"```yaml\n{family.example(kind)}\n```", _outcome(family, kind), _fields(kind, links)]
    parts.append(
        _errors(told.errors, "## Faults in the data" if family.name == "source" else "Faults in the data:", to)
    )
    if told.reference:
        parts.append(f"{{.paper}}\n{told.reference}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _of_formula(kind: type[FormulaActivation]) -> str:
    """An activation that is one formula: typeset, as a spec would write it, and drawn."""
    formula = parse(kind.formula, ("x", *kind.parameters()))
    text = f"$$f(x) = {latex(formula.output)}$$\n\nAs a formula of a spec: `{kind.formula}`"
    if formula.draws:
        return text
    return f"{text}\n\n```{{raw}} html\n{curves(kind.model_validate({}).computed())}\n```"


def _compared(family: Family, kind: type[Declared]) -> str:
    """The shapes that a loss or metric compares."""
    if not issubclass(kind, Loss | Compared | Decoded):
        return ""
    known = [shapes for shapes, around in COMPARISONS.items() if not family.checked(kind, around).report.diagnostics]
    return f"It compares {'; or '.join(known)}."


def _fields(kind: type[Declared], links: Mapping[str, str]) -> str:
    parts = [described(kind, links)]
    for model in inner_models(kind):
        keys = ", ".join(f"`{field.alias or name}`" for name, field in model.model_fields.items())
        parts.append(f"A map of {keys} is: {inspect.getdoc(model)}\n\n{described(model, links)}")
    return "\n\n".join(part for part in parts if part)


def _outcome(family: Family, kind: type[Declared]) -> str:
    """The layers of a layer's example, as `netspec show` counts them."""
    if family.name != "layer":
        return ""
    checked = family.checked(kind)
    assert checked.document is not None
    rows = [
        f"| {layer['name']} | {layer['output']} | {layer['parameters']:,} |"
        for layer in Compiled(static_program(checked.document, checked.report)).summary()["layers"]
    ]
    return "\n".join(["| layer | output | parameters |", "| --- | --- | ---: |", *rows])


def _errors(errors: Mapping[str, str], title: str, to: str) -> str:
    if not errors:
        return ""
    rows = [f"[`{code}`]({to}../diagnostics.md#{code})\n: {meaning}\n" for code, meaning in errors.items()]
    return "\n".join([f"{title}\n", *rows])
