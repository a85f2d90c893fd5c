"""A kind that specs can name, as its own file describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netspec.catalog.activations import FormulaActivation
from netspec.catalog.layers import Layer
from netspec.catalog.optimizers import Optimizer
from netspec.declared import Declared
from netspec.docstrings import read
from netspec.explanation.families import FAMILIES, Family
from netspec.explanation.fields import default_text, inner_models, named_fields, takes


@dataclass(frozen=True)
class FieldFacts:
    """A field of a kind: what it takes and what it means, in Markdown; ``default`` is empty where there is none."""

    name: str
    takes: str
    default: str
    description: str
    is_required: bool
    is_main: bool

    def facts(self) -> dict[str, Any]:
        """As `explain --json` prints it."""
        return {
            "name": self.name,
            "takes": self.takes,
            "default": self.default or None,
            "required": self.is_required,
            "main": self.is_main,
            "description": self.description,
        }


@dataclass(frozen=True)
class KindPage:
    """A kind: prose in Markdown with formulas in LaTeX, or ``formula`` as a spec would write it."""

    name: str
    family: str
    prose: str
    formula: str
    fields: tuple[FieldFacts, ...]
    inner: Mapping[str, tuple[FieldFacts, ...]]
    """The fields of maps that fields take, by the field."""
    errors: Mapping[str, str]
    example: str
    reference: str

    @property
    def title(self) -> str:
        return f"{self.name} ({self.family})"

    def facts(self) -> dict[str, Any]:
        """As `explain --json` prints it."""
        return {
            "name": self.name,
            "family": self.family,
            "text": self.prose,
            "formula": self.formula or None,
            "fields": [field.facts() for field in self.fields],
            "inner_fields": {name: [field.facts() for field in fields] for name, fields in self.inner.items()},
            "errors": dict(self.errors),
            "example": self.example,
            "reference": self.reference or None,
        }


def kind_page(family: Family, kind: type[Declared]) -> KindPage:
    """All of a kind from its class."""
    told = read(kind)
    formula = kind.formula if issubclass(kind, FormulaActivation) else ""
    return KindPage(
        name=kind.kind,
        family=family.name,
        prose="\n\n".join(part for part in ("" if formula else told.prose, takes_several(kind), kept(kind)) if part),
        formula=formula,
        fields=fields_of(kind),
        inner={name: fields_of(model) for model, name in inner_models(kind).items()},
        errors=told.errors,
        example=family.example(kind),
        reference=told.reference,
    )


def fields_of(model: Any) -> tuple[FieldFacts, ...]:
    """The fields of a model, the main one first."""
    main = model.main_field() if issubclass(model, Declared) else None
    found = [
        FieldFacts(
            name, takes(field, {}), default_text(field), str(field.description), field.is_required(), name == main
        )
        for name, field in named_fields(model)
    ]
    return tuple(sorted(found, key=lambda field: not field.is_main))


def takes_several(kind: type[Declared]) -> str:
    """What a layer of several inputs says of them."""
    if issubclass(kind, Layer) and kind.many:
        return f"It takes any number of inputs, its main field: `{kind.kind}: [a, b]`."
    return ""


def kept(kind: type[Declared]) -> str:
    """What an optimizer keeps of each weight, with its fields as they are by default."""
    if not issubclass(kind, Optimizer):
        return ""
    states = kind.model_validate({}).states
    if not states:
        return "Nothing is kept from step to step."
    count = {1: "One number is", 2: "Two numbers are"}.get(len(states), f"{len(states)} numbers are")
    return f"{count} kept for each weight: {', '.join(f'${state}$' for state in states)}."


def all_kinds() -> list[tuple[Family, type[Declared]]]:
    """Every kind with its family, family by family."""
    return [(family, kind) for family in FAMILIES for kind in family.kinds]
