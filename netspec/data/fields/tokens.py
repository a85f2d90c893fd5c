"""Text as tokens: words or characters by their rows in a vocabulary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import pydantic

from netspec.data.faults import data_error, shown
from netspec.data.field import Field, Learnt, column_type
from netspec.data.fieldtype import FieldType
from netspec.data.text.cutting import Unit, cut, in_lower_case, spelled
from netspec.data.text.tags import Scheme, all_tags, convert
from netspec.data.text.vocabulary import (
    END,
    MARKS,
    PAD,
    UNKNOWN,
    at_least,
    counted,
    encoded,
    fit_vocabulary,
    framed,
)  # fmt: skip
from netspec.diagnostics import suggestion
from netspec.tensortype import Dim, Size, known, size

if TYPE_CHECKING:
    from netspec.data.ragged import Column, Ragged
    from netspec.data.table import Pieces, Rows, Table


class Tokens(Field):
    """Words or characters as rows of a vocabulary: ``[T]``, of one token a row ``[]``, of spelled words ``[T, C]``.

    A column of text is cut into words at its blanks, or into characters. A column that comes in tokens (of `stream`,
    `windows`, `conll`) is taken as it is; ``unit: character`` of one of words spells each of them, ``[T, C]``.

    The vocabulary is that of the training rows: ``<unk>`` for whatever is not in it, then ``<pad>``, ``<start>`` and
    ``<end>`` where they are used, then the tokens by how often they stand, among equals the one that the data have
    first. ``${data.FIELD.size}`` counts all of these. With ``max_size`` it is that number whatever the data hold, and
    rows of the table may stay unused. What was fitted is kept with the run, so that text can be given to
    `netspec predict` as it is.

    Example:
        {tokens: {of: review, unit: word, lower: true, min_count: 2, max_size: 20000}}

    Errors:
        bad-vocabulary: `max_size` leaves no room for a token, or none stands as often as `min_count` asks
        unknown-field: `vocabulary` names no field
        unknown-class: a token is not in the vocabulary, and `unknown` is false; or a tag is none of the `scheme`
        missing-value: a row has no token: give it one, or say `end: true` or `min_length: 1`
        wrong-kind: the column is no text, or `vocabulary` is of a field that has none of its own
    """

    kind: ClassVar[str] = "tokens"
    scalable: ClassVar[bool] = False
    streams: ClassVar[bool] = False
    of: str = pydantic.Field(description="The column that holds the text.", json_schema_extra={"main": True})
    unit: Literal["word", "character", "spelling"] | None = pydantic.Field(
        default=None,
        description="What a token is: `word`, `character`, or `spelling`: the characters of each word. By default a "
        "word, or what the column's tokens are.",
    )
    marks: bool = pydantic.Field(
        default=False, description="Whether punctuation marks beside words are tokens of their own."
    )
    lower: bool = pydantic.Field(default=False, description="Whether upper and lower case are one.")
    vocabulary: str | None = pydantic.Field(
        default=None, description="The field whose vocabulary it shares, instead of having its own.", examples=["word"]
    )
    min_count: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        default=1, description="Tokens that stand fewer times in the training rows are `<unk>`."
    )
    max_size: Annotated[int, pydantic.Field(ge=1)] | None = pydantic.Field(
        default=None, description="Rows of the vocabulary, `<unk>` and its like included: rarer tokens are `<unk>`."
    )
    unknown: bool | None = pydantic.Field(
        default=None,
        description="Whether `<unk>` stands for tokens that are not in the vocabulary, which is a fault otherwise. By "
        "default true, of tags false.",
    )
    end: bool = pydantic.Field(default=False, description="Whether each row ends with the token `<end>`.")
    min_length: Annotated[int, pydantic.Field(ge=1)] | None = pydantic.Field(
        default=None, description="Rows of fewer tokens are filled up to so many with `<pad>`.", examples=[1]
    )
    scheme: Scheme | None = pydantic.Field(
        default=None, description="The tokens are tags of named stretches: write them in this scheme."
    )
    _marks: tuple[str, ...] | None = pydantic.PrivateAttr(None)
    _owner: Tokens | None = pydantic.PrivateAttr(None)

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.vocabulary is not None and (self.min_count > 1 or self.max_size is not None):
            raise ValueError("`min_count` and `max_size` belong to the field whose `vocabulary` this one shares")
        if self.unknown is False and (self.min_count > 1 or self.max_size is not None):
            raise ValueError("`min_count` and `max_size` make tokens `<unk>`: leave out `unknown: false`")
        if self.scheme is not None and (self.end or self.lower or self.min_length or self.unit not in (None, "word")):
            raise ValueError("`scheme` is of tags, which take no `unit`, `lower`, `end` or `min_length`")
        return self

    # --- among the other fields ---

    def linked(self, name: str, fields: Mapping[str, Field]) -> Field:
        owner = self if self.vocabulary is None else self._find(self.vocabulary, fields)
        found = self.model_copy()
        found._owner = None if owner is self else owner
        found._marks = owner.marks_of(name if owner is self else self.vocabulary or "", fields)
        return found

    def marks_of(self, name: str, fields: Mapping[str, Field]) -> tuple[str, ...]:
        """The tokens without text that its vocabulary holds, for all who share it."""
        used: set[str] = set()
        for other, field in fields.items():
            for user in field.users(other, fields):
                if user is self or (isinstance(user, Tokens) and user.vocabulary == name):
                    used |= field.needed_marks(user)
        return tuple(mark for mark in MARKS if mark in used)

    def users(self, name: str, fields: Mapping[str, Field]) -> tuple[Field, ...]:
        return (self,)

    def needed_marks(self, user: Field) -> set[str]:
        wanted = {UNKNOWN: self._has_unknown, PAD: self.min_length is not None, END: self.end}
        return {mark for mark, is_wanted in wanted.items() if is_wanted}

    @property
    def joint(self) -> str:
        return "" if self.unit == "character" else " "

    @property
    def _has_unknown(self) -> bool:
        return self.scheme is None if self.unknown is None else self.unknown

    def _find(self, name: str, fields: Mapping[str, Field]) -> Tokens:
        owner = fields.get(name)
        if owner is None:
            near = suggestion(name, [other for other, field in fields.items() if isinstance(field, Tokens)])
            helps = [f"did you mean `{near}`?"] if near else []
            raise data_error("unknown-field", f"`vocabulary: {name}` names no field of `data.fields`", helps=helps)
        if not isinstance(owner, Tokens):
            raise data_error("wrong-kind", f"the field `{name}` is a `{owner.kind}`, which has no vocabulary")
        if owner.vocabulary is not None or owner is self:
            helps = [] if owner is self else [f"name that one: `vocabulary: {owner.vocabulary}`"]
            what = "itself" if owner is self else f"`{name}`, which shares that of another field"
            raise data_error("wrong-kind", f"`vocabulary` names {what}", helps=helps)
        return owner

    # --- its type ---

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return (self.of,)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        owner = self._owner or self
        if owner.max_size is not None and owner.max_size <= len(self._all_marks):
            marks = ", ".join(f"`{mark}`" for mark in self._all_marks)
            message = f"`max_size: {owner.max_size}` leaves no room for a token beside {marks}"
            raise data_error("bad-vocabulary", message, helps=[f"it is at least {len(self._all_marks) + 1}"])
        column = None if source is None else column_type(source, self.of)
        shape, scheme = self._shape(column), self.scheme
        return FieldType("index", shape, None, count=owner.max_size, vocabulary=self.vocabulary, scheme=scheme)

    @property
    def _all_marks(self) -> tuple[str, ...]:
        return ((UNKNOWN,) if self._has_unknown else ()) if self._marks is None else self._marks

    def _shape(self, column: FieldType | None) -> tuple[Dim, ...] | None:
        if column is None:
            return None
        if not column.is_raw:
            helps = ["tokens are made of text"]
            raise data_error("wrong-kind", f"`{self.of}` is {column}, and no text", helps=helps)
        unit = self._unit(column)
        if column.kind == "text":
            # A name of its own for each way to cut a column: fields that are cut alike have one length.
            name = "".join(part[:1].upper() + part[1:] for part in self.of.split("_"))
            stem = f"{name if name.isidentifier() else 'Text'}{'Characters' if unit == 'character' else ''}"
            lengths: tuple[Dim, ...] = (size(self._length(stem)),)
        else:
            lengths = column.shape or ()
            if lengths and (self.end or self.min_length):
                lengths = tuple(size(self._length(str(n))) if isinstance(n, Size) else n for n in lengths)
                if not isinstance(lengths[0], Size) and self.end:
                    lengths = (lengths[0] + 1,)
        return (*lengths, size("Letters")) if unit == "spelling" else lengths

    def _length(self, stem: str) -> str:
        """The symbol of a length, another where tokens are added."""
        return f"{stem}{'End' if self.end else ''}{f'Least{self.min_length}' if self.min_length else ''}"

    def _unit(self, column: FieldType) -> Literal["word", "character", "spelling"]:
        """What a token is, of a column of text or of tokens."""
        if column.kind == "text":
            return self.unit or "word"
        if column.kind == "word":
            return "spelling" if self.unit in ("character", "spelling") else "word"
        if self.unit in ("word", "spelling"):
            raise data_error("wrong-kind", f"`{self.of}` comes in characters, of which no words are made")
        return "character"

    # --- its values ---

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
        resolved = self.resolve(table.types, unused, False)
        owner = self._owner or self
        seen: dict[str, int] = {}
        for piece, rows in table.pieces(train, owner.of):
            tokens = owner._tokens(piece)
            counts = counted(tokens, rows)
            for name, count in zip((tokens.spellings or tokens).names, counts.tolist(), strict=True):
                seen[name] = seen.get(name, 0) + count
        classes = owner._vocabulary(seen, self._all_marks)
        total = owner.max_size or len(classes)
        type_ = replace(resolved, classes=classes, dtype="uint16" if total <= 1 << 16 else "int32")
        return Learnt(type_, (self.of,))

    def _vocabulary(self, seen: Mapping[str, int], marks: Sequence[str]) -> tuple[str, ...]:
        import numpy as np

        counts = np.array(list(seen.values()), dtype=np.int64)
        if self.scheme is not None:
            return all_tags(fit_vocabulary(list(seen), counts, marks), self.scheme)
        return fit_vocabulary(list(seen), counts, marks, min_count=self.min_count, max_size=self.max_size)

    def column(self, table: Table, learnt: Learnt) -> Column:
        """Its values for every row: an array where all rows are equally long, else ragged.

        Raises:
            DataError: if a row has no token, or one that is not in the vocabulary where that is a fault.
        """
        type_ = learnt.type
        tokens = self._for_rows(learnt)._tokens(table)
        total = known(type_.extent(self.of))
        whole, lacking = encoded(tokens, type_.classes or (), total, unknown=self._has_unknown)
        if len(lacking):
            raise self._not_in_vocabulary(table, tokens, int(lacking[0]), type_.classes or ())
        rows = {name: row for row, name in enumerate(type_.classes or ())}
        if self.end:
            whole = framed(whole, after=rows[END])
        if self.min_length is not None:
            whole = at_least(whole, self.min_length, rows[PAD])
        self._refuse_empty(table, whole)
        return shaped(whole, type_)

    def words(self, table: Table, learnt: Learnt) -> list[list[str]] | None:
        if self._for_rows(learnt)._unit(column_type(table.types, self.of)) == "character":
            return None
        tokens = self.model_copy(update={"unit": "word", "lower": False, "scheme": None})._tokens(table)
        return [[tokens.names[code] for code in tokens.row(row)] for row in range(len(tokens))]

    def _for_rows(self, learnt: Learnt) -> Tokens:
        """Itself; a field that spells words spells those of text, though training had them cut already."""
        return self.model_copy(update={"unit": "spelling"}) if len(learnt.type.lengths) > 1 else self

    def _tokens(self, table: Table) -> Ragged:
        """The rows as the text has them, with the names of what they hold."""
        column = column_type(table.types, self.of)
        unit = self._unit(column)
        if column.kind == "text":
            base: Unit = "character" if unit == "character" else "word"
            tokens = cut(table.columns[self.of].tolist(), base, marks=self.marks)
        else:
            tokens = table.ragged[self.of]
        if self.lower:
            tokens = in_lower_case(tokens)
        if self.scheme is not None:
            tokens = convert(tokens, self.scheme, lambda row, step: table.token_place(row, self.of, step))
        return spelled(tokens) if unit == "spelling" else tokens

    def _refuse_empty(self, table: Table, tokens: Ragged) -> None:
        if len(tokens) and int(tokens.lengths.min()) == 0:
            place = table.place(int(tokens.lengths.argmin()), self.of)
            helps = ["leave the row out, or say what an empty one holds: `end: true`, or `min_length: 1`"]
            raise data_error("missing-value", f"{place}, column `{self.of}`: no token", helps=helps)

    def _not_in_vocabulary(self, table: Table, tokens: Ragged, code: int, classes: Sequence[str]) -> Exception:
        """The first place of a token that has no row."""
        import numpy as np

        name = (tokens.spellings or tokens).names[code]
        wanted = {code}
        if tokens.spellings is not None:
            wanted = {word for word in range(len(tokens.spellings)) if code in tokens.spellings.row(word)}
        places, begins = tokens.places()
        first = int(np.argmax(np.isin(tokens.values[places], list(wanted))))
        row = int(np.searchsorted(begins, first, side="right")) - 1
        place = table.token_place(row, self.of, first - int(begins[row]))
        near = suggestion(name, classes)
        helps = [f"did you mean `{near}`?"] if near else []
        if self.scheme is None:
            helps.append("leave out `unknown: false`: `<unk>` then stands for it")
        message = f"{place}: `{shown(name)}` is none of the {len(classes):,} tokens of the training rows"
        return data_error("unknown-class", message, helps=helps)


def shaped(tokens: Ragged, type_: FieldType) -> Column:
    """An array of rows that are equally long by their type, else as they are."""
    shape = type_.shape or ()
    if not shape:
        return tokens.single()
    return tokens if isinstance(shape[0], Size) or tokens.spellings is not None else tokens.even(shape[0])
