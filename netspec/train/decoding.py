"""Sequences that a network makes: what it chooses at a step is what it is fed at the next one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.data.ragged import of_rows
from netspec.data.table import readable_beyond
from netspec.data.text.vocabulary import END, START
from netspec.pipeline import Program
from netspec.train.engine import Engine
from netspec.train.lengths import Samples, joined

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

AT_ONCE: Final = 64
"""Samples whose sequences are made side by side."""

HELD_ROWS: Final = 4096
"""Samples of which is held, at a time, what each step of decoding reads."""


@dataclass(frozen=True)
class Made:
    """A sequence, without `<start>` and `<end>`, and the logarithm of its probability."""

    tokens: tuple[int, ...]
    score: float


class Decoder:
    """Feeds a network its own choices.

    Where every layer in between goes on from a state, a step costs a step; else all steps before it are computed again.
    What does not depend on choices is computed once a sample.
    """

    def __init__(
        self, program: Program, constants: Mapping[str, Array], *, seed: int, threads: int | None = None
    ) -> None:
        assert program.decoding is not None
        self.program, self.decoding, self.goes_on = program, program.decoding, program.goes_on
        self.engine = Engine(program, {}, constants, seed=seed, threads=threads)
        self.classes = program.fields[self.decoding.input].type.classes or ()
        self._table: Array
        self._lengths: Array
        self._starts: Array

    def load(self, weights: Mapping[str, Array]) -> None:
        """Use other weights."""
        self.engine.load(weights)

    def begin(self, arrays: Mapping[str, Array], rows: Array, ways: int, width: int) -> None:
        """Make ready for sequences of some samples.

        Args:
            arrays: The data by the keys under which graphs read them; what is fed need not be there.
            rows: The samples among them.
            ways: How many sequences of each are followed at once: those of the i-th are rows ``i * ways`` and on.
            width: How many tokens one has at most.
        """
        import numpy as np

        fed, steps = self.decoding.input, self.program.steps
        given = [name for name in self.program.inputs if name != fed]
        held = self._held(_of_rows(arrays, given, rows), len(rows))
        every = np.repeat(np.arange(len(rows)), ways)
        # Of what is held the lengths are those of the inputs that it was made of.
        needed = [name for name in given if name in steps.inputs or f"{name}.lengths" in arrays]
        read = _of_rows(arrays, needed, rows[every])
        for name, samples in held.items():
            read |= _stored(name, samples, every)
        self.engine.read(self._fed(read, len(every), width))

    def advance(self, rows: Array, tokens: Array, most: int | None = None) -> Array:
        """Go on with ``tokens`` ``int[n, k]``, the same number for each row: the probabilities of the next, ``[n, V]``.

        ``most``: how many tokens are seen at most, where all are computed again.
        """
        count = tokens.shape[1]
        before = 0 if self.goes_on else int(self._lengths[rows[0]])
        if most is not None and not self.goes_on and before + count > most:
            before = self._drop(rows, before + count - most)
        self._table[rows, before : before + count] = tokens
        self._lengths[rows] = before + count
        self.engine.lengths.changed()
        found = self.engine.decode(rows)
        last: Array = found.reshape(-1, len(rows), found.shape[-1])[before + count - 1]
        return last[:, : len(self.classes)]  # rows of the table may be unused

    def follow(self, rows: Array, parents: Array) -> None:
        """Let each of ``rows`` go on from where the row at its place in ``parents`` was, places among ``rows``."""
        if self.goes_on:
            states = self.engine.carried()
            for array in states.values():
                array[: len(parents)] = array[parents]
            self.engine.load(states)
        else:
            self._table[rows] = self._table[rows[parents]]

    def anew(self, rows: Array) -> None:
        """Let rows begin."""
        self.engine.forget()
        self._lengths[rows] = 0

    def close(self) -> None:
        """End the threads."""
        self.engine.close()

    def _drop(self, rows: Array, count: int) -> int:
        """Forget the first tokens; how many are left."""
        left = int(self._lengths[rows[0]]) - count
        self._table[rows, :left] = self._table[rows, count : count + left]
        return left

    def _held(self, arrays: Mapping[str, Array], count: int) -> dict[str, Samples]:
        """What steps read of layers that do not depend on what is fed, by its key."""
        import numpy as np

        if not self.program.steps.held:
            return {}
        self.engine.read(self._fed(arrays, count, 1))
        parts = [self.engine.hold(np.arange(i, min(i + AT_ONCE, count))) for i in range(0, count, AT_ONCE)]
        return {name: joined([part[name] for part in parts]) for name in parts[0]}

    def _fed(self, arrays: Mapping[str, Array], count: int, width: int) -> dict[str, Array]:
        """The arrays with the table of tokens that are fed, and a length for whatever else graphs ask the length of."""
        import numpy as np

        fed = self.decoding.input
        values = readable_beyond(np.zeros(count * width, self.program.fields[fed].dtype))
        self._table = values.reshape(count, width)
        self._lengths, self._starts = np.ones(count, np.int32), np.arange(count, dtype=np.int64) * width
        found = {**arrays, fed: values, f"{fed}.starts": self._starts, f"{fed}.lengths": self._lengths}
        owners = {owner.field for owner in self.program.lengths.values()}
        return {**{f"{field}.lengths": np.ones(count, np.int32) for field in owners}, **found}


def sequences(decoder: Decoder, arrays: Mapping[str, Array], rows: Array) -> list[Made]:
    """The most probable sequence of each sample that a search finds which follows `beam` beginnings at once.

    Of one alone it is the best token at each step. A sequence ends with `<end>`, or is as long as may be.
    """
    import numpy as np

    beam, found = decoder.decoding.beam, list[Made]()
    for block in range(0, len(rows), HELD_ROWS):
        chosen = rows[block : block + HELD_ROWS]
        decoder.begin(arrays, chosen, beam, decoder.decoding.max_length)
        for first in range(0, len(chosen), AT_ONCE):
            count = min(AT_ONCE, len(chosen) - first)
            found += _Search(decoder, first * beam + np.arange(count * beam), count).best()
    return found


def pairs(
    decoder: Decoder, made: Sequence[Made], arrays: Mapping[str, Array], target: str, rows: Array
) -> list[tuple[Sequence[int], Sequence[int]]]:
    """The tokens that were made of some rows of the data, beside those of the field ``target``, without `<end>`."""
    values, starts = arrays[target], arrays.get(f"{target}.starts")
    classes = decoder.program.fields[target].type.classes or ()
    end = classes.index(END) if END in classes else -1
    wanted = []
    for row in rows.tolist():
        first = 0 if starts is None else int(starts[row])
        whole = values[row] if starts is None else values[first : first + int(arrays[f"{target}.lengths"][row])]
        tokens = whole.tolist()
        wanted.append(tokens[: tokens.index(end)] if end in tokens else tokens)
    return [(one.tokens, other) for one, other in zip(made, wanted, strict=True)]


class _Search:
    """The search for the sequences of some samples; rows of a sample stand together."""

    def __init__(self, decoder: Decoder, rows: Array, count: int) -> None:
        import numpy as np

        self.decoder, self.rows, self.count, self.beam = decoder, rows, count, decoder.decoding.beam
        classes = decoder.classes
        self.end = classes.index(END) if END in classes else -1
        self.last = np.full((count * self.beam, 1), classes.index(START))
        self.score = np.full((count, self.beam), -np.inf)
        self.score[:, 0] = 0  # all begin alike: one of them is enough
        self.tokens = np.zeros((count, self.beam, 0), np.int64)
        self.ended: list[Made | None] = [None] * count

    def best(self) -> list[Made]:
        """The best sequence of each sample."""
        import numpy as np

        self.decoder.anew(self.rows)
        for _ in range(self.decoder.decoding.max_length):
            self._step()
            reached = np.array([-np.inf if made is None else made.score for made in self.ended])
            if (reached >= self.score.max(axis=1)).all():  # what goes on can only become less probable
                break
        longest = map(Made, map(tuple, self.tokens[:, 0].tolist()), self.score[:, 0].tolist())
        both = zip(self.ended, longest, strict=True)
        return [made if made is not None and made.score >= other.score else other for made, other in both]

    def _step(self) -> None:
        import numpy as np

        share = self.decoder.advance(self.rows, self.last).reshape(self.count, self.beam, -1).astype(np.float64)
        with np.errstate(divide="ignore"):
            total = (self.score[..., None] + np.log(share)).reshape(self.count, -1)
        order = np.argsort(-total, axis=1, kind="stable")[:, : 2 * self.beam]
        value = np.take_along_axis(total, order, 1)
        parent, token = order // share.shape[-1], order % share.shape[-1]
        ended = token == self.end
        for sample, place in np.argwhere(ended[:, : self.beam]).tolist():
            self._finish(sample, int(parent[sample, place]), float(value[sample, place]))
        # One of several parents each can end: of twice as many candidates there are enough that go on.
        going = np.argsort(ended, axis=1, kind="stable")[:, : self.beam]
        parent, token = np.take_along_axis(parent, going, 1), np.take_along_axis(token, going, 1)
        self.score = np.where(np.take_along_axis(ended, going, 1), -np.inf, np.take_along_axis(value, going, 1))
        self.tokens = np.concatenate([np.take_along_axis(self.tokens, parent[..., None], 1), token[..., None]], axis=2)
        self.last = token.reshape(-1, 1)
        if self.beam > 1:
            self.decoder.follow(self.rows, (np.arange(self.count)[:, None] * self.beam + parent).reshape(-1))

    def _finish(self, sample: int, parent: int, score: float) -> None:
        known = self.ended[sample]
        if score > float("-inf") and (known is None or score > known.score):
            self.ended[sample] = Made(tuple(self.tokens[sample, parent].tolist()), score)


def _of_rows(arrays: Mapping[str, Array], names: Collection[str], rows: Array) -> dict[str, Array]:
    """Some fields of some rows; the values of fields whose rows differ in length are shared."""
    found: dict[str, Array] = {}
    for name in names:
        if f"{name}.starts" not in arrays:
            found[name] = readable_beyond(arrays[name][rows])
            continue
        found |= {key: array for key, array in arrays.items() if key == name or key.startswith(f"{name}.")}
        per_row = [f"{name}.{part}" for part in ("starts", "lengths", "gaps") if f"{name}.{part}" in arrays]
        found |= {key: arrays[key][rows] for key in per_row}
    return found


def _stored(name: str, samples: Samples, rows: Array) -> dict[str, Array]:
    """What layers gave for samples, as fields are stored, of ``rows`` of them."""
    import numpy as np

    if not isinstance(samples, list):
        return {name: readable_beyond(samples[rows])}
    ragged = of_rows(readable_beyond(np.concatenate(samples)), [len(sample) for sample in samples]).chosen(rows)
    return ragged.arrays(name)
