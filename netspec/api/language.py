"""What is done with networks that were trained on text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.train.generating import Generated
    from netspec.train.vectors import Vectors


def generate(
    run: str | Path,
    prompt: str | None = None,
    *,
    length: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Generated:
    """Let a language model go on with a text, with a run's best weights.

    Args:
        run: A folder, a name or ``@last``.
        prompt: The text to go on with; by default the beginning of a line.
        length: How many tokens to make.
        temperature: Below 1 the probable becomes more so, above 1 less; 0 takes the most probable token.
        top_k: Draw from so many most probable tokens; by default from all.
        seed: What is drawn follows from it.
        threads: How many.

    Raises:
        ChoiceError: if the network makes no text, or of more than a prompt.
        DataError: if the prompt has a token that the network does not know.
    """
    from netspec.train.generating import Drawing
    from netspec.train.generating import generate as make
    from netspec.train.predictor import Predictor
    from netspec.train.session import run_named

    found = Predictor(run_named(str(run)), threads=threads)
    return make(found, prompt, length, Drawing(temperature, top_k, seed), threads)


def vectors(run: str | Path, layer: str | None = None) -> Vectors:
    """The vectors of words that a run has learnt: what is near to what, analogies, and files for other programs.

    Args:
        run: A folder, a name or ``@last``.
        layer: The embedding, where there are several.

    Raises:
        ChoiceError: if there are no vectors, or several and no layer is named.
    """
    from netspec.train.predictor import Predictor
    from netspec.train.session import run_named
    from netspec.train.vectors import vectors_of

    return vectors_of(Predictor(run_named(str(run))), layer)
