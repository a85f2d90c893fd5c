"""Values of the tree against strict models, and what is wrong with them in our words at the very place."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from netspec.declared import Declared
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec import otherwords
from netspec.spec.tree import List, Map, Node, Scalar, describe, is_broken, plain

M = TypeVar("M", bound=BaseModel)

# Turns the item at a node into the family's instance; None when its fault has been reported.
Items = Callable[[Node, type[Declared]], "Declared | None"]

# What a value should have been, by pydantic's type of error.
_EXPECTED: Final = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "dataclass_type": "a map",
    "none_required": "nothing",
    "path_type": "a path",
}
_LIMITS: Final = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS: Final = {
    "too_short": ("min_length", "at least", "items"),
    "too_long": ("max_length", "at most", "items"),
    "string_too_short": ("min_length", "at least", "characters"),
    "string_too_long": ("max_length", "at most", "characters"),
}
_YAML_1_1: Final = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
# An item could not be made; its fault is in the report, so nothing more is said of this field.
_BROKEN: Final = object()


@dataclass(frozen=True)
class Place:
    """What is validated, for messages: ``name`` as users call it, and the key or kind that it stands behind."""

    name: str
    span: Span
    others: Mapping[str, str] | None = None
    """Keys that belong elsewhere, each with where: told when one of them is unknown here."""
    also: tuple[str, ...] = ()
    """Keys that are right here, and that the model does not hold."""


def build(model: type[M], node: Map, place: Place, report: Report, items: Items | None = None) -> M | None:
    """An instance of ``model`` from a map, or None with everything that is wrong with it in ``report``."""
    values, broken = _values(model, node, items)
    if any(s is None for s in broken.values()):
        values = {key: value for key, value in values.items() if value is not _BROKEN}
    try:
        made = model.model_validate(values)
    except ValidationError as fault:
        _Translation(model, node, place, report, frozenset(broken)).tell(fault)
        return None
    return None if broken else made


def _values(model: type[BaseModel], node: Map, items: Items | None) -> tuple[dict[str, Any], dict[str, None]]:
    """Plain values by key, with instances in the place of items; and the keys whose value has been reported."""
    by_key = {field.alias or name: field for name, field in model.model_fields.items()}
    values: dict[str, Any] = {}
    broken: dict[str, None] = {}
    for key, entry in node.entries.items():
        field = by_key.get(key)
        value = plain(entry.value)
        if items is not None and field is not None:
            value = _convert(entry.value, field.annotation, items)
        if value is None or value is _BROKEN or _holds_broken(value):
            broken[key] = None
            continue
        values[key] = value
    return values, broken


def _holds_broken(value: Any) -> bool:
    if isinstance(value, list):
        return any(v is None or v is _BROKEN or _holds_broken(v) for v in value)
    if isinstance(value, dict):
        return any(v is None or v is _BROKEN or _holds_broken(v) for v in value.values())
    return False


def family_of(annotation: Any) -> type[Declared] | None:
    """The family whose items a field takes, anywhere in its type."""
    if isinstance(annotation, type) and issubclass(annotation, Declared) and "kinds" in vars(annotation):
        return annotation
    for part in get_args(annotation):
        found = family_of(part)
        if found is not None:
            return found
    return None


def _convert(node: Node, annotation: Any, items: Items) -> Any:
    """Plain data, except that what the type calls an item becomes one."""
    family = family_of(annotation)
    if family is None:
        return plain(node)
    if annotation is family:
        made = items(node, family)
        return _BROKEN if made is None else made
    origin, parts = get_origin(annotation), get_args(annotation)
    found = plain(node)
    if origin in (Union, types.UnionType):
        found = _convert_union(node, parts, items)
    elif origin in (tuple, list) and isinstance(node, List):
        inner = next(part for part in parts if family_of(part))
        found = [_convert(item, inner, items) for item in node.items]
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(node, Map):
        found = {key: _convert(entry.value, parts[1], items) for key, entry in node.entries.items()}
    elif origin is not None and not isinstance(origin, type):  # Annotated
        found = _convert(node, parts[0], items)
    return found


def _convert_union(node: Node, parts: tuple[Any, ...], items: Items) -> Any:
    """By the form of the value: a list for a list of items, a name or a map for an item."""
    wanted = (list, tuple) if isinstance(node, List) else None
    given = [part for part in parts if part is not types.NoneType]
    if len(given) == 1:
        return _convert(node, given[0], items)
    for part in parts:
        is_container = get_origin(part) in (list, tuple)
        if family_of(part) is not None and is_container == (wanted is not None):
            if wanted is None and isinstance(node, Scalar) and not isinstance(node.value, str):
                continue
            return _convert(node, part, items)
    return plain(node)


class _Translation:
    """Pydantic's errors, gathered by place and told in our words."""

    def __init__(self, model: type[BaseModel], node: Map, place: Place, report: Report, broken: frozenset[str]) -> None:
        self.model, self.node, self.place, self.report, self.broken = model, node, place, report, broken

    def tell(self, fault: ValidationError) -> None:
        groups: dict[tuple[Any, ...], list[Any]] = {}
        found = fault.errors(include_url=False)
        unknown = [str(error["loc"][-1]) for error in found if error["type"] == "extra_forbidden"]
        told: list[tuple[Any, ...]] = []
        for error in found:
            path = self._path(error["loc"])
            if path and path[0] in self.broken:
                continue
            if error["type"] == "missing":
                key = str(error["loc"][-1])
                if not any(_may_be(word, key) for word in unknown):  # else it is there, and misspelt
                    self._missing(path, key)
                    told.append((*path, key))
            elif error["type"] == "extra_forbidden":
                self._unknown(path)
                told.append(path)
            else:
                groups.setdefault(path, []).append(error)
        for path, errors in groups.items():
            # Of a union, the branch that got furthest knows what was meant.
            if not any(len(other) > len(path) and other[: len(path)] == path for other in (*groups, *told)):
                self._wrong(path, errors)

    def _path(self, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
        """Keys and indices that lead through the tree; the names of union branches fall out."""
        path: list[int | str] = []
        node: Node = self.node
        for step in loc:
            below: Node | None = None
            if isinstance(node, Map):
                below = node.get(str(step))
            elif isinstance(node, List) and isinstance(step, int) and step < len(node.items):
                below = node.items[step]
            if below is not None:
                node = below
                path.append(step)
        return tuple(path)

    def _at(self, path: tuple[int | str, ...]) -> tuple[Node, Span]:
        """The value at ``path`` and the place of its key."""
        node: Node = self.node
        span = self.place.span
        for step in path:
            if isinstance(node, Map):
                entry = node.entries[str(step)]
                node, span = entry.value, entry.key_span
            elif isinstance(node, List):
                node = node.items[int(step)]
                span = node.span
        return node, span

    def _missing(self, path: tuple[int | str, ...], key: str) -> None:
        if not path and key in self.broken:
            return
        _, span = self._at(path)
        name = self.place.name if not path else f"`{path[-1]}`"
        field = self.model.model_fields.get(key) if not path else None
        helps = [f"`{key}`: {field.description}"] if field is not None and field.description else []
        self.report.error("missing-key", f"{name} needs `{key}`", span, helps=helps)

    def _unknown(self, path: tuple[int | str, ...]) -> None:
        _, span = self._at(path)
        key = str(path[-1])
        model, place = self.model, self.place
        for step in path[:-1]:
            inner = _model_below(model, str(step))
            place = Place(f"`{step}`", place.span)
            if inner is None:
                unknown_key(key, span, [], place, self.report)
                return
            model = inner
        known = [field.alias or name for name, field in model.model_fields.items()]
        unknown_key(key, span, known, place, self.report)

    def _wrong(self, path: tuple[int | str, ...], errors: list[Any]) -> None:
        node, span = self._at(path)
        if is_broken(node):
            return
        if path:
            span = node.span
        name = _path_name(path) or self.place.name
        precise = [error for error in errors if error["type"] not in _EXPECTED and error["type"] != "literal_error"]
        precise = [error for error in precise if not error["type"].startswith("is_instance")] or []
        if precise:
            code, message, helps = _precise(name, node, precise[0])
        else:
            code, message, helps = _alternatives(name, node, errors)
        self.report.error(code, message, span, helps=helps)


def _model_below(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of a field, if it is one."""
    field = model.model_fields.get(key)
    parts = [field.annotation] if field else []
    while parts:
        part = parts.pop()
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
        parts += get_args(part)
    return None


def unknown_key(key: str, span: Span, known: list[str], place: Place, report: Report) -> None:
    """Say that nothing reads ``key`` here, and what was meant."""
    if report.full:
        return
    choices = [*known, *place.also]
    called, near = otherwords.meant(key, choices, otherwords.KEYS), suggestion(key, choices)
    home = _home(key)
    helps = []
    if place.others and key in place.others:
        helps = [place.others[key]]
    elif called is not None:
        helps = [f"it is called `{called}`"]
    elif home is not None:
        helps = [home]
    elif near is not None:
        helps = [f"did you mean `{near}`?"]
    elif known:
        helps = [f"its keys are {', '.join(f'`{k}`' for k in known)}"]
    report.error("unknown-key", f"{place.name} takes no `{key}`", span, helps=helps)


def _home(key: str) -> str | None:
    """Where a key, or what other tools call so, belongs."""
    from netspec.spec.document import ELSEWHERE

    if key in ELSEWHERE:
        return ELSEWHERE[key]
    called = otherwords.meant(key, ELSEWHERE, otherwords.KEYS)
    return None if called is None else f"it is called `{called}`; {ELSEWHERE[called]}"


def _may_be(word: str, key: str) -> bool:
    """Whether ``key`` was meant."""
    return bool(suggestion(word, [key]) or otherwords.meant(word, [key], otherwords.KEYS))


def _path_name(path: tuple[int | str, ...]) -> str:
    keys = [str(step) for step in path if isinstance(step, str)]
    return f"`{'.'.join(keys)}`" if keys else ""


def _precise(name: str, node: Node, error: Any) -> tuple[str, str, list[str]]:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return "out-of-range", f"{name} must be {words} {context[key]:g}, got {plain(node)}", []
    if kind in _LENGTHS:
        key, words, what = _LENGTHS[kind]
        return (
            "out-of-range",
            f"{name} needs {words} {context[key]} {what}, got {context.get('actual_length', 'others')}",
            [],
        )
    if kind == "finite_number":
        return "not-a-number", f"{name} must be a finite number", []
    if kind == "string_pattern_mismatch":
        return "out-of-range", f"{name} cannot be `{plain(node)}`: it must match `{context['pattern']}`", []
    if kind in ("value_error", "assertion_error"):
        fault = context.get("error")
        advice = getattr(fault, "advice", None)
        return "out-of-range", _named(name, str(fault)), [advice] if advice else []
    helps = as_number(node, whole="whole number" in error["msg"]) if "number" in error["msg"] else []
    return "out-of-range", _named(name, error["msg"]), helps


def _named(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"


def _alternatives(name: str, node: Node, errors: list[Any]) -> tuple[str, str, list[str]]:
    """One message for a value that none of several types takes."""
    expected: dict[str, None] = {}
    choices: list[str] = []
    for error in errors:
        if error["type"] == "literal_error":
            found = re.findall(r"'([^']*)'|(\b[\w.]+\b)", str(error["ctx"]["expected"]))
            choices += [quoted or bare for quoted, bare in found if quoted or bare != "or"]
        elif error["type"] in _EXPECTED:
            expected[_EXPECTED[error["type"]]] = None
        else:
            expected["something else"] = None
    words = [*expected, *(f"`{choice}`" for choice in choices)]
    wanted = ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else "".join(words)
    helps = []
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, str):
        near = suggestion(value, choices) if choices else None
        if near:
            helps = [f"did you mean `{near}`?"]
        elif "`true` or `false`" in expected and value.lower() in _YAML_1_1:
            helps = [f"write `{_YAML_1_1[value.lower()]}`: in YAML 1.2 `{value}` is text"]
        elif expected.keys() & {"a number", "a whole number"}:
            helps = as_number(node, whole="a number" not in expected)
    elif "a whole number" in expected:
        helps = as_number(node, whole=True)
    if list(expected) == ["a list"] and not choices and isinstance(node, Scalar):
        helps = [f"a list of it alone is `[{plain(node)}]`"]
    code = "out-of-range" if choices and isinstance(value, str) else "wrong-type"
    return code, f"{name} takes {wanted}, got {describe(node)}", helps


def as_number(node: Node, *, whole: bool = False) -> list[str]:
    """How to write what is not the number, or the ``whole`` one, that it looks like."""
    text = node.value if isinstance(node, Scalar) else None
    if whole and isinstance(text, float) and text.is_integer():
        return [f"write `{text:.0f}`"]
    if not isinstance(text, str):
        return []
    plain_text = re.sub(r"(?<=\d)[_ ](?=\d)", "", text)
    if not re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", plain_text):
        return []
    if whole and not plain_text.lstrip("-+").isdigit():
        return []
    return ["leave out the quotes"] if plain_text == text else [f"write `{plain_text}`: in YAML 1.2 `{text}` is text"]


def as_map(node: Node | None, key: str, report: Report) -> Map | None:
    """A section that is a map; what else it is gets told."""
    if node is None or isinstance(node, Map):
        return node
    if not is_broken(node):
        report.error("wrong-type", f"`{key}` takes a map, got {describe(node)}", node.span)
    return None
