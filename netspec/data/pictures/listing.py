"""Which pictures there are below some roots, and what their folders say of each: split and class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal, TypeAlias

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.paths import SPLITS
from netspec.data.pictures.archive import Parts, Root, Store, is_picture, opened
from netspec.data.table import Place, listed

Level: TypeAlias = Literal["split", "class"]
Told: TypeAlias = Callable[[str], None]


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Group:
    """The pictures of one class in one split and root, in the order of their names."""

    root: Root
    split: str
    label: str | None
    files: tuple[Parts, ...]

    @property
    def place(self) -> str:
        """The folder that all of them lie in."""
        shared = self.files[0][:-1]
        for parts in self.files:
            while parts[: len(shared)] != shared:
                shared = shared[:-1]
        return self.root.name_of(shared)


@dataclass(frozen=True)
class Listing:
    """All pictures in the order of the rows: by split, then by root as they are given, by class, by name."""

    groups: tuple[Group, ...]
    levels: tuple[Level, ...]

    @property
    def rows(self) -> int:
        return sum(len(group.files) for group in self.groups)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Sorted by name; none where no folder names a class."""
        return tuple(sorted({group.label for group in self.groups if group.label is not None}))

    def types(self, shape: Sequence[int]) -> dict[str, FieldType]:
        """The types of the fields, of pictures of this height, width and number of channels."""
        label = {"label": fieldtype.category(self.classes)} if "class" in self.levels else {}
        return {"image": fieldtype.image(*shape), **label}

    def codes(self) -> Iterator[tuple[int, int]]:
        """The class of a stretch of rows, counted from 0, and how many there are."""
        for group in self.groups:
            yield self.classes.index(group.label or ""), len(group.files)

    @property
    def splits(self) -> dict[str, range]:
        found: dict[str, range] = {}
        for start, group in self._starts():
            first = found[group.split].start if group.split in found else start
            found[group.split] = range(first, start + len(group.files))
        return found

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(Place(group.place, start) for start, group in self._starts())

    def files(self) -> Iterator[tuple[Root, Iterator[Parts]]]:
        """The pictures root by root."""
        for root, several in groupby(self.groups, key=lambda group: group.root):
            yield root, (parts for group in several for parts in group.files)

    def _starts(self) -> Iterator[tuple[int, Group]]:
        start = 0
        for group in self.groups:
            yield start, group
            start += len(group.files)


def list_pictures(roots: Mapping[str, Sequence[Root]], levels: Sequence[Level]) -> Listing:
    """The pictures of some roots.

    Args:
        roots: folders and archives by split; what folders say of a split goes before that.
        levels: what the folders of a root say, from the outside in.

    Raises:
        DataError: if a root cannot be read or holds no pictures, a picture lies outside of the folders, a folder that
            names a class or split is empty, or a class is not among those that train.
    """
    found: list[Group] = []
    for split, several in roots.items():
        for root in several:
            with opened(root) as store:
                found += _groups_of(root, split, store, levels)
    found.sort(key=lambda group: SPLITS.index(group.split))  # stable: within a split as it was
    train = {group.label for group in found if group.split == "train"}
    if not train:
        helps = ["name the folder of the training pictures `train`"]
        raise data_error("empty-split", f"no folder of {found[0].root.name} is called `train`", helps=helps)
    for group in found:
        if group.label not in train:
            message = f"{group.place}: `{group.label}` is no class of the training pictures"
            raise data_error("unknown-class", message, notes=[f"these are of {listed(sorted(map(str, train)))}"])
    return Listing(tuple(found), tuple(levels))


def _groups_of(root: Root, split: str, store: Store, levels: Sequence[Level]) -> list[Group]:
    files = [parts for parts in store.files() if is_picture(parts)]
    if not files:
        raise _no_pictures(root, store)
    depth = len(levels)
    if levels and levels[0] == "class" and are_splits({parts[0] for parts in files}):
        raise _splits_as_classes(root, levels)
    for parts in files:
        if len(parts) <= depth:
            raise _stray(root, parts, levels)
    named = {parts[:depth] for parts in files}
    for folder in sorted(store.folders()):
        if depth and len(folder) == depth and folder not in named:
            message = f"there are no pictures in {root.name_of(folder)}, which names a {levels[-1]}"
            raise data_error("empty-class", message, helps=["take the folder away, or put its pictures into it"])
    groups = []
    for names, own in groupby(files, key=lambda parts: parts[:depth]):
        said = dict(zip(levels, names, strict=True))
        of = said.get("split", split)
        if of not in SPLITS:
            raise _unknown_split(root, names[: levels.index("split") + 1], levels)
        groups.append(Group(root, of, said.get("class"), tuple(own)))
    return groups


def are_splits(names: Collection[str]) -> bool:
    """Whether folders of these names say splits, and hardly classes."""
    return set(names) <= set(SPLITS)


def _splits_as_classes(root: Root, levels: Sequence[Level]) -> Exception:
    message = f"the folders in {root.name} are called as splits are, and would be classes"
    return data_error("unknown-split", message, helps=[f"say so: `folders: [split, {', '.join(levels)}]`"])


def _no_pictures(root: Root, store: Store) -> Exception:
    others = listed("/".join(parts) for parts in store.files())
    notes = [f"it holds {others}" if others else "it is empty"]
    return data_error("no-rows", f"there are no pictures in {root.name}", notes=notes)


def _stray(root: Root, parts: Parts, levels: Sequence[Level]) -> Exception:
    wanted = "/".join([*(level.upper() for level in levels), "NAME"])
    message = f"{root.name_of(parts)} lies in no folder that names its {levels[len(parts) - 1]}"
    notes = [f"pictures are looked for as {root.name}/{wanted}, by what `folders` says"]
    helps = [] if len(parts) > 1 else ["pictures without classes have `folders: []`"]
    return data_error("stray-picture", message, notes=notes, helps=helps)


def _unknown_split(root: Root, folder: Parts, levels: Sequence[Level]) -> Exception:
    helps = ["splits are `train`, `validation` and `test`"]
    if levels[0] == "split":
        helps.append(f"or name the folder of each split: `path: {{train: {root.name_of(('train',))}, ...}}`")
    return data_error("unknown-split", f"{root.name_of(folder)}: `{folder[-1]}` is no split", helps=helps)
