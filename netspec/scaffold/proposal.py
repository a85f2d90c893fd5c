"""A spec for a table: which columns to read and how, the loss that the target asks for, and a network that fits it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netspec.diagnostics import ChoiceError, Diagnostic, suggestion
from netspec.scaffold.columns import Column, Sheet
from netspec.spec.emit import flow
from netspec.spec.layout.canonical import canonical

_COLUMN: Final = 40
"""Where comments stand."""
_LONGEST: Final = 60
"""Longer lines have their comment above them."""
_MOST_LISTED: Final = 30
_FEW_ROWS: Final = 500
_RARE: Final = 3
"""Classes are weighed if the most frequent one is so many times the rarest."""
_STEPS: Final = 4_000
_REASONS: Final = {
    "constant": "the same in every row",
    "counter": "only numbers the rows",
    "empty": "empty in every row",
    "text": "text: as `tokens` it could be read word by word",
}


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a table."""

    sheet: Sheet
    target: Column
    numbers: tuple[Column, ...]
    categories: tuple[Column, ...]
    left_out: tuple[tuple[Column, str], ...]
    """Columns that are not read, with the reason."""
    takes_all: bool
    """Whether the numbers are read as `"*"`: there are too many to list, or a name would be read as a formula."""

    @property
    def is_classes(self) -> bool:
        return self.target.is_classes


def propose(sheet: Sheet, target: str | None = None) -> Proposal:
    """Choose columns; the target is the last one unless it is named.

    Raises:
        ChoiceError: if there is no such column, or nothing can be learnt of it.
    """
    names = [column.name for column in sheet.columns]
    chosen = sheet.columns[-1] if target is None else sheet.column(target)
    if chosen is None:
        near = suggestion(target or "", names)
        helps = (f"did you mean `{near}`?",) if near else (f"there are {', '.join(names[:20])}",)
        raise ChoiceError(Diagnostic("unknown-column", f"{sheet.path.name} has no column `{target}`", helps=helps))
    _check_target(sheet, chosen)
    others = [column for column in sheet.columns if column is not chosen]
    numbers = [column for column in others if column.role == "number"]
    left_out = [(column, _REASONS[column.role]) for column in others if column.role in _REASONS]
    odd = [column for column in numbers if not column.name.isidentifier()]
    # `"*"` reads what no field names, and what has an odd name, or nothing to be filled in with, no field can hide.
    can_hide = all(column.role == "text" or (column.numbers and column.name.isidentifier()) for column, _ in left_out)
    if odd and not can_hide:
        numbers = [column for column in numbers if column not in odd]
        left_out += [(column, "its name would be read as a formula: rename it") for column in odd]
    categories = tuple(column for column in others if column.role == "category")
    if not numbers and not categories:
        raise ChoiceError(_nothing_to_read(sheet, chosen, left_out))
    takes_all = can_hide and (bool(odd) or len(numbers) > _MOST_LISTED)
    return Proposal(sheet, chosen, tuple(numbers), categories, tuple(left_out), takes_all)


def _nothing_to_read(sheet: Sheet, target: Column, left_out: Sequence[tuple[Column, str]]) -> Diagnostic:
    if not left_out:
        message = f"`{target.name}` is the only column of {sheet.path.name}: there is nothing to learn it from"
        return Diagnostic("wrong-kind", message)
    message = f"no column of {sheet.path.name} but `{target.name}` is a number or a category"
    notes = tuple(f"`{column.name}`: {reason}" for column, reason in left_out[:_MOST_LISTED])
    return Diagnostic("wrong-kind", message, notes=notes, helps=("name another target with `--target`",))


def _check_target(sheet: Sheet, target: Column) -> None:
    other: tuple[str, ...] = ("name another column with `--target`",)
    if target.role in ("empty", "constant"):
        message = f"nothing can be learnt of `{target.name}`: it is {_REASONS[target.role]}"
    elif not target.numbers and not target.is_classes:
        message = f"`{target.name}` holds {len(target.values):,} different texts, which are too many to be classes"
    elif not target.is_classes and not target.name.isidentifier():
        message = f"the number `{target.name}` cannot be named in a spec: it would be read as a formula"
        other = (f"rename it in the first line of {sheet.path.name}, to letters, digits and `_`", *other)
    else:
        return
    raise ChoiceError(Diagnostic("wrong-kind", message, helps=other))


def spec_text(proposal: Proposal, folder: Path) -> str:
    """The spec as it is written into ``folder``, with comments that say why."""
    return canonical("\n".join(_Writer(proposal, folder).lines()) + "\n", "<proposal>")


class _Writer:
    def __init__(self, proposal: Proposal, folder: Path) -> None:
        self.p, self.sheet, self.target = proposal, proposal.sheet, proposal.target
        self.path = _relative(self.sheet.path.resolve(), folder.resolve())
        taken = {"x", "input", "unread"}
        self.name_of_target = _word(self.target.name, taken)
        self.names = {column.name: _word(column.name, taken) for column in proposal.categories}
        self.rows = self.sheet.rows

    @property
    def output(self) -> int:
        return len(self.target.classes) if self.p.is_classes else 1

    def lines(self) -> Iterator[str]:
        seen = f"its {self.rows:,} rows" if self.sheet.is_whole else f"its first {self.rows:,} rows"
        yield f"# Learns `{self.target.name}` from the other columns of {self.sheet.path.name}."
        yield f"# Proposed by what is in {seen}: change what you know better."
        yield "netspec: 1"
        yield from self._data()
        yield from self._network()
        yield from self._training()

    def _data(self) -> Iterator[str]:
        p = self.p
        yield "data:"
        yield f"  source: {flow({'csv': {'path': self.path, **self.sheet.options}})}"
        if p.left_out:
            yield "  # Left out:"
            yield from (f"  #   {column.name}: {reason}" for column, reason in p.left_out)
        yield "  fields:"
        if p.numbers:
            yield from self._numbers()
        for column in p.categories:
            fields = {"of": column.name, "classes": column.classes}
            fields |= {"missing": "zeros"} if column.missing else {}
            yield _said(f"    {self.names[column.name]}: {flow({'one_hot': fields})}", "0 and 1 for each class")
        yield self._target()
        if p.numbers:
            yield _said("  standardize: true", "inputs to mean 0 and deviation 1: their units no longer matter")
        yield from self._split()

    def _numbers(self) -> Iterator[str]:
        p = self.p
        fields: dict[str, object] = {"of": "*" if p.takes_all else [column.name for column in p.numbers]}
        missing = any(column.missing for column in p.numbers)
        fields |= {"missing": "median"} if missing else {}
        why = "every number that no other field reads" if p.takes_all else ""
        why += (", " if why and missing else "") + ("empty cells get the median of their column" if missing else "")
        short = fields if len(fields) > 1 else fields["of"]
        yield _said(f"    x: {flow({'number': short})}", why)
        hidden = [column.name for column, _ in p.left_out if column.numbers] if p.takes_all else []
        if hidden:
            unread = {"number": {"of": hidden, "missing": "median"}}
            yield _said(f"    unread: {flow(unread)}", 'a field that nothing reads, so that "*" leaves it out')

    def _target(self) -> str:
        column, name = self.target, self.name_of_target
        if self.p.is_classes:
            fields: dict[str, object] = {"of": column.name, "classes": column.classes}
            fields |= {"missing": "drop"} if column.missing else {}
            why = f"whole numbers of {self.output} kinds: taken as classes" if column.numbers else ""
            return _said(f"    {name}: {flow({'category': fields})}", why)
        fields = {"of": column.name, "standardize": True, **({"missing": "drop"} if column.missing else {})}
        return _said(f"    {name}: {flow({'number': fields})}", "standardized to train; results are in its own units")

    def _split(self) -> Iterator[str]:
        rarest = min(self.target.values.values()) if self.p.is_classes else self.rows
        stratify = {"stratify": self.name_of_target} if self.p.is_classes and rarest >= 10 else {}
        if self.rows < 20:
            yield "  # There are too few rows to set some aside: what is measured is what was learnt by heart."
        elif self.rows < _FEW_ROWS:
            text = f"  split: {flow({'test': 0.2, **stratify})}"
            yield _said(text, "few rows: `netspec train SPEC --folds 10` tests on all of them")
        else:
            shares = {"validation": 0.15, "test": 0.15, **stratify}
            yield _said(f"  split: {flow(shares)}", "validation selects the weights, test measures them once")

    def _network(self) -> Iterator[str]:
        p = self.p
        inputs: dict[str, object] = {"x": [len(p.numbers)]} if p.numbers else {}
        inputs |= {self.names[column.name]: [len(column.classes)] for column in p.categories}
        yield "network:"
        yield f"  inputs: {flow(inputs)}"
        yield "  layers:"
        if len(inputs) > 1:
            yield f"    - concat: {flow(list(inputs))}"
        width = next(units for units, most in ((16, 500), (32, 5_000), (64, 50_000), (128, 1e99)) if self.rows < most)
        penalty = ", regularize: {l2: 1e-3}" if self.rows < 2_000 else ""
        why = "few rows: a small layer, and a pull of its weights towards 0" if penalty else ""
        yield _said(f"    - dense: {{units: {width}, activation: relu{penalty}}}", why)
        yield f"    - dense: {{units: {width}, activation: relu{penalty}}}"
        what = "a score for each class" if p.is_classes else "the number itself: no activation"
        yield _said(f"    - dense: {{units: {self.output}, name: prediction}}", what)

    def _training(self) -> Iterator[str]:
        target = self.name_of_target
        if self.p.is_classes:
            counts = self.target.values.values()
            uneven = max(counts) >= _RARE * min(counts)
            weighed = {"class_weight": "balanced"} if uneven else {}
            why = f"the rarest class has {min(counts):,} rows, the most frequent {max(counts):,}" if uneven else ""
            yield _said(f"loss: {flow({'cross_entropy': {'target': target, **weighed}})}", why)
            names = ["accuracy", "f1"] if uneven else ["accuracy"]
        else:
            yield f"loss: {flow({'mse': {'target': target}})}"
            names = ["rmse", "r2"]
        small = self.rows < 2_000
        yield f"optimizer: {{adam: {{lr: {'3e-3' if small else '1e-3'}}}}}"
        yield f"metrics: {flow([{name: {'target': target}} for name in names])}"
        batch = next(size for size, most in ((32, 5_000), (128, 50_000), (512, 1e99)) if self.rows < most)
        epochs = max(10, min(100, round(_STEPS * batch / self.rows)))
        stop = ", early_stop: {patience: 10}" if self.rows >= _FEW_ROWS and epochs > 20 else ""
        yield _said(f"train: {{epochs: {epochs}, batch: {batch}, seed: 0{stop}}}", "the seed makes it repeatable")


def _relative(path: Path, folder: Path) -> str:
    """A path as it is seen from a folder; whole, if it is on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.as_posix()


def _said(line: str, why: str) -> str:
    """A line with its reason behind it, or above it where there is no room."""
    if not why:
        return line
    if len(line) > _LONGEST:
        return f"{' ' * (len(line) - len(line.lstrip()))}# {why[0].upper()}{why[1:]}.\n{line}"
    return f"{line.ljust(_COLUMN - 2)}  # {why}"


def _word(name: str, taken: set[str]) -> str:
    """A name for a field that is like that of its column, and no other's."""
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "column"
    word = f"column_{word}" if word[0].isdigit() else word
    found, number = word, 2
    while found in taken:
        found, number = f"{word}_{number}", number + 1
    taken.add(found)
    return found
