"""`netspec predict`: what a trained network makes of new data."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import existing_file, json_option, threads_option


@click.command(
    cls=Command,
    section="use",
    place=1,
    examples=["netspec predict @last flowers.csv", "netspec predict digits-0001 images.npz --json"],
)
@click.argument("run")
@click.argument("input_file", metavar="INPUT", type=existing_file("INPUT"))
@threads_option
@json_option("Print one JSON object instead of CSV.")
def command(run: str, input_file: Path, threads: int | None, as_json: bool) -> None:
    """Predict for every row of INPUT with what RUN has learnt.

    INPUT is CSV with a heading, JSON lines or NPZ, and names the network's inputs; scaling and classes come from the
    run. Its best weights are used. Classes are named and have their probabilities. The result is CSV.
    """
    from netspec import api

    predicted = api.predict(run, input_file, threads=threads)
    if as_json:
        streams.json_result({"run": str(predicted.run), "predictions": predicted.rows})
        return
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(predicted.rows):
        if number == 0:
            writer.writerow(row)
        # Nine digits tell any two float32 apart.
        writer.writerow(f"{value:.9g}" if isinstance(value, float) else value for value in row.values())
