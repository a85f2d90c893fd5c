"""`netspec train`: from a spec to a run folder with a trained network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netspec.cli import faults, streams
from netspec.cli.group import Command
from netspec.cli.options import existing_file, json_option, overrides_option, threads_option
from netspec.cli.specfiles import SpecPath, find_specs, listing

# A status that is not here (`finished`, or stopped by --steps or --max-seconds) is a success.
_EXIT_CODES = {"interrupted": faults.INTERRUPTED, "diverged": 1, "failed": 1}


@click.command(
    cls=Command,
    section="train",
    place=1,
    examples=[
        "netspec train specs/digits.yaml",
        "netspec train specs/digits.yaml --set train.epochs=5 --out /tmp/short",
        "netspec train --resume @last",
    ],
)
@click.argument("spec", type=SpecPath(), required=False)
@overrides_option
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run folder itself; new or empty.")
@threads_option
@click.option(
    "--weights", type=existing_file("FILE"), metavar="FILE", help="Begin with the weights of a safetensors file."
)
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Stop after N steps.")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Stop after S seconds.")
@click.option("--resume", metavar="RUN", help="Go on with a run where its checkpoint is: a folder, a name, or @last.")
@click.option("--quiet", is_flag=True, help="No progress and no closing words.")
@json_option("Print the run's summary as one JSON object at the end.")
def command(
    *,
    spec: Path | None,
    overrides: tuple[str, ...],
    out: Path | None,
    threads: int | None,
    weights: Path | None,
    steps: int | None,
    max_seconds: float | None,
    resume: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Train a network and keep all of it in a run folder.

    The folder is NAME-0001 in runs/, or in $NETSPEC_RUNS; --out chooses another. Ctrl-C saves before it ends, and
    --resume goes on to the same bits. Without SPEC the specs of this folder are listed.
    """
    _check_usage(spec, resume, out, weights)
    from netspec import api
    from netspec.cli.progress import progress_for

    progress = progress_for(sys.stderr, quiet=quiet)
    try:
        trained = api.train(
            spec,
            overrides=overrides,
            out=out,
            threads=threads,
            resume=resume,
            weights=weights,
            steps=steps,
            max_seconds=max_seconds,
            progress=progress,
        )
    finally:
        progress.close()
    if as_json:
        streams.json_result(trained.summary)
    elif not quiet:
        streams.result(closing_words(trained.summary, str(trained.run)))
    return _EXIT_CODES.get(trained.status, faults.WELL)


def _check_usage(spec: Path | None, resume: str | None, out: Path | None, weights: Path | None) -> None:
    if resume is not None:
        for given, name in ((spec, "SPEC"), (out, "--out"), (weights, "--weights")):
            if given is not None:
                raise click.UsageError(f"`--resume` goes on with a run as it is; leave out {name}")
    elif spec is None:
        raise click.UsageError(f"`netspec train` needs a spec.{listing(find_specs(Path()).specs)}")


def closing_words(summary: dict[str, Any], run: str) -> str:
    """What came out, where it lies, and what to do with it."""
    from netspec.cli.table import counted, duration, measure

    lines = []
    best = summary.get("best")
    if best:
        named = ", ".join(f"{name} {measure(value)}" for name, value in best["metrics"].items())
        # Without a validation split nothing chooses: the last epoch is the one that is kept.
        label = "last" if best["split"] == "train" else "best"
        lines.append(f"{label}   epoch {best['epoch']}: {best['split']} {named}")
    if summary.get("test"):
        named = ", ".join(f"{name} {measure(value)}" for name, value in summary["test"].items())
        lines.append(f"test   {named}" + (" (of the best weights)" if best and best["split"] != "train" else ""))
    epochs = summary.get("epochs")
    took = f" after {counted(epochs, 'epoch')}, {duration(summary['seconds'])}" if epochs is not None else ""
    lines.append(f"run    {run} ({summary.get('status', 'finished')}{took})")
    if summary.get("status") in ("interrupted", "stopped"):
        lines.append(f"next   netspec train --resume {run}")
    else:
        lines.append(f"next   netspec predict {run} INPUT")
        lines.append(f"       netspec evaluate {run} --check")
    return "\n".join(lines)
