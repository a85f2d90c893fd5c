"""`netspec explain`: what a code, a layer or any other kind means."""

from __future__ import annotations

import sys

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option


@click.command(
    cls=Command,
    section="check",
    place=5,
    examples=[
        "netspec explain shape-mismatch",
        "netspec explain lstm",
        "netspec explain metric.mae",
        "netspec explain",
    ],
)
@click.argument("word", metavar="[CODE_OR_NAME]", required=False)
@json_option("Print one JSON object.")
def command(word: str | None, as_json: bool) -> None:
    """Explain the code of a diagnostic, or a kind that specs can name.

    Of a code: what it means, what causes it, a spec that has it and one mended. Of a layer, loss, optimizer or other
    kind: its formula, shapes, fields, an example and the paper. A name that several families have is explained for
    each; FAMILY.NAME names one. Alone it lists all.
    """
    from netspec import api

    if word is None:
        _list(as_json)
        return
    found = api.explain(word)
    if as_json:
        streams.json_result({"explained": [page.facts() for page in found]})
        return
    from netspec.cli.explained import code_text, kind_text
    from netspec.explanation.codes import CodePage

    width = streams.width_of(sys.stdout)
    texts = [code_text(page, width) if isinstance(page, CodePage) else kind_text(page, width) for page in found]
    streams.result("\n\n\n".join(texts))


def _list(as_json: bool) -> None:
    from netspec.cli.table import listed
    from netspec.explanation.lookup import index

    found = index()
    if as_json:
        streams.json_result({"words": {name: list(words) for name, words in found.items()}})
        return
    width = streams.width_of(sys.stdout)
    column = max(map(len, found)) + 1
    streams.result("\n".join(listed(name.ljust(column), words, width) for name, words in found.items()))
    streams.say("\n`netspec explain NAME` explains one")
