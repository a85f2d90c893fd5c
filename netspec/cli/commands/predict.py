"""`netspec predict`: what a trained network makes of new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
        "netspec predict bilstm-crf sentences.txt",
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

    For a network that reads sentences, INPUT is also a text file with one on each line. Of sequences the CSV has a line
    for each step, such as a word and its tag, with the number of its row before it; JSON has lists.

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
    rows = _by_step(predicted.rows) if all(map(_is_sequence, predicted.rows)) else predicted.rows
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow(map(_cell, row.values()))


def _is_sequence(row: Mapping[str, Any]) -> bool:
    """Whether every value of a row is a list, all equally long."""
    return all(isinstance(value, list) for value in row.values()) and len({len(value) for value in row.values()}) == 1


def _by_step(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each step of sequences, with the number of the sequence, from 1."""
    return [
        {"row": number, **dict(zip(row, step, strict=True))}
        for number, row in enumerate(rows, 1)
        for step in zip(*row.values(), strict=True)
    ]


def _cell(value: Any) -> Any:
    """A value of a row; a list as JSON has it."""
    import json

    if isinstance(value, float):
        return f"{value:.9g}"  # nine digits tell any two float32 apart
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
