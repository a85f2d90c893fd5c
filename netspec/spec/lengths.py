"""Lengths that differ from sample to sample: the data know them by names of their own, the spec gives them others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from netspec.data.fieldtype import FieldType
from netspec.spec.network import NetworkInput
from netspec.tensortype import Dim, Size, bind, show_shape, size

_LETTERS: Final = "TSCUVWXYZ"


def with_named_lengths(inputs: Iterable[NetworkInput], fields: Mapping[str, FieldType]) -> dict[str, FieldType]:
    """The fields with their lengths called as the inputs of the network call them.

    Fields that are equally long share a length, a target with an input too: ``tags`` of words that the network reads as
    ``words: [T]`` are ``[T]``. One name is one length: where an input gives to a second length a name that the first
    has, that length keeps its own, and so does not fit the input.
    """
    names: dict[str, Dim] = {}
    for given in inputs:
        shape = fields[given.name].shape if given.name in fields else None
        if shape is not None and len(shape) == len(given.shape):
            for own, said in zip(shape, given.shape, strict=True):
                if isinstance(own, Size) and _is_length(said) and said not in names.values():
                    names.setdefault(str(own), said)
    taken = {str(said) for said in names.values()}
    for length in sorted({n for field in fields.values() for n in field.lengths} - names.keys()):
        other = length
        while other in taken:
            other += "_"
        names[length] = size(other)
    return {name: _renamed(field, names) for name, field in fields.items()}


def suggested_shape(
    given: NetworkInput, wanted: tuple[Dim, ...], inputs: Iterable[NetworkInput]
) -> tuple[str, list[str]]:
    """What to write for an input that does not have the shape of its field, and why its own will not do.

    Lengths that no input has named yet get a letter that none uses.
    """
    others = [other for other in inputs if other is not given]
    used = {str(n): other for other in others for n in other.shape if _is_length(n)}
    free = (letter for letter in _LETTERS if letter not in used)
    named = {str(n): n if str(n) in used else size(next(free)) for n in wanted if _is_length(n)}
    notes = [
        f"`{said}` is a length of `{used[str(said)].name}` already, and one name is one length"
        for said, own in zip(given.shape, wanted, strict=False)
        if str(said) in used and isinstance(own, Size) and said != own
    ]
    return show_shape(named.get(str(n), n) for n in wanted), notes


def _is_length(dim: Dim) -> bool:
    """Whether it is the name of a length, and no size of the data: `|word|`."""
    return isinstance(dim, Size) and str(dim).isidentifier()


def _renamed(field: FieldType, names: Mapping[str, Dim]) -> FieldType:
    if field.shape is None or not field.lengths:
        return field
    return replace(field, shape=tuple(bind(n, names) for n in field.shape))
