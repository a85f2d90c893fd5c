"""What a decoder reads: the tokens that it is to give, one step later."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pydantic

from netspec.data.faults import data_error
from netspec.data.field import Field, Learnt
from netspec.data.fields.tokens import Tokens, shaped
from netspec.data.fieldtype import FieldType
from netspec.data.ragged import Ragged
from netspec.data.text.vocabulary import START, framed
from netspec.diagnostics import suggestion

if TYPE_CHECKING:
    from netspec.data.ragged import Column
    from netspec.data.table import Pieces, Rows, Table


class Shift(Field):
    """``<start>``, then another field without its last token: what is known when each of its tokens is to be told.

    It has the vocabulary of that field, which then holds ``<start>``, and its shape.

    Example:
        fields: {caption: {tokens: {of: sentence, end: true}}, previous: {shift: caption}}

    Errors:
        unknown-field: there is no field of that name under `fields`
        wrong-kind: the field is not made of tokens, or has one token a row
    """

    kind: ClassVar[str] = "shift"
    scalable: ClassVar[bool] = False
    streams: ClassVar[bool] = False
    of: str = pydantic.Field(description="The field of tokens.", json_schema_extra={"main": True})
    _tokens: Tokens | None = pydantic.PrivateAttr(None)
    _shares: str = pydantic.PrivateAttr("")

    def linked(self, name: str, fields: Mapping[str, Field]) -> Field:
        found = self.model_copy()
        tokens = self._find(fields)
        linked = tokens.linked(self.of, fields)
        assert isinstance(linked, Tokens)
        found._tokens, found._shares = linked, tokens.vocabulary or self.of
        return found

    def users(self, name: str, fields: Mapping[str, Field]) -> tuple[Field, ...]:
        tokens = fields.get(self.of)
        return (tokens,) if isinstance(tokens, Tokens) else ()

    def needed_marks(self, user: Field) -> set[str]:
        return {START}

    @property
    def joint(self) -> str:
        return self._of.joint

    def _find(self, fields: Mapping[str, Field]) -> Tokens:
        tokens = fields.get(self.of)
        if tokens is None:
            near = suggestion(self.of, fields)
            helps = [f"did you mean `{near}`?"] if near else ["it shifts a field of `data.fields`, and no column"]
            raise data_error("unknown-field", f"`shift: {self.of}` names no field of `data.fields`", helps=helps)
        if not isinstance(tokens, Tokens):
            raise data_error("wrong-kind", f"the field `{self.of}` is a `{tokens.kind}`, and `shift` is of tokens")
        return tokens

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return () if self._tokens is None else self._tokens.reads(known)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        return self._own(self._of.resolve(source, unused, scalar))

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
        learnt = self._of.fit(table, train, unused)
        return Learnt(self._own(learnt.type), learnt.columns)

    def column(self, table: Table, learnt: Learnt) -> Column:
        """Its values for every row, as those of `tokens`."""
        tokens = self._of.column(table, learnt)
        start = (learnt.type.classes or ()).index(START)
        if isinstance(tokens, Ragged):
            return shaped(framed(tokens, before=start, drop_last=True), learnt.type)
        shifted = tokens.copy()
        shifted[:, 0], shifted[:, 1:] = start, tokens[:, :-1]
        return shifted

    @property
    def _of(self) -> Tokens:
        assert self._tokens is not None, "a field is linked before it is used"
        return self._tokens

    def _own(self, type_: FieldType) -> FieldType:
        if type_.shape is not None and len(type_.shape) != 1:
            what = "one token a row" if not type_.shape else "spelled words"
            raise data_error("wrong-kind", f"`{self.of}` has {what}, and `shift` moves rows of tokens by one")
        return replace(type_, vocabulary=self._shares)
