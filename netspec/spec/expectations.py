"""The `expect` section: what must be so of the network, of its results, and of single rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.binding import Binding
from netspec.spec.network import Network
from netspec.spec.training import STRICT
from netspec.spec.tree import List, Map, Node, Scalar, describe, is_broken, plain, shorten
from netspec.spec.validation import Place, build, unknown_key
from netspec.tensortype import Dim, Size, show_shape

SPLITS: Final = ("train", "validation", "test")
FACTS: Final[Mapping[str, str]] = {
    "parameters": 'How many numbers training may change, as a comparison: `4810` or `"<= 5000"`.',
    "frozen": "How many weights are kept as they are, as a comparison.",
    "statistics": "How many running statistics there are, which follow the batches of training, as a comparison.",
    "macs": "Multiply-adds of one sample, as a comparison.",
    "peak_bytes": "Bytes of memory, as a comparison.",
    "output": "The shape of the network's output.",
}
KEYS: Final[Mapping[str, str]] = {
    **FACTS,
    "predict": "The same facts of the predictor alone: of what the network's output needs.",
    "train": 'Metrics over the training rows, each with a comparison: `{accuracy: ">= 0.97"}`.',
    "validation": "The same over the validation rows.",
    "test": "The same over the test rows.",
    "examples": "Rows with what the network gives for them.",
}
"""What the section holds."""
_FAULTS: Final = ("bad-expectation", "expectation-failed")
_COMPARISON: Final = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")


@dataclass(frozen=True)
class Comparison:
    """``>= 0.99``; a bare number is ``==``. ``text`` is what the spec says, to be shown as it stands there."""

    sign: str
    value: float
    span: Span
    text: str

    def holds(self, measured: float) -> bool:
        """Whether ``measured`` is so; NaN never is, except unequal to a number."""
        return {
            ">=": measured >= self.value,
            "<=": measured <= self.value,
            "==": measured == self.value,
            "!=": measured != self.value,
            ">": measured > self.value,
            "<": measured < self.value,
        }[self.sign]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Fact:
    """A static fact: a comparison, or a shape for `output`."""

    name: str
    expected: Comparison | tuple[Any, ...]
    span: Span
    predict: bool = False


@dataclass(frozen=True)
class Example:
    """A row with its output: ``input`` by field, ``output`` as nested lists, compared within ``within``."""

    input: Mapping[str, Any]
    output: Any
    within: float
    at: str
    span: Span


@dataclass(frozen=True)
class Expect:
    """Everything that a spec says must be so."""

    facts: tuple[Fact, ...] = ()
    metrics: Mapping[str, Mapping[str, Comparison]] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    @property
    def of_memory(self) -> Expect:
        """The facts that are known once the compiler has planned the memory; it has to be loaded for them."""
        return Expect(tuple(fact for fact in self.facts if fact.name == "peak_bytes"))

    @property
    def of_network(self) -> Expect:
        """The facts that the network alone tells."""
        return Expect(tuple(fact for fact in self.facts if fact.name != "peak_bytes"))


class ExampleKeys(BaseModel):
    """A row and what the network gives for it."""

    model_config = STRICT

    input: dict[str, Any] = Field(description="A value for every input of the network.")
    output: Any = Field(description="What the network gives.")
    within: Annotated[float, Field(ge=0)] = Field(default=1e-6, description="How far off each number may be.")
    at: Literal["init", "best", "last"] = Field(
        default="best", description="With which weights; `init` is before training."
    )


def read_expect(node: Node | None, metrics: tuple[Binding, ...], network: Network, report: Report) -> Expect:
    """The section; faults go to ``report``."""
    if node is None or is_broken(node):
        return Expect()
    if not isinstance(node, Map):
        report.error("wrong-type", f"`expect` takes a map, got {describe(node)}", node.span)
        return Expect()
    facts: list[Fact] = []
    results: dict[str, dict[str, Comparison]] = {}
    examples: tuple[Example, ...] = ()
    for key, entry in node.entries.items():
        if key in FACTS:
            facts += _fact(key, entry.value, False, report)
        elif key == "predict":
            facts += _predict(entry.value, report)
        elif key in SPLITS:
            results[key] = _metrics(key, entry.value, metrics, report)
        elif key == "examples":
            examples = _examples(entry.value, network, report)
        else:
            others = {b.name: f"it belongs under a split: `test: {{{b.name}: ...}}`" for b in metrics}
            unknown_key(key, entry.key_span, list(KEYS), Place("`expect`", entry.key_span, others), report)
    return Expect(tuple(facts), results, examples)


def _predict(node: Node, report: Report) -> list[Fact]:
    if not isinstance(node, Map):
        if not is_broken(node):
            report.error("wrong-type", f"`predict` takes a map of facts, got {describe(node)}", node.span)
        return []
    facts = []
    for key, entry in node.entries.items():
        if key in FACTS:
            facts += _fact(key, entry.value, True, report)
        else:
            unknown_key(key, entry.key_span, list(FACTS), Place("`predict`", entry.key_span), report)
    return facts


def _fact(name: str, node: Node, predict: bool, report: Report) -> list[Fact]:
    if name == "output":
        if isinstance(node, List):
            return [Fact(name, tuple(plain(node)), node.span, predict)]
        if not is_broken(node):
            report.error("wrong-type", f"`output` takes a shape, got {describe(node)}", node.span)
        return []
    comparison = _comparison(node, report)
    return [] if comparison is None else [Fact(name, comparison, node.span, predict)]


def _comparison(node: Node, report: Report) -> Comparison | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(node, Scalar) and value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Comparison("==", value, node.span, str(value))
    if not isinstance(value, str) or (match := _COMPARISON.fullmatch(value)) is None:
        helps = ['write it as in ">= 0.99"']
        report.error(
            "bad-expectation", f"a comparison is a sign and a number, got {describe(node)}", node.span, helps=helps
        )
        return None
    return Comparison(match[1] or "==", float(match[2]), node.span, value.strip())


def _metrics(split: str, node: Node, metrics: tuple[Binding, ...], report: Report) -> dict[str, Comparison]:
    if not isinstance(node, Map):
        if not is_broken(node):
            report.error("wrong-type", f"`{split}` takes a map of metrics, got {describe(node)}", node.span)
        return {}
    known = ["loss", *(b.name for b in metrics if b.is_number)]
    found = {}
    for key, entry in node.entries.items():
        if key not in known and any(b.name == key for b in metrics):
            report.error("bad-expectation", f"`{key}` is a table, and only numbers can be compared", entry.key_span)
            continue
        if key not in known:
            near = suggestion(key, known)
            helps = [f"did you mean `{near}`?"] if near else ["add it to `metrics`"]
            report.error(
                "bad-expectation", f"there is no metric `{shorten(key)}` in this spec", entry.key_span, helps=helps
            )
            continue
        comparison = _comparison(entry.value, report)
        if comparison is not None:
            found[key] = comparison
    return found


def _examples(node: Node, network: Network, report: Report) -> tuple[Example, ...]:
    if not isinstance(node, List):
        if not is_broken(node):
            report.error("wrong-type", f"`examples` takes a list, got {describe(node)}", node.span)
        return ()
    found = []
    for item in node.items:
        if not isinstance(item, Map):
            report.error(
                "wrong-type", f"an example is a map with `input` and `output`, got {describe(item)}", item.span
            )
            continue
        made = build(ExampleKeys, item, Place("an example", item.span), report)
        if made is None:
            continue
        names = {i.name for i in network.inputs}
        given = item.get("input")
        for key in made.input.keys() - names if names else ():
            where = given.entries[key].key_span if isinstance(given, Map) else item.span
            near = suggestion(key, names)
            helps = [f"did you mean `{near}`?"] if near else []
            report.error("bad-expectation", f"the network has no input `{shorten(key)}`", where, helps=helps)
        for key in sorted(names - made.input.keys()):
            report.error("bad-expectation", f"the example gives no `{key}`", item.span)
        found.append(Example(made.input, made.output, made.within, made.at, item.span))
    return tuple(found)


def can_hold(report: Report) -> bool:
    """Whether facts can be held to `expect`: nothing is wrong but lines of `expect` themselves, which hide no other."""
    return all(d.code in _FAULTS for d in report.diagnostics if d.severity == "error")


def check_facts(expect: Expect, whole: Mapping[str, Any], predictor: Mapping[str, Any], report: Report) -> list[str]:
    """Hold facts to what `expect` says of them; those that are not known yet are returned, as text.

    Args:
        expect: The section.
        whole: Facts of the network as it trains, by name.
        predictor: Facts of the predictor alone.
        report: Where facts that are otherwise go, as `expectation-failed`.
    """
    waiting = []
    for fact in expect.facts:
        known = (predictor if fact.predict else whole).get(fact.name)
        name = f"predict.{fact.name}" if fact.predict else fact.name
        if known is None or _is_symbolic(known):
            why = "waits for the data" + ("" if known is None else f": it is {_shown(known)}")
            waiting.append(f"`{name}` {why}")
            continue
        if isinstance(fact.expected, tuple):
            is_so, expected = tuple(known) == fact.expected, show_shape(fact.expected)
        else:
            is_so, expected = fact.expected.holds(known), str(fact.expected)
        if not is_so:
            message = f"`{name}` is {_shown(known)}, and the spec expects {expected}"
            report.error("expectation-failed", message, fact.span)
    return waiting


def check_example(example: Example, given: Any, report: Report) -> None:
    """Hold what the network gave for an example, as nested lists, to what the spec says."""
    message = _difference(example.output, given, example.within)
    if message is not None:
        report.error("expectation-failed", message, example.span)


def _difference(expected: Any, given: Any, within: float) -> str | None:
    if isinstance(expected, list):
        if not isinstance(given, list) or len(given) != len(expected):
            return f"the output has another shape than the example's, {given}"
        for a, b in zip(expected, given, strict=True):
            message = _difference(a, b, within)
            if message is not None:
                return message
        return None
    if isinstance(expected, str) or isinstance(given, str):
        return None if expected == given else f"the output is `{given}`, and the example says `{expected}`"
    # Written so that NaN differs.
    is_near = abs(given - expected) <= within
    return None if is_near else f"the output is {given:.8g}, and the example says {expected:.8g} within {within:g}"


def _is_symbolic(known: Dim | tuple[Dim, ...]) -> bool:
    return any(isinstance(n, Size) for n in known) if isinstance(known, tuple) else isinstance(known, Size)


def _shown(known: Any) -> str:
    return show_shape(known) if isinstance(known, tuple) else str(known)
