"""The vectors of words: rows of an embedding's table, what is near to what, and files for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.text.vocabulary import MARKS
from netspec.diagnostics import ChoiceError, Diagnostic, suggestion
from netspec.runs.files import write_text
from netspec.spec.network import LayerNode
from netspec.train.predictor import Predictor

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

TABLE = "table"
"""The name of the weight whose rows are vectors of words."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of words: row i of ``table`` ``float32[V, size]`` is that of ``words[i]``."""

    run: str
    layer: str
    words: tuple[str, ...]
    table: Array

    def nearest(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The words whose vectors have the largest cosine with that of ``word``, and this cosine.

        Raises:
            ChoiceError: if there is no such word.
        """
        return self._nearest(self._unit[self._row(word)], [word], count)

    def analogy(self, a: str, b: str, c: str, count: int = 10) -> list[tuple[str, float]]:
        r"""The words $d$ such that ``a`` is to ``b`` as ``c`` is to d: near $\hat b - \hat a + \hat c$, unit vectors.

        Reference: Mikolov, Yih & Zweig 2013, Linguistic regularities in continuous space word representations.

        Raises:
            ChoiceError: if one of them is no word of the vocabulary.
        """
        first, second, third = (self._unit[self._row(word)] for word in (a, b, c))
        return self._nearest(second - first + third, [a, b, c], count)

    def save_word2vec(self, path: Path, *, force: bool = False) -> None:
        """Write the text format of word2vec: how many and how long, then a word and its numbers a line.

        Raises:
            ChoiceError: if the file is there, or a word holds a blank.
            EnvironmentFault: if it cannot be written.
        """
        if path.exists() and not force:
            helps = ("overwrite it by `--force`", "or write another one: `-o PATH`")
            raise ChoiceError(Diagnostic("file-exists", f"`{path}` is there already", helps=helps))
        blank = next((word for word in self.words if word.split() != [word]), None)
        if blank is not None:
            message = f"the format word2vec separates by blanks, and `{self.layer}` has a vector of {blank!r}"
            raise ChoiceError(Diagnostic("wrong-kind", message))
        lines = [f"{len(self.words)} {self.table.shape[1]}"]
        lines += [f"{word} {_numbers(row)}" for word, row in zip(self.words, self.table.tolist(), strict=True)]
        write_text(path, "\n".join(lines) + "\n")

    @cached_property
    def _unit(self) -> Array:
        """The vectors with length 1; those of length 0 stay."""
        import numpy as np

        lengths = np.linalg.norm(self.table, axis=1, keepdims=True)
        return self.table / np.where(lengths > 0, lengths, 1)

    def _row(self, word: str) -> int:
        if word in self.words:
            return self.words.index(word)
        from difflib import get_close_matches

        near = get_close_matches(word, self.words, n=3)
        helps = (f"did you mean {' or '.join(f'`{one}`' for one in near)}?",) if near else ()
        message = f"`{word}` is none of the {len(self.words):,} tokens of `{self.layer}`"
        raise ChoiceError(Diagnostic("unknown-class", message, helps=helps))

    def _nearest(self, target: Array, without: Sequence[str], count: int) -> list[tuple[str, float]]:
        import numpy as np

        length = float(np.linalg.norm(target))
        cosines = self._unit @ (target / length if length else target)
        left_out = {*without, *MARKS}  # marks stand for no word
        order = (int(i) for i in np.argsort(-cosines, kind="stable"))
        found = [(self.words[i], float(cosines[i])) for i in order if self.words[i] not in left_out]
        return found[:count]


def vectors_of(predictor: Predictor, layer: str | None = None) -> Vectors:
    """The vectors of a run's best weights.

    Args:
        predictor: The run.
        layer: The layer that has them, where there are several.

    Raises:
        ChoiceError: if there are none, or several and no layer is named.
    """
    found = {node.path: node for node in predictor.document.network.nodes if _words(predictor, node)}
    if layer is not None and layer not in found:
        near = suggestion(layer, found)
        helps = (f"did you mean `{near}`?",) if near else (f"there are {', '.join(f'`{name}`' for name in found)}",)
        message = f"there is no layer `{layer}` with vectors of words"
        raise ChoiceError(Diagnostic("unknown-layer", message, helps=helps if found else ()))
    if not found:
        message = f"`{predictor.document.name}` has no vectors of words: no `embedding` reads a field of tokens"
        raise ChoiceError(Diagnostic("unknown-layer", message))
    if layer is None and len(found) > 1:
        message = f"there are vectors of {len(found)} layers: {', '.join(f'`{name}`' for name in found)}"
        raise ChoiceError(Diagnostic("unknown-layer", message, helps=(f"name one: `--layer {next(iter(found))}`",)))
    node = found[layer or next(iter(found))]
    words = _words(predictor, node)
    return Vectors(predictor.run.name, node.path, words, predictor.weights[f"{node.path}.{TABLE}"][: len(words)])


def _words(predictor: Predictor, node: LayerNode) -> tuple[str, ...]:
    """What the rows of a layer's own table stand for; nothing where it has none."""
    if f"{node.path}.{TABLE}" not in predictor.weights or not node.inputs[0].is_input:
        return ()
    field = predictor.fitted.fields.get(node.inputs[0].path)
    return field.type.classes or () if field is not None else ()


def _numbers(row: Sequence[float]) -> str:
    return " ".join(f"{number:.9g}" for number in row)  # nine digits tell any two float32 apart
