"""Text that a language model makes: each token is drawn from the probabilities that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.rows import encode_rows, table_of_rows
from netspec.data.table import Place
from netspec.data.text.vocabulary import END, START
from netspec.diagnostics import ChoiceError, Diagnostic
from netspec.train.decoding import Decoder
from netspec.train.opening import predictor_constants
from netspec.train.predictor import Predictor

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

LINE = "\n"


@dataclass(frozen=True)
class Drawing:
    """How a token is drawn: from the ``top`` most probable ones, their probabilities to the power 1 / ``temperature``.

    The i-th token of a seed is drawn by the i-th number of a counter-based generator. Temperature 0 takes the most
    probable token.
    """

    temperature: float = 1.0
    top: int | None = None
    seed: int = 0

    def draw(self, shares: Array, number: int) -> int:
        """The token of the probabilities ``float[V]``, the ``number``-th that is drawn."""
        import numpy as np

        if self.temperature == 0:
            return int(shares.argmax())
        with np.errstate(divide="ignore"):
            scores = np.log(shares.astype(np.float64)) / self.temperature
        if self.top is not None and self.top < len(scores):
            scores[np.argsort(-scores, kind="stable")[self.top :]] = -np.inf
        sums = np.cumsum(np.exp(scores - scores.max()))
        (raw,) = np.random.Philox(key=self.seed, counter=number).random_raw(1).tolist()
        # The first whose sum is above the drawn share of the whole: one of probability 0 never is.
        return min(int(np.searchsorted(sums, (raw >> 11) * 2.0**-53 * sums[-1], side="right")), len(sums) - 1)


@dataclass(frozen=True)
class Generated:
    """What was given, the text that was made of it, and its number of tokens."""

    run: Path
    prompt: str
    text: str
    tokens: int
    joint: str

    @property
    def whole(self) -> str:
        """Prompt and text as one."""
        return f"{self.prompt}{self.joint if self.prompt else ''}{self.text}"


def generate(predictor: Predictor, prompt: str | None, length: int, how: Drawing, threads: int | None) -> Generated:
    """Go on with ``prompt`` for ``length`` tokens, or until `<end>` where sequences end with it.

    Raises:
        ChoiceError: if the network makes no text, or needs something else to make it of.
        DataError: if the prompt has a token that the network does not know.
    """
    _check_generates(predictor)
    program = predictor.program
    constants = predictor_constants(predictor.document, predictor.fitted)
    decoder = Decoder(program, constants, seed=predictor.document.train.seed, threads=threads)
    decoder.load(predictor.weights)
    start = _tokens(predictor, prompt)
    made = _drawn(decoder, predictor, start, length, how)
    decoder.close()
    joint = joint_of(predictor)
    text = _text([decoder.classes[token] for token in made], joint)
    return Generated(predictor.run.path, prompt or "", text, len(made), joint)


def _check_generates(predictor: Predictor) -> None:
    document, decoding = predictor.document, predictor.program.decoding
    if decoding is None:
        helps = ("say how: `decode: {input: tokens, output: scores}`", "`netspec predict` gives its outputs for rows")
        message = f"`{document.name}` does not make sequences: there is no `decode`"
        raise ChoiceError(Diagnostic("missing-key", message, helps=helps))
    others = [name for name in predictor.program.inputs if name != decoding.input]
    if others:
        message = f"`{document.name}` makes sequences of {', '.join(f'`{name}`' for name in others)}, not of a prompt"
        raise ChoiceError(Diagnostic("missing-key", message, helps=("`netspec predict RUN INPUT` makes them",)))


def _tokens(predictor: Predictor, prompt: str | None) -> list[int]:
    """The prompt as the network reads it; without one, what a line begins with."""
    assert predictor.program.decoding is not None
    name = predictor.program.decoding.input
    classes = predictor.program.fields[name].type.classes or ()
    if not prompt:
        return [next((classes.index(mark) for mark in (START, LINE, END) if mark in classes), 0)]
    assert predictor.document.data is not None
    table = table_of_rows([{name: prompt}], Place("the prompt", 0))
    fields = predictor.document.data.linked_fields()
    arrays = encode_rows(table, fields, predictor.fitted, [name])
    first = int(arrays[f"{name}.starts"][0])
    found: list[int] = arrays[name][first : first + int(arrays[f"{name}.lengths"][0])].tolist()
    return found


def _drawn(decoder: Decoder, predictor: Predictor, start: Sequence[int], length: int, how: Drawing) -> list[int]:
    import numpy as np

    data = predictor.document.data
    most = data.source.window if data is not None else None
    ends = decoder.classes.index(END) if START in decoder.classes and END in decoder.classes else -1
    begin = list(start)[-most:] if most is not None and not decoder.goes_on else list(start)
    width = len(begin) if decoder.goes_on else min(len(begin) + length, most or len(begin) + length)
    row, made = np.zeros(1, np.int64), list[int]()
    decoder.begin({}, row, 1, width)
    decoder.anew(row)
    tokens = np.array([begin])
    while len(made) < length:
        token = how.draw(decoder.advance(row, tokens, most)[0], len(made))
        if token == ends:
            break
        made.append(token)
        tokens = np.array([[token]])
    return made


def joint_of(predictor: Predictor) -> str:
    """What stands between the tokens that are fed, as text."""
    data, decoding = predictor.document.data, predictor.program.decoding
    assert data is not None
    assert decoding is not None
    return data.linked_fields()[decoding.input].joint


def _text(tokens: Sequence[str], joint: str) -> str:
    """Tokens as text; where a line has its own end, it ends there."""
    lines = joint.join(LINE if token == END else token for token in tokens)
    return lines.replace(f"{joint}{LINE}{joint}", LINE).replace(f"{joint}{LINE}", LINE) if joint else lines
