"""How many named stretches of sentences are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.catalog.layers.axes import last_length
from netspec.catalog.metrics.accuracy import decided
from netspec.catalog.metrics.metric import PLAIN, Collected, Reading
from netspec.catalog.metrics.rows import side_by_side
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.reshape import Reshape
from netspec.data.fieldtype import FieldType
from netspec.data.text.tags import letter_and_type
from netspec.tensortype import ShapeError, TensorType, lengths

if TYPE_CHECKING:
    from netspec.catalog.metrics.metric import Rows


class EntityF1(Collected):
    r"""$2 TP / (2 TP + FP + FN)$ over the named stretches of all sentences, whatever their types.

    A stretch counts as found if its first word, its last word and its type are right. It begins with ``B`` or ``S``,
    where the type changes, or behind ``E`` or ``S``; so tags that no sentence has stand for stretches, too.

    Reference: Tjong Kim Sang 2002, Introduction to the CoNLL-2002 shared task: language-independent named entity
    recognition.
    """

    kind: ClassVar[str] = "entity_f1"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def check(self, output: TensorType, target: FieldType) -> None:
        super().check(output, target)
        if target.kind != "index" or target.scheme is None:
            raise ShapeError(
                "`entity_f1` reads tags of named stretches, and its target has no scheme of such",
                "say how they are written: `{tokens: {of: COLUMN, scheme: iobes}}`",
            )
        if not lengths(output.shape[0]):
            raise ShapeError("`entity_f1` needs the tags of a sentence, got one for each sample")

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        chosen, right = decided(g, output, target, how)
        steps, rows = last_length(self.kind, output)
        one, zero = (constant(g.graph, number, (rows,)) for number in (1.0, 0.0))
        first = g.add(Reshape((steps * rows, 1)), g.add(OverSteps(steps, "at"), one, zero))
        return side_by_side(g, chosen, right, first)

    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> float:
        first = rows[:, 2] > 0
        given, actual = (_stretches(rows[:, i], first, classes) for i in range(2))
        both = len(given) + len(actual)
        return 2 * len(given & actual) / both if both else float("nan")


def _stretches(tags: Rows, first: Rows, classes: Sequence[str]) -> set[tuple[int, int, str]]:
    """First word, the one behind the last, and type of each stretch; tags are numbers, ``first`` begins a sentence.

    What is no class, as where scores are not numbers, is outside.
    """
    parts = [letter_and_type(name) or ("", "") for name in classes]
    found = set[tuple[int, int, str]]()
    start, letter, type_ = 0, "", ""
    for place, (tag, is_first) in enumerate(zip(tags.tolist(), first.tolist(), strict=True)):
        new = parts[int(tag)] if tag < len(parts) else ("", "")
        begins = is_first or new[0] in ("B", "S") or new[1] != type_ or letter in ("E", "S")
        if begins and type_:
            found.add((start, place, type_))
        if begins:
            start = place
        letter, type_ = new
    return found | {(start, len(tags), type_)} if type_ else found
