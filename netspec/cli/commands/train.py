"""`netspec train`: from a spec to a run folder with a trained network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import include_option, json_option, offline_option, overrides_option, threads_option
from netspec.cli.specfiles import SpecPath, find_specs, listing
from netspec.cli.trainings import exit_code, train_folder


@click.command(
    cls=Command,
    section="train",
    place=1,
    examples=[
        "netspec train specs/digits.yaml",
        "netspec train specs/digits.yaml --set train.epochs=5 --out /tmp/short",
        "netspec train specs/iris.yaml --folds 10",
        "netspec train specs/ --steps 10",
        "netspec train --resume @last",
    ],
)
@click.argument("spec", type=SpecPath(or_folder=True), required=False)
@overrides_option
@include_option
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run folder itself; new or empty.")
@threads_option
@click.option(
    "--weights",
    metavar="FILE",
    callback=lambda context, parameter, value: value and _weights(value),
    help="Begin with the weights of a safetensors file, or with the best of a run: a folder, a name, or @last.",
)
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Stop after N steps.")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Stop after S seconds.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Train K times, each with another K-th of the rows as test split; mean and deviation of its measures.",
)
@click.option("--resume", metavar="RUN", help="Go on with a run where its checkpoint is: a folder, a name, or @last.")
@offline_option
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
    folds: int | None,
    resume: str | None,
    offline: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Train a network and keep all of it in a run folder.

    The folder is NAME-0001 in runs/, or in $NETSPEC_RUNS; --out chooses another. Ctrl-C saves before it ends, and
    --resume goes on to the same bits. Without SPEC the specs of this folder are listed.

    Of a folder every spec is trained, one after the other, each within the limits; --out then is the folder of all
    runs. If one fails the others go on, and the exit code is 1.
    """
    _check_usage(resume, {"SPEC": spec, "--out": out, "--weights": weights, "--folds": folds})
    from netspec import api
    from netspec.cli.progress import progress_for

    def train(spec: Path | None, out: Path | None) -> api.TrainResult:
        progress = progress_for(sys.stderr, quiet=quiet)
        try:
            return api.train(
                spec,
                overrides=overrides,
                out=out,
                threads=threads,
                resume=resume,
                weights=weights,
                steps=steps,
                max_seconds=max_seconds,
                folds=folds,
                offline=offline,
                progress=progress,
            )
        finally:
            progress.close()

    if spec is not None and spec.is_dir():
        return train_folder(spec, train, out=out, quiet=quiet, as_json=as_json)
    trained = train(spec, out)
    if as_json:
        streams.json_result(trained.summary)
    elif not quiet:
        streams.result(closing_words(trained.summary, str(trained.run), streams.width_of(sys.stdout)))
    return exit_code(trained.status)


def _weights(named: str) -> Path:
    """A file of weights, or that of a run."""
    path = Path(named)
    if path.is_file():
        return path
    if path.suffix == ".safetensors":
        raise click.BadParameter(f"there is no file `{path}`")
    from netspec.train.session import run_named

    return run_named(named).best


def _check_usage(resume: str | None, given: Mapping[str, Any]) -> None:
    if resume is not None:
        for name, value in given.items():
            if value is not None:
                raise click.UsageError(f"`--resume` goes on with a run as it is; leave out {name}")
    elif given["SPEC"] is None:
        raise click.UsageError(f"`netspec train` needs a spec.{listing(find_specs(Path()).specs)}")
    elif given["SPEC"].is_dir() and given["--weights"] is not None:
        raise click.UsageError("`--weights` are those of one network; name its spec instead of a folder")


def closing_words(summary: dict[str, Any], run: str, width: int | None) -> str:
    """What came out, where it lies, and what to do with it."""
    from netspec.cli.table import counted, duration, listed, measure

    lines = _folds(summary) if "folds" in summary else []
    best = summary.get("best")
    if best:
        named = [f"{name} {measure(value)}" for name, value in best["metrics"].items()]
        # Without a validation split nothing chooses: the last epoch is the one that is kept.
        label = "last" if best["split"] == "train" else "best"
        lines.append(listed(f"{label}   epoch {best['epoch']}: {best['split']}", named, width))
    if summary.get("test") and "folds" not in summary:
        named = [f"{name} {measure(value)}" for name, value in summary["test"].items()]
        named[-1] += " (of the best weights)" if best and best["split"] != "train" else ""
        lines.append(listed("test  ", named, width))
    epochs, folds = summary.get("epochs"), summary.get("folds")
    done = "" if epochs is None else counted(epochs, "epoch")
    if folds is not None:
        count = summary["fold_count"]
        done = counted(count, "fold") if len(folds) == count else f"{len(folds)} of {counted(count, 'fold')}"
    took = f" after {done}, {duration(summary['seconds'])}" if done else ""
    lines.append(f"run    {run} ({summary.get('status', 'finished')}{took})")
    if folds and summary.get("status") == "finished":
        lines.append(f"next   netspec predict {folds[0]['run']} INPUT")
    elif summary.get("status") in ("interrupted", "stopped"):
        lines.append(f"next   netspec train --resume {run}")
    else:
        lines.append(f"next   netspec predict {run} INPUT")
        lines.append(f"       netspec evaluate {run} --check")
    return "\n".join(lines)


def _folds(summary: dict[str, Any]) -> list[str]:
    """Mean and deviation of the test's measures over the folds."""
    from netspec.cli.table import Column, counted, measure, table

    if not summary["test"]:
        return []
    head = [Column(f"test of {counted(len(summary['folds']), 'fold')}"), *(Column(n, "right") for n in summary["test"])]
    rows = [["mean", *map(measure, summary["test"].values())]]
    if len(summary["folds"]) > 1:
        rows.append(["deviation", *map(measure, summary["deviation"].values())])
    return [table(head, rows), ""]
