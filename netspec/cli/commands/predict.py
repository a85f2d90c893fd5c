"""`netspec predict`: what a trained network makes of new data."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import existing_path, json_option, threads_option


@click.command(
    cls=Command,
    section="use",
    place=1,
    examples=[
        "netspec predict @last flowers.csv",
        "netspec predict digits-0001 images.npz --json",
        "netspec predict faces-cnn portraits/ --resize",
    ],
)
@click.argument("run")
@click.argument("input_file", metavar="INPUT", type=existing_path("INPUT"))
@click.option("--resize", is_flag=True, help="Make pictures of the size that the network reads.")
@threads_option
@click.option(
    "--offline", is_flag=True, help="Changes nothing: predicting never downloads. For scripts that always say it."
)
@json_option("Print one JSON object instead of CSV.")
def command(*, run: str, input_file: Path, resize: bool, threads: int | None, offline: bool, as_json: bool) -> None:
    """Predict for every row of INPUT with what RUN has learnt.

    INPUT is CSV with a heading, JSON lines, NPZ, NPY or Parquet, with the columns that the training data had, or the
    values of the network's inputs; scaling and classes come from the run. Its best weights are used. Classes are named
    and have their probabilities. The result is CSV.

    For a network that reads an image, INPUT is also a picture, or a folder or zip archive of pictures; each is named in
    the result. Colours are made what the network reads. So is the size where training made it so, or by `--resize`.
    """
    from netspec import api

    del offline  # a run has all that it needs
    predicted = api.predict(run, input_file, threads=threads, resize=resize)
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
