"""`netspec evaluate`: loss and metrics of a run on its data, and whether they are what the spec expects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli import streams
from netspec.cli.findings import Case, Results, found_in, repository
from netspec.cli.group import Command
from netspec.cli.options import include_option, json_option, offline_option, threads_option
from netspec.cli.output import output_options, planned, save
from netspec.diagnostics import Diagnostic

if TYPE_CHECKING:
    from netspec.api.evaluation import Evaluated
    from netspec.train.holding import Held


@click.command(
    cls=Command,
    section="train",
    place=2,
    examples=[
        "netspec evaluate @last",
        "netspec evaluate digits-0003 --check",
        "netspec evaluate specs/xor.yaml",
        "netspec evaluate @last --data hidden.csv --check expect.yaml --format junit",
    ],
)
@click.argument("target", metavar="RUN_OR_SPEC", required=False)
@click.option(
    "--check",
    "checks",
    is_flag=False,
    flag_value="",
    multiple=True,
    metavar="[FILE]",
    help="Hold what the spec's `expect:` says, or that of FILE; a broken one is exit code 1. May be given for both.",
)
@click.option(
    "--data",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Measure the rows of FILE as the split `test`, not the run's own data: scaled, with classes, as those were.",
)
@click.option("--split", "only", multiple=True, metavar="NAME", help="Measure this split only. May be repeated.")
@output_options
@threads_option
@offline_option
@include_option
@json_option("Print one JSON object.")
def command(
    *,
    target: str | None,
    checks: tuple[str, ...],
    data: Path | None,
    only: tuple[str, ...],
    formats: tuple[str, ...],
    files: tuple[Path, ...],
    threads: int | None,
    offline: bool,
    as_json: bool,
) -> int:
    """Measure a run, or a spec as initialised, on every split.

    Of a run the best weights are measured. A run is a folder, a name such as digits-0003, a spec's name for its
    newest run, or @last. `json` and `text` of --format are the measures, with what is held; the others tell of what is
    held alone.
    """
    from netspec import api

    if target is None and checks:  # `--check RUN`
        target, checks = checks[-1], (*checks[:-1], "")
    if not target:
        raise click.UsageError("which run, or which spec, is to be measured? `@last` is the newest run")
    output = planned((*formats, "json") if as_json and "json" not in formats else formats, files)
    if not checks and {*output.printed, *(name for _, name in output.files)} - _MEASURES:
        raise click.UsageError("these formats tell of expectations, which --check holds")
    expect = tuple(Path(check) for check in checks if check)
    evaluated = api.evaluate(
        target, check="" in checks, expect=expect, data=data, only=only, threads=threads, offline=offline,
        told=streams.say,
    )  # fmt: skip
    results = _results(evaluated, repository())
    for path, name in output.files:
        save(path, _written(name, evaluated, results, checked=bool(checks), width=None))
    for name in output.printed:
        width = streams.width_of(sys.stdout)
        streams.result(_written(name, evaluated, results, checked=bool(checks), width=width), end="")
    if checks and not evaluated.expect:
        streams.say("`expect:` says nothing of metrics or examples, so there was nothing to hold")
    return 0 if evaluated.passed else 1


_MEASURES = {"text", "json"}
"""Formats that tell what was measured, whether anything is held or not."""


def _written(name: str, evaluated: Evaluated, results: Results, *, checked: bool, width: int | None) -> str:
    """What a format makes of it."""
    from netspec.cli.formats import load
    from netspec.runs.files import json_line

    if name == "text":
        return describe(evaluated.summary(), width) + "\n"
    if name == "json":
        held = {"expect": list(evaluated.expect), "passed": evaluated.passed} if checked else {}
        return json_line({"version": 1, **evaluated.summary(), **held}) + "\n"
    return load(name).write(results)


def _results(evaluated: Evaluated, root: Path) -> Results:
    """A case for each expectation, with a finding where it is broken."""
    cases = (
        (Case(one.what, sources=evaluated.sources, remarks=(_told(one),)), () if one.good else (_broken(one),))
        for one in evaluated.held
    )
    return Results("evaluate", tuple(found_in(cases, root)), root, subject=evaluated.name)


def _told(one: Held) -> str:
    return f"is {_actual(one.actual)}, expected {one.expected}"


def _broken(one: Held) -> Diagnostic:
    message = f"`{one.what}` is {_actual(one.actual)}, and {one.expected} is expected"
    return Diagnostic("expectation-failed", message, one.span)


def describe(summary: dict[str, Any], width: int | None) -> str:
    """A row a split, a column a measure, or the other way where lines would break; below them expectations, if held."""
    from netspec.cli.table import Column, count, measure, table

    splits = summary["splits"]
    losses = {split: {"loss": facts["loss"]} if "loss" in facts else {} for split, facts in splits.items()}
    values = {split: losses[split] | facts.get("metrics", {}) for split, facts in splits.items()}
    names = list(dict.fromkeys(name for found in values.values() for name in found))
    rows = [["split", "rows", *names]]
    for split, facts in splits.items():
        found = values[split]
        rows.append([split, count(facts.get("rows")), *(measure(found[n]) if n in found else "" for n in names)])
    text = _aligned(rows)
    if width is not None and max(map(len, text.splitlines())) > width:
        text = _aligned(list(zip(*rows, strict=True)))
    for split, facts in splits.items():
        for name, counts in facts.get("tables", {}).items():
            known = [str(k) for k in (summary.get("classes") or {}).get(name) or range(len(counts))]
            heading = [Column(""), *(Column(k, "right") for k in known)]
            text += f"\n\n{split} {name}: a row for each class, a column for each decision\n"
            text += table(heading, [[k, *map(count, row)] for k, row in zip(known, counts, strict=True)])
    checks = summary.get("expect") or []
    if checks:
        cells = [[c["what"], str(c["expected"]), _actual(c["actual"]), c["verdict"]] for c in checks]
        shown = [Column("expected of"), Column("is to be", may_shrink=True), Column("is", may_shrink=True), Column("")]
        text += "\n\n" + table(shown, cells, width)
    return text


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is headings, and whose first column is words."""
    from netspec.cli.table import Column, table

    heading, *others = rows
    return table([Column(heading[0]), *(Column(name, "right") for name in heading[1:])], others)


def _actual(value: Any) -> str:
    """A number to the six digits that tell whether it holds; lists the same."""
    if isinstance(value, list):
        return f"[{', '.join(map(_actual, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
