"""What a benchmark found, and the file that tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks.harness import Samples


@dataclass(frozen=True)
class Check:
    """One figure held to what it must reach."""

    workload: str
    measured: str
    required: str
    reached: bool


@dataclass(frozen=True)
class Section:
    """The figures of one benchmark: a table, what was asked of them, and remarks."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def text(self) -> str:
        """As Markdown."""
        parts = [f"## {self.title}\n", table(self.header, self.rows)] if self.rows else [f"## {self.title}\n"]
        return "\n".join([*parts, *(f"\n{remark}" for remark in self.remarks)]) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def contenders_table(section: Section, found: dict[str, Samples]) -> None:
    """A row for each contender, with how many times faster the first is."""
    first = next(iter(found.values()))
    for one in found.values():
        if not one:
            section.rows.append((one.name, "", "", "", one.note))
            continue
        ratio = f"{one.median / first.median:.2f}" if first and one is not first else ""
        section.rows.append((one.name, duration(one.median), duration(one.least), ratio, one.note))


CONTENDERS = ("who", "median", "least", "times netspec's", "how")


def duration(seconds: float) -> str:
    """``1.23 s``, ``145 ms``, ``338 us``, ``41 ns``: three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds / 1e-9)} ns"


def _three(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def times_faster(workload: str, ours: Samples, theirs: Samples, required: float) -> list[Check]:
    """The check that ``ours`` is so many times faster; none where one was not measured."""
    if not (ours and theirs):
        return []
    ratio = theirs.median / ours.median
    what = f"{duration(ours.median)}, {theirs.name} {duration(theirs.median)}: {ratio:.2f} times"
    return [Check(workload, what, f"{required:g} times {theirs.name}", ratio >= required)]


def at_most(workload: str, seconds: float, required: float) -> Check:
    """The check of a time against a limit."""
    return Check(workload, duration(seconds), f"at most {duration(required)}", seconds <= required)


def results(machine: Sequence[str], sections: Sequence[Section]) -> str:
    """RESULTS.md: what was asked and reached, then every table."""
    checks = [check for section in sections for check in section.checks]
    rows = [(c.workload, c.measured, c.required, "yes" if c.reached else "**no**") for c in checks]
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        "# Results",
        "",
        f"Measured on {day} by `python -m benchmarks`, which wrote this file. Contenders run in turn,",
        "each in its own process with 2 threads on the same 2 processors, on the same data, batches and float32",
        "arithmetic; figures are medians of the rounds.",
        "",
        *(f"- {line}" for line in machine),
        "",
        table(("workload", "measured", "must reach", "reached"), rows),
        "",
    ]
    return "\n".join([*lines, *(section.text() for section in sections)])
