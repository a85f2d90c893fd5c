"""`netspec vectors`: what a network has learnt of words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option


@click.command(
    cls=Command,
    section="use",
    place=3,
    examples=[
        "netspec vectors skipgram --nearest king",
        "netspec vectors @last --analogy man king woman --count 3",
        "netspec vectors cbow-0002 --save word2vec -o brown.txt",
    ],
)
@click.argument("run")
@click.option("--nearest", metavar="WORD", help="The words whose vectors have the largest cosine with that of WORD.")
@click.option("--analogy", metavar="A B C", nargs=3, help="The words that are to C as B is to A.")
@click.option("--save", type=click.Choice(["word2vec"]), help="Write all vectors, in this format, as text.")
@click.option("-o", "out", metavar="PATH", type=click.Path(path_type=Path), help="The file, else RUN.word2vec.txt.")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@click.option("--count", type=click.IntRange(min=1), default=10, metavar="N", help="Words to show; by default 10.")
@click.option("--layer", metavar="NAME", help="The embedding, where there are several.")
@json_option("Print one JSON object.")
def command(
    *,
    run: str,
    nearest: str | None,
    analogy: tuple[str, str, str] | None,
    save: str | None,
    out: Path | None,
    force: bool,
    count: int,
    layer: str | None,
    as_json: bool,
) -> None:
    """Ask the vectors of words that RUN has learnt, the rows of its embedding.

    Words are near whose vectors have a large cosine. An analogy adds to the vector of C what leads from A to B, all of
    them of length 1; A, B and C themselves are no answer. Without any of these it tells what there is.
    """
    from netspec import api

    found = api.vectors(run, layer)
    facts: dict[str, Any] = {"layer": found.layer, "words": len(found.words), "size": found.table.shape[1]}
    if nearest is not None:
        facts["nearest"] = _facts(found.nearest(nearest, count))
    if analogy is not None:
        facts["analogy"] = _facts(found.analogy(*analogy, count=count))
    if save is not None:
        path = out or Path(f"{found.run}.{save}.txt")
        found.save_word2vec(path, force=force)
        facts["saved"] = str(path)
    if as_json:
        streams.json_result(facts)
    else:
        streams.result(describe(facts, streams.width_of(sys.stdout)))


def describe(facts: dict[str, Any], width: int | None) -> str:
    """A line a word, with its cosine."""
    from netspec.cli.table import Column, table

    parts = []
    for key in ("nearest", "analogy"):
        if key in facts:
            rows = [[one["word"], f"{one['cosine']:.4f}"] for one in facts[key]]
            parts.append(table([Column(key), Column("cosine", "right")], rows, width))
    if "saved" in facts:
        parts.append(f"{facts['words']:,} vectors of {facts['size']} numbers in {facts['saved']}")
    return "\n\n".join(parts) or f"{facts['layer']}: {facts['words']:,} vectors of {facts['size']} numbers"


def _facts(found: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": word, "cosine": cosine} for word, cosine in found]
