"""Training every spec of a folder, one after the other, whatever becomes of each; and a table of it all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli import faults, streams
from netspec.cli.specfiles import find_specs, others_skipped

if TYPE_CHECKING:
    from netspec.api import TrainResult

# A status that is not here (`finished`, or stopped by --steps or --max-seconds) is a success.
_EXIT_CODES = {"interrupted": faults.INTERRUPTED, "diverged": 1, "failed": 1}


@dataclass(frozen=True)
class Ended:
    """What became of a spec: the exit code that it would have alone; the summary of its run, or why there is none."""

    spec: Path
    code: int
    summary: Mapping[str, Any]

    @property
    def status(self) -> str:
        return str(self.summary["status"])


def exit_code(status: str) -> int:
    """That of a training which ended so."""
    return _EXIT_CODES.get(status, faults.WELL)


def train_folder(
    folder: Path, train: Callable[[Path, Path | None], TrainResult], *, out: Path | None, quiet: bool, as_json: bool
) -> int:
    """Train all specs below ``folder``; returns the exit code.

    Args:
        folder: Where specs are.
        train: Trains one spec, into a run folder if one is named.
        out: The folder of all runs: each has the path of its spec below ``folder``, without the ending.
        quiet: Show nothing but faults.
        as_json: Print a line of JSON for each spec as it ends.
    """
    found = find_specs(folder)
    if not found.specs:
        raise click.UsageError(f"`{folder}` holds no spec{others_skipped(len(found.others))}")
    every: list[Ended] = []
    for number, spec in enumerate(found.specs, 1):
        if not quiet:
            streams.say(f"{number}/{len(found.specs)}  {spec}")
        place = None if out is None else out / spec.relative_to(folder).with_suffix("")
        ended = _trained(spec, place, train)
        every.append(ended)
        if as_json:
            streams.json_result({"spec": str(spec), **ended.summary})
        if ended.status == "interrupted":
            break
    if not (quiet or as_json):
        streams.result(describe(every, streams.width_of(sys.stdout)))
    if not quiet:
        totals, width = (
            _totals(every, len(found.specs)) + others_skipped(len(found.others)),
            streams.width_of(sys.stderr),
        )
        streams.say(click.wrap_text(totals, width) if width else totals)
    codes = {ended.code for ended in every}
    return next((code for code in (faults.INTERRUPTED, faults.INTERNAL) if code in codes), int(codes != {faults.WELL}))


def _trained(spec: Path, out: Path | None, train: Callable[[Path, Path | None], TrainResult]) -> Ended:
    """Train one; what goes wrong is told as if it were alone, and stops no other."""
    from netspec.train.opening import NothingToTrainError

    try:
        trained = train(spec, out)
    except NothingToTrainError as error:
        return Ended(spec, faults.WELL, {"status": "skipped", "error": str(error)})
    except Exception as error:
        return Ended(spec, faults.end_of(error), {"status": "failed", "error": str(error)})
    return Ended(spec, exit_code(trained.status), trained.summary)


def describe(every: Sequence[Ended], width: int | None) -> str:
    """A line a spec: what became of it, how long it took, what it measured last, and where its run lies."""
    from netspec.cli.table import Column, count, duration, table

    columns = [
        Column("spec", may_shrink=True),
        Column("status"),
        Column("epochs", "right"),
        Column("time", "right"),
        Column("result", may_shrink=True),
        Column("run", may_shrink=True),
    ]
    rows = []
    for ended in every:
        facts = ended.summary
        took = duration(facts["seconds"]) if "seconds" in facts else ""
        run = str(facts.get("run", ""))
        rows.append([str(ended.spec), ended.status, count(facts.get("epochs")), took, _result(facts), run])
    return table(columns, rows, width)


def _result(summary: Mapping[str, Any]) -> str:
    """The measures on the test split; without one, of the best epoch, or of the last."""
    from netspec.cli.table import measure

    best, test = summary.get("best"), summary.get("test")
    split, values = ("test", test) if test else (best["split"], best["metrics"]) if best else ("", {})
    return f"{split} {', '.join(f'{name} {measure(value)}' for name, value in values.items())}".strip()


def _totals(every: Sequence[Ended], count: int) -> str:
    from netspec.cli.table import counted

    interrupted = sum(ended.status == "interrupted" for ended in every)
    failed = sum(ended.code != faults.WELL for ended in every) - interrupted
    untrained = sum(ended.status == "skipped" for ended in every)
    parts = [f"{counted(len(every) - failed - interrupted - untrained, 'spec')} trained"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{interrupted} interrupted"] if interrupted else []
    parts += [f"{untrained} with nothing to train (neither `optimizer` nor `train`)"] if untrained else []
    parts += [f"{count - len(every)} not begun"] if count > len(every) else []
    return ", ".join(parts)
