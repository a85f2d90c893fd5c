"""`netspec evaluate`: loss and metrics of a run on its data, and whether they are what the spec expects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import include_option, json_option, offline_option, threads_option


@click.command(
    cls=Command,
    section="train",
    place=2,
    examples=["netspec evaluate @last", "netspec evaluate digits-0003 --check", "netspec evaluate specs/xor.yaml"],
)
@click.argument("target", metavar="RUN_OR_SPEC")
@click.option("--check", is_flag=True, help="Hold what the spec's `expect:` says; a broken one is exit code 1.")
@click.option("--split", "only", multiple=True, metavar="NAME", help="Measure this split only. May be repeated.")
@threads_option
@offline_option
@include_option
@json_option("Print one JSON object.")
def command(
    *, target: str, check: bool, only: tuple[str, ...], threads: int | None, offline: bool, as_json: bool
) -> int:
    """Measure a run, or a spec as initialised, on every split.

    Of a run the best weights are measured. A run is a folder, a name such as digits-0003, a spec's name for its
    newest run, or @last.
    """
    from netspec import api

    evaluated = api.evaluate(target, check=check, only=only, threads=threads, offline=offline, told=streams.say)
    if as_json:
        held = {"expect": list(evaluated.expect), "passed": evaluated.passed} if check else {}
        streams.json_result({**evaluated.summary(), **held})
    else:
        streams.result(describe(evaluated.summary(), streams.width_of(sys.stdout)))
    if check and not evaluated.expect:
        streams.say("`expect:` says nothing of metrics or examples, so there was nothing to hold")
    return 0 if evaluated.passed else 1


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
