"""Names: what a list of layers can read, and how `from` and `share` find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.interpolation import Environment
from netspec.spec.network import InitRef, Regularize, Use, ValueRef
from netspec.spec.tree import Scalar, shorten


@dataclass(frozen=True)
class Named:
    """What a name stands for.

    ``value`` is None where it is not known, which has been reported. ``ports`` is None for a layer, whose ports are
    known once it is built; ``copies`` are those of a repeat.
    """

    value: ValueRef | None
    span: Span
    ports: Mapping[str, ValueRef] | None = None
    copies: tuple[Named, ...] = ()


@dataclass
class Scope:
    """One list of layers while it is expanded: the top list, or a block at one of its uses.

    What the use of a block says of freezing, learning rate, initial values and penalties goes for what is inside.
    ``owner`` is the prefix of the block whose weights this one shares.
    """

    prefix: str
    environment: Environment
    uses: tuple[Use, ...]
    names: dict[str, Named] = field(default_factory=dict)
    current: Named | None = None
    below: dict[str, Span] = field(default_factory=dict)
    """Names that stand further down in the list."""
    owner: str | None = None
    freeze: bool = False
    lr_scale: float = 1.0
    init: dict[str, InitRef] = field(default_factory=dict)
    regularize: Regularize | None = None
    outside: Mapping[str, Span] = field(default_factory=dict)
    """Names of the list that this one is used in, which it cannot see."""

    def find(self, node: Scalar, report: Report) -> Named | None:
        """What ``node`` names, dots leading inwards; None when the fault is in the report."""
        text = str(node.value)
        first, *steps = text.split(".")
        named = self.names.get(first)
        if named is None:
            self._unknown(first, node.span, report)
            return None
        for step in steps:
            found = _inward(named, step)
            if found is None:
                if named.value is not None:
                    self._no_port(text, step, named, node.span, report)
                return None
            named = found
        return named

    def _unknown(self, name: str, span: Span, report: Report) -> None:
        shown = shorten(name)
        if name in self.below:
            helps = ["`from` reads what stands above it in the same list"]
            message = f"`{shown}` stands below, on line {self.below[name].line}"
        elif name == "input" and not self.prefix:
            helps = [f"name one of {', '.join(f'`{n}`' for n in list(self.names)[:8])}"]
            message = "there are several inputs, so `input` does not say which"
        elif name in self.outside:
            helps = ["give the block an input for it: `inputs: [...]`"]
            message = f"a block does not see `{shown}`, which stands outside it"
        else:
            near = suggestion(name, self.names)
            known = ", ".join(f"`{n}`" for n in list(self.names)[-8:])
            helps = [f"did you mean `{near}`?"] if near else [f"above it there are {known}"] if known else []
            message = f"there is no `{shown}` above this"
        report.error("unknown-from", message, span, helps=helps)

    def _no_port(self, text: str, step: str, named: Named, span: Span, report: Report) -> None:
        known = list(named.ports or {}) + [str(i + 1) for i in range(len(named.copies))]
        near = suggestion(step, known)
        helps = [f"did you mean `{near}`?"] if near else []
        if not near and known:
            helps = [f"it has {', '.join(f'`{k}`' for k in known[:8])}"]
        elif not known and named.ports is not None:
            helps = ["a block gives away only what its `outputs` name"]
        owner = text[: -len(step) - 1].rstrip(".") if text.endswith("." + step) else text.split(".", maxsplit=1)[0]
        report.error("unknown-port", f"`{shorten(owner)}` has no value `{shorten(step)}`", span, helps=helps)


def _inward(named: Named, step: str) -> Named | None:
    if named.copies and step.isdigit():
        return named.copies[int(step) - 1] if 1 <= int(step[:9]) <= len(named.copies) else None
    if named.ports is not None:
        port = named.ports.get(step)
        return None if port is None else Named(port, named.span)
    if named.value is None or named.value.is_input or named.value.port:
        return None
    return Named(ValueRef(named.value.path, step), named.span)
