"""`netspec generate`: text that a language model makes."""

from __future__ import annotations

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option, threads_option


@click.command(
    cls=Command,
    section="use",
    place=2,
    examples=[
        "netspec generate @last --prompt 'ROMEO:' --length 500",
        "netspec generate char-lstm --temperature 0.8 --top-k 10 --seed 3",
    ],
)
@click.argument("run")
@click.option("--prompt", metavar="TEXT", help="The text to go on with; by default the beginning of a line.")
@click.option("--length", type=click.IntRange(min=1), default=200, metavar="N", help="Tokens to make; by default 200.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=1.0,
    metavar="T",
    help="Below 1 the probable becomes more so, above 1 less; 0 takes the most probable token. By default 1.",
)
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Draw from the K most probable tokens alone.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="S", help="Another seed, another text; by default 0."
)
@threads_option
@json_option("Print one JSON object.")
def command(
    *,
    run: str,
    prompt: str | None,
    length: int,
    temperature: float,
    top_k: int | None,
    seed: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Let the language model RUN go on with a text.

    Each token, a character or a word, is drawn from the probabilities that the network gives after those before it, and
    fed back. The text is the same for the same seed. Of networks that make a sequence of something else, such as an
    answer of a question, `netspec predict` is the command.
    """
    from netspec import api

    made = api.generate(
        run, prompt, length=length, temperature=temperature, top_k=top_k, seed=seed, threads=threads
    )  # fmt: skip
    if as_json:
        facts = {"run": str(made.run), "prompt": made.prompt, "text": made.text, "tokens": made.tokens, "seed": seed}
        streams.json_result(facts)
    else:
        streams.result(made.whole)
